import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterNames, controlAddress, lineSplitter, maxLineBytes } from './protocol.ts';

test('controlAddress is abstract and per user', () => {
  assert.equal(controlAddress(1000, 'blue'), '\0podnet/1000/blue');
});

test('clusterNames finds this user’s clusters and nobody else’s', () => {
  const text = [
    'Num       RefCount Protocol Flags    Type St Inode Path',
    '00000000: 00000002 00000000 00010000 0001 01 4711 @podnet/1000/blue',
    '00000000: 00000003 00000000 00000000 0001 03 4712 @podnet/1000/blue',
    '00000000: 00000002 00000000 00010000 0001 01 4713 @podnet/10001/other',
    '00000000: 00000002 00000000 00010000 0001 01 4714 /run/podnet/1000/file',
    '00000000: 00000002 00000000 00010000 0001 01 4715 @podnet/1000/amber',
  ].join('\n');
  assert.deepEqual(clusterNames(text, 1000), ['amber', 'blue']);
});

test('lineSplitter joins what arrives in pieces and drops what is too long', () => {
  const lines: string[] = [];
  let overflows = 0;
  const feed = lineSplitter(
    (line) => lines.push(line),
    () => {
      overflows += 1;
    },
  );
  for (const piece of ['{"a"', ':1}\n{"b":2}\n\n', '{"c"', ':3}\n']) feed(piece);
  assert.deepEqual(lines, ['{"a":1}', '{"b":2}', '{"c":3}']);
  feed('x'.repeat(maxLineBytes + 1));
  assert.equal(overflows, 1);
});
