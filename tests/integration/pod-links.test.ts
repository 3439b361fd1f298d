/** Pods reach each other, themselves by their own Service, and are reached by the node, whatever their links are. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { BRIDGE_NETFILTER_SYSCTLS } from '../../src/cni/bridge-link-plan.ts';
import type { PodLinksOptions } from '../../src/cni/pod-links.ts';
import { withNetns } from '../../src/kernel/netns.ts';
import { add } from '../../src/kernel/nftables/commands.ts';
import { concat, ct, ip, ip6, th } from '../../src/kernel/nftables/expressions.ts';
import { openNftables, type Nftables } from '../../src/kernel/nftables/nftables.ts';
import { chain, elements, priorities, rule, set, table } from '../../src/kernel/nftables/objects.ts';
import { dnat, drop, masquerade, match } from '../../src/kernel/nftables/statements.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { readSysctl, tryReadSysctl, writeSysctl } from '../../src/kernel/sysctl.ts';
import { createPodNodes, serve, sourceSeen, type PodNodes, type TestPod } from './support/pod-nodes.ts';

const families = [
  { family: 4, index: 0, header: ip, tableFamily: 'ip', type: 'ipv4_addr', vip: '10.96.0.1' },
  { family: 6, index: 1, header: ip6, tableFamily: 'ip6', type: 'ipv6_addr', vip: 'fd00:96::1' },
] as const;

type Family = (typeof families)[number];

/** One Service with one endpoint, as every backend has it: DNAT, and masquerade for a pod that reaches itself. */
function addService(nftables: Nftables, { tableFamily, header, type, vip }: Family, endpoint: string): void {
  const of = table(tableFamily, `test-${vip.replaceAll(/[.:]/g, '-')}`);
  const hairpin = set(of, 'hairpin', { key: [type, type] });
  const prerouting = chain(of, 'prerouting', {
    base: { type: 'nat', hook: 'prerouting', priority: priorities.dstnat },
  });
  const postrouting = chain(of, 'postrouting', {
    base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat },
  });
  nftables.apply([
    ...[of, hairpin, prerouting, postrouting].map(add),
    add(elements(hairpin, [{ key: [endpoint, endpoint] }])),
    add(rule(prerouting, [match(header.daddr, '==', vip), dnat({ to: endpoint })])),
    add(
      rule(postrouting, [
        match(ct.status, 'any', ['dnat']),
        match(concat(header.saddr, header.daddr), 'in', hairpin),
        masquerade(),
      ]),
    ),
  ]);
}

function testPodLinks(name: string, options: PodLinksOptions): void {
  describe(name, () => {
    let cluster: PodNodes;
    let nftables: Nftables;
    let [one, other, far]: TestPod[] = [];

    before(async () => {
      cluster = createPodNodes(options);
      const [first, second] = cluster.nodes;
      nftables = openNftables({ netns: first.netns });
      one = await first.addPod('one');
      other = await first.addPod('other');
      far = await second.addPod('far');
      for (const pod of [one, other, far]) for (const address of pod.addresses) serve(pod.netns, address);
    });
    after(() => {
      nftables.close();
      cluster.close();
    });

    function pods(): { one: TestPod; other: TestPod; far: TestPod } {
      assert.ok(one && other && far);
      return { one, other, far };
    }

    for (const family of families) {
      const { index } = family;

      test(`IPv${family.family}: pods of one node and of two see each other's own addresses`, async () => {
        const all = pods();
        for (const [from, to] of [
          [all.one, all.other],
          [all.one, all.far],
          [all.far, all.other],
          [all.one, all.one],
        ] as const) {
          assert.equal(await sourceSeen(from.netns, to.addresses[index]), from.addresses[index]);
        }
      });

      test(`IPv${family.family}: the node and its pods reach each other, from the node's own address`, async () => {
        const all = pods();
        const [node] = cluster.nodes;
        assert.equal(await sourceSeen(node.netns, all.one.addresses[index]), node.addresses[index]);
        const server = serve(node.netns, node.addresses[index]);
        assert.equal(await sourceSeen(all.one.netns, node.addresses[index]), all.one.addresses[index]);
        server.close();
      });

      test(`IPv${family.family}: a Service leads to a pod of the same node and back, with the client's own address`, async () => {
        const all = pods();
        addService(nftables, family, all.other.addresses[index]);
        assert.equal(await sourceSeen(all.one.netns, family.vip), all.one.addresses[index]);
      });

      test(`IPv${family.family}: a pod reaches itself through its Service, by the node's address`, async () => {
        const [node] = cluster.nodes;
        assert.equal(await sourceSeen(pods().other.netns, family.vip), node.addresses[index]);
      });

      test(`IPv${family.family}: the node's rules see what passes between two of its pods`, async () => {
        const all = pods();
        const of = table(family.tableFamily, 'test-policy');
        const forward = chain(of, 'forward', { base: { type: 'filter', hook: 'forward', priority: 0 } });
        const toClosed = [
          match(family.header.daddr, '==', all.other.addresses[index]),
          match(th.dport, '==', 5000),
        ];
        nftables.apply([add(of), add(forward), add(rule(forward, [...toClosed, drop]))]);
        const closed = serve(all.other.netns, all.other.addresses[index], 5000);
        assert.equal(
          await sourceSeen(all.one.netns, all.other.addresses[index], { port: 5000, timeoutMs: 100 }),
          undefined,
        );
        assert.equal(await sourceSeen(all.one.netns, all.other.addresses[index]), all.one.addresses[index]);
        closed.close();
      });
    }

    test('every interface of the way has the same MTU', () => {
      const [node] = cluster.nodes;
      const { attachment, netns } = pods().one;
      const rtnl = openRtnl({ netns });
      const names = [attachment.hostInterface, 'eth0', ...(options.linkMode === 'bridge' ? ['cbr0'] : [])];
      const mtus = [rtnl.link('eth0')?.mtuBytes, ...names.map((link) => node.rtnl.link(link)?.mtuBytes)];
      assert.deepEqual(new Set(mtus), new Set([attachment.mtuBytes]));
      rtnl.close();
    });

    test('del takes a pod off the network at once, and leaves no route behind', async () => {
      const [node] = cluster.nodes;
      const pod = await node.addPod('short-lived');
      await node.network.del({ containerId: 'short-lived' });
      const left = node.rtnl
        .routes()
        .filter(({ dst }) => pod.addresses.some((address) => dst.startsWith(`${address}/`)));
      assert.deepEqual(left, []);
      await node.network.collect();
      assert.equal(node.rtnl.link(pod.attachment.hostInterface), undefined);
    });
  });
}

const hasBridgeNetfilter = tryReadSysctl(BRIDGE_NETFILTER_SYSCTLS[4]) !== undefined;

testPodLinks('routed links', { linkMode: 'routed' });
if (hasBridgeNetfilter) testPodLinks('bridge links', { linkMode: 'bridge', bridgeNetfilter: true });
else test('bridge links', (t) => t.skip('this kernel has no bridge netfilter'));
testPodLinks('bridge links without bridge netfilter', { linkMode: 'bridge', bridgeNetfilter: false });

test('bridge links set bridge netfilter of their own namespace only', async (t) => {
  if (!hasBridgeNetfilter) return t.skip('this kernel has no bridge netfilter');
  const { nodes, close } = createPodNodes({ linkMode: 'bridge' });
  const read = (index: 0 | 1): string =>
    withNetns(nodes[index].netns, () => readSysctl(BRIDGE_NETFILTER_SYSCTLS[4]));
  for (const { netns } of nodes) {
    withNetns(netns, () => {
      for (const name of Object.values(BRIDGE_NETFILTER_SYSCTLS)) writeSysctl(name, 0);
    });
  }
  await nodes[0].addPod('one');
  assert.deepEqual([read(0), read(1)], ['1', '0']);
  close();
});

test('bridge links show the textbook picture: ports of cbr0 with hairpin, and what the bridge learned', async () => {
  const { nodes, close } = createPodNodes({ linkMode: 'bridge' });
  const [{ rtnl, addPod }] = nodes;
  const [one, other] = [await addPod('one'), await addPod('other')];
  serve(other.netns, other.addresses[0]);
  await sourceSeen(one.netns, other.addresses[0]);
  const bridge = rtnl.link('cbr0');
  const ports = rtnl.links().filter(({ master }) => master === bridge?.index);
  assert.deepEqual(
    ports.map(({ name, bridgePort }) => [name, bridgePort?.hairpin]),
    [one, other].map(({ attachment }) => [attachment.hostInterface, true]),
  );
  const learned = new Set(rtnl.forwardingEntries().map(({ mac, link }) => `${mac} ${link}`));
  for (const [index, { attachment }] of [one, other].entries())
    assert.ok(learned.has(`${attachment.mac} ${ports[index]?.index}`), attachment.mac);
  close();
});
