import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import {
  canonicalQuantity,
  compareQuantities,
  parseQuantity,
  quantityMilliValue,
  quantityValue,
  tryParseQuantity,
} from './quantity.ts';

const cases: readonly (readonly [text: string, milli: number, value: number, canonical: string])[] = [
  ['0', 0, 0, '0'],
  ['1', 1000, 1, '1'],
  ['100m', 100, 1, '100m'],
  ['1000m', 1000, 1, '1'],
  ['1.5', 1500, 2, '1500m'],
  ['.5', 500, 1, '500m'],
  ['5.', 5000, 5, '5'],
  ['+2', 2000, 2, '2'],
  ['-1500m', -1500, -2, '-1500m'],
  ['2k', 2_000_000, 2000, '2k'],
  ['1e3', 1_000_000, 1000, '1e3'],
  ['1E3', 1_000_000, 1000, '1e3'],
  ['12E-1', 1200, 2, '1200e-3'],
  ['1E', 1e21, 1e18, '1E'],
  ['64Mi', 67_108_864_000, 67_108_864, '64Mi'],
  ['0.5Gi', 536_870_912_000, 536_870_912, '512Mi'],
  ['1024Ki', 1_048_576_000, 1_048_576, '1Mi'],
  ['0.25Ki', 256_000, 256, '256'],
  ['1n', 1, 1, '1n'],
  ['0.1n', 1, 1, '1n'],
  ['1500u', 2, 1, '1500u'],
  ['128974848', 128_974_848_000, 128_974_848, '128974848'],
  ['129M', 129_000_000_000, 129_000_000, '129M'],
];

for (const [text, milli, value, canonical] of cases)
  test(`quantity ${text}: value, milli value and canonical form`, () => {
    assert.equal(quantityMilliValue(text), milli);
    assert.equal(quantityValue(text), value);
    assert.equal(canonicalQuantity(text), canonical);
  });

for (const text of [
  '',
  ' 1',
  '1 Gi',
  '1gi',
  '1K',
  'Mi',
  '.',
  '-',
  '1e',
  '1.2.3',
  '0x10',
  '1e99',
  '1mi',
  'NaN',
])
  test(`tryParseQuantity refuses "${text}"`, () => {
    assert.equal(tryParseQuantity(text), undefined);
    assert.throws(() => parseQuantity(text), /is not a quantity/);
  });

test('compareQuantities compares across suffixes', () => {
  assert.equal(compareQuantities('1Gi', '1G'), 1);
  assert.equal(compareQuantities('1000m', '1'), 0);
  assert.equal(compareQuantities('999m', 1), -1);
});

test('quantities that are absent are zero', () => {
  assert.equal(quantityValue(undefined), 0);
  assert.equal(quantityMilliValue(undefined), 0);
});

test('canonicalQuantity keeps the value and is its own canonical form', () => {
  const suffixes = fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi', 'e3', 'E-2');
  fc.assert(
    fc.property(fc.integer({ min: -1e6, max: 1e6 }), fc.nat(999), suffixes, (whole, fraction, suffix) => {
      const text = `${whole}.${fraction}${suffix}`;
      const canonical = canonicalQuantity(text);
      assert.equal(parseQuantity(canonical), parseQuantity(text));
      assert.equal(canonicalQuantity(canonical), canonical);
    }),
  );
});
