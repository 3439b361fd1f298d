import assert from 'node:assert/strict';
import { test } from 'node:test';
import { maxLineBytes, parseJsonLines } from './json-lines.ts';

async function parse(...chunks: readonly (string | Buffer)[]): Promise<unknown[]> {
  async function* stream(): AsyncGenerator<Buffer> {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk));
  }
  return Array.fromAsync(parseJsonLines(stream()));
}

test('parseJsonLines reads one value a line, however the stream is cut', async () => {
  const text = '{"a":1}\n{"b":"ü"}\n\n[2]\n';
  const bytes = Buffer.from(text);
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    assert.deepEqual(await parse(...chunks), [{ a: 1 }, { b: 'ü' }, [2]], `in pieces of ${size}`);
  }
});

test('parseJsonLines throws when the stream ends in the middle of a line', async () => {
  await assert.rejects(parse('{"a":1}\n{"b"'), /broke in the middle/);
});

test('parseJsonLines throws on a line that is not JSON, and shows its beginning', async () => {
  await assert.rejects(parse('<html>busy</html>\n'), /is not JSON: <html>busy/);
});

test('parseJsonLines refuses a line without end', async () => {
  const megabyte = Buffer.alloc(1024 * 1024, 0x20);
  const chunks = Array.from({ length: maxLineBytes / megabyte.length + 1 }, () => megabyte);
  await assert.rejects(parse(...chunks), /longer than/);
});
