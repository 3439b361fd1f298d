import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeavyHitters } from './heavy-hitters.ts';

test('HeavyHitters counts exactly as long as there is room', () => {
  const hitters = new HeavyHitters(3);
  for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) hitters.add(key);
  assert.deepEqual(hitters.top(2), [
    { key: 'a', count: 3, error: 0 },
    { key: 'b', count: 2, error: 0 },
  ]);
});

test('HeavyHitters misses no frequent key among very many rare ones, in bounded memory', () => {
  const hitters = new HeavyHitters(100);
  for (let at = 0; at < 50_000; at++) {
    hitters.add(`rare-${at}`);
    if (at % 10 === 0) hitters.add('frequent');
  }
  assert.equal(hitters.size, 100);
  const found = hitters.top(100).find(({ key }) => key === 'frequent');
  assert.ok(found);
  assert.ok(found.count - found.error <= 5000 && found.count >= 5000);
});
