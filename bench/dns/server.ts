/**
 * The cluster DNS of one node in a process of its own, with an API server in memory: `server.ts SERVICES PODS`. Tells
 * on its IPC channel when it answers and what it weighs, and changes an endpoint when told to.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Client } from '../../src/cluster/client.ts';
import { createFakeTransport } from '../../src/cluster/fake-transport.ts';
import { endpointSlices, namespaces, pods, services } from '../../src/cluster/resources.ts';
import { createServiceInformers } from '../../src/cluster/service-informers.ts';
import { createDns } from '../../src/dns/dns.ts';
import { createLocalPods } from '../../src/dns/local-pods.ts';
import { UPSTREAM, SERVER, serviceOf, sliceOf, podOf } from './objects.ts';

/** What the parent sends. */
export type ServerCommand = { readonly type: 'change'; readonly index: number; readonly generation: number };
/** What it hears. */
export type ServerReport =
  | { readonly type: 'ready'; readonly weightMb: number }
  /** Just before the API server tells its watchers, on the machine's monotonic clock. */
  | { readonly type: 'changed'; readonly atNs: string };

function heapMb(): number {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  if (typeof collect === 'function') for (let round = 0; round < 3; round++) collect();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1e6;
}

const [serviceCount = 0, podCount = 0] = process.argv.slice(2).map(Number);
const report = (message: ServerReport): void => void process.send?.(message);

const client = new Client(createFakeTransport());
await client.create(namespaces, { metadata: { name: 'default' } });
for (let index = 0; index < podCount; index++) await client.create(pods, podOf(index));
for (let index = 0; index < serviceCount; index++) {
  await client.create(services, serviceOf(index));
  await client.create(endpointSlices, sliceOf(index, podCount, 0));
}
const bare = heapMb();
const objects = createServiceInformers(client);
const localPods = createLocalPods(client, { nodeName: 'node-1', onError: () => {} });
const dns = createDns({
  client,
  objects,
  addresses: [SERVER],
  clusterDomain: 'cluster.local',
  upstreams: [UPSTREAM],
  namespaceOf: (address) => localPods.namespaceOf(address),
  nameOf: (address) => localPods.nameOf(address),
  // One client asks for a whole node's pods here.
  limits: { queriesPerSecond: 1e9, queriesBurst: 1e9, errorsPerSecond: 1e9, errorsBurst: 1e9 },
  log: (level, message) => process.stderr.write(`${level}: ${message}\n`),
});
const stop = new AbortController();
void objects.run(stop.signal);
void localPods.run(stop.signal);
void dns.run(stop.signal);
await dns.ready;
report({ type: 'ready', weightMb: heapMb() - bare });

async function change({ index, generation }: ServerCommand): Promise<void> {
  const { metadata = {} } = sliceOf(index, podCount, 0);
  const { metadata: stored } = await client.get(endpointSlices, {
    namespace: 'default',
    name: metadata.name ?? '',
  });
  const wanted = sliceOf(index, podCount, generation);
  const atNs = process.hrtime.bigint().toString();
  await client.update(endpointSlices, { ...wanted, metadata: { ...wanted.metadata, ...stored } });
  report({ type: 'changed', atNs });
}
process.on('message', (command: ServerCommand) => void change(command));
process.on('disconnect', () => process.exit(0));
