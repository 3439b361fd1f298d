/** Reads every interface on the pods' ways, and sends packets of full size between pods of different nodes. */
import { readClusterConfig } from '../agent/config.ts';
import type { Client } from '../cluster/client.ts';
import { pods } from '../cluster/resources.ts';
import { BRIDGE } from '../cni/bridge-link-plan.ts';
import { type MtuFact, type MtuProbe, type MtuReport, judgeMtus } from '../cni/mtu-check.ts';
import { POD_INTERFACE, POD_LINK_GROUP, readAlias } from '../cni/pod-link-plan.ts';
import { findUplink } from '../cni/uplink.ts';
import { openDatagramSocket, socketAddress, type DatagramSocket } from '../kernel/datagram-socket.ts';
import { openNetns, withNetns, type Netns } from '../kernel/netns.ts';
import { openRtnl, type Rtnl } from '../kernel/rtnl/rtnl.ts';
import { podAddresses } from '../model/addresses.ts';
import { errorMessage } from '../model/errors.ts';
import type { LabNode } from './nodes/node.ts';

interface ProbingPod {
  readonly name: string;
  readonly node: string;
  readonly address: string;
  readonly netns: Netns;
  readonly mtuBytes: number;
}

/** Of each node one pod sends and answers. */
export async function checkMtuInLab(
  client: Client,
  { nodes, switchNetns }: { nodes: readonly LabNode[]; switchNetns: Netns },
): Promise<MtuReport> {
  const { mtuBytes } = await readClusterConfig(client);
  const { items } = await client.list(pods);
  const facts: MtuFact[] = withRtnl(switchNetns, (rtnl) => switchFacts(rtnl, nodes));
  const opened: ProbingPod[] = [];
  try {
    for (const node of nodes) {
      facts.push(...withRtnl(node.netns, (rtnl) => nodeFacts(rtnl, node)));
      const own = items.filter(
        ({ spec, status }) =>
          spec?.nodeName === node.name && spec.hostNetwork !== true && status?.phase === 'Running',
      );
      for (const pod of own) {
        const fd = await node.podNetnsFd(pod.metadata?.uid ?? '');
        const [address] = podAddresses(pod);
        if (fd === undefined || address === undefined) continue;
        const name = `${pod.metadata?.namespace}/${pod.metadata?.name}`;
        const netns = openNetns(`/proc/self/fd/${fd}`);
        const mtu = withRtnl(netns, (rtnl) => rtnl.link(POD_INTERFACE)?.mtuBytes ?? 0);
        facts.push({ place: name, role: 'pod', interface: POD_INTERFACE, mtuBytes: mtu, node: node.name });
        const isFirst = !opened.some((one) => one.node === node.name);
        if (isFirst) opened.push({ name, node: node.name, address, netns, mtuBytes: mtu });
        else netns.close();
      }
    }
    const probes = await sendProbes(opened);
    const expectation = { overheadBytes: 0, ...(mtuBytes !== undefined && { mtuBytes }) };
    return judgeMtus(facts, { probes, expectation });
  } finally {
    for (const { netns } of opened) netns.close();
  }
}

function withRtnl<T>(netns: Netns, use: (rtnl: Rtnl) => T): T {
  const rtnl = openRtnl({ netns });
  try {
    return use(rtnl);
  } finally {
    rtnl.close();
  }
}

function switchFacts(rtnl: Rtnl, nodes: readonly LabNode[]): MtuFact[] {
  const ports = new Set(nodes.map(({ name }) => name));
  return rtnl
    .links()
    .filter(({ name }) => name === 'br0' || ports.has(name))
    .map(({ name, mtuBytes }) => ({ place: 'switch', role: 'switch port', interface: name, mtuBytes }));
}

function nodeFacts(rtnl: Rtnl, { name: place, addresses }: LabNode): MtuFact[] {
  const uplink = findUplink(rtnl, addresses);
  const facts: MtuFact[] = uplink
    ? [{ place, role: 'uplink', interface: uplink.link.name, mtuBytes: uplink.mtuBytes }]
    : [];
  for (const { name, mtuBytes, group, alias } of rtnl.links()) {
    if (name === BRIDGE) facts.push({ place, role: 'bridge', interface: name, mtuBytes });
    const owner = group === POD_LINK_GROUP ? readAlias(alias) : undefined;
    if (owner)
      facts.push({ place, role: 'pod link', interface: name, mtuBytes, pod: owner.pod, node: place });
  }
  return facts;
}

/** Larger clusters are walked in a ring, both ways, instead of every node with every other. */
const ALL_PAIRS_NODES = 10;
const PROBE_TIMEOUT_MS = 1500;
const PROBE_AGAIN_MS = 300;
const HEADER_BYTES = { 4: 28, 6: 48 } as const;

function pairsOf(all: readonly ProbingPod[]): [ProbingPod, ProbingPod][] {
  return all.flatMap((from, index) =>
    all.flatMap((to, other): [ProbingPod, ProbingPod][] => {
      const distance = (other - index + all.length) % all.length;
      const isNeighbour = distance === 1 || distance === all.length - 1;
      return from !== to && (all.length <= ALL_PAIRS_NODES || isNeighbour) ? [[from, to]] : [];
    }),
  );
}

/** Each packet carries the number of its probe, which comes back alone. */
async function sendProbes(all: readonly ProbingPod[]): Promise<MtuProbe[]> {
  const pairs = pairsOf(all);
  const arrived = new Set<number>();
  const failed = new Map<number, string>();
  const done = Promise.withResolvers<void>();
  const sockets = new Map<ProbingPod, DatagramSocket>();
  const answer = (message: Buffer, length: number, out: Buffer): number => {
    if (length > 4) return message.copy(out, 0, 0, 4);
    if (length === 4) arrived.add(message.readUInt32BE(0));
    if (arrived.size + failed.size >= pairs.length) done.resolve();
    return 0;
  };
  try {
    for (const pod of all) sockets.set(pod, openSocket(pod, answer));
    const sendAll = (): void => {
      for (const [index, [from, to]] of pairs.entries()) {
        if (arrived.has(index)) continue;
        try {
          send(sockets, { from, to, index });
        } catch (error) {
          failed.set(index, errorMessage(error));
        }
      }
    };
    sendAll();
    const again = setInterval(sendAll, PROBE_AGAIN_MS);
    const deadline = setTimeout(() => done.resolve(), PROBE_TIMEOUT_MS);
    if (pairs.length === 0) done.resolve();
    await done.promise;
    clearInterval(again);
    clearTimeout(deadline);
  } finally {
    for (const socket of sockets.values()) socket.close();
  }
  return pairs.map(([from, to], index) => {
    const error = failed.get(index);
    const common = { from: from.name, to: to.name, address: to.address, bytes: from.mtuBytes };
    return { ...common, arrived: arrived.has(index), ...(error !== undefined && { error }) };
  });
}

type Answer = Parameters<typeof openDatagramSocket>[0]['answer'];

function openSocket({ netns, address }: ProbingPod, answer: Answer): DatagramSocket {
  return withNetns(netns, () =>
    openDatagramSocket({
      address,
      port: 0,
      dontFragment: true,
      maxMessageBytes: 65_535,
      onError: () => undefined,
      answer,
    }),
  );
}

function send(
  sockets: ReadonlyMap<ProbingPod, DatagramSocket>,
  { from, to, index }: { from: ProbingPod; to: ProbingPod; index: number },
): void {
  const port = sockets.get(to)?.port ?? 0;
  const message = Buffer.alloc(from.mtuBytes - HEADER_BYTES[to.address.includes(':') ? 6 : 4]);
  message.writeUInt32BE(index, 0);
  sockets.get(from)?.send(message, socketAddress(to.address, port));
}
