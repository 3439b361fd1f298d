import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, get, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { WebSocket } from 'ws';
import { CHANNEL } from './channels.ts';
import { createFakeKubelet, type FakeKubelet } from './fake-kubelet.ts';
import { handleStream, type StreamOptions } from './handle-stream.ts';
import { proxyLogs } from './logs.ts';

interface Setup {
  readonly kubelet: FakeKubelet;
  readonly port: number;
  /** The connections made to the kubelet so far. */
  readonly dialled: Socket[];
  readonly open: (query: string, protocols?: string | string[]) => WebSocket;
}

/** Paths are `/exec?…`, `/attach?…`, `/portforward`, `/log?…`; `container=` names another than `main`. */
async function setUp(t: TestContext): Promise<Setup> {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-streams-'));
  const kubelet = createFakeKubelet({ socketPath: join(directory, 'kubelet.sock') });
  await kubelet.ready;
  const dialled: Socket[] = [];
  const dial = (): Socket => {
    const socket = kubelet.dial();
    dialled.push(socket);
    return socket;
  };
  const target = (incoming: IncomingMessage): StreamOptions['target'] => {
    const url = new URL(incoming.url ?? '/', 'http://server');
    const kind = url.pathname.slice(1);
    const pod = { namespace: 'default', pod: 'web' };
    if (kind === 'portforward') return { kind, ...pod };
    return {
      kind: kind === 'attach' ? kind : 'exec',
      container: url.searchParams.get('container') ?? 'main',
      ...pod,
    };
  };
  const server = createServer((incoming, response) => {
    const container = new URL(incoming.url ?? '/', 'http://server').searchParams.get('container') ?? 'main';
    proxyLogs(incoming, response, { namespace: 'default', pod: 'web', container, dial });
  });
  server.on('upgrade', (incoming, socket, head) => {
    handleStream(incoming, socket, head, { target: target(incoming), dial });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    kubelet.close();
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const { port } = server.address() as AddressInfo;
  return {
    kubelet,
    port,
    dialled,
    open: (query, protocols = 'v5.channel.k8s.io') => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/${query}`, protocols);
      t.after(() => socket.terminate());
      return socket;
    },
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  for (const end = Date.now() + 5000; !condition();) {
    assert.ok(Date.now() < end, what);
    await delay(5);
  }
}

interface Session {
  readonly text: (channel: number) => string;
  readonly bytes: (channel: number) => Buffer;
  /** The Status, once the server has closed. */
  readonly outcome: Promise<{
    status: string;
    message?: string;
    reason?: string;
    details?: { causes: object[] };
  }>;
}

function session(socket: WebSocket): Session {
  const messages: Buffer[] = [];
  socket.on('message', (data: Buffer) => messages.push(data));
  const bytes = (channel: number): Buffer =>
    Buffer.concat(messages.filter((message) => message[0] === channel).map((message) => message.subarray(1)));
  const text = (channel: number): string => bytes(channel).toString();
  const outcome = once(socket, 'close').then(() => JSON.parse(text(CHANNEL.status) || '{}') as never);
  return { text, bytes, outcome };
}

/** What the server answers to a handshake it refuses. */
async function refused(
  socket: WebSocket,
): Promise<{ code: number; status: { message: string; reason: string } }> {
  socket.on('error', () => {});
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { code: response.statusCode ?? 0, status: JSON.parse(Buffer.concat(chunks).toString()) as never };
}

test('exec over WebSocket carries both outputs and the exit code', async (t) => {
  const { open, kubelet } = await setUp(t);
  const socket = open(
    `exec?stdout=1&stderr=true&command=sh&command=-c&command=${encodeURIComponent('echo out; echo err >&2; exit 7')}`,
  );
  const { text, outcome } = session(socket);
  const status = await outcome;
  assert.equal(socket.protocol, 'v5.channel.k8s.io');
  assert.equal(text(CHANNEL.stdout), 'out\n');
  assert.equal(text(CHANNEL.stderr), 'err\n');
  assert.equal(status.reason, 'NonZeroExitCode');
  assert.deepEqual(status.details?.causes, [{ reason: 'ExitCode', message: '7' }]);
  await until(() => kubelet.openStreams() === 0, 'the kubelet is let go');
});

test('exec over WebSocket v5 closes stdin and carries megabytes unharmed', async (t) => {
  const { open } = await setUp(t);
  const socket = open('exec?stdin=1&stdout=1&command=cat');
  const { bytes, outcome } = session(socket);
  await once(socket, 'open');
  const data = randomBytes(5_000_000);
  for (let at = 0; at < data.length; at += 32_768) {
    socket.send(Buffer.concat([Buffer.from([CHANNEL.stdin]), data.subarray(at, at + 32_768)]));
  }
  socket.send(Buffer.from([CHANNEL.close, CHANNEL.stdin]));
  assert.equal((await outcome).status, 'Success');
  const hash = (of: Buffer): string => createHash('sha256').update(of).digest('hex');
  assert.equal(hash(bytes(CHANNEL.stdout)), hash(data));
});

test('exec with a terminal passes sizes on and has no stderr', async (t) => {
  const { open } = await setUp(t);
  const socket = open('exec?stdin=1&stdout=1&stderr=1&tty=1&command=sh', ['v4.channel.k8s.io']);
  const { text, outcome } = session(socket);
  await once(socket, 'open');
  socket.send(Buffer.concat([Buffer.from([CHANNEL.resize]), Buffer.from('{"Width":80,"Height":24}')]));
  socket.send(
    Buffer.concat([Buffer.from([CHANNEL.resize]), Buffer.from('{"Width":-1,"Height":1e9}nonsense')]),
  );
  socket.send(Buffer.concat([Buffer.from([CHANNEL.resize]), Buffer.from('{"Width":10,"Height":20}\n')]));
  await until(() => text(CHANNEL.stdout).includes('10x20'), 'the second size');
  assert.equal(text(CHANNEL.stdout), 'ready\r\nsize 80x24\r\nsize 10x20\r\n');
  socket.send(Buffer.concat([Buffer.from([CHANNEL.stdin]), Buffer.from('exit 0\r')]));
  assert.equal((await outcome).status, 'Success');
  assert.equal(socket.protocol, 'v4.channel.k8s.io');
});

test('attach joins the running container', async (t) => {
  const { open } = await setUp(t);
  const socket = open('attach?stdin=1&stdout=1');
  const { text, outcome } = session(socket);
  await once(socket, 'open');
  socket.send(Buffer.concat([Buffer.from([CHANNEL.stdin]), Buffer.from('louder')]));
  await until(() => text(CHANNEL.stdout) === 'LOUDER', 'the answer');
  socket.send(Buffer.from([CHANNEL.close, CHANNEL.stdin]));
  assert.equal((await outcome).status, 'Success');
});

test('handleStream refuses before the upgrade what cannot be served', async (t) => {
  const { open, kubelet } = await setUp(t);
  const missing = await refused(open('exec?stdout=1&command=ls&container=missing'));
  assert.deepEqual([missing.code, missing.status.reason], [404, 'NotFound']);
  assert.equal(missing.status.message, 'container not found ("missing")');
  const base64 = await refused(open('exec?stdout=1&command=ls', 'v4.base64.channel.k8s.io'));
  assert.equal(base64.code, 400);
  assert.match(base64.status.message, /offered v4\.base64\.channel\.k8s\.io, spoken v5\.channel\.k8s\.io/);
  const silent = await refused(open('exec?command=ls'));
  assert.match(silent.status.message, /at least 1 of stdin, stdout, stderr/);
  const idle = await refused(open('exec?stdout=1'));
  assert.match(idle.status.message, /at least 1 command/);
  kubelet.close();
  const away = await refused(open('exec?stdout=1&command=ls'));
  assert.equal(away.code, 500);
  assert.match(away.status.message, /error dialing backend: connect (ENOENT|ECONNREFUSED)/);
});

test('handleStream refuses SPDY clients that speak none of its protocols', async (t) => {
  const { port } = await setUp(t);
  const ask = async (
    headers: Record<string, string>,
  ): Promise<{ code: number | undefined; text: string }> => {
    const upgrade = request({
      port,
      method: 'POST',
      path: '/exec?stdout=1&command=ls',
      headers: { Connection: 'Upgrade', ...headers },
    });
    upgrade.end();
    const [response] = (await once(upgrade, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { code: response.statusCode, text: Buffer.concat(chunks).toString() };
  };
  const old = await ask({
    Upgrade: 'SPDY/3.1',
    'X-Stream-Protocol-Version': 'v2.channel.k8s.io, channel.k8s.io',
  });
  assert.equal(old.code, 403);
  assert.match(old.text, /client supports v2\.channel\.k8s\.io, channel\.k8s\.io, server supports v4/);
  assert.equal((await ask({ Upgrade: 'h2c' })).code, 400);
});

test('a client that vanishes takes its command with it', async (t) => {
  const { open, kubelet } = await setUp(t);
  const socket = open('exec?stdin=1&stdout=1&command=sleep&command=1000');
  await once(socket, 'open');
  await until(() => kubelet.openStreams() === 1, 'running');
  socket.terminate();
  await until(() => kubelet.openStreams() === 0, 'ended');
});

test('a kubelet that vanishes is an internal error for the client', async (t) => {
  const { open, kubelet } = await setUp(t);
  const socket = open('exec?stdout=1&command=sleep&command=1000');
  const { outcome } = session(socket);
  await once(socket, 'open');
  await until(() => kubelet.openStreams() === 1, 'running');
  kubelet.breakStreams();
  assert.match((await outcome).message ?? '', /connection to the kubelet was lost/);
});

test('a client that does not read holds the command back', async (t) => {
  const { open, dialled } = await setUp(t);
  const socket = open('exec?stdout=1&command=cat&command=/dev/zero');
  await once(socket, 'open');
  socket.pause();
  const [link] = dialled;
  assert.ok(link);
  let before = -1;
  for (let still = 0; still < 5;) {
    still = link.bytesRead > 0 && link.bytesRead === before ? still + 1 : 0;
    before = link.bytesRead;
    assert.ok(before < 64 * 1024 * 1024, `${before} bytes taken and nobody reads`);
    await delay(20);
  }
  socket.resume();
  await until(() => link.bytesRead > before, 'it goes on');
});

test('a command that does not read its stdin holds the client back', async (t) => {
  const { open, dialled, kubelet } = await setUp(t);
  const socket = open('exec?stdin=1&stdout=1&command=sleep&command=1000');
  await once(socket, 'open');
  const piece = Buffer.alloc(64 * 1024);
  for (let i = 0; i < 500; i += 1) socket.send(piece);
  const [link] = dialled;
  let before = -1;
  for (let still = 0; still < 5;) {
    const now = socket.bufferedAmount;
    still = now === before ? still + 1 : 0;
    before = now;
    await delay(20);
  }
  assert.ok(before > 5 * 1024 * 1024, `only ${before} bytes wait at the client`);
  assert.ok((link?.bytesWritten ?? 0) < 8 * 1024 * 1024);
  // Nobody reads from anybody now, and the client's end is noticed all the same.
  const closed = once(socket, 'close');
  link?.destroy();
  await until(() => kubelet.openStreams() === 0, 'the kubelet notices');
  await closed;
});

test('port-forward refuses a bad handshake and tunnels SPDY in WebSocket messages', async (t) => {
  const { open, port } = await setUp(t);
  assert.equal((await refused(open('portforward', 'v4.channel.k8s.io'))).code, 400);
  // The sub-protocol is no token of HTTP's, so that WebSocket libraries refuse to ask for it; Go's does not.
  const handshake = request({
    port,
    path: '/portforward',
    headers: {
      Connection: 'Upgrade',
      Upgrade: 'websocket',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
      'Sec-WebSocket-Protocol': 'SPDY/3.1+portforward.k8s.io',
    },
  });
  handshake.end();
  const [response, socket] = (await once(handshake, 'upgrade')) as [IncomingMessage, Socket];
  assert.equal(response.headers['sec-websocket-protocol'], 'SPDY/3.1+portforward.k8s.io');
  const ping = '800300060000000400000001';
  // A binary message of twelve bytes, masked with zeros.
  socket.write(Buffer.from(`828c00000000${ping}`, 'hex'));
  const [answer] = (await once(socket, 'data')) as [Buffer];
  assert.equal(answer.toString('hex'), `820c${ping}`);
  // A control frame of another version ends it.
  socket.write(Buffer.from('8284000000008002ffff', 'hex'));
  socket.write(Buffer.from('828400000000ffffffff', 'hex'));
  await once(socket, 'close');
});

interface LogAnswer {
  readonly response: IncomingMessage;
  readonly text: () => string;
  readonly ended: Promise<unknown>;
  readonly closed: Promise<unknown>;
}

function readLog(port: number, query: string): Promise<LogAnswer> {
  return new Promise((resolve, reject) => {
    get({ port, path: `/log?${query}`, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('error', () => {});
      const ended = new Promise((end) => {
        response.on('end', end);
      });
      const closed = new Promise((close) => {
        response.on('close', close);
      });
      resolve({ response, text: () => text, ended, closed });
    }).on('error', reject);
  });
}

test('proxyLogs passes options on, and errors back', async (t) => {
  const { port, kubelet } = await setUp(t);
  for (const line of ['one', 'two', 'three']) kubelet.log(line);
  const { response, text, ended } = await readLog(port, 'tailLines=2');
  await ended;
  assert.equal(text(), 'two\nthree\n');
  assert.equal(response.headers['content-type'], 'text/plain');
  const missing = await readLog(port, 'container=missing');
  await missing.ended;
  assert.equal(missing.response.statusCode, 404);
  assert.match(missing.text(), /container not found/);
  kubelet.close();
  const away = await readLog(port, '');
  await away.ended;
  assert.equal(away.response.statusCode, 500);
});

test('proxyLogs follows line by line and ends with either side', async (t) => {
  const { port, kubelet } = await setUp(t);
  const { response, text } = await readLog(port, 'follow=true');
  assert.equal(response.statusCode, 200, 'known before the first line');
  kubelet.log('first');
  await until(() => text() === 'first\n', 'the first line at once');
  response.destroy();
  await until(() => kubelet.openStreams() === 0, 'the client has gone');
  const second = await readLog(port, 'follow=true');
  kubelet.endLogs();
  await second.ended;
  const third = await readLog(port, 'follow=true');
  kubelet.breakStreams();
  await third.closed;
  assert.equal(third.response.complete, false, 'cut, not ended');
});

test('a client that hangs up during the handshake leaves nothing behind', async (t) => {
  const { port, kubelet, dialled } = await setUp(t);
  const key = randomBytes(16).toString('base64');
  const head =
    'GET /exec?stdout=1&command=sleep&command=1000 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n`;
  for (let i = 0; i < 20; i += 1) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(head, () => setTimeout(() => socket.destroy(), i));
    await once(socket, 'close');
  }
  await until(() => dialled.every((socket) => socket.destroyed) && kubelet.openStreams() === 0, 'all closed');
});

test('fake kubelet forwards a port', async (t) => {
  const echo = createTcpServer((socket) => socket.pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  t.after(() => echo.close());
  const { kubelet } = await setUp(t);
  const { openKubeletLink } = await import('./kubelet-link.ts');
  const { port } = echo.address() as AddressInfo;
  const link = await openKubeletLink(kubelet.dial, `/portForward/default/web?port=${port}`);
  const writer = link.channelWriter(CHANNEL.stdin);
  const received: string[] = [];
  const closed = new Promise<void>((resolve) => {
    link.start({
      onChannel: (channel, payload) => {
        received.push(`${channel}:${payload.toString()}`);
        return true;
      },
      onClose: resolve,
    });
  });
  writer.end('hello');
  await closed;
  assert.deepEqual(received, ['1:hello', '255:\u0001']);
});
