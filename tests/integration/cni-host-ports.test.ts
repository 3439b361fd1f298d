/** Host ports and bandwidth of the cluster's own pods, on both kinds of links: real connections. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { LinkMode, Sandbox } from '../../src/cni/pod-network.ts';
import { type NodePodNetwork, createPodNetwork } from '../../src/cni/podnet.ts';
import { type Netns, createNetns } from '../../src/kernel/netns.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { ROOT } from '../../src/kernel/traffic-control/handle.ts';
import { openTrafficControl } from '../../src/kernel/traffic-control/traffic-control.ts';
import { answer } from './support/chained.ts';
import { connect } from './support/connect.ts';
import { type PodNode, type PodNodes, createPodNodes } from './support/pod-nodes.ts';

interface ServedPod {
  readonly netns: Netns;
  readonly address: string;
  readonly hostInterface: string;
}

async function reach(from: Netns, address: string, port: number, protocol?: 'udp'): Promise<string> {
  const [outcome] = await connect(from, { address, port, ...(protocol && { protocol }) });
  return outcome?.answer ?? outcome?.error ?? '';
}

for (const linkMode of ['routed', 'bridge'] as const satisfies readonly LinkMode[]) {
  describe(`pods on ${linkMode} links`, () => {
    const directory = mkdtempSync(join(tmpdir(), 'podnet-host-ports-'));
    const closers: (() => void)[] = [() => rmSync(directory, { recursive: true })];
    let cluster: PodNodes;
    let node: PodNode;
    let other: PodNode;
    let network: NodePodNetwork;
    let web: ServedPod;

    const openNetwork = (): NodePodNetwork =>
      createPodNetwork({
        netns: node.netns,
        rtnl: node.rtnl,
        podCidr: '10.244.1.0/24,fd00:244:0:1::/64',
        databasePath: join(directory, 'node.db'),
        linkMode,
      });

    async function start(name: string, wants: Partial<Sandbox>): Promise<ServedPod> {
      const netns = createNetns();
      const { addresses, hostInterface } = await network.add({
        containerId: name,
        namespace: 'default',
        name,
        uid: name,
        netns,
        ...wants,
      });
      closers.push(await answer(name, netns, 80), () => netns.close());
      return { netns, address: addresses[0] ?? '', hostInterface };
    }

    before(async () => {
      cluster = createPodNodes({ linkMode });
      [node, other] = cluster.nodes;
      network = openNetwork();
      web = await start('web', {
        portMappings: [
          { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
          { hostPort: 8080, containerPort: 80, protocol: 'udp' },
          { hostPort: 8081, containerPort: 80, protocol: 'tcp', hostIP: '127.0.0.1' },
        ],
      });
    });

    after(() => {
      network.close();
      for (const close of closers) close();
      cluster.close();
    });

    test('a hostPort answers to other nodes and their pods, who are seen with their own addresses', async () => {
      const client = await other.addPod('client');
      for (const family of [0, 1] as const) {
        const address = node.addresses[family];
        assert.equal(await reach(other.netns, address, 8080), `web ${other.addresses[family]}`);
        assert.equal(await reach(other.netns, address, 8080, 'udp'), `web ${other.addresses[family]}`);
        assert.equal(await reach(client.netns, address, 8080), `web ${client.addresses[family]}`);
      }
      assert.equal(await reach(other.netns, node.addresses[0], 8081), 'ECONNREFUSED', 'only on 127.0.0.1');
    });

    test('a hostPort answers to its node, by loopback too, to its neighbours and to its own pod', async () => {
      const neighbour = await start('neighbour', {});
      assert.match(await reach(node.netns, node.addresses[0], 8080), /^web /);
      assert.match(await reach(node.netns, '127.0.0.1', 8080), /^web /);
      assert.match(await reach(node.netns, '127.0.0.1', 8081), /^web /);
      for (const address of node.addresses) {
        assert.match(await reach(neighbour.netns, address, 8080), /^web /);
        assert.match(await reach(web.netns, address, 8080), /^web /);
      }
    });

    test('a second pod with the port is refused, and leaves nothing', async () => {
      const portMappings = [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }] as const;
      const count = network.allocations().length;
      await assert.rejects(
        start('second', { portMappings }),
        /Host port 8080\/tcp is taken by container web/,
      );
      assert.equal(network.allocations().length, count);
    });

    test('a hostPort survives the agent, and goes with a pod that ended while there was none', async () => {
      const gone = await start('gone', {
        portMappings: [{ hostPort: 9090, containerPort: 80, protocol: 'tcp' }],
        bandwidth: { egressRate: 8_000_000, egressBurst: 1_000_000 },
      });
      assert.equal(await reach(other.netns, node.addresses[0], 9090), `gone ${other.addresses[0]}`);
      network.close();
      assert.equal(await reach(other.netns, node.addresses[0], 8080), `web ${other.addresses[0]}`);
      const inside = openRtnl({ netns: gone.netns });
      inside.deleteLink('eth0');
      inside.close();
      network = openNetwork();
      network.reconcile();
      assert.equal(await reach(other.netns, node.addresses[0], 8080), `web ${other.addresses[0]}`);
      assert.equal(await reach(other.netns, node.addresses[0], 9090), 'ECONNREFUSED');
      await network.collect();
      assert.equal(node.rtnl.links().filter(({ kind }) => kind === 'ifb').length, 0);
    });

    test('bandwidth limits the pod’s link, and its device goes with the pod', async () => {
      const bandwidth = {
        ingressRate: 80_000_000,
        ingressBurst: 8_000_000,
        egressRate: 40_000_000,
        egressBurst: 4_000_000,
      };
      const limited = await start('limited', { bandwidth });
      const tc = openTrafficControl({ netns: node.netns });
      const rateOf = (link: string): unknown => {
        const options = tc.qdisc(link, ROOT)?.options;
        return options?.kind === 'tbf' && options.rateBytesPerSecond;
      };
      const ifbs = (): string[] =>
        node.rtnl.links().flatMap(({ kind, name }) => (kind === 'ifb' ? [name] : []));
      assert.equal(rateOf(limited.hostInterface), 10_000_000);
      assert.deepEqual(ifbs().map(rateOf), [5_000_000]);
      assert.equal(await reach(other.netns, limited.address, 80), `limited ${other.addresses[0]}`);
      assert.ok((tc.qdisc(ifbs()[0] ?? '', ROOT)?.statistics.packets ?? 0) > 0, 'its answers went there');
      await network.del({ containerId: 'limited' });
      await network.collect();
      assert.deepEqual(ifbs(), []);
      tc.close();
    });

    test('del closes the hostPort', async () => {
      await network.del({ containerId: 'web' });
      assert.equal(await reach(other.netns, node.addresses[0], 8080), 'ECONNREFUSED');
    });
  });
}
