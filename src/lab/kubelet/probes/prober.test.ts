import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock } from '../../../cluster/clock.ts';
import type { Probe } from '../../../model/objects.ts';
import type { ProbeState } from './probe-state.ts';
import { startProber } from './prober.ts';

async function run(
  probe: Probe,
  initially: ProbeState['result'],
  answers: readonly boolean[],
  seconds: number,
): Promise<string[]> {
  const clock = createFakeClock();
  const startMs = clock.now();
  const said: string[] = [];
  const left = [...answers];
  const at = (): string => `${(clock.now() - startMs) / 1000}s`;
  const prober = startProber({
    probe,
    initially,
    startedAtMs: startMs,
    clock,
    ask: async () => ({
      succeeded: left.length > 1 ? (left.shift() ?? true) : (left[0] ?? true),
      message: 'no',
    }),
    onChange: (healthy) => said.push(`${at()} ${healthy ? 'healthy' : 'unhealthy'}`),
    onFailure: () => said.push(`${at()} no`),
  });
  await clock.advance(seconds * 1000);
  prober.stop();
  await clock.advance(100_000);
  return said;
}

test('startProber waits, asks each period, and counts to the thresholds', async () => {
  const probe = { initialDelaySeconds: 5, periodSeconds: 2, successThreshold: 2, failureThreshold: 2 };
  assert.deepEqual(await run(probe, 'failure', [true, true, false, true, false, false, true], 20), [
    '7s healthy',
    '9s no',
    '13s no',
    '15s no',
    '15s unhealthy',
    '19s healthy',
  ]);
});

test('startProber tells of the first failures of something never well', async () => {
  assert.deepEqual(await run({ periodSeconds: 1, failureThreshold: 2 }, 'unknown', [false], 3), [
    '0s no',
    '1s no',
    '1s unhealthy',
    '2s no',
    '3s no',
  ]);
});
