import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../model/objects.ts';
import { ApiError, Client } from './client.ts';
import { createFakeClock, settle, type FakeClock } from './clock.ts';
import { createFakeTransport, type FakeTransport } from './fake-transport.ts';
import { createInformer, type Informer, type InformerOptions } from './informer.ts';
import { pods } from './resources.ts';

interface Scene {
  readonly transport: FakeTransport;
  readonly client: Client;
  readonly clock: FakeClock;
  readonly informer: Informer<Pod>;
  readonly changes: string[];
  readonly errors: unknown[];
  stop(): Promise<void>;
}

const pod = (name: string, labels: Record<string, string> = {}): Pod => ({
  metadata: { name, namespace: 'default', labels },
  spec: { containers: [] },
});

async function start(names: readonly string[], options: InformerOptions<Pod> = {}): Promise<Scene> {
  const transport = createFakeTransport();
  const client = new Client(transport);
  for (const name of names) await client.create(pods, pod(name));
  const clock = createFakeClock();
  const errors: unknown[] = [];
  const informer = createInformer(client, pods, {
    clock,
    random: () => 0.5,
    onError: (error) => errors.push(error),
    ...options,
  });
  const changes: string[] = [];
  informer.onChange(({ type, key }) => changes.push(`${type} ${key}`));
  const controller = new AbortController();
  const ended = informer.run(controller.signal);
  await settle();
  return {
    transport,
    client,
    clock,
    informer,
    changes,
    errors,
    async stop() {
      controller.abort();
      await ended;
      assert.equal(clock.waiting, 0, 'no timer is left behind');
      assert.equal(transport.openWatches, 0, 'no watch is left open');
    },
  };
}

const lists = ({ transport }: Scene): number =>
  transport.requests.filter(({ query }) => !query?.['watch'] && query?.['limit']).length;
const watches = ({ transport }: Scene): string[] =>
  transport.requests
    .filter(({ query }) => query?.['watch'])
    .map(({ query }) => query?.['resourceVersion'] ?? '');

test('Informer lists in pages, then watches from the resource version of the list', async () => {
  const scene = await start(['a', 'b', 'c', 'd', 'e'], { pageSize: 2 });
  await scene.informer.synced;
  assert.equal(lists(scene), 3);
  assert.deepEqual(watches(scene), ['5']);
  assert.equal(scene.informer.size, 5);
  assert.equal(scene.informer.get('default/c')?.kind, 'Pod');
  await scene.stop();
});

test('Informer reports what is added, updated and deleted, with the state before', async () => {
  const scene = await start(['a']);
  const previous: (string | undefined)[] = [];
  scene.informer.onChange((change) =>
    previous.push(change.type === 'updated' ? change.previous.metadata?.labels?.['x'] : undefined),
  );
  await scene.client.create(pods, pod('b', { x: '1' }));
  await scene.client.patch(
    pods,
    { namespace: 'default', name: 'b' },
    { type: 'merge', body: { metadata: { labels: { x: '2' } } } },
  );
  await scene.client.delete(pods, { namespace: 'default', name: 'a' });
  await settle();
  assert.deepEqual(scene.changes, [
    'added default/a',
    'added default/b',
    'updated default/b',
    'deleted default/a',
  ]);
  assert.deepEqual(previous, [undefined, undefined, '1', undefined]);
  await scene.stop();
});

test('Informer resumes a watch that ended or broke where it was, without a list', async () => {
  const scene = await start(['a']);
  scene.transport.endWatches(new Error('connection reset'));
  await settle();
  await scene.client.create(pods, pod('b'));
  await scene.clock.advance(1000);
  scene.transport.endWatches();
  await scene.clock.advance(1000);
  assert.deepEqual(watches(scene), ['1', '1', '2']);
  assert.equal(lists(scene), 1);
  assert.equal(scene.errors.length, 1);
  assert.deepEqual(scene.changes, ['added default/a', 'added default/b']);
  await scene.stop();
});

test('Informer lists again after 410 and reports only the differences', async () => {
  const scene = await start(['a', 'b']);
  scene.transport.endWatches();
  await settle();
  await scene.client.delete(pods, { namespace: 'default', name: 'a' });
  await scene.client.create(pods, pod('c'));
  scene.transport.compact();
  await scene.clock.advance(5000);
  assert.equal(lists(scene), 2);
  assert.deepEqual(scene.changes, [
    'added default/a',
    'added default/b',
    'added default/c',
    'deleted default/a',
  ]);
  assert.deepEqual(scene.errors, [], '410 is part of normal life');
  await scene.stop();
});

test('Informer lists again after an ERROR event of another kind, and says so', async () => {
  const scene = await start(['a']);
  scene.transport.inject({ type: 'ERROR', object: { kind: 'Status', code: 500, message: 'etcd is away' } });
  await scene.clock.advance(5000);
  assert.equal(lists(scene), 2);
  assert.match(String(scene.errors[0]), /etcd is away/);
  await scene.stop();
});

test('Informer does not list again because a server is too busy for its watch', async () => {
  const scene = await start(['a']);
  const busy = { kind: 'Status', code: 429, reason: 'TooManyRequests', message: 'later' } as const;
  let refusals = 3;
  scene.transport.intercept = ({ query }) => (query?.['watch'] && refusals-- > 0 ? busy : undefined);
  scene.transport.endWatches();
  await scene.clock.advance(5000);
  assert.ok(refusals <= 0);
  assert.equal(scene.transport.openWatches, 1);
  assert.equal(lists(scene), 1);
  await scene.stop();
});

test('Informer resumes from the last bookmark', async () => {
  const scene = await start(['a']);
  for (let i = 0; i < 5; i++)
    await scene.client.create(pods, { ...pod(`x${i}`), metadata: { name: `x${i}`, namespace: 'other' } });
  await settle();
  scene.transport.bookmark();
  await settle();
  scene.transport.compact();
  scene.transport.endWatches();
  await scene.clock.advance(1000);
  assert.equal(lists(scene), 1);
  assert.equal(watches(scene).at(-1), '6');
  await scene.stop();
});

test('Informer ignores an event it has seen', async () => {
  const scene = await start(['a']);
  const seen = scene.informer.get('default/a');
  scene.transport.inject({ type: 'ADDED', object: seen });
  scene.transport.inject({ type: 'MODIFIED', object: seen });
  await settle();
  assert.deepEqual(scene.changes, ['added default/a']);
  await scene.stop();
});

test('Informer never stops on errors, and waits longer each time', async () => {
  const transport = createFakeTransport();
  transport.intercept = () => new Error('connect ECONNREFUSED');
  const clock = createFakeClock();
  const errors: unknown[] = [];
  const informer = createInformer(new Client(transport), pods, {
    clock,
    random: () => 0.999,
    onError: (error) => errors.push(error),
  });
  const controller = new AbortController();
  const ended = informer.run(controller.signal);
  await clock.advance(800); // at 0, 100, 300, 700
  assert.equal(errors.length, 4);
  await clock.advance(600_000);
  const many = errors.length;
  assert.ok(many > 20 && many < 40, `${many} attempts: at most one every 30 s`);
  transport.intercept = undefined;
  await clock.advance(30_000);
  await informer.synced;
  controller.abort();
  await ended;
});

test('Informer breaks off a watch that stays silent beyond its time', async () => {
  const scene = await start(['a'], { watchTimeoutMs: 10_000 });
  assert.equal(scene.transport.openWatches, 1);
  await scene.clock.advance(15_900);
  assert.equal(watches(scene).length, 1);
  await scene.clock.advance(1000);
  assert.equal(watches(scene).length, 2);
  await scene.stop();
});

test('Informer rejects synced when it is aborted before the first list', async () => {
  const transport = createFakeTransport();
  transport.intercept = () => new Error('no route');
  const informer = createInformer(new Client(transport), pods, { clock: createFakeClock() });
  const controller = new AbortController();
  const ended = informer.run(controller.signal);
  await settle();
  controller.abort(new Error('stopped'));
  await ended;
  await assert.rejects(informer.synced, /stopped/);
});

test('Informer keeps what transform returns, and finds by index', async () => {
  const scene = await start([], {
    transform: ({ metadata = {} }) => ({
      metadata: {
        name: metadata.name ?? '',
        namespace: metadata.namespace ?? '',
        resourceVersion: metadata.resourceVersion ?? '',
        labels: metadata.labels ?? {},
      },
    }),
    indexes: { app: ({ metadata }) => (metadata?.labels?.['app'] ? [metadata.labels['app']] : []) },
  });
  await scene.client.create(pods, pod('a', { app: 'web' }));
  await scene.client.create(pods, pod('b', { app: 'web' }));
  await settle();
  assert.equal(scene.informer.get('default/a')?.spec, undefined);
  assert.equal(scene.informer.byIndex('app', 'web').length, 2);
  const body = { metadata: { labels: { app: 'db' } } };
  await scene.client.patch(pods, { namespace: 'default', name: 'a' }, { type: 'merge', body });
  await scene.client.delete(pods, { namespace: 'default', name: 'b' });
  await settle();
  assert.deepEqual(scene.informer.byIndex('app', 'web'), []);
  assert.equal(scene.informer.byIndex('app', 'db')[0]?.metadata?.name, 'a');
  assert.throws(() => scene.informer.byIndex('node', 'x'), RangeError);
  await scene.stop();
});

test('Informer survives a listener that throws, and tells later listeners what is known', async () => {
  const scene = await start(['a']);
  scene.informer.onChange(({ type }) => {
    if (type === 'updated') throw new Error('listener');
  });
  const body = { metadata: { labels: { x: '1' } } };
  await scene.client.patch(pods, { namespace: 'default', name: 'a' }, { type: 'merge', body });
  await settle();
  assert.equal(scene.errors.length, 1);
  assert.deepEqual(scene.changes, ['added default/a', 'updated default/a']);
  scene.informer.onChange(() => {
    throw new Error('listener that comes late');
  });
  assert.equal(scene.errors.length, 2);
  const late: string[] = [];
  const unsubscribe = scene.informer.onChange(({ type, key }) => late.push(`${type} ${key}`));
  unsubscribe();
  await scene.client.create(pods, pod('b'));
  await settle();
  assert.deepEqual(late, ['added default/a']);
  await scene.stop();
});

test('Informer follows a label selector: leaving it is a deletion', async () => {
  const scene = await start([], { labelSelector: 'app=web' });
  await scene.client.create(pods, pod('a', { app: 'web' }));
  await scene.client.create(pods, pod('b', { app: 'db' }));
  const body = { metadata: { labels: { app: 'db' } } };
  await scene.client.patch(pods, { namespace: 'default', name: 'a' }, { type: 'merge', body });
  await settle();
  assert.deepEqual(scene.changes, ['added default/a', 'deleted default/a']);
  await scene.stop();
});

test('Informer takes a list refused in the middle up again from its start', async () => {
  const transport = createFakeTransport();
  const client = new Client(transport);
  for (const name of ['a', 'b', 'c']) await client.create(pods, pod(name));
  const expired = {
    kind: 'Status',
    code: 410,
    reason: 'Expired',
    message: 'continue token expired',
  } as const;
  let refusals = 1;
  transport.intercept = ({ query }) => (query?.['continue'] && refusals-- > 0 ? expired : undefined);
  const clock = createFakeClock();
  const informer = createInformer(client, pods, { clock, pageSize: 2 });
  const controller = new AbortController();
  const ended = informer.run(controller.signal);
  await clock.advance(1000);
  await informer.synced;
  assert.equal(informer.size, 3);
  controller.abort();
  await ended;
  assert.ok(new ApiError(expired).code === 410);
});
