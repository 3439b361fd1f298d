import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ApiError,
  Client,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isGone,
  isInvalid,
  isNotFound,
  statusOf,
} from './client.ts';
import { createFakeTransport } from './fake-transport.ts';
import {
  apiVersionOf,
  configMaps,
  deployments,
  namespaces,
  nodes,
  parseApiVersion,
  pods,
  resourcePath,
} from './resources.ts';
import type { ApiRequest, Transport } from './transport.ts';

function recording(body: unknown, status = 200): { client: Client; requests: ApiRequest[] } {
  const requests: ApiRequest[] = [];
  const transport: Transport = {
    request(request) {
      requests.push(request);
      return Promise.resolve({ status, body });
    },
    async *watch() {},
    close() {},
  };
  return { client: new Client(transport), requests };
}

test('resourcePath names collections, objects and subresources', () => {
  assert.equal(resourcePath(pods), '/api/v1/pods');
  assert.equal(resourcePath(pods, { namespace: 'a' }), '/api/v1/namespaces/a/pods');
  assert.equal(
    resourcePath(deployments, { namespace: 'a', name: 'b', subresource: 'status' }),
    '/apis/apps/v1/namespaces/a/deployments/b/status',
  );
  assert.equal(resourcePath(nodes, { namespace: 'ignored', name: 'n' }), '/api/v1/nodes/n');
  assert.equal(resourcePath(pods, { namespace: 'a/b', name: '?' }), '/api/v1/namespaces/a%2Fb/pods/%3F');
  assert.throws(() => resourcePath(pods, { namespace: '..', name: 'secrets' }), RangeError);
});

test('apiVersionOf and parseApiVersion are each other reversed', () => {
  for (const text of ['v1', 'apps/v1', 'discovery.k8s.io/v1'])
    assert.equal(apiVersionOf(parseApiVersion(text)), text);
});

test('Client.list asks for what it is told and nothing else', async () => {
  const { client, requests } = recording({ items: null, metadata: { resourceVersion: '7' } });
  const { items, resourceVersion, continueToken } = await client.list(pods, {
    namespace: 'a',
    labelSelector: 'app=web',
    limit: 10,
  });
  assert.deepEqual([items, resourceVersion, continueToken], [[], '7', '']);
  assert.equal(requests[0]?.path, '/api/v1/namespaces/a/pods');
  assert.deepEqual(requests[0]?.query, { labelSelector: 'app=web', limit: '10' });
});

test('Client.list gives items the kind that servers leave out, and leaves the others alone', async () => {
  const whole = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } };
  const { client } = recording({ items: [{ metadata: { name: 'b' } }, whole] });
  const { items } = await client.list(pods);
  assert.deepEqual(
    items.map(({ kind, apiVersion }) => [kind, apiVersion]),
    [
      ['Pod', 'v1'],
      ['Pod', 'v1'],
    ],
  );
  const shared = recording({ items: [whole] });
  assert.equal((await shared.client.list(pods)).items[0], whole);
});

test('Client writes name the kind, and patches their content type', async () => {
  const { client, requests } = recording({});
  await client.create(configMaps, { metadata: { name: 'a', namespace: 'n' } }, { fieldManager: 'me' });
  await client.patch(configMaps, { namespace: 'n', name: 'a' }, { type: 'json', body: [] });
  await client.patch(configMaps, { namespace: 'n', name: 'a' }, { type: 'apply', body: {}, force: true });
  await client.delete(configMaps, { namespace: 'n', name: 'a' }, { preconditions: { uid: 'u' } });
  await client.create(pods, { metadata: { namespace: 'n' } }, { name: 'p', subresource: 'binding' });
  const [create, json, apply, remove, binding] = requests;
  assert.deepEqual(create?.body, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a', namespace: 'n' },
  });
  assert.deepEqual(create?.query, { fieldManager: 'me' });
  assert.equal(json?.contentType, 'application/json-patch+json');
  assert.equal(apply?.contentType, 'application/apply-patch+yaml');
  assert.deepEqual(apply?.query, { force: 'true' });
  assert.deepEqual(remove?.body, { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: 'u' } });
  assert.equal(binding?.path, '/api/v1/namespaces/n/pods/p/binding');
});

const refusals = [
  [404, 'NotFound', isNotFound],
  [409, 'AlreadyExists', isAlreadyExists],
  [409, 'Conflict', isConflict],
  [410, 'Expired', isGone],
  [410, 'Gone', isGone],
  [422, 'Invalid', isInvalid],
  [403, 'Forbidden', isForbidden],
] as const;

for (const [code, reason, predicate] of refusals)
  test(`Client throws an ApiError for ${code} ${reason} that its predicate knows`, async () => {
    const status = { kind: 'Status', status: 'Failure', code, reason, message: 'no' };
    const { client } = recording(status, code);
    const error = await client.get(nodes, { name: 'x' }).catch((caught: unknown) => caught);
    assert.ok(error instanceof ApiError && predicate(error));
    assert.equal(error.message, 'no');
    assert.equal(predicate(new Error('no')), false);
    for (const [, otherReason, other] of refusals)
      if (other !== predicate) assert.equal(other(error), false, `is not ${otherReason}`);
  });

test('statusOf makes do with the answer of something that is no API server', () => {
  const { message, reason } = statusOf('<html>bad gateway</html>', 502);
  assert.equal(message, 'the API server answered 502: <html>bad gateway</html>');
  assert.equal(reason, '');
  assert.equal(statusOf(undefined, 404).reason, 'NotFound');
});

test('FakeTransport keeps spec and status apart, counts generations and checks resource versions', async () => {
  const client = new Client(createFakeTransport());
  const created = await client.create(deployments, {
    metadata: { name: 'a', namespace: 'n' },
    spec: { replicas: 1, selector: {}, template: {} },
  });
  assert.equal(created.metadata?.generation, 1);
  const withStatus = await client.updateStatus(deployments, {
    ...created,
    spec: { replicas: 9, selector: {}, template: {} },
    status: { replicas: 1 },
  });
  assert.equal(withStatus.spec?.replicas, 1);
  assert.equal(withStatus.metadata?.generation, 1);
  await assert.rejects(client.update(deployments, created), isConflict);
  const name = { namespace: 'n', name: 'a' };
  const patched = await client.patch(deployments, name, { type: 'merge', body: { spec: { replicas: 2 } } });
  assert.equal(patched.metadata?.generation, 2);
  assert.equal(patched.status?.replicas, 1);
  const same = await client.patch(deployments, name, { type: 'merge', body: { spec: { replicas: 2 } } });
  assert.equal(same.metadata?.resourceVersion, patched.metadata?.resourceVersion, 'nothing changed');
  assert.throws(() => Object.assign(patched, { spec: {} }), TypeError);
});

test('FakeTransport keeps objects with finalizers, and pods that end gracefully', async () => {
  const client = new Client(createFakeTransport());
  await client.create(namespaces, { metadata: { name: 'a' }, spec: { finalizers: ['kubernetes'] } });
  await client.delete(namespaces, { name: 'a' });
  const terminating = await client.get(namespaces, { name: 'a' });
  assert.ok(terminating.metadata?.deletionTimestamp);
  await client.update(namespaces, { ...terminating, spec: { finalizers: [] } }, { subresource: 'finalize' });
  await assert.rejects(client.get(namespaces, { name: 'a' }), isNotFound);

  const pod = { namespace: 'a', name: 'p' };
  await client.create(pods, { metadata: pod, spec: { containers: [], nodeName: 'n' } });
  await client.delete(pods, pod);
  assert.ok((await client.get(pods, pod)).metadata?.deletionTimestamp);
  await client.delete(pods, pod, { gracePeriodSeconds: 0 });
  await assert.rejects(client.get(pods, pod), isNotFound);
});
