/** Cluster DNS in a process of its own, whose headless Services change all the time: `SERVICES CHANGES-A-SECOND`. */
import { setTimeout as delay } from 'node:timers/promises';
import { endpointSlices } from '../../src/cluster/resources.ts';
import type { EndpointSlice } from '../../src/model/objects.ts';
import { startDnsCluster } from './dns-cluster.ts';

/** What the parent hears: ready, and every change just before the API server tells its watchers. */
export type ChurnReport =
  | { readonly type: 'ready' }
  | { readonly type: 'changed'; readonly changes: readonly ChurnChange[] };

export interface ChurnChange {
  readonly index: number;
  readonly generation: number;
  /** On the machine's monotonic clock. */
  readonly atNs: string;
}

export const CHURN_SERVER = '10.96.0.10';
/** An address says whose it is and how often it changed: 13 bits of the Service, 11 of the generation. */
const GENERATION_BITS = 11;
export const GENERATIONS = 1 << GENERATION_BITS;

export function churnAddress(index: number, generation: number): string {
  const value = (index << GENERATION_BITS) | generation;
  return `10.${value >> 16}.${(value >> 8) & 0xff}.${value & 0xff}`;
}

export function readChurnAddress(bytes: Buffer): { readonly index: number; readonly generation: number } {
  const value = bytes.readUIntBE(1, 3);
  return { index: value >> GENERATION_BITS, generation: value & (GENERATIONS - 1) };
}

export const churnName = (index: number): string => `s-${index}.default.svc.cluster.local`;

function sliceOf(index: number, generation: number): EndpointSlice {
  const name = `s-${index}`;
  return {
    metadata: { namespace: 'default', name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
    endpoints: [{ addresses: [churnAddress(index, generation)], conditions: { ready: true } }],
  };
}

async function main(services: number, changesASecond: number): Promise<void> {
  const indexes = Array.from({ length: services }, (_, index) => index);
  const { client } = await startDnsCluster({
    addresses: [CHURN_SERVER],
    namespaces: ['default'],
    services: indexes.map((index) => ({
      metadata: { namespace: 'default', name: `s-${index}` },
      spec: { clusterIP: 'None', clusterIPs: ['None'], ports: [{ name: 'http', port: 80 }] },
    })),
    endpointSlices: indexes.map((index) => sliceOf(index, 0)),
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ type: 'ready' } satisfies ChurnReport);
  const started = performance.now();
  const generations = new Uint16Array(services);
  for (let done = 0; ;) {
    const due = Math.floor(((performance.now() - started) / 1000) * changesASecond);
    const changes: ChurnChange[] = [];
    for (; done < due; done++) {
      // A stride that is no divisor of any usual number: every Service has its turn.
      const index = (done * 7919) % services;
      const generation = Math.min(GENERATIONS - 1, (generations[index] ?? 0) + 1);
      generations[index] = generation;
      const before = await client.get(endpointSlices, { namespace: 'default', name: `s-${index}-1` });
      changes.push({ index, generation, atNs: process.hrtime.bigint().toString() });
      const { metadata, ...rest } = sliceOf(index, generation);
      await client.update(endpointSlices, { ...rest, metadata: { ...metadata, ...before.metadata } });
    }
    if (changes.length > 0) process.send?.({ type: 'changed', changes } satisfies ChurnReport);
    await delay(5);
  }
}

if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  const [services = 0, changesASecond = 0] = process.argv.slice(2).map(Number);
  await main(services, changesASecond);
}
