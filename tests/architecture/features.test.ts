import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

const root = resolve(import.meta.dirname, '../..');

/** Every capability podnet is to have, by letter and number. */
const counts = { A: 9, B: 5, C: 10, D: 12, E: 6, F: 5, G: 1, H: 5, I: 5, L: 6, M: 3 } as const;
const expected = Object.entries(counts).flatMap(([letter, count]) =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`),
);

const rows = readFileSync(join(root, 'docs/features.md'), 'utf8')
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, id = '']) => /^[A-M]\d+$/.test(id))
  .map(([, id = '', , state = '', proof = '']) => ({
    id,
    state,
    proofs: [...proof.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file),
  }));

test('docs/features.md has every row once, with a state', () => {
  assert.deepEqual(
    rows.map(({ id }) => id),
    expected,
  );
  for (const { id, state } of rows) assert.match(state, /^(done|partly|open)$/, id);
});

test('docs/features.md proves what it claims with tests that exist', () => {
  for (const { id, state, proofs } of rows) {
    assert.equal(proofs.length > 0, state !== 'open', `${id} is ${state} with ${proofs.length} proofs`);
    for (const file of proofs) assert.ok(existsSync(join(root, file)), `${id}: ${file}`);
  }
});
