import assert from 'node:assert/strict';
import { test } from 'node:test';
import { churn } from '../support/dns-churn.ts';

// The full rate is in `bench/dns.ts`: a machine that runs tests has other things to do.
test('cluster DNS answers rightly and loses nothing while its Services change', async () => {
  const { questions, changes, lost, wrong, stalestMs } = await churn({
    services: 2000,
    changesASecond: 100,
    questionsASecond: 4000,
    seconds: 5,
  });
  assert.deepEqual(wrong.slice(0, 10), []);
  assert.equal(lost, 0);
  assert.ok(stalestMs <= 1000, `an answer was ${stalestMs} ms old`);
  assert.ok(changes >= 100, `only ${changes} changes`);
  assert.ok(questions >= 2000, `only ${questions} questions`);
});
