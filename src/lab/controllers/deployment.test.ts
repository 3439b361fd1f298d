import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deployments, events, pods, replicaSets } from '../../cluster/resources.ts';
import type { Deployment, ReplicaSet } from '../../model/objects.ts';
import { templateHash } from './deployment-revision.ts';
import { createDeploymentController } from './deployment.ts';
import { createReplicaSetController } from './replica-set.ts';
import { endTerminating, makeReady, startControllers, testTemplate, type ControllerScene } from './scene.ts';

const place = { namespace: 'default', name: 'web' };

const start = (): Promise<ControllerScene> =>
  startControllers((context) => [createDeploymentController(context), createReplicaSetController(context)]);

function web(replicas: number, spec: Partial<NonNullable<Deployment['spec']>> = {}): Deployment {
  return {
    metadata: place,
    spec: { replicas, selector: { matchLabels: { app: 'web' } }, template: testTemplate('web:1'), ...spec },
  };
}

async function merge({ client }: ControllerScene, body: object): Promise<void> {
  await client.patch(deployments, place, { type: 'merge', body });
}

/** Lets pods become ready and end until nothing changes any more. */
async function roll(scene: ControllerScene): Promise<void> {
  for (let round = 0; round < 20; round++) {
    await scene.quiet();
    const before = scene.transport.requests.length;
    await makeReady(scene.client);
    await endTerminating(scene.client);
    await scene.quiet();
    const changed = scene.transport.requests.slice(before).some(({ method }) => method !== 'GET');
    if (!changed) return;
  }
  assert.fail('the rollout does not come to rest');
}

const conditions = ({ status }: Deployment): Record<string, string> =>
  Object.fromEntries(
    (status?.conditions ?? []).map(({ type, status: value, reason }) => [type, `${value} ${reason}`]),
  );

async function sizes({ client }: ControllerScene): Promise<Record<string, number>> {
  const { items } = await client.list(replicaSets);
  const image = ({ spec }: ReplicaSet): string => spec?.template?.spec?.containers[0]?.image ?? '';
  return Object.fromEntries(items.map((each) => [image(each), each.spec?.replicas ?? -1]));
}

test('Deployment becomes a ReplicaSet and pods, and says when it is available', async () => {
  const scene = await start();
  const { client } = scene;
  await client.create(deployments, web(3));
  await scene.quiet();
  const [replicaSet] = (await client.list(replicaSets)).items;
  const hash = replicaSet?.metadata?.labels?.['pod-template-hash'];
  assert.equal(replicaSet?.metadata?.name, `web-${hash}`);
  assert.equal(replicaSet?.spec?.selector.matchLabels?.['pod-template-hash'], hash);
  assert.equal(replicaSet?.metadata?.ownerReferences?.[0]?.kind, 'Deployment');
  const { items } = await client.list(pods);
  assert.equal(items.length, 3);
  assert.match(items[0]?.metadata?.name ?? '', new RegExp(`^web-${hash}-`));
  assert.equal(items[0]?.metadata?.labels?.['pod-template-hash'], hash);

  let deployment = await client.get(deployments, place);
  assert.equal(deployment.metadata?.annotations?.['deployment.kubernetes.io/revision'], '1');
  assert.equal(conditions(deployment)['Available'], 'False MinimumReplicasUnavailable');
  await roll(scene);
  deployment = await client.get(deployments, place);
  assert.deepEqual(conditions(deployment), {
    Available: 'True MinimumReplicasAvailable',
    Progressing: 'True NewReplicaSetAvailable',
  });
  const { conditions: _, ...counts } = deployment.status ?? {};
  assert.deepEqual(counts, {
    observedGeneration: deployment.metadata?.generation,
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    unavailableReplicas: 0,
  });
  scene.writes();
  await scene.quiet();
  assert.deepEqual(scene.writes(), [], 'at rest nothing is written');
  await scene.stop();
  assert.deepEqual(scene.reports, []);
});

test('Deployment rolls a new template out, keeps the old ReplicaSet, and rolls back to it', async () => {
  const scene = await start();
  const { client } = scene;
  await client.create(deployments, web(4));
  await roll(scene);
  await merge(scene, { spec: { template: testTemplate('web:2') } });
  await scene.quiet();
  assert.deepEqual(await sizes(scene), { 'web:1': 3, 'web:2': 2 }, 'one more and one less than wanted');
  await roll(scene);
  assert.deepEqual(await sizes(scene), { 'web:1': 0, 'web:2': 4 });
  const images = (await client.list(pods)).items.map(({ spec }) => spec?.containers[0]?.image);
  assert.deepEqual(images, Array(4).fill('web:2'));

  await merge(scene, { spec: { template: testTemplate('web:1') } });
  await roll(scene);
  assert.deepEqual(await sizes(scene), { 'web:1': 4, 'web:2': 0 });
  const { items } = await client.list(replicaSets);
  const revisions = items.map(({ metadata }) => metadata?.annotations?.['deployment.kubernetes.io/revision']);
  assert.deepEqual(new Set(revisions), new Set(['3', '2']));
  const deployment = await client.get(deployments, place);
  assert.equal(deployment.metadata?.annotations?.['deployment.kubernetes.io/revision'], '3');
  await scene.stop();
});

test('Deployment with Recreate starts nothing new before the last old pod is gone', async () => {
  const scene = await start();
  const { client } = scene;
  await client.create(deployments, web(2, { strategy: { type: 'Recreate' } }));
  await roll(scene);
  await merge(scene, { spec: { template: testTemplate('web:2') } });
  await scene.quiet();
  assert.deepEqual(await sizes(scene), { 'web:1': 0 });
  const terminating = (await client.list(pods)).items;
  assert.equal(terminating.length, 2);
  const [first] = terminating;
  await client.delete(
    pods,
    { namespace: 'default', name: first?.metadata?.name ?? '' },
    { gracePeriodSeconds: 0 },
  );
  await scene.quiet();
  assert.deepEqual(await sizes(scene), { 'web:1': 0 });
  await endTerminating(client);
  await scene.quiet();
  assert.deepEqual(await sizes(scene), { 'web:1': 0, 'web:2': 2 });
  await scene.stop();
});

test('Deployment that is paused scales but does not roll out', async () => {
  const scene = await start();
  await scene.client.create(deployments, web(2));
  await roll(scene);
  await merge(scene, { spec: { paused: true, template: testTemplate('web:2') } });
  await roll(scene);
  await merge(scene, { spec: { replicas: 3 } });
  await roll(scene);
  assert.deepEqual(await sizes(scene), { 'web:1': 3 });
  assert.equal(
    conditions(await scene.client.get(deployments, place))['Progressing'],
    'Unknown DeploymentPaused',
  );
  await merge(scene, { spec: { paused: false } });
  await roll(scene);
  assert.deepEqual(await sizes(scene), { 'web:1': 0, 'web:2': 3 });
  await scene.stop();
});

test('Deployment scales up and down, to zero and back', async () => {
  const scene = await start();
  await scene.client.create(deployments, web(2));
  for (const replicas of [5, 1, 0, 3]) {
    await merge(scene, { spec: { replicas } });
    await roll(scene);
    assert.equal((await scene.client.list(pods)).items.length, replicas);
    assert.equal((await scene.client.get(deployments, place)).status?.replicas ?? 0, replicas);
  }
  const messages = (await scene.client.list(events)).items.map(({ message }) => message);
  assert.ok(messages.some((message) => /^Scaled up replica set web-\w+ from 0 to 2$/.test(message ?? '')));
  assert.ok(messages.some((message) => /^Scaled down replica set web-\w+ from 5 to 1$/.test(message ?? '')));
  await scene.stop();
});

test('Deployment keeps as many old ReplicaSets as it is told', async () => {
  const scene = await start();
  await scene.client.create(deployments, web(1, { revisionHistoryLimit: 2 }));
  for (const version of [2, 3, 4, 5]) {
    await roll(scene);
    await merge(scene, { spec: { template: testTemplate(`web:${version}`) } });
  }
  await roll(scene);
  assert.deepEqual(Object.keys(await sizes(scene)).sort(), ['web:3', 'web:4', 'web:5']);
  await scene.stop();
});

test('Deployment whose pods never become ready fails its deadline and keeps the old pods', async () => {
  const scene = await start();
  const { client, clock } = scene;
  await client.create(deployments, web(4, { progressDeadlineSeconds: 60 }));
  await roll(scene);
  await merge(scene, { spec: { template: testTemplate('web:bad') } });
  await scene.quiet();
  await endTerminating(client);
  await scene.quiet();
  await clock.advance(70_000);
  await scene.quiet();
  const deployment = await client.get(deployments, place);
  assert.deepEqual(conditions(deployment), {
    Available: 'True MinimumReplicasAvailable',
    Progressing: 'False ProgressDeadlineExceeded',
  });
  assert.deepEqual(await sizes(scene), { 'web:1': 3, 'web:bad': 2 });
  await scene.stop();
});

test('Deployment counts a collision when its ReplicaSet name is taken', async () => {
  const scene = await start();
  const { client } = scene;
  const wanted = web(1);
  const name = `web-${templateHash(wanted.spec?.template)}`;
  await client.create(replicaSets, {
    metadata: { name, namespace: 'default', labels: { other: 'one' } },
    spec: { replicas: 0, selector: { matchLabels: { other: 'one' } } },
  });
  await client.create(deployments, wanted);
  await roll(scene);
  assert.equal((await client.get(deployments, place)).status?.collisionCount, 1);
  assert.equal((await client.list(replicaSets)).items.length, 2);
  assert.equal((await client.list(pods)).items.length, 1);
  await scene.stop();
});

test('templateHash ignores the order of fields and tells templates and collisions apart', () => {
  const one = templateHash({ metadata: { labels: { a: '1', b: '2' } } });
  assert.equal(one, templateHash({ metadata: { labels: { b: '2', a: '1' } } }));
  assert.notEqual(one, templateHash({ metadata: { labels: { a: '1', b: '3' } } }));
  assert.notEqual(one, templateHash({ metadata: { labels: { a: '1', b: '2' } } }, 1));
  assert.match(one, /^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
});
