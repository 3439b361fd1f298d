/** Predicted traces and what the kernel does with real packets, on two nodes made of namespaces. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';

import { hostInterfaceName } from '../../src/cni/pod-link-plan.ts';
import { createPodNetwork, type NodePodNetwork } from '../../src/cni/podnet.ts';
import { applyRoutes } from '../../src/fabric/apply-routes.ts';
import { compile as compileRoutes } from '../../src/fabric/compile.ts';
import { egressRules } from '../../src/fabric/egress.ts';
import { createNetns, type Netns, withNetns } from '../../src/kernel/netns.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { openRtnl, type Rtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../../src/kernel/sysctl.ts';
import type { EndpointSlice, Node, Pod, Service } from '../../src/model/objects.ts';
import { createNftablesBackend } from '../../src/services/backends/nftables.ts';
import { compile as compileServices } from '../../src/services/compile.ts';
import { UNKNOWN_NODE } from '../../src/services/plan.ts';
import { compare, type Comparison } from '../../src/trace/compare.ts';
import { type Observation, observe } from '../../src/trace/observe.ts';
import { printTrace } from '../../src/trace/print.ts';
import type { TraceRequest } from '../../src/trace/request.ts';
import { TRACE_TABLE } from '../../src/trace/tap.ts';
import { createTraceView, type TraceObjects, type TraceView } from '../../src/trace/view.ts';
import { tracePacket } from '../../src/trace/walk.ts';

const CLUSTER_CIDR = '10.244.0.0/16';

class TestCluster {
  readonly nodes = new Map<string, Netns>();
  readonly pods = new Map<string, Netns>();
  readonly #switch = createNetns();
  readonly #bridge: Rtnl;
  readonly #networks = new Map<string, NodePodNetwork>();
  readonly #nodeRtnl = new Map<string, Rtnl>();
  readonly #servers: { close(): unknown }[] = [];
  readonly #objects: { pods: Pod[]; nodes: Node[]; services: Service[]; endpointSlices: EndpointSlice[] } = {
    pods: [],
    nodes: [],
    services: [],
    endpointSlices: [],
  };

  constructor() {
    this.#bridge = openRtnl({ netns: this.#switch });
    this.#bridge.addLink({ kind: 'bridge', name: 'br0' });
    this.#bridge.setLink('br0', { up: true });
    this.#bridge.addAddress({ link: 'br0', address: '172.18.0.1', prefixLength: 24 });
  }

  addNode(index: number): void {
    const name = `node-${index}`;
    const netns = createNetns();
    const address = `172.18.0.${index + 1}`;
    this.#bridge.addLink({ kind: 'veth', name, peer: { name: 'eth0', netns } });
    this.#bridge.setLink(name, { master: 'br0', up: true });
    const rtnl = openRtnl({ netns });
    rtnl.setLink('lo', { up: true });
    rtnl.setLink('eth0', { up: true });
    rtnl.addAddress({ link: 'eth0', address, prefixLength: 24 });
    rtnl.replaceRoute({ dst: '0.0.0.0/0', gateway: '172.18.0.1', link: 'eth0' });
    withNetns(netns, () => {
      writeSysctl('net.ipv4.ip_forward', '1');
      // A pod that reaches itself is told of a shorter way (ICMP redirect), and while the kernel counts that against
      // the pod's allowance of ICMP errors it tells it nothing else.
      writeSysctl('net.ipv4.conf.all.send_redirects', '0');
      writeSysctl('net.ipv4.conf.default.send_redirects', '0');
    });
    const podCidr = `10.244.${index}.0/24`;
    const network = createPodNetwork({
      netns,
      rtnl,
      podCidr,
      nodeAddresses: [address],
      databasePath: ':memory:',
    });
    this.nodes.set(name, netns);
    this.#nodeRtnl.set(name, rtnl);
    this.#networks.set(name, network);
    this.#objects.nodes.push({
      metadata: { name },
      spec: { podCIDR: podCidr, podCIDRs: [podCidr] },
      status: { addresses: [{ type: 'InternalIP', address }] },
    });
  }

  /** Listens on 8080, unless told not to. */
  async addPod(
    name: string,
    nodeName: string,
    { listens = true }: { listens?: boolean } = {},
  ): Promise<string> {
    const netns = createNetns();
    const sandbox = { containerId: name, namespace: 'default', name, uid: '', netns };
    const attachment = await this.#networks.get(nodeName)?.add(sandbox);
    const address = attachment?.addresses[0] ?? '';
    this.pods.set(`default/${name}`, netns);
    if (listens) this.#servers.push(listenTcp(netns), await listenUdp(netns));
    this.#objects.pods.push({
      metadata: { namespace: 'default', name },
      spec: {
        nodeName,
        containers: [
          { name: 'c', ports: [{ containerPort: 8080 }, { containerPort: 8080, protocol: 'UDP' }] },
        ],
      },
      status: {
        phase: 'Running',
        podIP: address,
        podIPs: [{ ip: address }],
        conditions: [{ type: 'Ready', status: 'True' }],
      },
    });
    return address;
  }

  addService(
    name: string,
    clusterIP: string,
    endpoints: readonly { pod: string; address: string; node: string }[],
  ): void {
    this.#objects.services.push({
      metadata: { namespace: 'default', name },
      spec: {
        clusterIP,
        clusterIPs: [clusterIP],
        ports: [
          { name: 'http', port: 80 },
          { name: 'echo', port: 80, protocol: 'UDP' },
        ],
      },
    });
    this.#objects.endpointSlices.push({
      metadata: { namespace: 'default', name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [
        { name: 'http', port: 8080, protocol: 'TCP' },
        { name: 'echo', port: 8080, protocol: 'UDP' },
      ],
      endpoints: endpoints.map(({ pod, address, node }) => ({
        addresses: [address],
        nodeName: node,
        targetRef: { kind: 'Pod', namespace: 'default', name: pod },
      })),
    });
  }

  /** Makes every node's kernel as the plans say. */
  apply(): void {
    const { nodes, services, endpointSlices } = this.#objects;
    for (const [nodeName, netns] of this.nodes) {
      const rtnl = this.#nodeRtnl.get(nodeName);
      const plan = compileRoutes(nodes, { nodeName, clusterCidrs: [CLUSTER_CIDR] });
      if (rtnl !== undefined) assert.deepEqual(applyRoutes(rtnl, plan).errors, []);
      const nftables = openNftables({ netns });
      nftables.apply(egressRules(plan.egress));
      const node = { ...UNKNOWN_NODE, name: nodeName };
      createNftablesBackend({ nftables }).sync(compileServices(services, endpointSlices, { node }));
      nftables.close();
    }
  }

  /** The same cluster as `objects` say, changed by `changed`. */
  view(changed: Partial<TraceObjects> = {}): TraceView {
    return createTraceView({
      ...this.#objects,
      namespaces: [{ metadata: { name: 'default' } }],
      deployments: [],
      clusterDomain: 'cluster.local',
      clusterDns: ['10.96.0.10'],
      clusterCidrs: [CLUSTER_CIDR],
      hostInterface: ({ metadata }) => hostInterfaceName(metadata?.name ?? ''),
      ...changed,
    });
  }

  /** Which namespaces still have the table of an observation. */
  leftovers(): string[] {
    return [...this.nodes, ...this.pods].flatMap(([name, netns]) => {
      const nftables = openNftables({ netns });
      const left = nftables.tables().some((table) => table.name === TRACE_TABLE.name);
      nftables.close();
      return left ? [name] : [];
    });
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const network of this.#networks.values()) network.close();
    for (const rtnl of this.#nodeRtnl.values()) rtnl.close();
    this.#bridge.close();
    for (const netns of [...this.nodes.values(), ...this.pods.values(), this.#switch]) netns.close();
  }
}

function listenTcp(netns: Netns): Server {
  const server = createServer((socket) => socket.on('error', () => undefined).end());
  withNetns(netns, () => server.listen(8080));
  return server;
}

async function listenUdp(netns: Netns): Promise<{ close(): unknown }> {
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
  socket.on('message', (_message, from) => socket.send('here', from.port, from.address));
  const listening = new Promise<void>((resolve) => socket.once('listening', () => resolve()));
  withNetns(netns, () => socket.bind(8080));
  await listening;
  return socket;
}

describe('observe and compare', () => {
  const cluster = new TestCluster();

  before(async () => {
    cluster.addNode(1);
    cluster.addNode(2);
    const client = await cluster.addPod('client', 'node-1');
    const near = await cluster.addPod('near', 'node-1');
    const far = await cluster.addPod('far', 'node-2');
    await cluster.addPod('deaf', 'node-2', { listens: false });
    cluster.addService('web', '10.96.0.20', [
      { pod: 'near', address: near, node: 'node-1' },
      { pod: 'far', address: far, node: 'node-2' },
    ]);
    cluster.addService('self', '10.96.0.21', [{ pod: 'client', address: client, node: 'node-1' }]);
    cluster.addService('nobody', '10.96.0.22', []);
    cluster.apply();
  });
  after(() => cluster.close());
  afterEach(() => assert.deepEqual(cluster.leftovers(), []));

  async function check(
    request: TraceRequest,
    view = cluster.view(),
  ): Promise<{ comparison: Comparison; observation: Observation; text: string }> {
    const guess = tracePacket(view, request);
    const observation = await observe({
      trace: guess,
      nodes: cluster.nodes,
      pods: cluster.pods,
      timeoutMs: 1000,
    });
    const trace =
      observation.endpoint !== undefined && guess.endpoints.length > 0
        ? tracePacket(view, { ...request, endpoint: observation.endpoint })
        : guess;
    const comparison = compare(trace, observation);
    const text = printTrace(trace, { comparison });
    return { comparison, observation, text };
  }

  function assertAgrees({ comparison, text }: { comparison: Comparison; text: string }): void {
    assert.ok(comparison.agrees, text);
  }

  test('agree on a pod of the same node', async () => {
    const result = await check({ source: 'client', destination: 'near' });
    assertAgrees(result);
    assert.equal(result.observation.reply, 'connected');
    assert.deepEqual(
      result.observation.places.map(({ place }) => place.name),
      ['client', 'node-1', 'near'],
    );
  });

  test('agree on a pod of another node, whose sender keeps its address', async () => {
    const result = await check({ source: 'client', destination: 'far' });
    assertAgrees(result);
    const { places } = result.observation;
    assert.deepEqual(
      places.map(({ place }) => place.name),
      ['client', 'node-1', 'node-2', 'far'],
    );
    assert.equal(
      new Set(places.flatMap(({ before: first, after: last }) => [first.source, last?.source])).size,
      1,
    );
  });

  test('agree on every endpoint that a Service chooses, over TCP and UDP', async () => {
    const chosen = new Set<string | undefined>();
    for (let index = 0; index < 40 && chosen.size < 2; index++) {
      const result = await check({
        source: 'client',
        destination: 'svc/web',
        protocol: index % 2 ? 'tcp' : 'udp',
      });
      assertAgrees(result);
      assert.equal(result.observation.reply, index % 2 ? 'connected' : 'answered');
      assert.ok(
        result.observation.places.some(({ verdicts }) =>
          verdicts.some((text) => text.startsWith('podnet-services')),
        ),
      );
      chosen.add(result.observation.endpoint);
    }
    assert.equal(chosen.size, 2);
  });

  test('agree on a pod that reaches itself through its Service', async () => {
    const result = await check({ source: 'client', destination: 'svc/self' });
    assertAgrees(result);
    assert.equal(result.observation.reply, 'connected');
    assert.equal(
      result.observation.places.find(({ place }) => place.kind === 'node')?.after?.source,
      '172.18.0.2',
    );
  });

  test('agree on a pod that reaches itself by its own address and by 127.0.0.1', async () => {
    for (const destination of ['pod/client:8080', '127.0.0.1:8080']) {
      for (const protocol of ['tcp', 'udp'] as const) {
        const result = await check({ source: 'client', destination, protocol });
        assertAgrees(result);
        assert.equal(result.observation.reply, protocol === 'tcp' ? 'connected' : 'answered');
        assert.equal(result.comparison.hops.length, 1);
      }
    }
  });

  test('agree on what is rejected: a Service without endpoints, an address no pod has', async () => {
    for (const destination of ['svc/nobody', '10.244.1.99:80', '10.244.2.99:80', '10.244.9.9:80']) {
      const result = await check({ source: 'client', destination });
      assertAgrees(result);
      assert.notEqual(result.observation.reply, 'connected');
    }
  });

  test('agree on a node and on the outside, which sees the address of the node', async () => {
    assertAgrees(await check({ source: 'client', destination: '172.18.0.3:22' }));
    assertAgrees(await check({ source: 'client', destination: '172.18.0.2:22' }));
    const result = await check({ source: 'client', destination: '172.18.0.1:22' });
    assertAgrees(result);
    assert.equal(result.observation.places.at(-1)?.after?.source, '172.18.0.2');
  });

  test('agree on a pod that does not listen: the packet arrives and is refused there', async () => {
    const result = await check({ source: 'client', destination: 'deaf:8080' });
    assertAgrees(result);
    assert.equal(result.observation.reply, 'refused');
  });

  test('differ where the kernel is not as the objects say, and say how', async () => {
    const view = cluster.view();
    const moved = view.pods.map((pod) =>
      pod.metadata?.name === 'far'
        ? { ...pod, spec: { containers: [], ...pod.spec, nodeName: 'node-1' } }
        : pod,
    );
    const result = await check({ source: 'client', destination: 'far:8080' }, cluster.view({ pods: moved }));
    assert.equal(result.comparison.agrees, false);
    assert.match(result.text, /the outgoing interface is eth0, not pod[0-9a-f]{11}/);
    assert.match(result.text, /node node-2.*not predicted/);
  });

  test('observe one packet at a time, however many are asked for', async () => {
    const results = await Promise.all(
      ['near', 'far', 'svc/web'].map((destination) => check({ source: 'client', destination })),
    );
    for (const result of results) assertAgrees(result);
  });

  test('say that a pod without a namespace at hand cannot send', async () => {
    const trace = tracePacket(cluster.view(), { source: 'client', destination: 'near' });
    await assert.rejects(observe({ trace, nodes: cluster.nodes, pods: new Map() }), {
      code: 'trace-not-observable',
    });
  });
});
