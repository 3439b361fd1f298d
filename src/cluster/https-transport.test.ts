import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ApiError, Client, isGone } from './client.ts';
import { createHttpsTransport, type HttpsTransportOptions } from './https-transport.ts';
import { createInformer } from './informer.ts';
import type { ClusterAccess } from './kubeconfig.ts';
import { pods } from './resources.ts';
import type { Transport } from './transport.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface Scene {
  readonly transport: Transport;
  readonly client: Client;
  readonly requests: IncomingMessage[];
}

/** Plain HTTP is enough for everything but TLS, which is tried against the lab's API server. */
async function start(
  t: TestContext,
  handler: Handler,
  options: HttpsTransportOptions & { access?: Partial<ClusterAccess> } = {},
): Promise<Scene> {
  const requests: IncomingMessage[] = [];
  const server = http.createServer((request, response) => {
    requests.push(request);
    response.setHeader('content-type', 'application/json');
    handler(request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const { access, ...rest } = options;
  const transport = createHttpsTransport(
    { server: `http://127.0.0.1:${port}/prefix`, namespace: 'default', ...access },
    rest,
  );
  t.after(() => {
    transport.close();
    server.closeAllConnections();
    server.close();
  });
  return { transport, client: new Client(transport), requests };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'the condition did not come true in 5 s');
    await delay(5);
  }
}

const event = (type: string, name: string): string =>
  `${JSON.stringify({ type, object: { metadata: { name, namespace: 'a', resourceVersion: name } } })}\n`;

test('HttpsTransport sends method, path, query, body and user agent, and keeps its connection', async (t) => {
  let received = '';
  const { transport, requests } = await start(t, (request, response) => {
    request.on('data', (chunk: Buffer) => {
      received += chunk.toString();
    });
    request.on('end', () => response.end('{"kind":"Pod"}'));
  });
  for (let i = 0; i < 3; i++) {
    const { status, body } = await transport.request({
      method: 'PATCH',
      path: '/api/v1/pods',
      query: { labelSelector: 'a in (b,c)' },
      body: { é: 1 },
      contentType: 'application/merge-patch+json',
    });
    assert.deepEqual([status, body], [200, { kind: 'Pod' }]);
  }
  assert.equal(received, '{"é":1}'.repeat(3));
  assert.equal(requests[0]?.url, '/prefix/api/v1/pods?labelSelector=a+in+%28b%2Cc%29');
  assert.equal(requests[0]?.headers['content-type'], 'application/merge-patch+json');
  assert.equal(requests[0]?.headers['user-agent'], 'podnet');
  assert.equal(new Set(requests.map(({ socket }) => socket.remotePort)).size, 1);
});

test('HttpsTransport uses a token, a password, or a token file that is read again', async (t) => {
  const path = mkdtempSync(join(tmpdir(), 'podnet-token-'));
  t.after(() => rmSync(path, { recursive: true }));
  const tokenFile = join(path, 'token');
  writeFileSync(tokenFile, 'first\n');
  const accesses: readonly (readonly [Partial<ClusterAccess>, string])[] = [
    [{ token: 'secret' }, 'Bearer secret'],
    [{ basic: { username: 'a', password: 'b' } }, `Basic ${Buffer.from('a:b').toString('base64')}`],
    [{ tokenFile }, 'Bearer first'],
  ];
  for (const [access, expected] of accesses) {
    const { transport, requests } = await start(t, (_, response) => response.end('{}'), { access });
    await transport.request({ method: 'GET', path: '/' });
    assert.equal(requests[0]?.headers.authorization, expected);
  }
});

test('HttpsTransport rejects when the connection breaks in the middle of an answer', async (t) => {
  const { transport } = await start(t, (_, response) => {
    response.setHeader('content-length', 100);
    response.write('{"items":[');
    setTimeout(() => response.destroy(), 10);
  });
  await assert.rejects(transport.request({ method: 'GET', path: '/' }));
});

test('HttpsTransport gives up on a server that does not answer', async (t) => {
  const { transport } = await start(t, () => {}, { requestTimeoutMs: 50 });
  await assert.rejects(
    transport.request({ method: 'GET', path: '/version' }),
    /GET \/version: no answer .* in 50 ms/,
  );
});

test('HttpsTransport waits as a server that is too busy asks it to', async (t) => {
  let refusals = 2;
  const { transport, requests } = await start(t, (_, response) => {
    if (refusals-- > 0) response.writeHead(429, { 'retry-after': '0' });
    response.end('{}');
  });
  assert.equal((await transport.request({ method: 'POST', path: '/' })).status, 200);
  assert.equal(requests.length, 3);
});

test('HttpsTransport reads again over a new connection when a kept one was closed', async (t) => {
  let close = false;
  const { transport } = await start(t, (request, response) => {
    if (close) {
      close = false;
      request.socket.destroy();
    } else response.end('{}');
  });
  await transport.request({ method: 'GET', path: '/' });
  close = true;
  assert.equal((await transport.request({ method: 'GET', path: '/' })).status, 200);
  close = true;
  await assert.rejects(transport.request({ method: 'POST', path: '/' }), 'a write is not repeated');
});

test('HttpsTransport rejects an aborted request', async (t) => {
  const { transport } = await start(t, () => {});
  const stop = new AbortController();
  const request = transport.request({ method: 'GET', path: '/', signal: stop.signal });
  stop.abort();
  await assert.rejects(request, { name: 'AbortError' });
});

test('HttpsTransport keeps text that is not JSON as text', async (t) => {
  const { transport } = await start(t, (_, response) => {
    response.setHeader('content-type', 'text/plain');
    response.end('ok');
  });
  assert.equal((await transport.request({ method: 'GET', path: '/healthz' })).body, 'ok');
});

test('HttpsTransport.watch gives up on a server that does not begin, and lets one that began be silent', async (t) => {
  let begin = false;
  const { client } = await start(
    t,
    (_, response) => {
      if (begin) response.flushHeaders();
      if (begin) setTimeout(() => response.end(event('ADDED', '1')), 150);
    },
    { requestTimeoutMs: 50 },
  );
  await assert.rejects(Array.fromAsync(client.watch(pods)), /no answer .* in 50 ms/);
  begin = true;
  assert.equal((await Array.fromAsync(client.watch(pods))).length, 1);
});

test('HttpsTransport does not go on waiting for a busy server when aborted', async (t) => {
  const { transport, requests } = await start(t, (_, response) => {
    response.writeHead(429, { 'retry-after': '20' });
    response.end('{}');
  });
  const stop = new AbortController();
  const request = transport.request({ method: 'GET', path: '/', signal: stop.signal });
  await until(() => requests.length === 1);
  await delay(20);
  stop.abort();
  await assert.rejects(request, { name: 'AbortError' });
});

test('HttpsTransport.watch yields events and ends when the server ends', async (t) => {
  const { client, requests } = await start(t, (_, response) => {
    response.write(event('ADDED', '1').slice(0, 20));
    response.write(`${event('ADDED', '1').slice(20)}${event('DELETED', '2')}`);
    response.end();
  });
  const events = await Array.fromAsync(client.watch(pods, { namespace: 'a', resourceVersion: '5' }));
  assert.deepEqual(
    events.map(({ type }) => type),
    ['ADDED', 'DELETED'],
  );
  assert.equal(requests[0]?.url, '/prefix/api/v1/namespaces/a/pods?resourceVersion=5&watch=1');
});

test('HttpsTransport.watch throws when the connection breaks, in the middle of a line or between two', async (t) => {
  for (const last of ['{"type":"AD', event('ADDED', '2')]) {
    const { client } = await start(t, (_, response) => {
      response.write(event('ADDED', '1') + last);
      setTimeout(() => response.destroy(), 20);
    });
    const seen: string[] = [];
    await assert.rejects(async () => {
      for await (const { type } of client.watch(pods)) seen.push(type);
    });
    assert.equal(seen[0], 'ADDED');
  }
});

test('HttpsTransport.watch throws ApiError when the server refuses', async (t) => {
  const { client } = await start(t, (_, response) => {
    response.statusCode = 410;
    response.end('{"kind":"Status","code":410,"reason":"Expired","message":"too old resource version"}');
  });
  const error = await Array.fromAsync(client.watch(pods)).catch((caught: unknown) => caught);
  assert.ok(error instanceof ApiError && isGone(error));
});

test('HttpsTransport.watch ends quietly when aborted, and closes its connection', async (t) => {
  let closed = false;
  const { client } = await start(t, (_, response) => {
    response.write(event('ADDED', '1'));
    response.on('close', () => {
      closed = true;
    });
  });
  const stop = new AbortController();
  for await (const { type } of client.watch(pods, { signal: stop.signal })) {
    assert.equal(type, 'ADDED');
    stop.abort();
  }
  await until(() => closed);
});

test('HttpsTransport.watch closes its connection when the reader leaves', async (t) => {
  let closed = false;
  const { client } = await start(t, (_, response) => {
    response.write(event('ADDED', '1'));
    response.on('close', () => {
      closed = true;
    });
  });
  for await (const { type } of client.watch(pods)) {
    assert.equal(type, 'ADDED');
    break;
  }
  await until(() => closed);
});

test('Informer lives through a server that breaks every watch in the middle of a line', async (t) => {
  let version = 1;
  const { client } = await start(t, (request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    if (!searchParams.has('watch')) {
      response.end('{"metadata":{"resourceVersion":"1"},"items":[]}');
      return;
    }
    assert.equal(searchParams.get('resourceVersion'), String(version), 'resumes where it was');
    version++;
    response.write(`${event('ADDED', String(version))}{"type":"MOD`);
    setTimeout(() => response.destroy(), 5);
  });
  const errors: unknown[] = [];
  const informer = createInformer(client, pods, {
    minDelayMs: 1,
    maxDelayMs: 5,
    onError: (error) => errors.push(error),
  });
  const stop = new AbortController();
  const ended = informer.run(stop.signal);
  await until(() => informer.size >= 5);
  stop.abort();
  await ended;
  assert.ok(errors.length >= 4);
});
