import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restartWait } from './restart-backoff.ts';

test('restartWait restarts at once, then waits longer and longer, up to five minutes', () => {
  const waits: number[] = [];
  let backoffMs = 0;
  for (let exit = 0; exit < 8; exit++) {
    const { waitMs, nextMs } = restartWait(backoffMs, 1000);
    waits.push(waitMs / 1000);
    backoffMs = nextMs;
  }
  assert.deepEqual(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
});

test('restartWait forgives a run of ten minutes', () => {
  assert.deepEqual(restartWait(300_000, 600_000), { waitMs: 0, nextMs: 10_000 });
});
