import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseQuery } from './query.ts';

const query = (name: string): Buffer =>
  Buffer.concat([
    Buffer.from('000101000001000000000000', 'hex'),
    Buffer.from(`${String.fromCharCode(name.length)}${name}\0`, 'latin1'),
    Buffer.from('00010001', 'hex'),
  ]);

test('parseQuery lowers the letters A to Z and leaves all other bytes as they are', () => {
  const keyOf = (name: string): unknown => {
    const parsed = parseQuery(query(name));
    return typeof parsed === 'object' && 'key' in parsed ? parsed.key : parsed;
  };
  assert.equal(keyOf('Web'), '\x03web\0');
  // The UTF-8 bytes of É and its tail: an upstream is asked for the same bytes.
  assert.equal(keyOf('A\xc3\x89Z'), '\x04a\xc3\x89z\0');
});
