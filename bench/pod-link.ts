import { spawnSync } from 'node:child_process';
import { GATEWAYS, HOST_MAC, hostInterfaceName, podMac } from '../src/cni/pod-link-plan.ts';
import type { LinkMode } from '../src/cni/pod-network.ts';
import { createPodNetwork } from '../src/cni/podnet.ts';
import { createNetns, withNetns, type Netns } from '../src/kernel/netns.ts';
import { findProgram } from '../src/kernel/process.ts';
import { openRtnl } from '../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../src/kernel/sysctl.ts';
import type { BenchRow } from './row.ts';

const PODS = 200;
const PEERS = 40;

/** What a CNI ADD takes with podnet, and what the same link takes with runs of `ip -batch`, the node's and the pod's. */
export async function rows(): Promise<BenchRow[]> {
  return [...(await rowsOf('routed')), ...(await rowsOf('bridge'))];
}

async function rowsOf(linkMode: LinkMode): Promise<BenchRow[]> {
  const rtnl = openRtnl();
  rtnl.setLink('lo', { up: true });
  writeSysctl('net.ipv4.ip_forward', 1);
  const network = createPodNetwork({ podCidr: '10.244.0.0/16', databasePath: ':memory:', rtnl, linkMode });
  if (linkMode === 'bridge') runIp(bridgeLines);
  const namespaces = Array.from({ length: PODS + PEERS }, () => createNetns());
  const [add, peer, del]: [number[], number[], number[]] = [[], [], []];
  // Taking turns, so that whatever else the machine does falls on both.
  for (const [index, netns] of namespaces.entries()) {
    if (index % (1 + PODS / PEERS) === 0) {
      peer.push(addWithIp(netns, index, linkMode));
      continue;
    }
    const started = performance.now();
    await network.add({ containerId: `pod-${index}`, namespace: 'default', name: 'pod', uid: '', netns });
    add.push(performance.now() - started);
  }
  for (const { containerId } of network.allocations()) {
    const started = performance.now();
    await network.del({ containerId });
    del.push(performance.now() - started);
  }
  const started = performance.now();
  await network.collect();
  const collectMs = performance.now() - started;
  network.close();
  rtnl.close();
  for (const netns of namespaces) netns.close();

  const comparedWith =
    peer.length > 0 ? `ip -batch, median ${quantile(peer, 0.5).toFixed(1)} ms` : 'ip is not installed';
  const row = (figure: string, value: number, limitMs: number, compared?: number): BenchRow => ({
    figure: `${linkMode} ${figure}`,
    value,
    unit: 'ms',
    comparedWith: compared === undefined ? '' : comparedWith,
    ...(compared !== undefined && compared > 0 && { ratio: value / compared }),
    target: `≤ ${limitMs} ms`,
    ok: value <= limitMs,
  });
  return [
    row('pod link ADD, median', quantile(add, 0.5), 3, quantile(peer, 0.5)),
    {
      ...row('pod link ADD, p99', quantile(add, 0.99), 0, quantile(peer, 0.99)),
      comparedWith: `ip -batch, p99 ${quantile(peer, 0.99).toFixed(1)} ms`,
      target: '≤ ip -batch',
      ok: quantile(add, 0.99) <= quantile(peer, 0.99),
    },
    row('pod link DEL, median', quantile(del, 0.5), 3),
    row(`pod link DEL, ${add.length} interfaces deleted together`, collectMs, 500),
  ];
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
}

/** The bridge of the peers. */
const PEER_BRIDGE = 'peer0';
const PEER_GATEWAY = '10.245.0.1';
const bridgeLines = [
  `link add ${PEER_BRIDGE} address ${podMac(PEER_GATEWAY)} type bridge`,
  `link set ${PEER_BRIDGE} up`,
  `address add ${PEER_GATEWAY}/16 dev ${PEER_BRIDGE}`,
];

function runIp(lines: readonly string[]): void {
  const { status, stderr } = spawnSync(findProgram('ip') ?? 'ip', ['-batch', '-'], {
    input: `${lines.join('\n')}\n`,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`ip -batch: ${stderr}`);
}

/** The same link by iproute2; its time in milliseconds. */
function addWithIp(netns: Netns, index: number, linkMode: LinkMode): number {
  const name = hostInterfaceName(`peer-${index}`);
  const address = `10.245.0.${index + 2}`;
  const mac = podMac(address);
  const far = `peer name eth0 address ${mac} netns /proc/${process.pid}/fd/${netns.fd}`;
  const started = performance.now();
  if (linkMode === 'bridge') {
    runIp([
      `link add ${name} type veth ${far}`,
      `link set ${name} master ${PEER_BRIDGE} up`,
      `link set ${name} type bridge_slave hairpin on`,
    ]);
    withNetns(netns, () =>
      runIp([
        'link set lo up',
        'link set eth0 up',
        `address add ${address}/16 dev eth0`,
        `route add default via ${PEER_GATEWAY} dev eth0`,
      ]),
    );
    return performance.now() - started;
  }
  runIp([`link add ${name} address ${HOST_MAC} type veth ${far}`]);
  withNetns(netns, () =>
    runIp([
      'link set lo up',
      'link set eth0 up',
      `address add ${address}/32 dev eth0`,
      `route add ${GATEWAYS[4]} dev eth0`,
      `route add default via ${GATEWAYS[4]} dev eth0`,
      `neighbour add ${GATEWAYS[4]} lladdr ${HOST_MAC} dev eth0 nud permanent`,
    ]),
  );
  runIp([
    `link set ${name} up`,
    `route add ${address}/32 dev ${name}`,
    `neighbour add ${address} lladdr ${mac} dev ${name} nud permanent`,
  ]);
  return performance.now() - started;
}
