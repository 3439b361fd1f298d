import assert from 'node:assert/strict';
import { test } from 'node:test';
import { constants, createDeflate, createInflate, type Deflate, type Inflate } from 'node:zlib';
import { HeaderBlockError, HeaderBlockReader, HeaderBlockWriter, SPDY_DICTIONARY } from './header-block.ts';

/** A block as section 2.6.10 has it, before compression. */
function pairs(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string): Buffer => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(Buffer.byteLength(value));
    return Buffer.concat([length, Buffer.from(value)]);
  };
  const count = Buffer.alloc(4);
  count.writeUInt32BE(Object.keys(headers).length);
  return Buffer.concat([count, ...Object.entries(headers).flatMap((pair) => pair.map(text))]);
}

/** Passes pieces through a zlib stream with a flush after each, and gives what came out for each. */
async function passThrough(stream: Deflate | Inflate, pieces: readonly Buffer[]): Promise<Buffer[]> {
  let chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  const out: Buffer[] = [];
  for (const piece of pieces) {
    stream.write(piece);
    await new Promise<void>((resolve) => {
      stream.flush(constants.Z_SYNC_FLUSH, () => setImmediate(resolve));
    });
    out.push(Buffer.concat(chunks));
    chunks = [];
  }
  return out;
}

/** As Go's client compresses its blocks. */
function compress(blocks: readonly Buffer[], level = 9): Promise<Buffer[]> {
  return passThrough(createDeflate({ dictionary: SPDY_DICTIONARY, level }), blocks);
}

test('HeaderBlockReader follows one compression stream from block to block', async () => {
  const long = 'x'.repeat(40_000);
  const headers = [
    { streamtype: 'error' },
    { streamtype: 'stdin', port: '80' },
    { long },
    { 'stream-type': 'again', long },
    {},
  ];
  for (const level of [0, 1, 9]) {
    const reader = new HeaderBlockReader();
    for (const [i, block] of (await compress(headers.map(pairs), level)).entries()) {
      assert.deepEqual(Object.fromEntries(reader.read(block)), headers[i]);
    }
  }
});

test('HeaderBlockReader lowers names and joins several values', async () => {
  const [block = Buffer.alloc(0)] = await compress([pairs({ StreamType: 'a\0b' })]);
  assert.deepEqual([...new HeaderBlockReader().read(block)], [['streamtype', 'a, b']]);
});

test('HeaderBlockReader refuses what is no header block', async () => {
  const [good = Buffer.alloc(0)] = await compress([pairs({ a: 'b' })]);
  const [short = Buffer.alloc(0)] = await compress([pairs({ a: 'b' }).subarray(0, 10)]);
  const [bomb = Buffer.alloc(0)] = await compress([Buffer.alloc(10_000_000)]);
  const wrongDictionary = Buffer.from(good);
  wrongDictionary[3] = 0;
  for (const block of [Buffer.alloc(0), Buffer.from('nonsense, certainly'), short, bomb, wrongDictionary]) {
    assert.throws(() => new HeaderBlockReader().read(block), HeaderBlockError);
  }
});

test('HeaderBlockWriter writes a stream that zlib reads at every flush', async () => {
  const writer = new HeaderBlockWriter();
  const headers = [{}, { a: 'b' }, { long: 'y'.repeat(60_000) }, { c: 'd' }];
  const blocks = headers.map((one) => writer.write(new Map(Object.entries(one))));
  const plain = await passThrough(createInflate({ dictionary: SPDY_DICTIONARY }), blocks);
  for (const [i, one] of headers.entries()) assert.ok(plain[i]?.equals(pairs(one)), `block ${i}`);
});
