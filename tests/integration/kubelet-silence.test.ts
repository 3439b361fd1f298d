import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/cluster/clock.ts';
import { endpointSlices, nodes, pods, services } from '../../src/cluster/resources.ts';
import { createEndpointSliceController } from '../../src/lab/controllers/endpoint-slice.ts';
import { createInformers } from '../../src/lab/controllers/informers.ts';
import { createNodeLifecycleController, readinessOf } from '../../src/lab/controllers/node-lifecycle.ts';
import { isReady, startKubeletLab, type KubeletLab } from './kubelet-lab.ts';

let lab: KubeletLab;
const stopping = new AbortController();
let running: Promise<unknown> = Promise.resolve();

before(async () => {
  lab = await startKubeletLab();
  const { client } = lab;
  const informers = createInformers(client, { clock: systemClock, onError: () => {} });
  const context = { client, informers, clock: systemClock, report: () => {} };
  const controllers = [
    createNodeLifecycleController(context, { graceMs: 2500, periodMs: 200 }),
    createEndpointSliceController(context),
  ];
  const watching = Object.values(informers).map((informer) => informer.run(stopping.signal));
  await Promise.all(Object.values(informers).map(({ synced }) => synced));
  running = Promise.all([...watching, ...controllers.map((one) => one.run(stopping.signal))]);
});
after(async () => {
  stopping.abort();
  await running;
  await lab.stop();
});

async function state(): Promise<string> {
  const node = await lab.client.get(nodes, { name: 'node-1' });
  const { items: all } = await lab.client.list(pods, { namespace: 'shop' });
  const { items: slices } = await lab.client.list(endpointSlices, { namespace: 'shop' });
  const endpoints = slices.flatMap((slice) => slice.endpoints);
  return [
    `node ${readinessOf(node)}`,
    `${node.spec?.taints?.length ?? 0} taints`,
    `pods ${all.filter((pod) => isReady(pod)).length} of ${all.length}`,
    `endpoints ${endpoints.filter(({ conditions }) => conditions?.ready).length} of ${endpoints.length}`,
  ].join(', ');
}

/** Resolves to how long it took, in milliseconds. */
async function until(wanted: string, timeoutMs: number): Promise<number> {
  const startMs = Date.now();
  for (;;) {
    const now = await state();
    if (now === wanted) return Date.now() - startMs;
    assert.ok(Date.now() - startMs < timeoutMs, `${now}; wanted ${wanted}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test('a node that fell silent and is heard again is ready again, and so are its pods', async () => {
  await lab.client.create(services, {
    metadata: { namespace: 'shop', name: 'web' },
    spec: { selector: { app: 'web' }, ipFamilies: ['IPv4'], ports: [{ port: 80 }] },
  });
  for (const name of ['web-1', 'web-2', 'web-3']) {
    await lab.run(name, { containers: [{ name: 'web', image: 'web', ports: [{ containerPort: 80 }] }] });
    await lab.client.patch(
      pods,
      { namespace: 'shop', name },
      { type: 'merge', body: { metadata: { labels: { app: 'web' } } } },
    );
  }
  const well = 'node True, 0 taints, pods 3 of 3, endpoints 3 of 3';
  await until(well, 10_000);

  for (let round = 0; round < 2; round++) {
    lab.silence(true);
    await until('node Unknown, 2 taints, pods 0 of 3, endpoints 0 of 3', 6000);
    lab.silence(false);
    const takenMs = await until(well, 10_000);
    assert.ok(takenMs < 2000, `it took ${takenMs} ms`);
  }

  const from = lab.transport.requests.length;
  // Longer than the kubelet needs to see all of its own writes.
  await new Promise((resolve) => setTimeout(resolve, 2500));
  const writes = lab.transport.requests
    .slice(from)
    .filter(({ method, path }) => method !== 'GET' && !path.includes('/leases/'))
    .map(({ method, path }) => `${method} ${path}`);
  assert.deepEqual(writes, [], 'nobody writes when nothing happens');
});

test('a status that somebody else changed is written again', async () => {
  const place = { namespace: 'shop', name: 'web-1' };
  await lab.client.patch(pods, place, {
    type: 'merge',
    subresource: 'status',
    body: { status: { phase: 'Failed', podIP: null } },
  });
  const isRestored = (pod: Parameters<typeof isReady>[0]): boolean =>
    pod?.status?.phase === 'Running' && pod.status.podIP !== undefined;
  await lab.until('web-1', isRestored, 2000);
  await lab.client.patch(
    nodes,
    { name: 'node-1' },
    { type: 'merge', subresource: 'status', body: { status: { conditions: [] } } },
  );
  await until('node True, 0 taints, pods 3 of 3, endpoints 3 of 3', 2000);
});
