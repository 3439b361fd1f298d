import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect } from 'node:tls';
import { gunzipSync } from 'node:zlib';

import { createTestServer, podManifest, testPki, type TestServer } from './fixture.ts';
import type { Loose } from './json-value.ts';
import { openStore, type StoredObject } from './storage/store.ts';

const admin = testPki.issue({ commonName: 'admin', organizations: ['system:masters'] });
const guest = testPki.issue({ commonName: 'guest' });

interface Sent {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  readonly body: Loose;
}

interface SendOptions {
  readonly method?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly credential?: { readonly certificate: string; readonly key: string } | undefined;
}

function send(
  port: number,
  path: string,
  { method = 'GET', body, headers = {}, credential }: SendOptions = {},
): Promise<Sent> {
  const payload = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const outgoing = httpsRequest(
      {
        host: '127.0.0.1',
        port,
        path,
        method,
        ca: testPki.ca,
        agent: false,
        headers: { ...(payload === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(credential === undefined ? {} : { cert: credential.certificate, key: credential.key }),
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const raw = Buffer.concat(chunks);
          const bytes = response.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
          const text = bytes.toString('utf8');
          const parsed: unknown = text.startsWith('{') ? JSON.parse(text.split('\n')[0] ?? '') : {};
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            bytes,
            body: parsed as Loose,
          });
        });
      },
    );
    outgoing.on('error', reject);
    outgoing.end(payload);
  });
}

async function listening(
  options: Parameters<typeof createTestServer>[0] = {},
): Promise<TestServer & { port: number }> {
  const running = createTestServer(options);
  const { port, ready } = running.server.listen({ host: '127.0.0.1', port: 0 });
  await ready;
  return { ...running, port, [Symbol.asyncDispose]: () => running.server.close() };
}

test('listen binds before it returns, and says what is in the way', async () => {
  await using running = createTestServer();
  const first = running.server.listen({ host: '127.0.0.1', port: 0 });
  assert.notEqual(first.port, 0);
  await assert.rejects(running.server.listen({ host: '127.0.0.1', port: first.port }).ready, {
    code: 'EADDRINUSE',
  });
  assert.throws(() => running.server.listen({ host: '192.0.2.1', port: 0 }), { code: 'EADDRNOTAVAIL' });
  const second = running.server.listen({ host: '127.0.0.1', port: 0 });
  await Promise.all([first.ready, second.ready]);
});

test('only health and version are open to strangers', async () => {
  await using running = await listening();
  for (const path of ['/healthz', '/livez', '/readyz', '/version', '/readyz/ping']) {
    assert.equal((await send(running.port, path)).status, 200, path);
  }
  for (const path of ['/api', '/api/v1/pods', '/openapi/v2', '/', '/apis/nope', '/metrics']) {
    const { status, body } = await send(running.port, path);
    assert.deepEqual([status, body['reason'], body['kind']], [401, 'Unauthorized', 'Status'], path);
  }
  assert.equal((await send(running.port, '/version')).body['gitVersion'], 'v1.34.0+podnet');
});

test('client certificates name users and groups', async () => {
  await using running = await listening();
  assert.equal((await send(running.port, '/api/v1/pods', { credential: admin })).status, 200);
  const refused = await send(running.port, '/api/v1/namespaces/default/pods/web', { credential: guest });
  assert.equal(refused.status, 403);
  assert.equal(
    refused.body['message'],
    'pods "web" is forbidden: User "guest" cannot get resource "pods" in API group "" in the namespace "default"',
  );
  const nodes = await send(running.port, '/api/v1/nodes', { credential: guest });
  assert.match(String(nodes.body['message']), /nodes is forbidden: .* at the cluster scope$/);
});

test('a certificate of another authority is nobody', async () => {
  const { createPki } = await import('./pki.ts');
  const stranger = createPki({ hosts: [] }).issue({ commonName: 'admin', organizations: ['system:masters'] });
  await using running = await listening();
  assert.equal((await send(running.port, '/api/v1/pods', { credential: stranger })).status, 401);
});

test('bearer tokens: fixed ones, service accounts, and wrong ones', async () => {
  await using running = await listening({
    tokens: [{ token: 'secret', user: { name: 'root', groups: ['system:masters'] } }],
  });
  const ask = (token: string): Promise<Sent> =>
    send(running.port, '/api/v1/namespaces/default/pods', { headers: { authorization: `Bearer ${token}` } });
  assert.equal((await ask('secret')).status, 200);
  assert.equal((await ask('secreT')).status, 401);
  await running.send('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'bot' } });
  const path = '/api/v1/namespaces/default/serviceaccounts/bot/token';
  const { status, body } = await running.send('POST', path, {
    spec: { audiences: [], expirationSeconds: 600 },
  });
  assert.equal(status, 201);
  const { token } = body['status'] as { token: string };
  assert.equal((await ask(token)).status, 403);
  await running.send('POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles', {
    metadata: { name: 'reader' },
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['list'] }],
  });
  await running.send('POST', '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings', {
    metadata: { name: 'reader' },
    roleRef: { kind: 'Role', name: 'reader' },
    subjects: [{ kind: 'ServiceAccount', name: 'bot' }],
  });
  assert.equal((await ask(token)).status, 200);
  const [head, payload, signature = ''] = token.split('.');
  const forged = `${head}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  assert.equal((await ask(forged)).status, 401);
  // A token dies with its account, even when another of the same name follows.
  await running.send('DELETE', '/api/v1/namespaces/default/serviceaccounts/bot');
  await running.send('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'bot' } });
  assert.equal((await ask(token)).status, 401);
});

test('impersonation is for those who may', async () => {
  await using running = await listening();
  const headers = { 'impersonate-user': 'jane', 'impersonate-group': 'dev' };
  const asAdmin = await send(running.port, '/api/v1/pods', { credential: admin, headers });
  assert.match(String(asAdmin.body['message']), /User "jane" cannot list/);
  const asGuest = await send(running.port, '/api/v1/pods', { credential: guest, headers });
  assert.match(String(asGuest.body['message']), /User "guest" cannot impersonate resource "users"/);
});

test('bodies: too large, malformed, of an unknown type, YAML', async () => {
  await using running = await listening();
  const path = '/api/v1/namespaces/default/configmaps';
  const options = { method: 'POST', credential: admin } as const;
  const large = await send(running.port, path, { ...options, body: 'x'.repeat(3 * 1024 * 1024 + 1) });
  assert.deepEqual([large.status, large.body['reason']], [413, 'RequestEntityTooLarge']);
  const broken = await send(running.port, path, { ...options, body: '{"metadata":' });
  assert.deepEqual([broken.status, broken.body['reason']], [400, 'BadRequest']);
  const strange = await send(running.port, path, {
    ...options,
    body: 'x',
    headers: { 'content-type': 'text/csv' },
  });
  assert.deepEqual([strange.status, strange.body['reason']], [415, 'UnsupportedMediaType']);
  const yaml = await send(running.port, path, {
    ...options,
    body: 'metadata:\n  name: a\ndata:\n  k: v\n',
    headers: { 'content-type': 'application/yaml' },
  });
  assert.equal(yaml.status, 201);
});

test('paths that try to be clever name nothing', async () => {
  await using running = await listening();
  for (const path of [
    '/api/v1/namespaces/default/pods/..%2fsecrets',
    '/api/v1/%',
    '/api//',
    '/api/v1/namespaces//pods/x',
  ]) {
    const { status } = await send(running.port, path, { credential: admin });
    assert.ok(status === 404 || status === 200, `${path}: ${status}`);
  }
  assert.equal((await send(running.port, '/api/v1/nothings', { credential: admin })).status, 404);
  assert.equal((await send(running.port, '/nowhere', { credential: admin })).status, 404);
  const wrong = await send(running.port, '/api/v1/namespaces/default/pods/x', {
    method: 'POST',
    body: {},
    credential: admin,
  });
  assert.deepEqual([wrong.status, wrong.body['reason']], [405, 'MethodNotAllowed']);
});

test('large answers are compressed for those who ask', async () => {
  await using running = await listening();
  for (let index = 0; index < 400; index += 1) {
    await running.send('POST', '/api/v1/namespaces/default/pods', podManifest(`p${index}`));
  }
  const path = '/api/v1/namespaces/default/pods';
  const compressed = await send(running.port, path, {
    credential: admin,
    headers: { 'accept-encoding': 'gzip' },
  });
  assert.equal(compressed.headers['content-encoding'], 'gzip');
  const plain = await send(running.port, path, { credential: admin });
  assert.equal(plain.headers['content-encoding'], undefined);
  assert.deepEqual(compressed.bytes, plain.bytes);
});

test('Accept chooses tables and partial objects', async () => {
  await using running = await listening();
  await running.send('POST', '/api/v1/namespaces/default/pods', podManifest('web'));
  const path = '/api/v1/namespaces/default/pods';
  const table = await send(running.port, path, {
    credential: admin,
    headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' },
  });
  assert.equal(table.body['kind'], 'Table');
  assert.equal((table.body['rows'] as unknown[]).length, 1);
  const partial = await send(running.port, path, {
    credential: admin,
    headers: { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' },
  });
  assert.equal(partial.body['kind'], 'PartialObjectMetadataList');
  const protobuf = await send(running.port, path, {
    credential: admin,
    headers: { accept: 'application/vnd.kubernetes.protobuf' },
  });
  assert.equal(protobuf.body['kind'], 'PodList');
});

test('warnings travel in headers', async () => {
  await using running = await listening();
  const body = { ...podManifest('web'), colour: 'blue' };
  const path = '/api/v1/namespaces/default/pods';
  const sent = await send(running.port, path, { method: 'POST', body, credential: admin });
  assert.equal(sent.headers['warning'], '299 - "unknown field \\"colour\\""');
  const strict = await send(running.port, `${path}?fieldValidation=Strict`, {
    method: 'POST',
    body,
    credential: admin,
  });
  assert.equal(strict.status, 400);
  assert.equal(
    strict.body['message'],
    'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "colour"',
  );
});

test('a watch streams one event a line and ends with its timeout', async () => {
  await using running = await listening();
  const path = '/api/v1/namespaces/default/pods';
  await running.send('POST', path, podManifest('web'));
  const watched = send(running.port, `${path}?watch=1&timeoutSeconds=1`, { credential: admin });
  await running.send('POST', path, podManifest('later'));
  const { bytes } = await watched;
  const events = bytes
    .toString('utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; object: { metadata: { name: string } } });
  const seen = events.map(({ type, object }) => `${type} ${object.metadata.name}`);
  assert.deepEqual(seen.sort(), ['ADDED later', 'ADDED web']);
});

test('TLS: nothing older than 1.2, no protocol but http/1.1', async () => {
  await using running = await listening();
  const negotiate = (options: object): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port: running.port, ca: testPki.ca, ...options }, () => {
        resolve(`${socket.getProtocol()} ${String(socket.alpnProtocol)}`);
        socket.destroy();
      });
      socket.on('error', reject);
    });
  assert.equal(await negotiate({ ALPNProtocols: ['h2', 'http/1.1'] }), 'TLSv1.3 http/1.1');
  assert.equal(await negotiate({ maxVersion: 'TLSv1.2' }), 'TLSv1.2 false');
  await assert.rejects(negotiate({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' }));
});

test('a server opened again on its file keeps objects and addresses', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-api-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const databasePath = join(directory, 'state.db');
  const path = '/api/v1/namespaces/default/services';
  const first = createTestServer({ databasePath });
  const { body } = await first.send('POST', path, {
    metadata: { name: 'web' },
    spec: { ports: [{ port: 80 }] },
  });
  const { clusterIP } = body['spec'] as { clusterIP: string };
  await first.server.close();
  await using second = createTestServer({ databasePath });
  const again = await second.send('GET', `${path}/web`);
  assert.equal((again.body['spec'] as { clusterIP: string }).clusterIP, clusterIP);
  const taken = await second.send('POST', path, {
    metadata: { name: 'other' },
    spec: { clusterIP, ports: [{ port: 80 }] },
  });
  assert.match(String(taken.body.message), /provided IP is already allocated/);
});

test('a server opened again takes note of addresses and ports that only objects tell of', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-api-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const databasePath = join(directory, 'state.db');
  const path = '/api/v1/namespaces/default/services';
  const options = { databasePath, serviceCidr: '10.96.0.0/29', nodePortRange: '30000-30003' };
  const first = createTestServer(options);
  await first.send('POST', path, {
    metadata: { name: 'kept' },
    spec: { type: 'NodePort', ports: [{ port: 80 }] },
  });
  const { body: kept } = await first.send('GET', `${path}/kept`);
  await first.server.close();
  // As whoever restores a database by hand leaves it.
  const store = openStore({ path: databasePath });
  const spec = kept['spec'] as Loose;
  const held = new Set([String(spec['clusterIP']), '10.96.0.1']);
  const clusterIP = [2, 3, 4].map((host) => `10.96.0.${host}`).find((each) => !held.has(each)) ?? '';
  const [port] = spec['ports'] as Loose[];
  const nodePort = [30_000, 30_001].find((each) => each !== port?.['nodePort']) ?? 0;
  const key = { storage: 'services', namespace: 'default' };
  const found = store.get({ ...key, name: 'kept' });
  assert.ok(found);
  const unknown: StoredObject & { spec: Loose } = {
    ...found,
    metadata: { ...found.metadata, name: 'unknown', uid: 'a0000000-0000-4000-8000-000000000000' },
    spec: { ...spec, clusterIP, clusterIPs: [clusterIP], ports: [{ ...port, nodePort }] },
  };
  store.put({ ...key, name: 'unknown' }, unknown);
  store.close();

  await using second = createTestServer(options);
  const chosen = await second.send('POST', path, {
    metadata: { name: 'thief' },
    spec: { clusterIP, ports: [{ port: 80 }] },
  });
  assert.match(String(chosen.body.message), /provided IP is already allocated/u);
  const taken = await second.send('POST', path, {
    metadata: { name: 'thief' },
    spec: { type: 'NodePort', ports: [{ port: 80, nodePort }] },
  });
  assert.match(String(taken.body.message), /provided port is already allocated/u);
  const given: unknown[] = [clusterIP, ...held];
  const ports: unknown[] = [nodePort, port?.['nodePort']];
  for (const name of ['a', 'b']) {
    const { body } = await second.send('POST', path, {
      metadata: { name },
      spec: { type: 'NodePort', ports: [{ port: 80 }] },
    });
    const made = body['spec'] as Loose;
    given.push(made['clusterIP']);
    ports.push((made['ports'] as Loose[])[0]?.['nodePort']);
  }
  assert.equal(new Set(given).size, 5, given.join());
  assert.equal(new Set(ports).size, 4, ports.join());
});
