import { createServer } from 'node:net';
import { type Netns, createNetns, withNetns } from '../../../src/kernel/netns.ts';
import { openRtnl } from '../../../src/kernel/rtnl/rtnl.ts';
import type { CniResult } from '../../../src/cni/spec/result.ts';
import { type Call, ours } from './cni.ts';
import { connect } from './connect.ts';

/** A container that a plugin connected. */
export interface TestPod {
  readonly netns: Netns;
  readonly containerId: string;
  readonly result: CniResult;
  /** Without prefix lengths, in the result's order. */
  readonly addresses: readonly string[];
  /** What DEL and CHECK of it are called with. */
  readonly call: Call;
}

const PORT = 4000;
const closers: (() => void)[] = [];
let pods = 0;

/** Gives back everything that was made by the functions here. */
export function closeAll(): void {
  for (const close of closers.splice(0)) close();
}

export function newNetns(): Netns {
  const netns = createNetns();
  closers.push(() => netns.close());
  const rtnl = openRtnl({ netns });
  rtnl.setLink('lo', { up: true });
  rtnl.close();
  return netns;
}

/** A container on the network of `config`, which answers connections. */
export async function addPod(call: Omit<Call, 'netns' | 'containerId'>, by = ours): Promise<TestPod> {
  const netns = newNetns();
  const containerId = `pod${++pods}`;
  const result = await by('ADD', { ...call, containerId, netns });
  await serve(netns);
  const addresses = (result.ips ?? []).map(({ address }) => address.slice(0, address.indexOf('/')));
  return { netns, containerId, result, addresses, call: { ...call, containerId, netns, prevResult: result } };
}

/** Tells everybody who connects to port 4000 what address it came from. */
export async function serve(netns: Netns): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.end(String(socket.remoteAddress).replace('::ffff:', ''));
  });
  withNetns(netns, () => server.listen(PORT));
  await new Promise((ready) => server.once('listening', ready));
  closers.push(() => server.close());
}

/** What source `to` sees when `from` connects; the errno's name, or `timeout`, when it cannot. */
export async function sourceSeen(from: Netns, to: string): Promise<string> {
  const [outcome] = await connect(from, { address: to, port: PORT });
  return outcome?.answer || outcome?.error || 'nothing';
}

/** A network of its own beyond the node, which knows no way back to containers. */
export interface Outside {
  readonly netns: Netns;
  readonly addresses: readonly [string, string];
  /** The node's own addresses there. */
  readonly node: readonly [string, string];
}

/** Links the calling thread’s namespace, the node, to an outside. */
export async function addOutside(): Promise<Outside> {
  const netns = newNetns();
  const [node, outside] = [openRtnl(), openRtnl({ netns })];
  node.addLink({ kind: 'veth', name: 'uplink', peer: { name: 'eth0', netns } });
  for (const [rtnl, link, last] of [
    [node, 'uplink', 1],
    [outside, 'eth0', 2],
  ] as const) {
    rtnl.setLink(link, { up: true });
    rtnl.addAddress({ link, address: `192.0.2.${last}`, prefixLength: 24 });
    rtnl.addAddress({ link, address: `2001:db8::${last}`, prefixLength: 64, noDad: true });
    rtnl.close();
  }
  await serve(netns);
  return {
    netns,
    addresses: ['192.0.2.2', '2001:db8::2'],
    node: ['192.0.2.1', '2001:db8::1'],
  };
}
