import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTurns } from './take-turns.ts';

test('createTurns gives timers their turn in a loop that never waits for anything else', async () => {
  const takeTurns = createTurns();
  const timer = { fired: false };
  setTimeout(() => {
    timer.fired = true;
  }, 1);
  const deadline = performance.now() + 5000;
  while (!timer.fired && performance.now() < deadline) await takeTurns();
  assert.equal(timer.fired, true);
});

test('createTurns costs nothing within a turn', async () => {
  const takeTurns = createTurns(() => 0);
  let immediate = false;
  setImmediate(() => {
    immediate = true;
  });
  for (let count = 0; count < 100; count += 1) await takeTurns();
  assert.equal(immediate, false);
});
