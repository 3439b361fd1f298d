/**
 * How many connections a second a pod makes to a Service among many, against another pod directly on a node without
 * any rule, and against kube-proxy's shapes of the same Services: each on a node of its own, client and server on
 * one processor, in turns.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createPodNetwork } from '../src/cni/podnet.ts';
import { type Netns, createNetns, withNetns } from '../src/kernel/netns.ts';
import { openNftables } from '../src/kernel/nftables/nftables.ts';
import { findProgram } from '../src/kernel/process.ts';
import { openRtnl } from '../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../src/kernel/sysctl.ts';
import type { EndpointSlice, Service } from '../src/model/objects.ts';
import { iptablesScript } from '../src/services/backends/iptables/iptables.ts';
import { createNftablesBackend } from '../src/services/backends/nftables.ts';
import { compile } from '../src/services/compile.ts';
import { UNKNOWN_NODE, type ServicePlan } from '../src/services/plan.ts';
import { type Path, type Rates, SERVER_PORT, measurePaths, medianOf } from './datapath/paths.ts';
import type { BenchRow } from './row.ts';
import { ENDPOINTS, benchAddress, benchService, benchSlice, benchTarget } from './service-objects.ts';
import { loadKubeProxyShape } from './services/kube-proxy-nftables.ts';

const SERVICES = 10_000;
/** The nftables shape finds every Service in one look-up, and nft needs minutes for more. */
const NFT_SERVICES = 500;
/** By name it lies in the middle of all, where the iptables shape's rules are half-way through. */
const MEASURED = 5;
const ROUNDS = 30;
const WINDOW_MS = 80;
const LEAST = 0.9;
const POD_CIDR = '10.244.1.0/24';

const BASE = 'pod to pod without rules';
const OWN = `pod to a Service among ${SERVICES} × ${ENDPOINTS}`;

/** What to measure on a node, once it has a server pod of this address. */
interface Shape {
  readonly name: string;
  readonly load?: (netns: Netns, server: string) => void;
}

export async function rows(): Promise<BenchRow[]> {
  const shapes: Shape[] = [{ name: BASE }, { name: OWN, load: loadOwn }];
  const missing: BenchRow[] = [];
  const peer = (
    name: string,
    program: string,
    load: (netns: Netns, server: string, program: string) => void,
  ): void => {
    const path = findProgram(program);
    if (path === undefined) missing.push({ ...blank(name), comparedWith: `${program} is not installed` });
    else shapes.push({ name, load: (netns, server) => load(netns, server, path) });
  };
  peer('pod to pod, tracked as on every node that masquerades', 'nft', loadTracking);
  peer('one nft rule for the one Service, the least that NAT costs', 'nft', loadOneRule);
  peer(`kube-proxy's nftables shape, ${NFT_SERVICES} × ${ENDPOINTS}, by nft -f`, 'nft', loadNftShape);
  // The program on top of nf_tables takes minutes for as many.
  const legacy = 'iptables-legacy-restore';
  peer(`kube-proxy's iptables shape, ${SERVICES} × ${ENDPOINTS}, by ${legacy}`, legacy, loadIptablesShape);
  const nodes = [];
  for (const shape of shapes) nodes.push(await build(shape));
  const measured = await measurePaths(
    nodes.map(({ path }) => path),
    { servers: nodes.map(({ server }) => server), rounds: ROUNDS, windowMs: WINDOW_MS },
  );
  for (const { close } of nodes) close();
  const base = measured.get(BASE) ?? [];
  return [...shapes.slice(1).map(({ name }) => row(name, measured.get(name) ?? [], base)), ...missing];
}

function blank(name: string): BenchRow {
  return {
    figure: `${name}, connections`,
    value: Number.NaN,
    unit: '/s',
    comparedWith: '',
    target: 'to compare with',
    ok: true,
  };
}

/** What else the machine does only ever slows a round down: the best ones tell what the path can do. */
function bestRate(rates: readonly Rates[]): number {
  const sorted = rates.map(({ connections }) => connections).toSorted((a, b) => b - a);
  return medianOf(sorted.slice(0, Math.ceil(sorted.length / 5)));
}

function row(name: string, own: readonly Rates[], base: readonly Rates[]): BenchRow {
  const ratio = bestRate(own) / bestRate(base);
  return {
    ...blank(name),
    value: Math.round(bestRate(own)),
    comparedWith: `${BASE} ${Math.round(bestRate(base))}/s`,
    ratio,
    ...(name === OWN && { target: `≥ ${LEAST} of ${BASE}`, ok: ratio >= LEAST }),
  };
}

/** A node with a client and a server pod. */
async function build({ name, load }: Shape): Promise<{ path: Path; server: Netns; close: () => void }> {
  const node = createNetns();
  const client = createNetns();
  const server = createNetns();
  withNetns(node, () => writeSysctl('net.ipv4.ip_forward', 1));
  const rtnl = openRtnl({ netns: node });
  const network = createPodNetwork({ netns: node, rtnl, podCidr: POD_CIDR, databasePath: ':memory:' });
  const pod = { namespace: 'default', name: 'pod', uid: '' };
  await network.add({ ...pod, containerId: 'client', netns: client });
  const { addresses } = await network.add({ ...pod, containerId: 'server', netns: server });
  const [address = ''] = addresses;
  load?.(node, address);
  return {
    path: {
      name,
      client,
      ...(name.startsWith('pod to pod') ? { address } : { address: benchAddress(MEASURED), port: 80 }),
    },
    server,
    close: () => {
      network.close();
      rtnl.close();
      for (const netns of [node, client, server]) netns.close();
    },
  };
}

/** The benchmarks' Services, one of which has the server for each of its endpoints. */
function planFor(server: string): ServicePlan {
  const objects: (readonly [Service, EndpointSlice])[] = [];
  for (let index = 0; index < SERVICES; index++) {
    const slice = benchSlice(index);
    objects.push([
      benchService(index),
      index === MEASURED
        ? {
            ...slice,
            endpoints: [{ addresses: [server], nodeName: 'node-1' }],
            ports: [{ name: 'http', port: SERVER_PORT, protocol: 'TCP' }],
          }
        : slice,
    ]);
  }
  const node = { ...UNKNOWN_NODE, name: 'node-1', podCidrs: [POD_CIDR] };
  return compile(
    objects.map(([service]) => service),
    objects.map(([, slice]) => slice),
    { node },
  );
}

function loadOwn(netns: Netns, server: string): void {
  const nftables = openNftables({ netns });
  createNftablesBackend({ nftables }).sync(planFor(server));
  nftables.close();
}

function loadTracking(netns: Netns): void {
  loadChain(netns, 'type filter hook prerouting priority filter; ct state invalid drop');
}

function loadOneRule(netns: Netns, server: string): void {
  const rule = `ip daddr ${benchAddress(MEASURED)} tcp dport 80 dnat to ${server}:${SERVER_PORT}`;
  loadChain(netns, `type nat hook prerouting priority dstnat; ${rule}`);
}

function loadChain(netns: Netns, chain: string): void {
  const input = `table ip one { chain one { ${chain}; }; }\n`;
  withNetns(netns, () => execFileSync('nft', ['-f', '-'], { input }));
}

function loadNftShape(netns: Netns, server: string): void {
  loadKubeProxyShape(
    netns,
    Array.from({ length: NFT_SERVICES }, (_, index) => ({
      name: `service-${index}`,
      address: benchAddress(index),
      port: 80,
      ...(index === MEASURED
        ? { endpoints: [server], targetPort: SERVER_PORT }
        : {
            endpoints: Array.from({ length: ENDPOINTS }, (_each, endpoint) => benchTarget(index, endpoint)),
            targetPort: 8080,
          }),
    })),
  );
}

function loadIptablesShape(netns: Netns, server: string, program: string): void {
  const input = iptablesScript(planFor(server), 4);
  const env = { ...process.env, XTABLES_LOCKFILE: '/dev/null' };
  const { status, stderr } = withNetns(netns, () =>
    spawnSync(program, ['--noflush'], { input, encoding: 'utf8', env }),
  );
  if (status !== 0) throw new Error(`${program}: ${stderr.slice(0, 500)}`);
}
