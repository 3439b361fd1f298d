/**
 * A node's Service proxy fed by watches, in a process of its own: how long from a change at the API server to the
 * kernel, and what the process weighs. The API server is the one for tests, in the same process, and its weight is
 * taken off.
 */
import { Client } from '../src/cluster/client.ts';
import { createFakeTransport } from '../src/cluster/fake-transport.ts';
import { endpointSlices, services } from '../src/cluster/resources.ts';
import { createServiceInformers } from '../src/cluster/service-informers.ts';
import { createNetns } from '../src/kernel/netns.ts';
import { openNftables } from '../src/kernel/nftables/nftables.ts';
import { createServiceProxy } from '../src/services/service-proxy.ts';
import type { BenchRow } from './row.ts';
import { benchService, benchSlice, median } from './service-objects.ts';

const SERVICES = 10_000;
const CHANGES = 200;
const EVENT_LIMIT_MS = 5;
const MEMORY_LIMIT_MB = 150;

const megabytes = (): number => {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 1e6;
};

export async function rows(): Promise<BenchRow[]> {
  const bare = megabytes();
  const client = new Client(createFakeTransport());
  for (let index = 0; index < SERVICES; index++) {
    await client.create(services, benchService(index));
    await client.create(endpointSlices, benchSlice(index));
  }
  const withServer = megabytes();
  const nftables = openNftables({ netns: createNetns() });
  const objects = createServiceInformers(client);
  const done = { resolve: (): void => undefined };
  const proxy = createServiceProxy({
    objects,
    nftables,
    nodeName: 'node-1',
    followers: [{ planned: () => undefined, changed: () => done.resolve() }],
  });
  const stop = new AbortController();
  const running = Promise.allSettled([objects.run(stop.signal), proxy.run(stop.signal)]);
  await proxy.ready;
  const times: number[] = [];
  for (let index = 0; index < CHANGES; index++) {
    const slice = await client.get(endpointSlices, { namespace: 'bench', name: `service-${index}-x` });
    const changed = new Promise<void>((resolve) => (done.resolve = resolve));
    const wanted = benchSlice(index, { moved: true });
    const start = performance.now();
    await client.update(endpointSlices, { ...wanted, metadata: { ...wanted.metadata, ...slice.metadata } });
    await changed;
    times.push(performance.now() - start);
  }
  const weight = bare + (megabytes() - withServer);
  stop.abort();
  await running;
  const eventMs = median(times);
  return [
    {
      figure: `endpoint changed at the API server to kernel, among ${SERVICES} Services, median`,
      value: eventMs,
      unit: 'ms',
      comparedWith: 'writing it at the API server is part of it',
      target: `≤ ${EVENT_LIMIT_MS} ms`,
      ok: eventMs <= EVENT_LIMIT_MS,
    },
    {
      figure: `memory of the proxy at ${SERVICES} Services and ${SERVICES * 5} endpoints`,
      value: weight,
      unit: 'MB',
      comparedWith: `Node alone: ${bare.toFixed(0)} MB`,
      ratio: weight / bare,
      target: `≤ ${MEMORY_LIMIT_MB} MB`,
      ok: weight <= MEMORY_LIMIT_MB,
    },
  ];
}
