/** The controllers and the scheduler against the lab's own API server, with a stand-in for kubelets. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '../../src/cluster/client.ts';
import {
  deployments,
  endpoints,
  endpointSlices,
  namespaces,
  nodes,
  pods,
  replicaSets,
  serviceAccounts,
  services,
} from '../../src/cluster/resources.ts';
import { createPki } from '../../src/lab/apiserver/pki.ts';
import { createApiServer } from '../../src/lab/apiserver/server.ts';
import { createControllers } from '../../src/lab/controllers/controllers.ts';
import { createScheduler } from '../../src/lab/scheduler/scheduler.ts';
import type { Deployment } from '../../src/model/objects.ts';

const web = { namespace: 'default', name: 'web' };

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `not within 20 s: ${what}`);
    await delay(20);
  }
}

/** Makes every bound pod ready at once and ends the ones that are deleted. */
async function standInKubelet(client: Client, signal: AbortSignal): Promise<void> {
  let count = 0;
  for await (const { object: pod } of client.watch(pods, { signal })) {
    const { namespace, name = '', deletionTimestamp } = pod.metadata ?? {};
    try {
      if (deletionTimestamp) await client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 });
      else if (pod.spec?.nodeName && !pod.status?.podIP) {
        const podIP = `10.244.${++count >> 8}.${count & 255}`;
        const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() }];
        const status = { phase: 'Running', podIP, podIPs: [{ ip: podIP }], conditions };
        await client.patch(
          pods,
          { namespace, name },
          { type: 'merge', subresource: 'status', body: { status } },
        );
      }
    } catch {
      // it changed or went meanwhile: another event tells
    }
  }
}

async function start(t: TestContext): Promise<Client> {
  const pki = createPki({ hosts: ['127.0.0.1'] });
  const api = createApiServer({
    databasePath: ':memory:',
    pki,
    serviceCidr: '10.96.0.0/16',
    advertise: { address: '172.18.0.1', port: 6443 },
    dialKubelet: () => {
      throw new Error('there are no kubelets');
    },
  });
  const client = new Client(api.transport());
  for (const name of ['node-1', 'node-2', 'node-3']) {
    await client.create(nodes, { metadata: { name } });
    const status = {
      conditions: [{ type: 'Ready', status: 'True' }],
      allocatable: { cpu: '64', memory: '64Gi', pods: '500' },
    };
    await client.patch(nodes, { name }, { type: 'merge', subresource: 'status', body: { status } });
  }
  const stop = new AbortController();
  const running = Promise.all([
    createControllers({ client, clusterCidrs: ['10.244.0.0/16'], ca: pki.ca, nodeGraceMs: 600_000 }).run(
      stop.signal,
    ),
    createScheduler({ client }).run(stop.signal),
    standInKubelet(client, stop.signal),
  ]);
  t.after(async () => {
    stop.abort();
    await running;
    await api.close();
  });
  return client;
}

function deployment(replicas: number): Deployment {
  const labels = { app: 'web' };
  const container = { name: 'web', image: 'web:1', ports: [{ name: 'http', containerPort: 8080 }] };
  return {
    metadata: web,
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [container] } },
    },
  };
}

async function readyEndpoints(client: Client): Promise<number> {
  const { items } = await client.list(endpointSlices, { labelSelector: 'kubernetes.io/service-name=web' });
  return items.flatMap((slice) => slice.endpoints.filter(({ conditions }) => conditions?.ready)).length;
}

test('a Deployment of 200 pods is scheduled, served, rolled out, scaled and collected', async (t) => {
  const client = await start(t);
  await client.create(services, {
    metadata: web,
    spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 'http' }] },
  });
  await client.create(deployments, deployment(200));
  const status = async (): Promise<Deployment['status']> => (await client.get(deployments, web)).status;
  await until('all are available', async () => (await status())?.availableReplicas === 200);
  await until('all are endpoints', async () => (await readyEndpoints(client)) === 200);
  const perNode = Map.groupBy((await client.list(pods)).items, ({ spec }) => spec?.nodeName);
  assert.deepEqual(
    [...perNode.values()].map(({ length }) => length).sort((a, b) => a - b),
    [66, 67, 67],
  );

  const merge = (spec: object): Promise<Deployment> =>
    client.patch(deployments, web, { type: 'merge', body: { spec } });
  await merge({ replicas: 10 });
  await until('only ten are left', async () => (await client.list(pods)).items.length === 10);
  const { metadata } = await merge({ template: { metadata: { annotations: { version: '2' } } } });
  await until('the new template is out', async () => {
    const { observedGeneration = 0, replicas, updatedReplicas, availableReplicas } = (await status()) ?? {};
    const counts = [replicas, updatedReplicas, availableReplicas];
    return observedGeneration >= (metadata?.generation ?? 0) && counts.every((count) => count === 10);
  });
  assert.equal((await client.list(replicaSets)).items.length, 2);
  await until('endpoints are the new pods', async () => (await readyEndpoints(client)) === 10);
  await until('Endpoints say the same', async () => {
    const { subsets } = await client.get(endpoints, web);
    return subsets?.[0]?.addresses?.length === 10 && subsets[0].ports?.[0]?.port === 8080;
  });

  await client.delete(deployments, web, { propagationPolicy: 'Foreground' });
  await until('everything of it is gone', async () => {
    const left = await Promise.all([client.list(deployments), client.list(replicaSets), client.list(pods)]);
    return left.every(({ items }) => items.length === 0);
  });
  await client.delete(services, web);
  await until('its slices are gone', async () => {
    const { items } = await client.list(endpointSlices, { labelSelector: 'kubernetes.io/service-name=web' });
    return items.length === 0;
  });
});

test('namespaces get their defaults and go with all they hold; nodes get their CIDRs', async (t) => {
  const client = await start(t);
  await client.create(namespaces, { metadata: { name: 'shop' } });
  await until('it has a service account', async () => {
    const { items } = await client.list(serviceAccounts, { namespace: 'shop' });
    return items.some(({ metadata }) => metadata?.name === 'default');
  });
  await client.create(services, {
    metadata: { namespace: 'shop', name: 'web' },
    spec: { ports: [{ port: 80 }] },
  });
  await client.delete(namespaces, { name: 'shop' });
  await until('it is gone', async () =>
    (await client.list(namespaces)).items.every(({ metadata }) => metadata?.name !== 'shop'),
  );
  await until('all nodes have a CIDR', async () =>
    (await client.list(nodes)).items.every(({ spec }) => /^10\.244\.\d\.0\/24$/.test(spec?.podCIDR ?? '')),
  );
});
