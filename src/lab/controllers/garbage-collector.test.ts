import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DiscoveredResource } from '../../cluster/discovery.ts';
import {
  configMaps,
  deployments,
  namespaces,
  pods,
  replicaSets,
  secrets,
  serviceAccounts,
  services,
  type Resource,
} from '../../cluster/resources.ts';
import type { KubeObject, OwnerReference } from '../../model/objects.ts';
import { createGarbageCollector } from './garbage-collector.ts';
import { judge, type GraphNode, type OwnerState, type Verdict } from './garbage-graph.ts';
import { createNamespaceDefaultsController } from './namespace-defaults.ts';
import { createNamespaceController } from './namespace.ts';
import { createPodGarbageController } from './pod-garbage.ts';
import { startControllers, type ControllerScene } from './scene.ts';

const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete'];
const discover = (): Promise<readonly DiscoveredResource[]> =>
  Promise.resolve(
    [pods, replicaSets, deployments, configMaps, secrets, services, serviceAccounts].map((resource) => ({
      ...resource,
      verbs,
    })),
  );

const start = (): Promise<ControllerScene> =>
  startControllers((context) => [
    createGarbageCollector(context, { discover }),
    createNamespaceController(context, discover),
    createNamespaceDefaultsController(context, 'CERTIFICATE'),
    createPodGarbageController(context),
  ]);

async function add<T extends KubeObject>(
  { client }: ControllerScene,
  resource: Resource<T>,
  { name, owners = [] }: { name: string; owners?: readonly KubeObject[] },
): Promise<T> {
  const ownerReferences = owners.map(({ apiVersion = '', kind = '', metadata }): OwnerReference => ({
    apiVersion,
    kind,
    name: metadata?.name ?? '',
    uid: metadata?.uid ?? '',
    blockOwnerDeletion: true,
  }));
  const object: KubeObject = { metadata: { name, namespace: 'default', ownerReferences } };
  return client.create(resource, object as T);
}

async function names({ client }: ControllerScene, resource: Resource): Promise<string[]> {
  return (await client.list(resource)).items.map(({ metadata }) => metadata?.name ?? '');
}

const named = (name: string) => ({ namespace: 'default', name });

test('GarbageCollector deletes the dependents of what is deleted in the background, through all levels', async () => {
  const scene = await start();
  const top = await add(scene, deployments, { name: 'web' });
  const middle = await add(scene, replicaSets, { name: 'web-1', owners: [top] });
  for (const name of ['a', 'b', 'c']) await add(scene, pods, { name, owners: [middle] });
  await add(scene, pods, { name: 'free' });
  await scene.quiet();
  await scene.client.delete(deployments, named('web'), { propagationPolicy: 'Background' });
  await scene.quiet();
  assert.deepEqual(await names(scene, replicaSets), []);
  assert.deepEqual(await names(scene, pods), ['free']);
  await scene.stop();
  assert.deepEqual(scene.reports, []);
});

test('GarbageCollector deletes dependents first in the foreground', async () => {
  const scene = await start();
  const top = await add(scene, deployments, { name: 'web' });
  const middle = await add(scene, replicaSets, { name: 'web-1', owners: [top] });
  await add(scene, pods, { name: 'a', owners: [middle] });
  await scene.quiet();
  scene.writes();
  await scene.client.delete(deployments, named('web'), { propagationPolicy: 'Foreground' });
  assert.deepEqual(await names(scene, deployments), ['web'], 'it waits');
  await scene.quiet();
  assert.deepEqual(
    [await names(scene, deployments), await names(scene, replicaSets), await names(scene, pods)],
    [[], [], []],
  );
  const order = scene.writes().map((write) => write.replace(/\/api.*\//, ''));
  assert.deepEqual(order, ['DELETE web', 'DELETE web-1', 'DELETE a', 'PATCH web-1', 'PATCH web']);
  await scene.stop();
});

test('GarbageCollector orphans dependents when told to', async () => {
  const scene = await start();
  const owner = await add(scene, replicaSets, { name: 'web' });
  await add(scene, pods, { name: 'a', owners: [owner] });
  await scene.quiet();
  await scene.client.delete(replicaSets, named('web'), { propagationPolicy: 'Orphan' });
  await scene.quiet();
  assert.deepEqual(await names(scene, replicaSets), []);
  assert.deepEqual((await scene.client.get(pods, named('a'))).metadata?.ownerReferences, []);
  await scene.stop();
});

test('GarbageCollector keeps what has an owner left, and forgets the one that is gone', async () => {
  const scene = await start();
  const one = await add(scene, configMaps, { name: 'one' });
  const two = await add(scene, configMaps, { name: 'two' });
  await add(scene, secrets, { name: 'shared', owners: [one, two] });
  await scene.quiet();
  await scene.client.delete(configMaps, named('one'));
  await scene.quiet();
  const { metadata } = await scene.client.get(secrets, named('shared'));
  assert.deepEqual(
    metadata?.ownerReferences?.map(({ name }) => name),
    ['two'],
  );
  await scene.stop();
});

test('GarbageCollector deletes what is created for an owner that is gone, or another of its name', async () => {
  const scene = await start();
  const gone = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'one', uid: 'old' } };
  await add(scene, configMaps, { name: 'one' });
  await add(scene, secrets, { name: 'late', owners: [gone] });
  await scene.quiet();
  assert.deepEqual(await names(scene, secrets), []);
  await scene.stop();
});

test('GarbageCollector leaves alone what belongs to a kind it does not know', async () => {
  const scene = await start();
  const unknown = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'x', uid: 'x' } };
  await add(scene, secrets, { name: 'kept', owners: [unknown] });
  await scene.quiet();
  assert.deepEqual(await names(scene, secrets), ['kept']);
  await scene.stop();
});

const graphNode = (options: Partial<GraphNode>): GraphNode => ({
  uid: 'u',
  resource: 'r',
  namespace: 'n',
  name: 'x',
  owners: [],
  finalizers: [],
  deleting: false,
  ...options,
});
const owner = (uid: string): OwnerReference => ({
  apiVersion: 'v1',
  kind: 'K',
  name: uid,
  uid,
  blockOwnerDeletion: true,
});
const child = graphNode({ uid: 'c', owners: [owner('u')] });

const verdicts: readonly (readonly [
  string,
  GraphNode,
  readonly GraphNode[],
  readonly OwnerState[],
  Verdict['action'],
])[] = [
  ['no owners', graphNode({}), [], [], 'nothing'],
  ['an owner that lives', graphNode({ owners: [owner('a')] }), [], ['alive'], 'nothing'],
  ['an owner that is gone', graphNode({ owners: [owner('a')] }), [], ['gone'], 'delete'],
  [
    'one of two owners gone',
    graphNode({ owners: [owner('a'), owner('b')] }),
    [],
    ['gone', 'alive'],
    'forget owners',
  ],
  ['an owner that waits', graphNode({ owners: [owner('a')] }), [], ['waits for dependents'], 'delete'],
  ['deletion already under way', graphNode({ owners: [owner('a')], deleting: true }), [], [], 'nothing'],
  [
    'foreground with dependents',
    graphNode({ deleting: true, finalizers: ['foregroundDeletion'] }),
    [child],
    [],
    'delete dependents',
  ],
  [
    'foreground with dependents that go',
    graphNode({ deleting: true, finalizers: ['foregroundDeletion'] }),
    [{ ...child, deleting: true }],
    [],
    'nothing',
  ],
  [
    'foreground without dependents',
    graphNode({ deleting: true, finalizers: ['foregroundDeletion'] }),
    [],
    [],
    'remove finalizer',
  ],
  [
    'orphan with dependents',
    graphNode({ deleting: true, finalizers: ['orphan'] }),
    [child],
    [],
    'orphan dependents',
  ],
  [
    'orphan without dependents',
    graphNode({ deleting: true, finalizers: ['orphan'] }),
    [],
    [],
    'remove finalizer',
  ],
];

for (const [what, node, dependents, ownerStates, action] of verdicts)
  test(`judge: ${what}: ${action}`, () => {
    assert.equal(judge(node, { dependents, ownerStates }).action, action);
  });

test('a namespace gets its defaults, again when they are deleted or changed', async () => {
  const scene = await start();
  const { client } = scene;
  await client.create(namespaces, { metadata: { name: 'shop' } });
  await scene.quiet();
  const account = { namespace: 'shop', name: 'default' };
  const ca = { namespace: 'shop', name: 'kube-root-ca.crt' };
  assert.equal((await client.get(configMaps, ca)).data?.['ca.crt'], 'CERTIFICATE');
  await client.delete(serviceAccounts, account);
  await client.patch(configMaps, ca, { type: 'merge', body: { data: { 'ca.crt': 'other' } } });
  await scene.quiet();
  assert.equal((await client.get(serviceAccounts, account)).metadata?.name, 'default');
  assert.equal((await client.get(configMaps, ca)).data?.['ca.crt'], 'CERTIFICATE');
  await scene.stop();
});

test('a namespace that is deleted is emptied, waits for its pods, and goes', async () => {
  const scene = await start();
  const { client } = scene;
  await client.create(namespaces, { metadata: { name: 'shop' }, spec: { finalizers: ['kubernetes'] } });
  await client.create(services, { metadata: { name: 'web', namespace: 'shop' } });
  await client.create(pods, {
    metadata: { name: 'a', namespace: 'shop' },
    spec: { containers: [], nodeName: 'n' },
  });
  await client.create(services, { metadata: { name: 'other', namespace: 'default' } });
  await scene.quiet();
  await client.delete(namespaces, { name: 'shop' });
  await scene.clock.advance(1000);
  assert.deepEqual(await names(scene, services), ['other']);
  assert.deepEqual(await names(scene, namespaces), ['shop'], 'its pod still ends');
  await client.delete(pods, { namespace: 'shop', name: 'a' }, { gracePeriodSeconds: 0 });
  await scene.clock.advance(1000);
  assert.deepEqual(await names(scene, namespaces), []);
  assert.deepEqual(await names(scene, serviceAccounts), [], 'its defaults are not made again');
  await scene.stop();
  assert.deepEqual(scene.reports, []);
});

test('pods of a node that no longer exists are deleted after a while', async () => {
  const scene = await start();
  const { client } = scene;
  await client.create(pods, {
    metadata: { name: 'a', namespace: 'default' },
    spec: { containers: [], nodeName: 'gone' },
  });
  await scene.clock.advance(4000);
  assert.deepEqual(await names(scene, pods), ['a']);
  await scene.clock.advance(2000);
  assert.deepEqual(await names(scene, pods), []);
  await scene.stop();
});
