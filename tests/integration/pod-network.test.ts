import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { PodAttachment } from '../../src/cni/pod-network.ts';
import { createPodNetwork, type NodePodNetwork } from '../../src/cni/podnet.ts';
import { applyRoutes } from '../../src/fabric/apply-routes.ts';
import { compile } from '../../src/fabric/compile.ts';
import { egressRules } from '../../src/fabric/egress.ts';
import { openDatagramSocket, readSocketAddress, socketAddress } from '../../src/kernel/datagram-socket.ts';
import { createNetns, withNetns, type Netns } from '../../src/kernel/netns.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { openRtnl, type Rtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { readSysctl, writeSysctl } from '../../src/kernel/sysctl.ts';
import type { Node } from '../../src/model/objects.ts';

/*
 *   pods ── node-1 172.18.0.2 ┐
 *                             ├ router 172.18.0.1, which is also the world: 203.0.113.10, 2001:db8::10
 *   pods ── node-2 172.18.0.3 ┘
 */
const PORT = 4000;
const WORLD = { 4: '203.0.113.10', 6: '2001:db8::10' } as const;
const UPLINK_MTU = 1400;

interface TestNode {
  readonly netns: Netns;
  readonly rtnl: Rtnl;
  readonly network: NodePodNetwork;
}

interface TestPod {
  readonly netns: Netns;
  readonly attachment: PodAttachment;
}

const router = createNetns();
const closers: (() => void)[] = [];
let nodes: TestNode[] = [];
let [a, b]: TestPod[] = [];

const objects = [1, 2].map((index): Node => ({
  metadata: { name: `node-${index}` },
  spec: { podCIDRs: [`10.244.${index}.0/24`, `fd00:244:0:${index}::/64`] },
  status: {
    addresses: [
      { type: 'InternalIP', address: `172.18.0.${index + 1}` },
      { type: 'InternalIP', address: `fd00:18::${index + 1}` },
    ],
  },
}));

before(async () => {
  const ports = openRtnl({ netns: router });
  ports.setLink('lo', { up: true });
  ports.addLink({ kind: 'bridge', name: 'br0', up: true });
  for (const [link, address, prefixLength] of [
    ['br0', '172.18.0.1', 24],
    ['br0', 'fd00:18::1', 64],
    ['lo', WORLD[4], 32],
    ['lo', WORLD[6], 128],
  ] as const) {
    ports.addAddress({ link, address, prefixLength, noDad: true });
  }
  nodes = objects.map((_, index) => createNode(ports, index + 1));
  ports.close();
  a = await addPod(nodes[0], 'a');
  b = await addPod(nodes[1], 'b');
});

after(() => {
  for (const close of closers) close();
});

function createNode(ports: Rtnl, index: number): TestNode {
  const netns = createNetns();
  const rtnl = openRtnl({ netns });
  const nftables = openNftables({ netns });
  // Until duplicate address detection has ended a node does not ask for its neighbours.
  withNetns(netns, () => writeSysctl('net.ipv6.conf.default.accept_dad', 0));
  ports.addLink({
    kind: 'veth',
    name: `node-${index}`,
    mtuBytes: UPLINK_MTU,
    peer: { name: 'eth0', netns, mtuBytes: UPLINK_MTU },
  });
  ports.setLink(`node-${index}`, { master: 'br0', up: true });
  rtnl.setLink('lo', { up: true });
  rtnl.setLink('eth0', { up: true });
  withNetns(netns, () => {
    writeSysctl('net.ipv4.ip_forward', 1);
    writeSysctl('net.ipv6.conf.all.forwarding', 1);
  });
  // What the cluster DNS has: an address that must not become the source of anything else.
  rtnl.addAddress({ link: 'lo', address: '10.96.0.10', prefixLength: 32 });
  rtnl.addAddress({ link: 'eth0', address: `172.18.0.${index + 1}`, prefixLength: 24 });
  rtnl.addAddress({ link: 'eth0', address: `fd00:18::${index + 1}`, prefixLength: 64, noDad: true });
  rtnl.replaceRoute({ dst: '0.0.0.0/0', gateway: '172.18.0.1' });
  rtnl.replaceRoute({ dst: '::/0', gateway: 'fd00:18::1' });
  const clusterCidrs = ['10.244.0.0/16', 'fd00:244::/56'];
  const plan = compile(objects, { nodeName: `node-${index}`, clusterCidrs });
  assert.deepEqual(applyRoutes(rtnl, plan).errors, []);
  nftables.apply(egressRules(plan.egress));
  const network = createPodNetwork({
    netns,
    rtnl,
    podCidr: `10.244.${index}.0/24,fd00:244:0:${index}::/64`,
    databasePath: ':memory:',
  });
  closers.push(
    () => network.close(),
    () => nftables.close(),
    () => rtnl.close(),
  );
  return { netns, rtnl, network };
}

async function addPod(node: TestNode | undefined, containerId: string): Promise<TestPod> {
  assert.ok(node);
  const netns = createNetns();
  const sandbox = { containerId, namespace: 'default', name: containerId, uid: '', netns };
  return { netns, attachment: await node.network.add(sandbox) };
}

/** Answers each datagram with the address it came from. */
function serve(netns: Netns, address: string, seen: string[] = []): void {
  const server = withNetns(netns, () =>
    openDatagramSocket({
      address,
      port: PORT,
      onError: assert.ifError,
      answer(_message, _length, out, peer) {
        const source = readSocketAddress(peer.copy()).address;
        seen.push(source);
        return out.write(source);
      },
    }),
  );
  closers.push(() => server.close());
}

/** The source a server sees when `from` sends it a datagram. */
async function sourceSeen(from: Netns, to: string, source?: string): Promise<string> {
  const answer = Promise.withResolvers<string>();
  const client = withNetns(from, () =>
    openDatagramSocket({
      address: source ?? (to.includes(':') ? '::' : '0.0.0.0'),
      port: 0,
      onError: answer.reject,
      answer(message, length) {
        answer.resolve(message.toString('utf8', 0, length));
        return 0;
      },
    }),
  );
  const deadline = setTimeout(() => answer.reject(new Error(`no answer from ${to}`)), 3000);
  try {
    client.send(Buffer.from('who am I?'), socketAddress(to, PORT));
    return await answer.promise;
  } finally {
    clearTimeout(deadline);
    client.close();
  }
}

function pods(): [TestPod, TestPod] {
  assert.ok(a && b);
  return [a, b];
}

test('pods of different nodes see each other’s own addresses, in both families', async () => {
  const [here, there] = pods();
  for (const [family, own] of here.attachment.addresses.entries()) {
    const other = there.attachment.addresses[family] ?? '';
    serve(there.netns, other);
    assert.equal(await sourceSeen(here.netns, other), own);
  }
});

test('pods of one node reach each other, and themselves', async () => {
  const [here] = pods();
  const neighbour = await addPod(nodes[0], 'neighbour');
  const [address = ''] = neighbour.attachment.addresses;
  serve(neighbour.netns, '0.0.0.0');
  assert.equal(await sourceSeen(here.netns, address), here.attachment.addresses[0]);
  assert.equal(await sourceSeen(neighbour.netns, address), address);
});

test('a pod’s packet to another node keeps its source; to the world it has the node’s', async () => {
  const [here] = pods();
  const [first, second] = nodes;
  assert.ok(first && second);
  serve(second.netns, '172.18.0.3');
  assert.equal(await sourceSeen(here.netns, '172.18.0.3'), here.attachment.addresses[0]);
  for (const address of [WORLD[4], WORLD[6], '172.18.0.1']) serve(router, address);
  assert.equal(await sourceSeen(here.netns, WORLD[4]), '172.18.0.2');
  assert.equal(await sourceSeen(here.netns, WORLD[6]), 'fd00:18::2');
  assert.equal(await sourceSeen(here.netns, '172.18.0.1'), '172.18.0.2', 'the router is no node');
});

test('the node reaches its pods from its own address, whatever else lo has', async () => {
  const [here] = pods();
  serve(here.netns, '0.0.0.0');
  const [address = ''] = here.attachment.addresses;
  assert.equal(await sourceSeen(nodes[0]?.netns as Netns, address), '172.18.0.2');
});

test('a pod cannot send from an address it does not have', async () => {
  const [spoofer, there] = [await addPod(nodes[0], 'spoofer'), await addPod(nodes[1], 'victim')];
  const seen: string[] = [];
  serve(there.netns, '0.0.0.0', seen);
  const rtnl = openRtnl({ netns: spoofer.netns });
  rtnl.addAddress({ link: 'lo', address: '10.244.1.250', prefixLength: 32 });
  rtnl.close();
  const [target = ''] = there.attachment.addresses;
  const liar = withNetns(spoofer.netns, () =>
    openDatagramSocket({ address: '10.244.1.250', port: 0, onError: assert.ifError, answer: () => 0 }),
  );
  liar.send(Buffer.from('it was not me'), socketAddress(target, PORT));
  // Datagrams of one pod arrive in order, so the honest one comes last.
  const honest = await sourceSeen(spoofer.netns, target, spoofer.attachment.addresses[0]);
  liar.close();
  assert.deepEqual(seen, [honest]);
});

test('pods have the uplink’s MTU at both ends', () => {
  const [here] = pods();
  const rtnl = openRtnl({ netns: here.netns });
  assert.deepEqual(
    [
      here.attachment.mtuBytes,
      rtnl.link('eth0')?.mtuBytes,
      nodes[0]?.rtnl.link(here.attachment.hostInterface)?.mtuBytes,
    ],
    [UPLINK_MTU, UPLINK_MTU, UPLINK_MTU],
  );
  assert.equal(rtnl.link('eth0')?.mac, here.attachment.mac);
  rtnl.close();
});

test('del takes the pod off the network at once, and its interface soon', async () => {
  const node = nodes[0];
  assert.ok(node);
  const pod = await addPod(node, 'short-lived');
  const [address = ''] = pod.attachment.addresses;
  assert.equal(node.rtnl.routeTo(address)?.dst, `${address}/32`);
  await node.network.del({ containerId: 'short-lived' });
  assert.equal(node.rtnl.routeTo(address), undefined, 'unreachable, not by the default route');
  await node.network.collect();
  assert.equal(node.rtnl.link(pod.attachment.hostInterface), undefined);
});

test('add leaves the kernel parameters of the node’s other interfaces alone', () => {
  const read = (name: string): string => withNetns(nodes[0]?.netns as Netns, () => readSysctl(name));
  assert.equal(
    read('net.ipv4.conf.all.rp_filter'),
    withNetns(createNetns(), () => readSysctl('net.ipv4.conf.all.rp_filter')),
  );
  assert.equal(read(`net.ipv4.conf.${a?.attachment.hostInterface}.rp_filter`), '1');
});
