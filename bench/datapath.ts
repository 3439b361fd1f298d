import { createPodNetwork } from '../src/cni/podnet.ts';
import { applyRoutes } from '../src/fabric/apply-routes.ts';
import { compile as compileFabric } from '../src/fabric/compile.ts';
import { egressRules } from '../src/fabric/egress.ts';
import { createNetns, withNetns, type Netns } from '../src/kernel/netns.ts';
import { openNftables } from '../src/kernel/nftables/nftables.ts';
import { openRtnl } from '../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../src/kernel/sysctl.ts';
import type { Node } from '../src/model/objects.ts';
import { createNftablesBackend } from '../src/services/backends/nftables.ts';
import { compile as compileServices } from '../src/services/compile.ts';
import { type Path, type Rates, measurePaths, medianOf, ratioOf, SERVER_PORT } from './datapath/paths.ts';
import type { BenchRow } from './row.ts';

const SERVICE = '10.96.0.50';
const ROUNDS = 7;

/**
 * Round trips and new connections a second, client and server on one processor, of a bare veth pair, of pods on one
 * node and on two, and of a pod and a Service. The paths take turns, and what counts is each turn's ratio.
 */
export async function rows(): Promise<BenchRow[]> {
  const lab = await build();
  const measured = await measurePaths(lab.paths, { servers: lab.servers, rounds: ROUNDS });
  lab.close();
  const bare = measured.get('bare veth pair') ?? [];
  const pod = measured.get('pod to pod') ?? [];
  const remote = measured.get('pod to pod of another node') ?? [];
  const service = measured.get('pod to Service') ?? [];
  return (['roundTrips', 'connections'] as const).flatMap((kind) => [
    row('pod to pod', kind, { own: pod, base: bare, baseName: 'bare veth pair', least: 0.7 }),
    row('pod to pod of another node', kind, {
      own: remote,
      base: bare,
      baseName: 'bare veth pair',
      least: 0.5,
    }),
    row('pod to Service', kind, { own: service, base: bare, baseName: 'bare veth pair', least: 0.6 }),
    row('pod to Service', kind, { own: service, base: pod, baseName: 'pod to pod', least: 0.9 }),
  ]);
}

function row(
  name: string,
  kind: keyof Rates,
  {
    own,
    base,
    baseName,
    least,
  }: { own: readonly Rates[]; base: readonly Rates[]; baseName: string; least: number },
): BenchRow {
  const ratio = ratioOf(own, base, kind);
  return {
    figure: `${name}, ${kind === 'roundTrips' ? 'round trips' : 'connections'}`,
    value: Math.round(medianOf(own.map((rates) => rates[kind]))),
    unit: '/s',
    comparedWith: `${baseName} ${Math.round(medianOf(base.map((rates) => rates[kind])))}/s`,
    ratio,
    target: `≥ ${least} of ${baseName}`,
    ok: ratio >= least,
  };
}

/** Two nodes side by side with pods as podnet makes them, all rules loaded, and a bare pair. */
async function build(): Promise<{ paths: Path[]; servers: Netns[]; close(): void }> {
  const [bareClient, bareServer, nodeA, nodeB, client, server, remote] = Array.from({ length: 7 }, () =>
    createNetns(),
  );
  if (!bareClient || !bareServer || !nodeA || !nodeB || !client || !server || !remote)
    throw new Error('no namespaces');
  connect(bareClient, bareServer, ['10.99.0.1', '10.99.0.2']);
  connect(nodeA, nodeB, ['172.18.0.2', '172.18.0.3']);
  const nodes = [1, 2].map((index): Node => ({
    metadata: { name: `node-${index}` },
    spec: { podCIDR: `10.244.${index}.0/24` },
    status: { addresses: [{ type: 'InternalIP', address: `172.18.0.${index + 1}` }] },
  }));
  const closers: (() => void)[] = [];
  const networks = [nodeA, nodeB].map((netns, index) => {
    withNetns(netns, () => writeSysctl('net.ipv4.ip_forward', 1));
    const rtnl = openRtnl({ netns });
    const nftables = openNftables({ netns });
    const plan = compileFabric(nodes, { nodeName: `node-${index + 1}`, clusterCidrs: ['10.244.0.0/16'] });
    applyRoutes(rtnl, plan);
    nftables.apply(egressRules(plan.egress));
    const network = createPodNetwork({
      netns,
      rtnl,
      podCidr: `10.244.${index + 1}.0/24`,
      databasePath: ':memory:',
    });
    closers.push(
      () => network.close(),
      () => nftables.close(),
      () => rtnl.close(),
    );
    return { network, nftables };
  });
  const [a, b] = networks;
  if (!a || !b) throw new Error('no nodes');
  const sandbox = { namespace: 'default', name: 'pod', uid: '' };
  await a.network.add({ ...sandbox, containerId: 'client', netns: client });
  const local = await a.network.add({ ...sandbox, containerId: 'server', netns: server });
  const far = await b.network.add({ ...sandbox, containerId: 'remote', netns: remote });
  const address = local.addresses[0] ?? '';
  createNftablesBackend({ nftables: a.nftables }).sync(serviceFor(address));
  return {
    paths: [
      { name: 'bare veth pair', client: bareClient, address: '10.99.0.2' },
      { name: 'pod to pod', client, address },
      { name: 'pod to pod of another node', client, address: far.addresses[0] ?? '' },
      { name: 'pod to Service', client, address: SERVICE },
    ],
    servers: [bareServer, server, remote],
    close() {
      for (const close of closers) close();
      for (const netns of [bareClient, bareServer, nodeA, nodeB, client, server, remote]) netns.close();
    },
  };
}

function serviceFor(address: string): ReturnType<typeof compileServices> {
  const metadata = { namespace: 'default', name: 'echo' };
  const port = { name: '', port: SERVER_PORT, protocol: 'TCP' };
  return compileServices(
    [{ metadata, spec: { clusterIP: SERVICE, clusterIPs: [SERVICE], ports: [port] } }],
    [
      {
        metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'echo' } },
        addressType: 'IPv4',
        endpoints: [{ addresses: [address], conditions: { ready: true } }],
        ports: [port],
      },
    ],
  );
}

/** A veth pair between two namespaces, an address at each end. */
function connect(left: Netns, right: Netns, addresses: readonly [string, string]): void {
  const near = openRtnl({ netns: left });
  near.addLink({ kind: 'veth', name: 'eth0', peer: { name: 'eth0', netns: right } });
  near.close();
  for (const [index, netns] of [left, right].entries()) {
    const rtnl = openRtnl({ netns });
    rtnl.setLink('lo', { up: true });
    rtnl.setLink('eth0', { up: true });
    rtnl.addAddress({ link: 'eth0', address: addresses[index] ?? '', prefixLength: 24 });
    rtnl.close();
  }
}
