import { spawnSync } from 'node:child_process';
import { GATEWAYS, HOST_MAC, hostInterfaceName, podMac } from '../src/cni/pod-link-plan.ts';
import { createPodNetwork } from '../src/cni/podnet.ts';
import { createNetns, withNetns, type Netns } from '../src/kernel/netns.ts';
import { findProgram } from '../src/kernel/process.ts';
import { openRtnl } from '../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../src/kernel/sysctl.ts';
import type { BenchRow } from './row.ts';

const PODS = 200;
const PEERS = 40;

/** What a CNI ADD takes with podnet, and what the same link takes with two runs of `ip -batch`, the node's and the pod's. */
export async function rows(): Promise<BenchRow[]> {
  const rtnl = openRtnl();
  rtnl.setLink('lo', { up: true });
  writeSysctl('net.ipv4.ip_forward', 1);
  const network = createPodNetwork({ podCidr: '10.244.0.0/16', databasePath: ':memory:', rtnl });
  const namespaces = Array.from({ length: PODS + PEERS }, () => createNetns());
  const [add, peer, del]: [number[], number[], number[]] = [[], [], []];
  // Taking turns, so that whatever else the machine does falls on both.
  for (const [index, netns] of namespaces.entries()) {
    if (index % (1 + PODS / PEERS) === 0) {
      peer.push(addWithIp(netns, index));
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
    figure,
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

/** The same link by iproute2; its time in milliseconds. */
function addWithIp(netns: Netns, index: number): number {
  const program = findProgram('ip') ?? 'ip';
  const name = hostInterfaceName(`peer-${index}`);
  const address = `10.245.0.${index}`;
  const mac = podMac(address);
  const run = (lines: readonly string[]): void => {
    const { status, stderr } = spawnSync(program, ['-batch', '-'], {
      input: `${lines.join('\n')}\n`,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`ip -batch: ${stderr}`);
  };
  const started = performance.now();
  run([
    `link add ${name} address ${HOST_MAC} type veth peer name eth0 address ${mac} netns /proc/${process.pid}/fd/${netns.fd}`,
  ]);
  withNetns(netns, () =>
    run([
      'link set lo up',
      'link set eth0 up',
      `address add ${address}/32 dev eth0`,
      `route add ${GATEWAYS[4]} dev eth0`,
      `route add default via ${GATEWAYS[4]} dev eth0`,
      `neighbour add ${GATEWAYS[4]} lladdr ${HOST_MAC} dev eth0 nud permanent`,
    ]),
  );
  run([
    `link set ${name} up`,
    `route add ${address}/32 dev ${name}`,
    `neighbour add ${address} lladdr ${mac} dev ${name} nud permanent`,
  ]);
  return performance.now() - started;
}
