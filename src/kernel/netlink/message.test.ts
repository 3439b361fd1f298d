import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, assert as check, nat, property, uint8Array } from 'fast-check';
import { Attributes } from './attributes.ts';
import { HEADER_LENGTH, MessageWriter, NLM_F } from './message.ts';
import { parseReplies } from './reply.ts';

test('MessageWriter writes struct nlmsghdr, a fixed header and padded attributes', () => {
  const writer = new MessageWriter(0x1234, NLM_F.CREATE, 16).u8(1).u8(2).u16(3);
  writer.attrString(7, 'eth0').attrU32be(8, 1).attrFlag(9);
  assert.equal(
    writer.finish('').bytes.toString('hex'),
    [
      '2c000000 3412 0104 00000000 00000000',
      '01 02 0300',
      '0900 0700 6574683000 000000',
      '0800 0800 00000001',
      '0400 0900',
    ]
      .join('')
      .replaceAll(' ', ''),
  );
});

test('MessageWriter closes nested attributes with their length', () => {
  const writer = new MessageWriter(1, 0);
  writer.attrNested(3, () => writer.attrU16(1, 5).attrNested(2, () => writer.attrU8(1, 9)));
  const nested = new Attributes(writer.finish('').bytes, HEADER_LENGTH).nested(3);
  assert.equal(nested?.u16(1), 5);
  assert.equal(nested?.nested(2)?.u8(1), 9);
});

test('MessageWriter refuses attributes longer than their 16-bit length can say', () => {
  assert.throws(() => new MessageWriter(1, 0).attrBytes(1, Buffer.alloc(0xffff)), RangeError);
  const writer = new MessageWriter(1, 0);
  const nest = writer.openNest(1);
  writer.attrBytes(1, Buffer.alloc(40_000)).attrBytes(2, Buffer.alloc(40_000));
  assert.throws(() => writer.closeNest(nest), RangeError);
});

test('Attributes reads back whatever MessageWriter wrote', () => {
  check(
    property(array(uint8Array({ maxLength: 300 })), (payloads) => {
      const writer = new MessageWriter(1, 0);
      for (const [index, payload] of payloads.entries()) writer.attrBytes(index + 1, payload);
      const read = [...new Attributes(writer.finish('').bytes, HEADER_LENGTH).list()];
      assert.deepEqual(
        read.map(({ type, payload }) => [type, payload.toString('hex')]),
        payloads.map((payload, index) => [index + 1, Buffer.from(payload).toString('hex')]),
      );
    }),
  );
});

test('Attributes and parseReplies come to an end on any bytes', () => {
  check(
    property(uint8Array({ maxLength: 200 }), nat(16), (bytes, offset) => {
      for (const { payload } of new Attributes(Buffer.from(bytes), offset).list())
        assert.ok(payload.length <= 200);
      for (const { payload } of parseReplies(Buffer.from(bytes))) assert.ok(payload.length <= 200);
    }),
  );
});

test('Attributes gives undefined for numbers that are too short', () => {
  const attributes = new Attributes(new MessageWriter(1, 0).attrU8(1, 255).finish('').bytes, HEADER_LENGTH);
  assert.deepEqual(
    [attributes.u8(1), attributes.u16(1), attributes.u32be(1), attributes.u64(1), attributes.u8(2)],
    [255, undefined, undefined, undefined, undefined],
  );
});
