import assert from 'node:assert/strict';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { controlFrame, dataHeader, FRAME, FrameReader, RESET } from './frames.ts';
import { SpdyConnection } from './spdy-connection.ts';
import type { SpdyStream } from './spdy-stream.ts';
import { TestClient } from './test-client.ts';

function setUp(onStream: (stream: SpdyStream) => boolean = () => true) {
  const [clientSocket, serverSocket] = duplexPair();
  const streams: SpdyStream[] = [];
  let closed = 0;
  const connection = new SpdyConnection(serverSocket, {
    onStream: (stream) => {
      streams.push(stream);
      return onStream(stream);
    },
    onClose: () => {
      closed += 1;
    },
  });
  connection.start(Buffer.alloc(0));
  const client = new TestClient(clientSocket);
  const stream = async (i = 0): Promise<SpdyStream> => {
    await client.until(() => streams.length > i, `stream ${i} arrives`);
    return streams[i] ?? assert.fail();
  };
  return { client, connection, serverSocket, stream, streams, timesClosed: () => closed };
}

async function readAll(stream: SpdyStream): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(stream, 'end');
  return Buffer.concat(chunks).toString();
}

test('SpdyConnection answers a stream, and data goes both ways with half-close', async () => {
  const { client, stream } = setUp();
  client.open(1, { streamType: 'data', port: '80' });
  const one = await stream();
  assert.equal(one.headers.get('streamtype'), 'data');
  await client.until(() => client.control(FRAME.synReply).length === 1, 'SYN_REPLY');
  client.send(1, 'hello ');
  client.send(1, 'there', true);
  assert.equal(await readAll(one), 'hello there');
  one.end('general');
  await once(one, 'finish');
  await client.until(() => client.frames.some((frame) => frame.kind === 'data' && frame.fin), 'FIN');
  assert.equal(client.received(1).toString(), 'general');
  assert.equal(client.control(FRAME.rstStream).length, 0);
});

test('FrameReader reads the same frames however the bytes are cut', () => {
  const bytes = Buffer.concat([
    controlFrame(FRAME.ping, [1]),
    dataHeader(3, 5, false),
    Buffer.from('hello'),
    dataHeader(3, 0, true),
    controlFrame(FRAME.windowUpdate, [3, 99]),
  ]);
  const read = (chunks: readonly Buffer[]): string[] => {
    const reader = new FrameReader();
    const out: string[] = [];
    for (const frame of chunks.flatMap((chunk) => [...reader.read(chunk)])) {
      if (frame.kind === 'control') out.push(`${frame.type}:${frame.body.toString('hex')}`);
      else
        out.push(
          ...[...frame.data].map((byte) => `${frame.streamId}:${byte}`),
          ...(frame.fin ? ['fin'] : []),
        );
    }
    return out;
  };
  const whole = read([bytes]);
  assert.equal(whole.length, 8);
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
      const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
      assert.deepEqual(read(chunks), whole);
    }),
  );
});

test('SpdyConnection sends without windows until the client shows that it has them', async () => {
  const { client, stream } = setUp();
  client.open(1);
  const one = await stream();
  one.write(Buffer.alloc(300_000));
  await client.until(() => client.received(1).length === 300_000, 'more than a window');
});

test('SpdyConnection keeps to the windows of a client that has them', async () => {
  const { client, stream } = setUp();
  // One setting: flags and id 7 (initial window size), the value.
  client.socket.write(controlFrame(FRAME.settings, [1, 7, 1000]));
  client.open(1);
  client.open(3);
  const one = await stream();
  const other = await stream(1);
  one.end(Buffer.alloc(2500));
  other.end(Buffer.alloc(10));
  await client.until(() => client.received(3).length === 10, 'the other stream goes on');
  assert.equal(client.received(1).length, 1000);
  client.socket.write(controlFrame(FRAME.windowUpdate, [1, 700]));
  await client.until(() => client.received(1).length === 1700, 'the window grew');
  client.socket.write(controlFrame(FRAME.windowUpdate, [1, 5000]));
  await client.until(() => client.received(1).length === 2500, 'the rest');
  await client.until(
    () => client.frames.some((frame) => frame.kind === 'data' && frame.fin && frame.streamId === 1),
    'FIN',
  );
});

test('SpdyConnection acknowledges what was read with WINDOW_UPDATE', async () => {
  const { client, stream } = setUp();
  client.open(1);
  const one = await stream();
  client.send(1, Buffer.alloc(40_000));
  await delay(20);
  assert.equal(client.control(FRAME.windowUpdate).length, 0, 'not before it is read');
  one.resume();
  client.send(1, Buffer.alloc(40_000));
  const acknowledged = (): number =>
    client.control(FRAME.windowUpdate).reduce((sum, { body }) => sum + body.readUInt32BE(4), 0);
  await client.until(() => acknowledged() >= 48_000, 'acknowledged');
  assert.ok(acknowledged() <= 80_000);
});

test('SpdyConnection stops reading when a stream is a mebibyte behind', async () => {
  const { client, stream, serverSocket } = setUp();
  client.open(1);
  const one = await stream();
  for (let i = 0; i < 200; i += 1) client.send(1, Buffer.alloc(64 * 1024));
  await client.until(() => serverSocket.isPaused(), 'paused');
  assert.ok(one.readableLength < 1.2 * 1024 * 1024, `${one.readableLength} bytes kept`);
  let read = 0;
  one.on('data', (chunk: Buffer) => {
    read += chunk.length;
  });
  await client.until(() => read === 200 * 64 * 1024, 'everything comes through in the end');
});

test('SpdyConnection answers pings of the client and not its own', async () => {
  const { client } = setUp();
  client.socket.write(controlFrame(FRAME.ping, [2]));
  client.socket.write(controlFrame(FRAME.ping, [7]));
  await client.until(() => client.control(FRAME.ping).length === 1, 'one answer');
  assert.equal(client.control(FRAME.ping)[0]?.body.readUInt32BE(0), 7);
});

test('SpdyConnection refuses unwanted streams and bad stream ids', async () => {
  const { client, streams } = setUp((stream) => stream.headers.get('streamtype') !== 'bad');
  const codes = (): string[] =>
    client.control(FRAME.rstStream).map(({ body }) => `${body.readUInt32BE(0)}:${body.readUInt32BE(4)}`);
  client.open(5, { streamtype: 'bad' });
  client.open(4);
  client.open(3);
  client.open(7);
  client.send(9, 'to nobody');
  await client.until(() => codes().length === 4, 'four resets');
  assert.deepEqual(codes(), [
    `5:${RESET.refusedStream}`,
    `4:${RESET.protocolError}`,
    `3:${RESET.protocolError}`,
    `9:${RESET.invalidStream}`,
  ]);
  assert.deepEqual(
    streams.map(({ id }) => id),
    [5, 7],
  );
});

test('SpdyConnection ends a stream the client resets, and resets one we drop', async () => {
  const { client, stream } = setUp();
  client.open(1);
  client.open(3);
  const one = await stream();
  const other = await stream(1);
  client.socket.write(controlFrame(FRAME.rstStream, [1, RESET.cancel]));
  await client.until(() => one.destroyed, 'destroyed');
  other.destroy();
  await client.until(() => client.control(FRAME.rstStream).length === 1, 'RST_STREAM');
  assert.equal(client.control(FRAME.rstStream)[0]?.body.readUInt32BE(0), 3);
});

test('SpdyConnection closes once, with all its streams, when the client goes away', async () => {
  for (const leave of [
    (client: TestClient): unknown => client.socket.destroy(),
    (client: TestClient): unknown => client.socket.end(),
    (client: TestClient): unknown => client.socket.write(Buffer.from('8002000100000000', 'hex')),
    (client: TestClient): unknown => client.socket.write(Buffer.from('8003000100ffffff', 'hex')),
    (client: TestClient): unknown =>
      client.socket.write(controlFrame(FRAME.synStream, [1, 0], { tail: Buffer.from('xxnonsense') })),
  ]) {
    const { client, stream, timesClosed } = setUp();
    client.open(1);
    const one = await stream();
    leave(client);
    await client.until(() => timesClosed() === 1 && one.destroyed, 'closed');
  }
});

test('SpdyConnection sends everything before it ends', async () => {
  const { client, connection, stream } = setUp();
  client.open(1);
  const one = await stream();
  one.end(Buffer.alloc(500_000), () => connection.end());
  await client.until(() => client.ended, 'the connection ends');
  assert.equal(client.received(1).length, 500_000);
  assert.equal(client.control(FRAME.goAway).length, 1);
});

test('SpdyConnection ends after GOAWAY when its last stream is over', async () => {
  const { client, stream, timesClosed } = setUp();
  client.open(1);
  const one = await stream();
  client.socket.write(controlFrame(FRAME.goAway, [0, 0]));
  client.send(1, '', true);
  one.resume();
  one.end('bye');
  await client.until(() => client.received(1).toString() === 'bye', 'the stream ends well');
  await client.until(() => client.ended, 'the connection ends');
  client.socket.end();
  await client.until(() => timesClosed() === 1, 'closed');
});
