import assert from 'node:assert/strict';
import { test } from 'node:test';
import { events, pods, replicaSets } from '../../cluster/resources.ts';
import type { Pod, ReplicaSet } from '../../model/objects.ts';
import { podsToDelete } from './replica-set-plan.ts';
import { createReplicaSetController } from './replica-set.ts';
import {
  makeReady,
  readyStatus,
  startControllers,
  testPod,
  testTemplate,
  type ControllerScene,
} from './scene.ts';
import { slowStart } from './slow-start.ts';

const place = { namespace: 'default', name: 'web' };

const start = (): Promise<ControllerScene> =>
  startControllers((context) => [createReplicaSetController(context)]);

const web = (replicas: number, spec: Partial<NonNullable<ReplicaSet['spec']>> = {}): ReplicaSet => ({
  metadata: place,
  spec: { replicas, selector: { matchLabels: { app: 'web' } }, template: testTemplate('web:1'), ...spec },
});

test('ReplicaSet creates what is missing, deletes what is too much, and counts', async () => {
  const scene = await start();
  const { client } = scene;
  const { metadata } = await client.create(replicaSets, web(3));
  await scene.quiet();
  const { items } = await client.list(pods);
  assert.equal(items.length, 3);
  assert.deepEqual(items[0]?.metadata?.ownerReferences, [
    {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: 'web',
      uid: metadata?.uid,
      controller: true,
      blockOwnerDeletion: true,
    },
  ]);
  await makeReady(client);
  await scene.quiet();
  assert.deepEqual((await client.get(replicaSets, place)).status, {
    replicas: 3,
    fullyLabeledReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    observedGeneration: 1,
  });
  await client.patch(replicaSets, place, { type: 'merge', body: { spec: { replicas: 1 } } });
  await scene.quiet();
  const left = (await client.list(pods)).items.filter((pod) => !pod.metadata?.deletionTimestamp);
  assert.equal(left.length, 1);
  await scene.stop();
  assert.deepEqual(scene.reports, []);
});

test('ReplicaSet replaces pods that end or are deleted', async () => {
  const scene = await start();
  const { client } = scene;
  await client.create(replicaSets, web(2));
  await scene.quiet();
  const [first, second] = (await client.list(pods)).items;
  await client.delete(pods, { namespace: 'default', name: first?.metadata?.name ?? '' });
  await client.updateStatus(pods, { ...second, status: { phase: 'Failed' } });
  await scene.quiet();
  const active = (await client.list(pods)).items.filter(({ status }) => status?.phase !== 'Failed');
  assert.equal(active.length, 2);
  await scene.stop();
});

test('ReplicaSet adopts orphans that match and releases pods that no longer do', async () => {
  const scene = await start();
  const { client } = scene;
  await client.create(pods, {
    metadata: { ...place, name: 'orphan', labels: { app: 'web' } },
    spec: { containers: [] },
  });
  await client.create(replicaSets, web(2));
  await scene.quiet();
  assert.equal((await client.list(pods)).items.length, 2, 'the orphan counts');
  const orphan = { namespace: 'default', name: 'orphan' };
  assert.equal((await client.get(pods, orphan)).metadata?.ownerReferences?.[0]?.name, 'web');
  await client.patch(pods, orphan, { type: 'merge', body: { metadata: { labels: { app: 'debug' } } } });
  await scene.quiet();
  assert.deepEqual((await client.get(pods, orphan)).metadata?.ownerReferences, []);
  assert.equal((await client.list(pods)).items.length, 3, 'its place is taken by a new pod');
  await scene.stop();
});

test('ReplicaSet counts pods as available when they were ready for minReadySeconds', async () => {
  const scene = await start();
  const { client, clock } = scene;
  await client.create(replicaSets, web(1, { minReadySeconds: 30 }));
  await scene.quiet();
  await makeReady(client);
  await scene.quiet();
  assert.equal((await client.get(replicaSets, place)).status?.availableReplicas ?? 0, 0);
  await clock.advance(31_000);
  await scene.quiet();
  assert.equal((await client.get(replicaSets, place)).status?.availableReplicas, 1);
  await scene.stop();
});

test('ReplicaSet says that pods cannot be created, stops at the first failure, and recovers', async () => {
  const scene = await start();
  const { client, transport } = scene;
  transport.intercept = ({ method, path }) =>
    method === 'POST' && path.endsWith('/pods')
      ? { kind: 'Status', code: 403, reason: 'Forbidden', message: 'exceeded quota' }
      : undefined;
  await client.create(replicaSets, web(100));
  await scene.clock.advance(5);
  const tries = scene.writes().filter((write) => write.endsWith('/pods')).length;
  assert.ok(tries <= 3, `${tries} tries, not a hundred`);
  await scene.clock.advance(1000);
  const { status } = await client.get(replicaSets, place);
  assert.equal(status?.conditions?.[0]?.reason, 'FailedCreate');
  assert.match(status?.conditions?.[0]?.message ?? '', /exceeded quota/);
  assert.match((await client.list(events)).items[0]?.message ?? '', /Error creating: exceeded quota/);
  transport.intercept = undefined;
  await scene.clock.advance(11_000);
  await scene.quiet();
  assert.equal((await client.list(pods)).items.length, 100);
  assert.equal((await client.get(replicaSets, place)).status?.conditions, undefined);
  await scene.stop();
});

test('ReplicaSet without a selector that matches its own pods does not create pods without end', async () => {
  const scene = await start();
  await scene.client.create(replicaSets, web(1, { selector: { matchLabels: { app: 'other' } } }));
  await scene.clock.advance(1000);
  const count = (await scene.client.list(pods)).items.length;
  assert.ok(count < 200, `${count} pods in a second`);
  await scene.stop();
});

test('ReplicaSet of 1,000 pods writes its status a few times only', async () => {
  const scene = await start();
  await scene.client.create(replicaSets, web(1000));
  await scene.quiet();
  const writes = scene.writes();
  assert.equal(writes.filter((write) => write.endsWith('/pods')).length, 1000);
  assert.ok(writes.filter((write) => write.endsWith('/status')).length <= 5);
  await scene.stop();
});

test('podsToDelete prefers pods that serve least', () => {
  const ready = (name: string, options: Partial<Pod> = {}): Pod => ({
    ...testPod(name, { ip: '10.0.0.1', nodeName: name }),
    ...options,
  });
  const annotated = testPod('cheap', { ip: '10.0.0.1', nodeName: 'cheap' });
  const cases: readonly (readonly [what: string, first: Pod, others: readonly Pod[]])[] = [
    ['without a node', testPod('u', { nodeName: '' }), [ready('a'), ready('b')]],
    ['pending', { ...ready('p'), status: { phase: 'Pending' } }, [ready('a'), ready('b')]],
    ['not ready', { ...ready('n'), status: readyStatus('10.0.0.1', false) }, [ready('a'), ready('b')]],
    [
      'with a lower deletion cost',
      {
        ...annotated,
        metadata: {
          ...annotated.metadata,
          annotations: { 'controller.kubernetes.io/pod-deletion-cost': '-5' },
        },
      },
      [ready('a'), ready('b')],
    ],
    [
      'on a node with more of them',
      { ...ready('x'), spec: { containers: [], nodeName: 'a' } },
      [{ ...ready('a'), metadata: { name: 'a', creationTimestamp: '2025-01-01T00:00:00Z' } }, ready('b')],
    ],
  ];
  for (const [what, first, others] of cases) {
    const given = what.startsWith('on a node') ? [first, ...others] : [...others, first];
    const [chosen] = podsToDelete(given, 1);
    assert.equal(chosen?.metadata?.name, first.metadata?.name, what);
  }
  assert.equal(podsToDelete([ready('a')], 5).length, 1);
});

test('slowStart doubles its batches and stops at the first that fails', async () => {
  const tried: number[] = [];
  const { succeeded, error } = await slowStart(100, (index) => {
    tried.push(index);
    return index === 5 ? Promise.reject(new Error('no')) : Promise.resolve();
  });
  assert.deepEqual(tried, [0, 1, 2, 3, 4, 5, 6]);
  assert.equal(succeeded, 6);
  assert.match(String(error), /no/);
  assert.deepEqual(await slowStart(10, () => Promise.resolve()), { succeeded: 10 });
});
