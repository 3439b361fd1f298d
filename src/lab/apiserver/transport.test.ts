import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ApiError } from '../../cluster/client.ts';
import type { WatchEvent } from '../../cluster/transport.ts';
import { createTestServer, MERGE_PATCH, podManifest, type TestServer } from './fixture.ts';
import { objectAt, stringAt } from './json-value.ts';

const PODS = '/api/v1/namespaces/default/pods';

/** Reads events until there are `count`; the test's own timeout is the deadline. */
async function take(events: AsyncIterable<WatchEvent>, count: number): Promise<WatchEvent[]> {
  const taken: WatchEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}

function summary(events: readonly WatchEvent[]): string[] {
  return events.map(({ type, object }) => `${type} ${stringAt(object, 'metadata', 'name')}`);
}

async function label(api: TestServer, name: string, labels: object): Promise<void> {
  await api.send('PATCH', `${PODS}/${name}`, { metadata: { labels } }, MERGE_PATCH);
}

test('answers and events share the stored object', async () => {
  await using api = createTestServer();
  const watching = take(api.transport.watch({ path: PODS }), 1);
  const created = await api.send('POST', PODS, podManifest('web'));
  const read = await api.send('GET', `${PODS}/web`);
  const [event] = await watching;
  assert.equal(created.body, read.body);
  assert.equal(event?.object, read.body);
  assert.ok(Object.isFrozen(read.body));
});

test('what a caller sends stays its own', async () => {
  await using api = createTestServer();
  const manifest = podManifest('web');
  const before = structuredClone(manifest);
  await api.send('POST', PODS, manifest);
  assert.deepEqual(manifest, before);
});

test('a watch without a version starts with what is there', async () => {
  await using api = createTestServer();
  await api.send('POST', PODS, podManifest('a'));
  const watching = take(api.transport.watch({ path: PODS, query: { resourceVersion: '0' } }), 3);
  await api.send('POST', PODS, podManifest('b'));
  await api.send('DELETE', `${PODS}/a`);
  assert.deepEqual(summary(await watching), ['ADDED a', 'ADDED b', 'DELETED a']);
});

test('a watch from a version misses nothing and repeats nothing', async () => {
  await using api = createTestServer();
  await api.send('POST', PODS, podManifest('a'));
  const list = await api.send('GET', PODS);
  await api.send('POST', PODS, podManifest('b'));
  const resourceVersion = stringAt(list.body, 'metadata', 'resourceVersion');
  const watching = take(api.transport.watch({ path: PODS, query: { resourceVersion } }), 2);
  await api.send('POST', PODS, podManifest('c'));
  assert.deepEqual(summary(await watching), ['ADDED b', 'ADDED c']);
});

test('a selector turns changes into arrivals and departures', async () => {
  await using api = createTestServer();
  await api.send('POST', PODS, podManifest('a', {}, { labels: { app: 'db' } }));
  const watching = take(api.transport.watch({ path: PODS, query: { labelSelector: 'app=web' } }), 4);
  await label(api, 'a', { app: 'web' });
  await label(api, 'a', { more: 'yes' });
  await label(api, 'a', { app: 'db' });
  await api.send('POST', PODS, podManifest('b', {}, { labels: { app: 'db' } }));
  await label(api, 'a', { app: 'web' });
  const events = await watching;
  assert.deepEqual(summary(events), ['ADDED a', 'MODIFIED a', 'DELETED a', 'ADDED a']);
  assert.equal(stringAt(events[2]?.object, 'metadata', 'labels', 'app'), 'web');
});

test('a watch of one namespace, of one name, of one field', async () => {
  await using api = createTestServer();
  const elsewhere = '/api/v1/namespaces/kube-system/pods';
  const watches = [
    take(api.transport.watch({ path: elsewhere }), 1),
    take(api.transport.watch({ path: PODS, query: { fieldSelector: 'metadata.name=b' } }), 1),
    take(api.transport.watch({ path: `${PODS}/b` }), 1),
    take(api.transport.watch({ path: '/api/v1/pods', query: { fieldSelector: 'spec.nodeName=node-7' } }), 1),
  ];
  await api.send('POST', PODS, podManifest('a'));
  await api.send('POST', PODS, podManifest('b'));
  await api.send('POST', elsewhere, podManifest('c', { nodeName: 'node-7' }));
  assert.deepEqual(
    (await Promise.all(watches)).map((events) => summary(events).join(' ')),
    ['ADDED c', 'ADDED b', 'ADDED b', 'ADDED c'],
  );
});

test('sendInitialEvents ends the present state with a bookmark', async () => {
  await using api = createTestServer();
  await api.send('POST', PODS, podManifest('a'));
  const query = {
    sendInitialEvents: 'true',
    allowWatchBookmarks: 'true',
    resourceVersionMatch: 'NotOlderThan',
  };
  const [first, second] = await take(api.transport.watch({ path: PODS, query }), 2);
  assert.equal(first?.type, 'ADDED');
  assert.equal(second?.type, 'BOOKMARK');
  assert.equal(objectAt(second?.object, 'metadata', 'annotations')['k8s.io/initial-events-end'], 'true');
});

test('a watch that cannot start refuses with ApiError', async () => {
  await using api = createTestServer();
  const start = (path: string, query: Record<string, string> = {}): Promise<unknown> =>
    take(api.transport.watch({ path, query }), 1);
  await assert.rejects(
    start('/api/v1/nothings'),
    (error: unknown) => error instanceof ApiError && error.code === 404,
  );
  await assert.rejects(
    start(PODS, { resourceVersion: '999999' }),
    (error: unknown) => error instanceof ApiError && error.code === 410,
  );
  await assert.rejects(
    start(PODS, { labelSelector: '!' }),
    (error: unknown) => error instanceof ApiError && error.code === 400,
  );
});

test('a watch ends with its signal, its timeout and the transport', async () => {
  await using api = createTestServer();
  const abort = new AbortController();
  const all = async (more: object): Promise<number> => {
    let count = 0;
    for await (const _event of api.transport.watch({ path: '/api/v1/nodes', ...more })) count += 1;
    return count;
  };
  const aborted = all({ signal: abort.signal });
  const timed = all({ query: { timeoutSeconds: '1' } });
  const closed = all({});
  abort.abort();
  assert.equal(await aborted, 0);
  assert.equal(await timed, 0);
  api.transport.close();
  assert.equal(await closed, 0);
});

test('documents answer in process too', async () => {
  await using api = createTestServer();
  assert.equal((await api.send('GET', '/version')).body['gitVersion'], 'v1.34.0+podnet');
  const resources = await api.send('GET', '/api/v1');
  assert.equal(resources.body['kind'], 'APIResourceList');
  assert.equal((await api.send('GET', '/nowhere')).status, 404);
});

test('a user with fewer rights gets fewer answers', async () => {
  await using api = createTestServer();
  const transport = api.server.transport({ name: 'jane', groups: ['system:authenticated'] });
  const { status } = await transport.request({ method: 'GET', path: PODS });
  assert.equal(status, 403);
});
