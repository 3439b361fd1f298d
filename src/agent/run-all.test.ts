import assert from 'node:assert/strict';
import { test } from 'node:test';
import { untilAborted } from '../cluster/clock.ts';
import { runAll } from './run-all.ts';

test('runAll ends when its signal aborts', async () => {
  const stop = new AbortController();
  const running = runAll([{ run: untilAborted }, { run: untilAborted }], stop.signal);
  stop.abort();
  await running;
});

test('runAll stops the others when one part fails, waits for them and throws the error', async () => {
  let stopped = false;
  const patient = {
    async run(signal: AbortSignal) {
      await untilAborted(signal);
      await new Promise((resolve) => setTimeout(resolve, 10));
      stopped = true;
    },
  };
  const failing = { run: () => Promise.reject(new Error('no such device')) };
  await assert.rejects(runAll([patient, failing], new AbortController().signal), /no such device/);
  assert.ok(stopped);
});
