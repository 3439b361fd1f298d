import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { CHANNEL, channelHeader, ChannelReader } from './channels.ts';

const frame = (channel: number, payload: string): Buffer =>
  Buffer.concat([channelHeader(channel, payload.length), Buffer.from(payload)]);

test('ChannelReader reads the same however the bytes are cut; messages come whole', () => {
  const bytes = Buffer.concat([
    frame(CHANNEL.stdout, 'out'),
    frame(CHANNEL.stdout, ''),
    frame(CHANNEL.resize, '{"Width":1,"Height":2}'),
    frame(CHANNEL.stderr, 'err'),
    frame(CHANNEL.close, '\0'),
    frame(CHANNEL.status, '{"status":"Success"}'),
  ]);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const reader = new ChannelReader();
      const parts = at.slice(1).flatMap((end, i) => [...reader.read(bytes.subarray(at[i], end))]);
      const text = (wanted: number): string[] =>
        parts.filter(({ channel }) => channel === wanted).map(({ payload }) => payload.toString());
      assert.equal(text(CHANNEL.stdout).join(''), 'out');
      assert.equal(text(CHANNEL.stderr).join(''), 'err');
      assert.deepEqual(text(CHANNEL.resize), ['{"Width":1,"Height":2}']);
      assert.deepEqual(text(CHANNEL.status), ['{"status":"Success"}']);
      assert.deepEqual(text(CHANNEL.close), ['\0']);
    }),
  );
});

test('ChannelReader refuses a message that is too long before it has come', () => {
  assert.throws(() => [...new ChannelReader().read(channelHeader(CHANNEL.status, 2 ** 31))], RangeError);
});

test('ChannelReader hands long data on as it comes', () => {
  const reader = new ChannelReader();
  assert.deepEqual([...reader.read(channelHeader(CHANNEL.stdout, 2 ** 31))], []);
  assert.equal([...reader.read(Buffer.alloc(10))][0]?.payload.length, 10);
});
