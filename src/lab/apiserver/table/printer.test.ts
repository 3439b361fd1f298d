import assert from 'node:assert/strict';
import { test } from 'node:test';
import { age, formatDuration, formatLabels, formatSelector, formatSome } from './printer.ts';

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test("formatDuration writes kubectl's two units, then one", () => {
  const cases: [number, string][] = [
    [-5 * SECOND, '<invalid>'],
    [-SECOND, '0s'],
    [0, '0s'],
    [119 * SECOND, '119s'],
    [120 * SECOND, '2m'],
    [125 * SECOND, '2m5s'],
    [10 * MINUTE, '10m'],
    [179 * MINUTE, '179m'],
    [3 * HOUR, '3h'],
    [3 * HOUR + 20 * MINUTE, '3h20m'],
    [8 * HOUR + 59 * MINUTE, '8h'],
    [47 * HOUR, '47h'],
    [2 * DAY, '2d'],
    [2 * DAY + 5 * HOUR, '2d5h'],
    [8 * DAY + 5 * HOUR, '8d'],
    [729 * DAY, '729d'],
    [731 * DAY, '2y1d'],
    [9 * 365 * DAY, '9y'],
  ];
  for (const [milliseconds, text] of cases) assert.equal(formatDuration(milliseconds), text);
});

test('age of an object without a time is unknown', () => {
  const now = new Date('2024-01-01T00:05:00Z');
  assert.equal(age('2024-01-01T00:00:00Z', now), '5m');
  assert.equal(age(undefined, now), '<unknown>');
  assert.equal(age('nonsense', now), '<unknown>');
});

test('formatSelector and formatLabels print in order of the keys', () => {
  assert.equal(formatLabels({ b: '2', a: '1' }), 'a=1,b=2');
  assert.equal(formatLabels(undefined), '<none>');
  assert.equal(
    formatSelector({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['b', 'a'] },
        { key: 'old', operator: 'DoesNotExist' },
        { key: 'new', operator: 'Exists' },
        { key: 'zone', operator: 'NotIn', values: ['x'] },
      ],
    }),
    'app=web,new,!old,tier in (a,b),zone notin (x)',
  );
  assert.equal(formatSelector({}), '<none>');
});

test('formatSome counts what it leaves out', () => {
  assert.equal(formatSome(['a', 'b', 'c', 'd', 'e'], 3), 'a,b,c + 2 more...');
  assert.equal(formatSome([], 3), '');
});
