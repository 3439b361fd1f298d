import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Service } from '../model/objects.ts';
import { fixtureObjects } from './fixture.ts';
import type { Trace } from './trace.ts';
import { createTraceView } from './view.ts';
import { tracePacket } from './walk.ts';

const ports = [{ name: 'http', port: 80, nodePort: 30_080 }];
const WORLD = '172.18.0.254';
/** Of a load balancer, by way of the first node. */
const ANNOUNCED = '203.0.113.30';

/** The Service `shop` with a pod on each node, as this spec says. */
function view(spec: Service['spec'], status?: Service['status'], change: Partial<EndpointSlice> = {}) {
  const objects = fixtureObjects();
  const [slice] = objects.endpointSlices;
  const shop: Service = {
    metadata: { namespace: 'default', name: 'shop' },
    spec: { clusterIP: '10.96.0.30', clusterIPs: ['10.96.0.30'], ports, ...spec },
    ...(status && { status }),
  };
  const shopSlice: EndpointSlice = {
    ...slice,
    metadata: { namespace: 'default', name: 'shop-abc', labels: { 'kubernetes.io/service-name': 'shop' } },
    addressType: 'IPv4',
    endpoints: slice?.endpoints ?? [],
    ...change,
  };
  return createTraceView({
    ...objects,
    worldAddresses: [WORLD],
    announcerOf: (address) => (address === ANNOUNCED ? objects.nodes[0] : undefined),
    services: [...objects.services, shop],
    endpointSlices: [...objects.endpointSlices, shopSlice],
  });
}

function steps(trace: Trace): string[] {
  return trace.hops
    .filter(({ action }) => action !== 'resolve')
    .map(
      ({ place, action, packet }) =>
        `${place.name} ${action} ${packet.source}>${packet.destination}:${packet.destinationPort}`,
    );
}

const nodePort: Service['spec'] = { type: 'NodePort' };

test('tracePacket: from the world by a node port, to a pod on another node', () => {
  const trace = tracePacket(view(nodePort), {
    source: 'world',
    destination: 'node-1:30080',
    endpoint: '10.244.2.6:8080',
  });
  assert.deepEqual(steps(trace), [
    `world send ${WORLD}>172.18.0.2:30080`,
    `node-1 dnat ${WORLD}>10.244.2.6:8080`,
    `node-1 route ${WORLD}>10.244.2.6:8080`,
    'node-1 masquerade 172.18.0.2>10.244.2.6:8080',
    'node-2 route 172.18.0.2>10.244.2.6:8080',
    'web-2 deliver 172.18.0.2>10.244.2.6:8080',
  ]);
  assert.deepEqual([trace.outcome, trace.sourceKept], ['delivered', false]);
  assert.equal(trace.endpoints.length, 2);
  assert.match(
    trace.hops[1]?.explain ?? '',
    /port 30080 of this node is spec\.ports\[0\]\.nodePort of Service default\/shop/u,
  );
});

test('tracePacket: a policy of Local keeps the source, and drops where no endpoint is', () => {
  const local = view({ ...nodePort, externalTrafficPolicy: 'Local' }, undefined, {
    endpoints: [{ addresses: ['10.244.2.6'], nodeName: 'node-2' }],
  });
  const kept = tracePacket(local, { source: 'world', destination: 'node-2:30080' });
  assert.deepEqual(steps(kept).slice(1), [
    `node-2 dnat ${WORLD}>10.244.2.6:8080`,
    `node-2 route ${WORLD}>10.244.2.6:8080`,
    `web-2 deliver ${WORLD}>10.244.2.6:8080`,
  ]);
  assert.equal(kept.sourceKept, true);
  const dropped = tracePacket(local, { source: 'world', destination: 'node-1:30080' });
  assert.equal(dropped.outcome, 'dropped');
  const [, hop] = dropped.hops;
  assert.equal(hop?.decidedBy?.field, 'spec.externalTrafficPolicy');
  assert.match(hop.details?.join() ?? '', /nodeName is node-2 and spec\.externalTrafficPolicy is Local/u);
});

test('tracePacket: a pod to the node port of another node', () => {
  const trace = tracePacket(view(nodePort), {
    source: 'client',
    destination: '172.18.0.3:30080',
    endpoint: '10.244.1.6:8080',
  });
  assert.deepEqual(steps(trace), [
    'client send 10.244.1.5>172.18.0.3:30080',
    'node-1 route 10.244.1.5>172.18.0.3:30080',
    'node-2 dnat 10.244.1.5>10.244.1.6:8080',
    'node-2 route 10.244.1.5>10.244.1.6:8080',
    'node-2 masquerade 172.18.0.3>10.244.1.6:8080',
    'node-1 route 172.18.0.3>10.244.1.6:8080',
    'web-1 deliver 172.18.0.3>10.244.1.6:8080',
  ]);
});

test('tracePacket: external IPs and load balancers, with their source ranges', () => {
  const external = view({ externalIPs: ['203.0.113.20'] });
  assert.match(
    steps(tracePacket(external, { source: 'client', destination: '203.0.113.20' })).join('\n'),
    /node-1 dnat 10\.244\.1\.5>10\.244\.1\.6:8080/u,
  );
  const status = { loadBalancer: { ingress: [{ ip: ANNOUNCED }] } };
  const open = view({ type: 'LoadBalancer' }, status);
  const [first] = steps(tracePacket(open, { source: 'world', destination: 'svc/shop' }));
  assert.equal(first, `world send ${WORLD}>${ANNOUNCED}:80`);
  const closed = view({ type: 'LoadBalancer', loadBalancerSourceRanges: ['192.0.2.0/24'] }, status);
  const refused = tracePacket(closed, { source: 'world', destination: ANNOUNCED });
  assert.equal(refused.outcome, 'dropped');
  assert.equal(refused.hops.at(-1)?.decidedBy?.field, 'spec.loadBalancerSourceRanges');
});

test('tracePacket: nobody in the world gets to an address that nobody announces', () => {
  const lost = tracePacket(view({ externalIPs: ['203.0.113.20'] }), {
    source: 'world',
    destination: '203.0.113.20',
  });
  assert.equal(lost.outcome, 'rejected');
  assert.deepEqual(steps(lost), [`world reject ${WORLD}>203.0.113.20:80`]);
  assert.match(lost.hops[0]?.summary ?? '', /nobody announces it/u);
});

test('tracePacket: affinity, zones and an unexposed Service', () => {
  const spec = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } };
  const trace = tracePacket(view(spec), { source: 'node/node-1', destination: 'svc/shop' });
  assert.equal(trace.source.kind, 'node');
  const [dnat] = trace.hops;
  assert.match(dnat?.explain ?? '', /stays with its endpoint until it has been quiet for 60 s/u);
  assert.throws(() => tracePacket(view({}), { source: 'world', destination: 'svc/web' }), {
    code: 'trace-not-exposed',
  });
});

test('tracePacket: hints of another zone leave an endpoint out, and the hop says so', () => {
  const endpoint = (address: string, zone: string) => ({
    addresses: [address],
    hints: { forZones: [{ name: zone }] },
  });
  const objects = view({}, undefined, {
    endpoints: [endpoint('10.244.1.6', 'a'), endpoint('10.244.2.6', 'b')],
  });
  const zoned = createTraceView({
    ...objects,
    nodes: objects.nodes.map((node, index) => ({
      ...node,
      metadata: { ...node.metadata, labels: { 'topology.kubernetes.io/zone': index === 0 ? 'a' : 'b' } },
    })),
  });
  const trace = tracePacket(zoned, { source: 'client', destination: 'svc/shop' });
  const dnat = trace.hops.find(({ action }) => action === 'dnat');
  assert.deepEqual(dnat?.details, [
    'rule: ready, same zone by hints.forZones',
    'not 10.244.2.6: hints.forZones has no a (EndpointSlice default/shop-abc endpoints[1])',
  ]);
});
