/** Services in the kernel: real connections between pods, and the table nft lists. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type NodePodNetwork, createPodNetwork } from '../../src/cni/podnet.ts';
import { type Netns, createNetns, withNetns } from '../../src/kernel/netns.ts';
import { type Nftables, openNftables } from '../../src/kernel/nftables/nftables.ts';
import { missingPrograms } from '../../src/kernel/process.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../../src/kernel/sysctl.ts';
import type { EndpointSlice } from '../../src/model/objects.ts';
import type { ServiceBackend } from '../../src/services/backends/backend.ts';
import { createNftablesBackend } from '../../src/services/backends/nftables.ts';
import { type ServiceCompiler, createServiceCompiler } from '../../src/services/compile.ts';
import { UNKNOWN_NODE } from '../../src/services/plan.ts';
import { type TestEndpoint, testService, testSlice } from '../../src/services/test-objects.ts';
import { type Outcome, connect } from './support/connect.ts';

const NODE_ADDRESS = '172.18.0.2';
const NODE_ADDRESS6 = 'fd00:18::2';
const PORT = 8080;

/** A pod that says its name and whom it saw, over TCP and UDP. */
interface EchoPod {
  readonly name: string;
  readonly netns: Netns;
  readonly address: string;
  readonly address6: string;
  close(): void;
}

async function startPod(network: NodePodNetwork, name: string): Promise<EchoPod> {
  const netns = createNetns();
  const { addresses } = await network.add({ containerId: name, namespace: 'default', name, uid: '', netns });
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(`${name} ${socket.remoteAddress?.replace('::ffff:', '')}`);
  });
  withNetns(netns, () => tcp.listen(PORT));
  const udp = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
  udp.on('message', (_message, from) => udp.send(`${name} ${from.address}`, from.port, from.address));
  const bound = new Promise<void>((resolve) => udp.once('listening', () => resolve()));
  withNetns(netns, () => udp.bind(PORT, '0.0.0.0'));
  await bound;
  const close = (): void => {
    tcp.close();
    udp.close();
    netns.close();
  };
  return { name, netns, address: addresses[0] ?? '', address6: addresses[1] ?? '', close };
}

/** One node with a pod network, its eth0 in a namespace that stands for the rest of the world. */
interface TestNode {
  readonly netns: Netns;
  readonly network: NodePodNetwork;
  close(): void;
}

function startNode(): TestNode {
  const netns = createNetns();
  const world = createNetns();
  const rtnl = openRtnl({ netns });
  rtnl.setLink('lo', { up: true });
  rtnl.addLink({ kind: 'veth', name: 'eth0', peer: { name: 'eth0', netns: world } });
  rtnl.addAddress({ link: 'eth0', address: NODE_ADDRESS, prefixLength: 24 });
  rtnl.addAddress({ link: 'eth0', address: NODE_ADDRESS6, prefixLength: 64, noDad: true });
  rtnl.setLink('eth0', { up: true });
  const outside = openRtnl({ netns: world });
  outside.setLink('eth0', { up: true });
  outside.addAddress({ link: 'eth0', address: '172.18.0.1', prefixLength: 24 });
  outside.close();
  rtnl.replaceRoute({ dst: '0.0.0.0/0', gateway: '172.18.0.1' });
  rtnl.replaceRoute({ dst: '::/0', gateway: 'fd00:18::1' });
  withNetns(netns, () => {
    writeSysctl('net.ipv4.ip_forward', 1);
    writeSysctl('net.ipv6.conf.all.forwarding', 1);
  });
  const network = createPodNetwork({
    netns,
    rtnl,
    podCidr: '10.244.0.0/24,fd00:244::/64',
    databasePath: ':memory:',
  });
  const close = (): void => {
    network.close();
    rtnl.close();
    world.close();
    netns.close();
  };
  return { netns, network, close };
}

/** What every backend must do with connections. */
function testServiceBackend(name: string, create: (options: { nftables: Nftables }) => ServiceBackend): void {
  describe(name, () => {
    let node: TestNode;
    let nftables: Nftables;
    let backend: ServiceBackend;
    let compiler: ServiceCompiler;
    let client: EchoPod;
    let servers: readonly EchoPod[];
    let clusterIp = '';
    let loads = 0;

    before(async () => {
      node = startNode();
      nftables = openNftables({ netns: node.netns });
      client = await startPod(node.network, 'client');
      servers = [
        await startPod(node.network, 'one'),
        await startPod(node.network, 'two'),
        await startPod(node.network, 'three'),
      ];
    });

    after(() => {
      for (const pod of [client, ...servers]) pod.close();
      nftables.close();
      node.close();
    });

    const web = { name: 'web', port: 80 };
    const dns = { name: 'dns', port: 53, protocol: 'UDP' } as const;
    const targets = [
      { name: 'web', port: PORT },
      { name: 'dns', port: PORT, protocol: 'UDP' },
    ] as const;
    const endpoint = (pod: EchoPod): TestEndpoint => ({
      address: pod.address,
      nodeName: 'node-1',
      pod: pod.name,
    });

    /** The node with one Service `web` that has these pods, from nothing. */
    function load(pods: readonly EchoPod[]): void {
      compiler = createServiceCompiler({ node: { ...UNKNOWN_NODE, name: 'node-1' } });
      backend = create({ nftables });
      // An address of its own for each test: the kernel remembers UDP flows to the last one for a while.
      clusterIp = `10.96.0.${++loads}`;
      compiler.setService(testService('web', clusterIp, [web, dns]));
      compiler.setSlice(slice(pods));
      compiler.takeChange();
      backend.sync(compiler.plan);
    }

    function slice(pods: readonly EchoPod[]): EndpointSlice {
      return testSlice('web', 'a', targets, pods.map(endpoint));
    }

    function change(pods: readonly EchoPod[]): void {
      compiler.setSlice(slice(pods));
      backend.apply(compiler.takeChange());
    }

    const toWeb = (from: Netns, count = 1): Promise<Outcome[]> =>
      connect(from, { address: clusterIp, port: 80, count });
    const toDns = (from: Netns, count = 1): Promise<Outcome[]> =>
      connect(from, { address: clusterIp, port: 53, protocol: 'udp', count });

    function countByServer(outcomes: readonly Outcome[]): Record<string, number> {
      const counts: Record<string, number> = {};
      for (const { answer = 'none' } of outcomes) {
        const server = answer.split(' ')[0] ?? '';
        counts[server] = (counts[server] ?? 0) + 1;
      }
      return counts;
    }

    for (const [protocol, to] of [
      ['TCP', toWeb],
      ['UDP', toDns],
    ] as const) {
      test(`${protocol}: every endpoint gets its share, and sees the client's own address`, async () => {
        load(servers);
        const outcomes = await to(client.netns, 300);
        const counts = countByServer(outcomes);
        assert.deepEqual(Object.keys(counts).sort(), ['one', 'three', 'two']);
        // 100 of 300 expected, standard deviation 8.2: five of them either way.
        for (const count of Object.values(counts))
          assert.ok(count > 59 && count < 141, JSON.stringify(counts));
        for (const { answer } of outcomes)
          assert.match(answer ?? '', new RegExp(` ${RegExp.escape(client.address)}$`, 'u'));
      });

      test(`${protocol}: a Service without endpoints rejects at once, for pods and for the node`, async () => {
        load([]);
        for (const from of [client.netns, node.netns]) {
          const [outcome] = await to(from);
          assert.equal(outcome?.error, 'ECONNREFUSED', JSON.stringify(outcome));
          assert.ok(outcome.elapsedMs < 500, `after ${outcome.elapsedMs} ms`);
        }
      });

      test(`${protocol}: the node's own processes reach Services`, async () => {
        load(servers.slice(0, 1));
        const [outcome] = await to(node.netns);
        assert.match(outcome?.answer ?? JSON.stringify(outcome), /^one /u);
      });

      test(`${protocol}: a pod reaches itself through its Service`, async () => {
        const [one] = servers;
        assert.ok(one);
        load([one]);
        const [outcome] = await to(one.netns);
        assert.equal(outcome?.answer, `one ${NODE_ADDRESS}`);
      });

      test(`${protocol}: new connections follow a change of endpoints`, async () => {
        load(servers.slice(0, 2));
        change(servers.slice(2));
        assert.deepEqual(countByServer(await to(client.netns, 20)), { three: 20 });
        change([]);
        assert.equal((await to(client.netns))[0]?.error, 'ECONNREFUSED');
        change(servers.slice(0, 1));
        assert.deepEqual(countByServer(await to(client.netns, 20)), { one: 20 });
        assert.ok(backend.isIntact());
      });
    }

    test('IPv6: endpoints get connections, a pod reaches itself, none is a rejection', async () => {
      load([]);
      const [one] = servers;
      assert.ok(one);
      const over6 = (from: Netns): Promise<Outcome[]> => connect(from, { address: 'fd00:96::1', port: 80 });
      compiler.setService(testService('six', 'fd00:96::1', [web]));
      backend.apply(compiler.takeChange());
      assert.equal((await over6(client.netns))[0]?.error, 'ECONNREFUSED');
      assert.equal((await over6(node.netns))[0]?.error, 'ECONNREFUSED');
      compiler.setSlice(testSlice('six', 'a', targets, [{ address: one.address6, nodeName: 'node-1' }]));
      backend.apply(compiler.takeChange());
      assert.equal((await over6(client.netns))[0]?.answer, `one ${client.address6}`);
      assert.match((await over6(node.netns))[0]?.answer ?? '', /^one /u);
      assert.equal((await over6(one.netns))[0]?.answer, `one ${NODE_ADDRESS6}`);
    });

    test('a port that the Service does not have is rejected', async () => {
      load(servers);
      const [outcome] = await connect(client.netns, { address: clusterIp, port: 81 });
      assert.equal(outcome?.error, 'ECONNREFUSED');
    });

    test('an address that no Service has is left alone', async () => {
      load(servers);
      const [one] = servers;
      assert.ok(one);
      const [outcome] = await connect(client.netns, { address: one.address, port: PORT });
      assert.equal(outcome?.answer, `one ${client.address}`);
    });

    test('cleanup leaves nothing', () => {
      load(servers);
      backend.cleanup();
      assert.deepEqual(nftables.tables(), []);
    });
  });
}

testServiceBackend('createNftablesBackend', createNftablesBackend);

const withoutNft = missingPrograms(['nft']).length > 0 && 'nft is not installed';

test('createNftablesBackend makes a table that nft lists in words', { skip: withoutNft }, () => {
  const netns = createNetns();
  const nftables = openNftables({ netns });
  const compiler = createServiceCompiler({ node: { ...UNKNOWN_NODE, name: 'node-1' } });
  compiler.setService(testService('web', ['10.96.0.1', 'fd00:96::1'], [{ name: 'web', port: 80 }]));
  compiler.setService(testService('idle', '10.96.0.2', [{ port: 53, protocol: 'UDP' }]));
  const slicePort = [{ name: 'web', port: 8080 }];
  compiler.setSlice(
    testSlice('web', '4', slicePort, [
      { address: '10.244.0.2', nodeName: 'node-1' },
      { address: '10.244.1.2', nodeName: 'node-2' },
    ]),
  );
  compiler.setSlice(testSlice('web', '6', slicePort, [{ address: 'fd00:244::2', nodeName: 'node-1' }]));
  compiler.takeChange();
  createNftablesBackend({ nftables }).sync(compiler.plan);
  for (const [family, clusterIp, first] of [
    ['ip', '10.96.0.1', '10.244.0.2'],
    ['ip6', 'fd00:96::1', 'fd00:244::2'],
  ] as const) {
    const list = withNetns(netns, () =>
      execFileSync('nft', ['list', 'table', family, 'podnet-services'], { encoding: 'utf8' }),
    );
    const count = family === 'ip' ? 2 : 1;
    for (const line of [
      `elements = { ${clusterIp} . tcp . 80 . 0 : ${first} . 8080`,
      `elements = { ${first} . ${first} }`,
      `${family} daddr @cluster-ips goto services`,
      `${family} daddr . meta l4proto . th dport @services-${count} dnat ${family} to ${family} daddr . meta l4proto . th dport . numgen random mod ${count} map @services-endpoints`,
      'reject with tcp reset comment "nothing answers"',
      `${family} saddr . ${family} daddr @hairpin masquerade fully-random comment "a pod that reached itself"`,
    ]) {
      assert.ok(list.includes(line), `${line}\nin\n${list}`);
    }
  }
  nftables.close();
  netns.close();
});
