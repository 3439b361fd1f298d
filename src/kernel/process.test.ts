import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodnetError } from '../model/errors.ts';
import { findProgram, missingPrograms, runProgram } from './process.ts';

const hasCode = (code: string) => (error: unknown) => error instanceof PodnetError && error.code === code;

test('runProgram passes arguments as they are and returns what was said', async () => {
  const { stdout, status } = await runProgram('printf', ['%s|', '$(id)', '; ls', '*']);
  assert.deepEqual([stdout, status], ['$(id)|; ls|*|', 0]);
});

test('runProgram feeds standard input and keeps no more output than asked', async () => {
  const { stdout } = await runProgram('cat', [], { input: 'hello world', maxOutputBytes: 5 });
  assert.equal(stdout, 'hello');
});

test('runProgram resolves with a failing status and survives a program that does not read', async () => {
  const { status } = await runProgram('false', [], { input: 'x'.repeat(1 << 20) });
  assert.equal(status, 1);
});

test('runProgram ends a program that takes too long', async () => {
  await assert.rejects(runProgram('sleep', ['60'], { timeoutMs: 20 }), hasCode('program-timeout'));
});

test('runProgram does not wait for what a program left behind', async () => {
  const startedMs = performance.now();
  const running = runProgram('sh', ['-c', 'sleep 5 & wait'], { timeoutMs: 50 });
  await assert.rejects(running, hasCode('program-timeout'));
  assert.ok(performance.now() - startedMs < 4000);
});

test('runProgram ends a program whose signal aborts', async () => {
  const stop = new AbortController();
  const running = runProgram('sleep', ['60'], { signal: stop.signal });
  stop.abort();
  await assert.rejects(running, { name: 'AbortError' });
});

test('runProgram says how to install what is missing', async () => {
  await assert.rejects(runProgram('no-such-program', []), hasCode('program-missing'));
  assert.equal(findProgram('no-such-program'), undefined);
  assert.deepEqual(missingPrograms(['sh', 'no-such-program']), [
    { name: 'no-such-program', fix: 'apt-get install no-such-program' },
  ]);
});
