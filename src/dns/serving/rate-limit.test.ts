import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit } from './rate-limit.ts';

test('RateLimit lets a client ask its burst at once and its rate from then on, and no other client suffers', () => {
  let nowMs = 0;
  const limit = new RateLimit({ perSecond: 10, burst: 5, now: () => nowMs });
  const many = (client: string, count: number): string[] =>
    Array.from({ length: count }, () => limit.admit(client));
  assert.deepEqual(many('a', 9), [
    ...Array<string>(5).fill('answer'),
    'drop',
    'truncate',
    'drop',
    'truncate',
  ]);
  assert.deepEqual(many('b', 2), ['answer', 'answer']);
  nowMs = 200;
  assert.deepEqual(many('a', 3), ['answer', 'answer', 'drop']);
  nowMs = 60_000;
  assert.deepEqual(many('a', 6).filter((each) => each === 'answer').length, 5);
  assert.equal(limit.refusals, 6);
});

test('RateLimit remembers no more clients than it may, and those longest that ask', () => {
  const limit = new RateLimit({ perSecond: 1, burst: 2, maxClients: 8, now: () => 0 });
  for (let client = 0; client < 100; client++) {
    assert.equal(limit.admit(client), 'answer');
    limit.admit('busy');
    assert.ok(limit.size <= 8);
  }
  assert.notEqual(limit.admit('busy'), 'answer');
  assert.equal(limit.admit(0), 'answer', 'one that was silent long was not forgotten');
});
