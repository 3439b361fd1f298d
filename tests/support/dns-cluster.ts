/** A cluster's DNS with nothing around it: an API server in memory and `createDns` in the namespace of the test. */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '../../src/cluster/client.ts';
import { createFakeTransport, type FakeTransport } from '../../src/cluster/fake-transport.ts';
import { endpointSlices, namespaces, pods, services } from '../../src/cluster/resources.ts';
import { createServiceInformers } from '../../src/cluster/service-informers.ts';
import { createDns, type Dns, type DnsOptions } from '../../src/dns/dns.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import type { EndpointSlice, Pod, Service } from '../../src/model/objects.ts';

export interface DnsObjects {
  readonly namespaces: readonly string[];
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly pods?: readonly Pod[];
}

export interface DnsCluster {
  readonly dns: Dns;
  readonly client: Client;
  readonly transport: FakeTransport;
  /** What it logged, `level: text`. */
  readonly lines: string[];
  stop(): Promise<void>;
}

export type DnsClusterOptions = DnsObjects &
  Partial<Omit<DnsOptions, 'client' | 'objects' | 'log'>> &
  Pick<DnsOptions, 'addresses'>;

/** Puts addresses on the namespace's `lo`, once each. */
export function addLocalAddresses(addresses: readonly string[]): void {
  const rtnl = openRtnl();
  try {
    rtnl.setLink('lo', { up: true });
    const there = new Set(rtnl.addresses({ link: 'lo' }).map(({ address }) => address));
    for (const address of addresses) {
      if (there.has(address)) continue;
      const prefixLength = address.includes(':') ? 128 : 32;
      rtnl.addAddress({ link: 'lo', address, prefixLength, scope: 'host' });
    }
  } finally {
    rtnl.close();
  }
}

/** Resolves when every address answers. `stop` it. */
export async function startDnsCluster(options: DnsClusterOptions): Promise<DnsCluster> {
  const { namespaces: names, services: all, endpointSlices: slices, pods: podList = [], ...rest } = options;
  addLocalAddresses(options.addresses);
  const transport = createFakeTransport();
  const client = new Client(transport);
  for (const name of names) await client.create(namespaces, { metadata: { name } });
  for (const service of all) await client.create(services, service);
  for (const slice of slices) await client.create(endpointSlices, slice);
  for (const pod of podList) await client.create(pods, pod);
  const lines: string[] = [];
  const objects = createServiceInformers(client);
  const dns = createDns({
    clusterDomain: 'cluster.local',
    upstreams: [],
    ...rest,
    client,
    objects,
    log: (level, message) => lines.push(`${level}: ${message}`),
  });
  const stop = new AbortController();
  const done = Promise.all([objects.run(stop.signal), dns.run(stop.signal)]);
  const end = async (): Promise<void> => {
    stop.abort();
    await done;
  };
  await Promise.race([
    dns.ready,
    delay(20_000, undefined, { ref: false }).then(async () => {
      await end();
      throw new Error(`the DNS was not ready in 20 s: ${lines.join('; ')}`);
    }),
  ]);
  return { dns, client, transport, lines, stop: end };
}
