/**
 * One node with pods, and what lies around it, each a namespace:
 *
 *     client, one, two ── node-1 172.18.1.2 ──── world 203.0.113.9 ──── node-2 172.18.2.2, far 10.244.1.2
 *
 * The world routes; it is a client from outside too. Whatever is asked for a Service's address is sent to node-1.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { createPodNetwork } from '../../../src/cni/podnet.ts';
import { type Netns, createNetns, withNetns } from '../../../src/kernel/netns.ts';
import { type Rtnl, openRtnl } from '../../../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../../../src/kernel/sysctl.ts';
import type { EvaluatedNode } from '../../../src/services/evaluate.ts';
import { TARGET_PORT } from './cases.ts';
import type { Attempt, Outcome } from './client.ts';

/** Where servers are. */
export type PlaceName = 'one' | 'two' | 'far' | 'node';
/** Where clients are, in the table's words. */
export type ClientName =
  | 'same pod'
  | 'same node'
  | 'node itself'
  | 'other node'
  | "other node's pod"
  | 'outside';

export interface Place {
  readonly address: Readonly<Record<4 | 6, string>>;
  readonly nodeName: string;
}

export interface ConformanceNetwork {
  readonly netns: Netns;
  readonly node: EvaluatedNode;
  readonly places: Readonly<Record<PlaceName, Place>>;
  /** Addresses from which a client connects. */
  readonly clients: Readonly<Record<ClientName, Readonly<Record<4 | 6, string>>>>;
  connect(from: ClientName, attempt: Omit<Attempt, 'id' | 'from'>): Promise<Outcome>;
  close(): void;
}

const NODE = { 4: '172.18.1.2', 6: 'fd00:18:1::2' };
const NODE_2 = { 4: '172.18.2.2', 6: 'fd00:18:2::2' };
const FAR = { 4: '10.244.1.2', 6: 'fd00:244:0:1::2' };
const FAR_CLIENT = { 4: '10.244.1.3', 6: 'fd00:244:0:1::3' };
const OUTSIDE = { 4: '203.0.113.9', 6: 'fd00:203::9' };
const POD_CIDRS = ['10.244.0.0/24', 'fd00:244::/64'] as const;
/** What is sent to node-1: its pods and every address of a Service. */
const TO_NODE = [
  '10.244.0.0/24',
  '10.96.0.0/16',
  '198.51.100.0/23',
  'fd00:244::/64',
  'fd00:96::/64',
  'fd00:198::/64',
  'fd00:199::/64',
];
const TO_NODE_2 = ['10.244.1.0/24', 'fd00:244:0:1::/64'];

export async function startNetwork(): Promise<ConformanceNetwork> {
  const closing: (() => void)[] = [];
  const namespace = (): { netns: Netns; rtnl: Rtnl } => {
    const netns = createNetns();
    const rtnl = openRtnl({ netns });
    closing.push(() => {
      rtnl.close();
      netns.close();
    });
    rtnl.setLink('lo', { up: true });
    withNetns(netns, () => {
      writeSysctl('net.ipv4.ip_forward', '1');
      writeSysctl('net.ipv6.conf.all.forwarding', '1');
      // Links made from here on are ready at once: what is sent while an address is still checked for doubles is lost.
      writeSysctl('net.ipv6.conf.default.accept_dad', '0');
      writeSysctl('net.ipv6.conf.default.dad_transmits', '0');
      // The suite is refused more often in a second than the kernel would tell one client.
      writeSysctl('net.ipv4.icmp_ratelimit', '0');
      writeSysctl('net.ipv6.icmp.ratelimit', '0');
    });
    return { netns, rtnl };
  };
  const [first, world, second] = [namespace(), namespace(), namespace()];
  joinToWorld(first, world, { link: 'node-1', address: NODE, routes: TO_NODE });
  joinToWorld(second, world, { link: 'node-2', address: NODE_2, routes: TO_NODE_2 });
  for (const { rtnl, addresses } of [
    { rtnl: world.rtnl, addresses: [OUTSIDE] },
    { rtnl: second.rtnl, addresses: [FAR, FAR_CLIENT] },
  ]) {
    for (const address of addresses) {
      rtnl.addAddress({ link: 'lo', address: address[4], prefixLength: 32 });
      rtnl.addAddress({ link: 'lo', address: address[6], prefixLength: 128, noDad: true });
    }
  }
  const pods = createPodNetwork({
    netns: first.netns,
    rtnl: first.rtnl,
    podCidr: POD_CIDRS.join(','),
    nodeName: 'node-1',
    databasePath: ':memory:',
  });
  closing.push(() => pods.close());
  const startPod = async (name: string): Promise<{ netns: Netns; address: Record<4 | 6, string> }> => {
    const netns = createNetns();
    closing.push(() => netns.close());
    const sandbox = { containerId: name, namespace: 'default', name, uid: '', netns };
    const { addresses } = await pods.add(sandbox);
    return { netns, address: { 4: addresses[0] ?? '', 6: addresses[1] ?? '' } };
  };
  const [client, one, two] = [await startPod('client'), await startPod('one'), await startPod('two')];
  const places: Record<PlaceName, Place> = {
    one: { address: one.address, nodeName: 'node-1' },
    two: { address: two.address, nodeName: 'node-1' },
    far: { address: FAR, nodeName: 'node-2' },
    node: { address: NODE, nodeName: 'node-1' },
  };
  for (const [name, netns] of [
    ['one', one.netns],
    ['two', two.netns],
    ['far', second.netns],
    ['node', first.netns],
  ] as const) {
    closing.push(await serve(name, netns, places[name]));
  }
  const clients = {
    'same pod': one.address,
    'same node': client.address,
    'node itself': NODE,
    'other node': NODE_2,
    "other node's pod": FAR_CLIENT,
    outside: OUTSIDE,
  };
  const helpers = new Map<ClientName, Helper>();
  for (const [name, netns] of [
    ['same pod', one.netns],
    ['same node', client.netns],
    ['node itself', first.netns],
    ['other node', second.netns],
    ["other node's pod", second.netns],
    ['outside', world.netns],
  ] as const) {
    const helper = new Helper(netns);
    helpers.set(name, helper);
    closing.push(() => helper.close());
  }
  return {
    netns: first.netns,
    node: {
      name: 'node-1',
      zone: 'a',
      addresses: [NODE[4], NODE[6]],
      podCidrs: POD_CIDRS,
      nodePortAddresses: ['172.18.0.0/16', 'fd00:18::/32'],
    },
    places,
    clients,
    connect(from, attempt) {
      const helper = helpers.get(from);
      if (helper === undefined) throw new RangeError(`No client ${from}`);
      return helper.connect({ ...attempt, from: clients[from][attempt.address.includes(':') ? 6 : 4] });
    },
    close() {
      for (const end of closing.toReversed()) end();
    },
  };
}

function joinToWorld(
  node: { netns: Netns; rtnl: Rtnl },
  world: { netns: Netns; rtnl: Rtnl },
  { link, address, routes }: { link: string; address: Record<4 | 6, string>; routes: readonly string[] },
): void {
  node.rtnl.addLink({ kind: 'veth', name: 'eth0', peer: { name: link, netns: world.netns } });
  const gateway = { 4: address[4].replace(/2$/u, '1'), 6: address[6].replace(/2$/u, '1') };
  for (const [{ rtnl }, name, own] of [
    [node, 'eth0', address],
    [world, link, gateway],
  ] as const) {
    rtnl.addAddress({ link: name, address: own[4], prefixLength: 24 });
    rtnl.addAddress({ link: name, address: own[6], prefixLength: 64, noDad: true });
    rtnl.setLink(name, { up: true });
  }
  node.rtnl.replaceRoute({ dst: '0.0.0.0/0', gateway: gateway[4] });
  node.rtnl.replaceRoute({ dst: '::/0', gateway: gateway[6] });
  for (const dst of routes) {
    world.rtnl.replaceRoute({ dst, gateway: address[dst.includes(':') ? 6 : 4] });
  }
}

/** Says `NAME/PROTOCOL FROM` to everyone. Returns how to stop. */
async function serve(name: PlaceName, netns: Netns, { address }: Place): Promise<() => void> {
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(`${name} ${socket.remoteAddress?.replace('::ffff:', '') ?? ''}`);
  });
  withNetns(netns, () => tcp.listen(TARGET_PORT));
  const listening: Promise<void>[] = [];
  const sockets = ([4, 6] as const).map((family) => {
    const type = family === 4 ? 'udp4' : 'udp6';
    const socket = createSocket({ type, lookup: (host, _options, done) => done(null, host, family) });
    socket.on('message', (_message, from) => socket.send(`${name} ${from.address}`, from.port, from.address));
    socket.on('error', () => undefined);
    // With a lookup of our own, `bind` is done before it returns.
    listening.push(new Promise((done) => void socket.once('listening', done)));
    withNetns(netns, () => socket.bind(TARGET_PORT, address[family]));
    return socket;
  });
  await Promise.all(listening);
  return () => {
    tcp.close();
    for (const socket of sockets) socket.close();
  };
}

/** A process in a namespace, for `connect` makes its socket too late for `withNetns`. */
class Helper {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  #next = 0;

  constructor(netns: Netns) {
    const file = new URL('client.ts', import.meta.url).pathname;
    this.#child = withNetns(netns, () =>
      spawn(process.execPath, [file], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    if (this.#child.stdout === null) throw new Error('The client has no standard output');
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      const outcome = JSON.parse(line) as Outcome;
      this.#waiting.get(outcome.id)?.(outcome);
      this.#waiting.delete(outcome.id);
    });
  }

  connect(attempt: Omit<Attempt, 'id'>): Promise<Outcome> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#child.stdin?.write(`${JSON.stringify({ id, ...attempt })}\n`);
    });
  }

  close(): void {
    this.#child.kill();
  }
}
