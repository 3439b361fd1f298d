import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../../cluster/client.ts';
import { createFakeClock, settle, type FakeClock } from '../../cluster/clock.ts';
import { createFakeTransport, type FakeTransport } from '../../cluster/fake-transport.ts';
import { events, nodes, pods } from '../../cluster/resources.ts';
import type { Pod } from '../../model/objects.ts';
import { createScheduler } from './scheduler.ts';

interface Scene {
  readonly transport: FakeTransport;
  readonly client: Client;
  readonly clock: FakeClock;
  readonly logs: string[];
  addNode(name: string, cpu?: string): Promise<void>;
  addPod(name: string, spec?: Partial<NonNullable<Pod['spec']>>, cpu?: string): Promise<void>;
  pod(name: string): Promise<Pod>;
  stop(): Promise<void>;
}

async function start(): Promise<Scene> {
  const transport = createFakeTransport();
  const client = new Client(transport);
  const clock = createFakeClock();
  const logs: string[] = [];
  const stop = new AbortController();
  const scheduler = createScheduler({ client, clock, log: (_, message) => logs.push(message) });
  const ended = scheduler.run(stop.signal);
  await settle();
  return {
    transport,
    client,
    clock,
    logs,
    async addNode(name, cpu = '4') {
      await client.create(nodes, { metadata: { name, labels: { 'kubernetes.io/hostname': name } } });
      const status = { allocatable: { cpu, memory: '8Gi', pods: '2000' } };
      await client.patch(nodes, { name }, { type: 'merge', subresource: 'status', body: { status } });
      await settle();
    },
    async addPod(name, spec = {}, cpu = '100m') {
      const container = { name: 'c', image: 'i', resources: { requests: { cpu } } };
      await client.create(pods, {
        metadata: { name, namespace: 'default' },
        spec: { containers: [container], ...spec },
      });
      await settle();
    },
    pod: (name) => client.get(pods, { namespace: 'default', name }),
    async stop() {
      stop.abort();
      await ended;
    },
  };
}

test('Scheduler binds a pod and says so', async () => {
  const scene = await start();
  await scene.addNode('node-1');
  await scene.addPod('web');
  assert.equal((await scene.pod('web')).spec?.nodeName, 'node-1');
  const [event] = (await scene.client.list(events)).items;
  assert.equal(event?.reason, 'Scheduled');
  assert.equal(event?.message, 'Successfully assigned default/web to node-1');
  await scene.stop();
  assert.deepEqual(scene.logs, []);
});

test('Scheduler says why a pod fits nowhere, once, and binds it when there is room', async () => {
  const scene = await start();
  await scene.addNode('small', '1');
  await scene.addPod('big', {}, '2');
  await scene.clock.advance(60_000);
  const { status } = await scene.pod('big');
  const [condition] = status?.conditions ?? [];
  assert.equal(condition?.type, 'PodScheduled');
  assert.equal(condition?.status, 'False');
  assert.equal(condition?.reason, 'Unschedulable');
  assert.equal(condition?.message, '0/1 nodes are available: 1 Insufficient cpu.');
  const failed = (await scene.client.list(events)).items.filter(
    ({ reason }) => reason === 'FailedScheduling',
  );
  assert.deepEqual(
    failed.map(({ type, count, message }) => [type, count, message]),
    [['Warning', 1, condition?.message]],
  );
  await scene.addNode('large', '4');
  await scene.clock.advance(1000);
  assert.equal((await scene.pod('big')).spec?.nodeName, 'large');
  await scene.stop();
});

test('Scheduler tries again when a pod goes, when a taint goes, and when the pod itself is changed', async () => {
  const scene = await start();
  await scene.addNode('node-1', '1');
  await scene.addPod('first', {}, '1');
  await scene.addPod('second', {}, '1');
  assert.equal((await scene.pod('second')).spec?.nodeName, undefined);
  await scene.client.delete(pods, { namespace: 'default', name: 'first' }, { gracePeriodSeconds: 0 });
  await scene.clock.advance(1000);
  assert.equal((await scene.pod('second')).spec?.nodeName, 'node-1');

  await scene.addNode('node-2');
  const tainted = { taints: [{ key: 'a', effect: 'NoSchedule' }] };
  await scene.client.patch(nodes, { name: 'node-2' }, { type: 'merge', body: { spec: tainted } });
  await settle();
  await scene.addPod('third', {}, '1');
  await scene.addPod('fourth', {}, '1');
  const tolerations = [{ key: 'a', operator: 'Exists' }];
  await scene.client.patch(
    pods,
    { namespace: 'default', name: 'third' },
    { type: 'merge', body: { spec: { tolerations } } },
  );
  await settle();
  assert.equal((await scene.pod('third')).spec?.nodeName, 'node-2');
  assert.equal((await scene.pod('fourth')).spec?.nodeName, undefined);
  await scene.client.patch(nodes, { name: 'node-2' }, { type: 'merge', body: { spec: { taints: [] } } });
  await scene.clock.advance(1000);
  assert.equal((await scene.pod('fourth')).spec?.nodeName, 'node-2');
  await scene.stop();
});

test('Scheduler leaves alone what is not its own', async () => {
  const scene = await start();
  await scene.addNode('node-1');
  await scene.addPod('other', { schedulerName: 'mine' });
  await scene.addPod('gated', { schedulingGates: [{ name: 'wait' }] });
  await scene.addPod('placed', { nodeName: 'elsewhere' });
  assert.equal((await scene.pod('other')).spec?.nodeName, undefined);
  assert.equal((await scene.pod('gated')).spec?.nodeName, undefined);
  assert.equal((await scene.pod('placed')).spec?.nodeName, 'elsewhere');
  await scene.client.patch(
    pods,
    { namespace: 'default', name: 'gated' },
    { type: 'merge', body: { spec: { schedulingGates: null } } },
  );
  await settle();
  assert.equal((await scene.pod('gated')).spec?.nodeName, 'node-1');
  await scene.stop();
});

test('Scheduler counts pods that were placed without it', async () => {
  const scene = await start();
  await scene.addNode('node-1', '1');
  await scene.addPod('placed', { nodeName: 'node-1' }, '800m');
  await scene.addPod('web', {}, '500m');
  assert.equal((await scene.pod('web')).spec?.nodeName, undefined);
  await scene.client.patch(
    pods,
    { namespace: 'default', name: 'placed' },
    { type: 'merge', subresource: 'status', body: { status: { phase: 'Succeeded' } } },
  );
  await scene.clock.advance(1000);
  assert.equal((await scene.pod('web')).spec?.nodeName, 'node-1');
  await scene.stop();
});

test('Scheduler tries a binding again that failed, and gives its room back meanwhile', async () => {
  const scene = await start();
  await scene.addNode('node-1');
  let failures = 2;
  scene.transport.intercept = ({ path }) =>
    path.endsWith('/binding') && failures-- > 0 ? new Error('connection reset') : undefined;
  await scene.addPod('web');
  await scene.clock.advance(1000);
  assert.equal((await scene.pod('web')).spec?.nodeName, 'node-1');
  assert.equal(scene.logs.length, 2);
  await scene.stop();
});

test('Scheduler reports a pod that cannot be understood, as an event', async () => {
  const scene = await start();
  await scene.addNode('node-1');
  await scene.addPod('odd', {}, '1 core');
  const [event] = (await scene.client.list(events)).items;
  assert.match(event?.message ?? '', /the pod cannot be scheduled as it is: "1 core" is not a quantity/);
  await scene.addPod('fine');
  assert.equal((await scene.pod('fine')).spec?.nodeName, 'node-1');
  await scene.stop();
});

test('Scheduler places 1,000 pods evenly in one go', async () => {
  const scene = await start();
  for (const name of ['a', 'b', 'c', 'd']) await scene.addNode(name, '64');
  const container = { name: 'c', image: 'i', resources: { requests: { cpu: '10m' } } };
  await Promise.all(
    Array.from({ length: 1000 }, (_, index) =>
      scene.client.create(pods, {
        metadata: { name: `p${index}`, namespace: 'default' },
        spec: { containers: [container] },
      }),
    ),
  );
  await settle(50);
  const perNode = Map.groupBy((await scene.client.list(pods)).items, ({ spec }) => spec?.nodeName ?? '');
  assert.deepEqual([...perNode.keys()].sort(), ['a', 'b', 'c', 'd']);
  for (const [name, placed] of perNode) assert.equal(placed.length, 250, name);
  await scene.stop();
});
