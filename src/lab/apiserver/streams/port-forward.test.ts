import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair } from 'node:stream';
import { test, type TestContext } from 'node:test';
import { createFakeKubelet } from './fake-kubelet.ts';
import { servePortForward } from './port-forward.ts';
import { FRAME, RESET } from './spdy/frames.ts';
import { TestClient } from './spdy/test-client.ts';

/** A client of a server whose pods' ports are those of `serve` on 127.0.0.1. */
async function setUp(t: TestContext, serve: (socket: Socket) => void) {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-forward-'));
  const kubelet = createFakeKubelet({ socketPath: join(directory, 'kubelet.sock') });
  await kubelet.ready;
  const pod = createServer({ allowHalfOpen: true }, serve);
  pod.listen(0, '127.0.0.1');
  await once(pod, 'listening');
  t.after(() => {
    kubelet.close();
    pod.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const [clientSocket, serverSocket] = duplexPair();
  servePortForward(serverSocket, Buffer.alloc(0), { namespace: 'default', pod: 'web', dial: kubelet.dial });
  const client = new TestClient(clientSocket);
  t.after(() => clientSocket.destroy());
  const fins = (): number[] =>
    client.frames.flatMap((frame) => (frame.kind === 'data' && frame.fin ? [frame.streamId] : []));
  const { port } = pod.address() as AddressInfo;
  return { client, kubelet, fins, port: String(port) };
}

function openPair(client: TestClient, port: string, { error = 1, data = 3, requestId = '0' } = {}): void {
  client.open(error, { streamType: 'error', port, requestID: requestId });
  client.send(error, '', true);
  client.open(data, { streamType: 'data', port, requestID: requestId });
}

test('servePortForward ends both streams, whichever side is done first', async (t) => {
  const { client, kubelet, fins, port } = await setUp(t, (socket) => socket.pipe(socket));
  openPair(client, port);
  client.send(3, 'hello', true);
  await client.until(() => fins().length === 2, 'both streams end');
  assert.equal(client.received(3).toString(), 'hello');
  assert.equal(client.received(1).toString(), '', 'no error');
  const greeter = await setUp(t, (socket) => socket.end('bye'));
  openPair(greeter.client, greeter.port);
  await greeter.client.until(() => greeter.fins().length === 2, 'both streams end');
  assert.equal(greeter.client.received(3).toString(), 'bye');
  await client.until(() => kubelet.openStreams() === 0, 'let go');
});

test('servePortForward pairs streams by their order when they carry no requestID', async (t) => {
  const { client, fins, port } = await setUp(t, (socket) => socket.end('ok'));
  client.open(1, { streamType: 'error', port });
  client.open(3, { streamType: 'data', port });
  await client.until(() => fins().length === 2, 'both streams end');
  assert.equal(client.received(3).toString(), 'ok');
});

test('servePortForward says on the error stream why a port does not answer', async (t) => {
  const { client, kubelet, fins } = await setUp(t, (socket) => socket.end());
  openPair(client, '1');
  await client.until(() => fins().length === 2, 'both streams end');
  assert.match(
    client.received(1).toString(),
    /^error forwarding port 1 to pod web, uid : connect ECONNREFUSED/,
  );
  kubelet.close();
  openPair(client, '1', { error: 5, data: 7, requestId: '1' });
  await client.until(() => fins().length === 4, 'both streams end');
  assert.match(
    client.received(5).toString(),
    /^error forwarding port 1 to pod web, uid : .*error dialing backend/,
  );
});

test('servePortForward refuses streams it cannot read', async (t) => {
  const { client } = await setUp(t, (socket) => socket.end());
  client.open(1, { streamType: 'data', port: '0' });
  client.open(3, { streamType: 'data', port: '99999' });
  client.open(5, { streamType: 'data', port: '80; reboot' });
  client.open(7, { streamType: 'other', port: '80' });
  client.open(9, { streamType: 'error', port: '80', requestID: '1' });
  client.open(11, { streamType: 'error', port: '80', requestID: '1' });
  await client.until(() => client.control(FRAME.rstStream).length === 5, 'refusals');
  const refused = client
    .control(FRAME.rstStream)
    .map(({ body }) => [body.readUInt32BE(0), body.readUInt32BE(4)]);
  assert.deepEqual(
    refused,
    [1, 3, 5, 7, 11].map((id) => [id, RESET.refusedStream]),
  );
});

test('servePortForward lets go of the pod when the client resets or vanishes', async (t) => {
  const { client, kubelet, port } = await setUp(t, (socket) => socket.on('error', () => {}));
  openPair(client, port);
  openPair(client, port, { error: 5, data: 7, requestId: '1' });
  await client.until(() => kubelet.openStreams() === 2, 'connected');
  client.reset(3);
  await client.until(() => kubelet.openStreams() === 1, 'one is gone');
  client.socket.destroy();
  await client.until(() => kubelet.openStreams() === 0, 'all are gone');
});
