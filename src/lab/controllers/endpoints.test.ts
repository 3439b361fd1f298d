import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoints, endpointSlices, nodes, pods, services } from '../../cluster/resources.ts';
import { createEndpointSliceController } from './endpoint-slice.ts';
import { createEndpointsController } from './endpoints.ts';
import { createNodeLifecycleController } from './node-lifecycle.ts';
import {
  readyStatus,
  startControllers,
  testNode,
  testPod,
  testService,
  type ControllerScene,
} from './scene.ts';

const start = (): Promise<ControllerScene> =>
  startControllers((context) => [
    createEndpointSliceController(context),
    createEndpointsController(context),
    createNodeLifecycleController(context, { graceMs: 4000 }),
  ]);

const place = { namespace: 'default', name: 'web' };

async function addPods({ client }: ControllerScene, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const { metadata, spec } = testPod(`pod-${i}`);
    const created = await client.create(pods, { ...(metadata && { metadata }), ...(spec && { spec }) });
    await client.updateStatus(pods, { ...created, status: readyStatus(`10.0.${i >> 8}.${i & 255}`) });
  }
}

async function addresses({
  client,
}: ControllerScene): Promise<{ slices: number; ready: number; legacy: number }> {
  const { items } = await client.list(endpointSlices);
  const ready = items.flatMap((slice) =>
    slice.endpoints.filter(({ conditions }) => conditions?.ready),
  ).length;
  const { subsets } = await client.get(endpoints, place);
  return { slices: items.length, ready, legacy: subsets?.[0]?.addresses?.length ?? 0 };
}

test('EndpointSlices and Endpoints follow the pods of a Service', async () => {
  const scene = await start();
  const { client } = scene;
  await client.create(services, testService({}));
  await scene.quiet();
  assert.deepEqual(await addresses(scene), { slices: 1, ready: 0, legacy: 0 });
  await addPods(scene, 3);
  await scene.quiet();
  assert.deepEqual(await addresses(scene), { slices: 1, ready: 3, legacy: 3 });

  const one = await client.get(pods, { namespace: 'default', name: 'pod-1' });
  await client.updateStatus(pods, { ...one, status: readyStatus('10.0.0.1', false) });
  await scene.quiet();
  assert.deepEqual(await addresses(scene), { slices: 1, ready: 2, legacy: 2 });

  await client.patch(
    pods,
    { namespace: 'default', name: 'pod-2' },
    { type: 'merge', body: { metadata: { labels: { app: 'x' } } } },
  );
  await scene.quiet();
  assert.deepEqual(await addresses(scene), { slices: 1, ready: 1, legacy: 1 });

  scene.writes();
  const same = await client.get(pods, { namespace: 'default', name: 'pod-0' });
  await client.updateStatus(pods, { ...same, status: { ...readyStatus('10.0.0.0'), message: 'noise' } });
  await scene.quiet();
  assert.deepEqual(
    scene.writes().filter((write) => !write.includes('/pods/')),
    [],
    'noise writes nothing',
  );
  await scene.stop();
  assert.deepEqual(scene.reports, []);
});

test('EndpointSlices of 250 pods are written a few times only, and no slice twice', async () => {
  const scene = await start();
  await scene.client.create(services, testService({}));
  await scene.quiet();
  scene.writes();
  await addPods(scene, 250);
  await scene.quiet();
  const writes = scene.writes();
  const ofSlices = writes.filter((write) => write.includes('endpointslices'));
  assert.ok(ofSlices.length <= 12, `${ofSlices.length} writes of slices`);
  assert.deepEqual(await addresses(scene), { slices: 3, ready: 250, legacy: 250 });
  await scene.stop();
});

test('EndpointSlices that were made by hand are left alone, and deleted ones are made again', async () => {
  const scene = await start();
  const { client } = scene;
  await client.create(endpointSlices, {
    metadata: { name: 'by-hand', namespace: 'default', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints: [{ addresses: ['192.0.2.1'] }],
  });
  await client.create(services, testService({}));
  await addPods(scene, 1);
  await scene.quiet();
  const own = (await client.list(endpointSlices)).items.find(({ metadata }) => metadata?.name !== 'by-hand');
  await client.delete(endpointSlices, { namespace: 'default', name: own?.metadata?.name ?? '' });
  await scene.quiet();
  const { items } = await client.list(endpointSlices);
  assert.equal(items.length, 2);
  assert.deepEqual(items.find(({ metadata }) => metadata?.name === 'by-hand')?.endpoints, [
    { addresses: ['192.0.2.1'] },
  ]);
  await scene.stop();
});

test('Endpoints go with their Service', async () => {
  const scene = await start();
  await scene.client.create(services, testService({}));
  await scene.quiet();
  await scene.client.delete(services, place);
  await scene.quiet();
  assert.deepEqual((await scene.client.list(endpoints)).items, []);
  await scene.stop();
});

test('a node that falls silent loses its endpoints within five seconds, and its taints when it is back', async () => {
  const scene = await start();
  const { client, clock } = scene;
  for (const name of ['node-1', 'node-2']) {
    const { metadata, status } = testNode(name);
    const created = await client.create(nodes, { ...(metadata && { metadata }) });
    await client.updateStatus(nodes, { ...created, ...(status && { status }) });
  }
  await client.create(services, testService({}));
  await addPods(scene, 2);
  await scene.quiet();
  assert.deepEqual(await addresses(scene), { slices: 1, ready: 2, legacy: 2 });

  // Only node-2 goes on posting its status.
  const beat = async (name: string): Promise<void> => {
    const node = await client.get(nodes, { name });
    const lastHeartbeatTime = new Date(clock.now()).toISOString();
    await client.updateStatus(nodes, {
      ...node,
      status: { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime }] },
    });
  };
  for (let second = 0; second < 5; second++) {
    await clock.advance(1000);
    await beat('node-2');
  }
  await scene.quiet();
  assert.deepEqual(await addresses(scene), { slices: 1, ready: 0, legacy: 0 });
  const silent = await client.get(nodes, { name: 'node-1' });
  assert.equal(silent.status?.conditions?.[0]?.status, 'Unknown');
  assert.deepEqual(
    silent.spec?.taints?.map(({ key, effect }) => [key, effect]),
    [
      ['node.kubernetes.io/unreachable', 'NoSchedule'],
      ['node.kubernetes.io/unreachable', 'NoExecute'],
    ],
  );
  assert.equal((await client.get(nodes, { name: 'node-2' })).spec?.taints, undefined);

  await beat('node-1');
  await scene.quiet();
  assert.deepEqual((await client.get(nodes, { name: 'node-1' })).spec?.taints, []);
  await scene.stop();
});

test('a process that itself was stopped does not take its nodes for dead', async () => {
  const scene = await start();
  const { client, clock } = scene;
  const created = await client.create(nodes, { metadata: { name: 'node-1' } });
  await client.updateStatus(nodes, { ...created, ...testNode('node-1'), metadata: created.metadata ?? {} });
  await scene.quiet();
  // The clock jumps without a timer having run, as after SIGSTOP.
  const now = clock.now.bind(clock);
  let jumpMs = 0;
  Object.assign(clock, { now: () => now() + jumpMs });
  jumpMs = 60_000;
  await clock.advance(1000);
  await scene.quiet();
  assert.equal((await client.get(nodes, { name: 'node-1' })).status?.conditions?.[0]?.status, 'True');
  await scene.stop();
});
