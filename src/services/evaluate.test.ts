import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { EndpointSlice, Service } from '../model/objects.ts';
import { createServiceCompiler } from './compile.ts';
import { type FirstPacket, type Verdict, evaluate } from './evaluate.ts';
import { type ClientKind, type NodeFacts, type ServicePlan, choiceFor, findPort, isInAny } from './plan.ts';
import { printPlan } from './print-plan.ts';

/** What a plan says of a packet, in the evaluator's words. */
function verdictOf(plan: ServicePlan, packet: FirstPacket): Verdict {
  const { node } = plan;
  const port = findPort(plan, { ...packet, address: packet.destination });
  if (port === undefined) {
    const isClusterIp = [...plan.ports.values()].some(
      ({ kind, address }) => kind === 'clusterIP' && address === packet.destination,
    );
    return { kind: isClusterIp ? 'reject' : 'untouched' };
  }
  const isOwn = node.addresses.includes(packet.source) || packet.source === packet.destination;
  const client: ClientKind = isOwn ? 'node' : isInAny(packet.source, node.podCidrs) ? 'pod' : 'outside';
  if (port.sourceRanges !== undefined && !isInAny(packet.source, port.sourceRanges)) return { kind: 'drop' };
  const { endpoints, whenNone } = choiceFor(port, client);
  if (endpoints.length === 0) return { kind: whenNone };
  return {
    kind: 'endpoint',
    isSticky: port.affinitySeconds !== undefined,
    endpoints: endpoints.map((endpoint) => ({
      address: endpoint.address,
      port: endpoint.port,
      sees:
        client === 'node' ||
        endpoint.address === packet.source ||
        (port.masquerade.includes(client) && !node.addresses.includes(endpoint.address))
          ? 'node'
          : 'client',
    })),
  };
}

const NODES = ['node-1', 'node-2'] as const;
const facts: NodeFacts = {
  name: 'node-1',
  zone: 'a',
  addresses: ['172.18.0.2', 'fd00:18::2'],
  podCidrs: ['10.244.0.0/24', 'fd00:244::/64'],
  nodePortAddresses: ['0.0.0.0/0', '::/0'],
};
const nodeFacts = fc.record({
  zone: fc.constantFrom('a', 'b', undefined),
  hasPods: fc.boolean(),
  nodePortAddresses: fc.constantFrom(facts.nodePortAddresses, ['172.18.0.0/16'], []),
});

const policy = fc.constantFrom('Cluster', 'Local', undefined);
const port = fc.record({
  name: fc.constantFrom('web', 'dns'),
  port: fc.constantFrom(80, 53, 0, 70_000),
  protocol: fc.constantFrom('TCP', 'UDP', 'SCTP', 'ICMP'),
  nodePort: fc.constantFrom(30_080, 30_053, 0, 70_000, undefined),
});
const names = ['a', 'b', 'c'] as const;
const CLUSTER_IPS = ['10.96.0.1', '10.96.0.2', 'fd00:96::1', 'None', '', 'nonsense', '127.0.0.1'];
const EXTERNAL_IPS = ['198.51.100.1', '198.51.100.2', 'fd00:198::1', '172.18.0.2', '224.0.0.1', '10.96.0.1'];

const service = fc
  .record({
    name: fc.constantFrom(...names),
    created: fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
    clusterIPs: fc.uniqueArray(fc.constantFrom(...CLUSTER_IPS), { minLength: 1, maxLength: 2 }),
    type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName', undefined),
    ports: fc.uniqueArray(port, { maxLength: 3, selector: (each) => `${each.protocol} ${each.port}` }),
    externalIPs: fc.subarray(EXTERNAL_IPS),
    ingress: fc.array(
      fc.record({ ip: fc.constantFrom(...EXTERNAL_IPS), ipMode: fc.constantFrom('VIP', 'Proxy') }),
      { maxLength: 2 },
    ),
    internal: policy,
    external: policy,
    affinity: fc.constantFrom('None', 'ClientIP', undefined),
    ranges: fc.constantFrom([], ['10.0.0.0/8', '10.244.0.0/24'], ['172.18.0.0/16'], ['fd00::/8', 'bad']),
    annotation: fc.constantFrom(undefined, '203.0.113.0/24, 10.244.0.2/32', ' '),
    publishNotReadyAddresses: fc.boolean(),
  })
  .map((from): Service => {
    const { name, created, clusterIPs, type, ports, externalIPs, ingress, annotation } = from;
    return {
      metadata: {
        namespace: 'default',
        name,
        creationTimestamp: created,
        ...(annotation !== undefined && {
          annotations: { 'service.beta.kubernetes.io/load-balancer-source-ranges': annotation },
        }),
      },
      spec: {
        clusterIPs,
        clusterIP: clusterIPs[0] ?? '',
        externalIPs,
        ports: ports.map(({ nodePort, ...each }) => ({
          ...each,
          ...(nodePort !== undefined && { nodePort }),
        })),
        loadBalancerSourceRanges: [...from.ranges],
        publishNotReadyAddresses: from.publishNotReadyAddresses,
        ...(type !== undefined && { type }),
        ...(from.internal !== undefined && { internalTrafficPolicy: from.internal }),
        ...(from.external !== undefined && { externalTrafficPolicy: from.external }),
        ...(from.affinity !== undefined && { sessionAffinity: from.affinity }),
      },
      status: { loadBalancer: { ingress } },
    };
  });

const host = fc.constantFrom('2', '3', '4', '5');
const endpoint = fc
  .record({
    family: fc.constantFrom(4, 6),
    host,
    odd: fc.constantFrom(undefined, undefined, undefined, '127.0.0.1', '169.254.1.1', 'x', '172.18.0.2'),
    conditions: fc.record({ ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() }),
    nodeName: fc.constantFrom(...NODES, undefined),
    zones: fc.subarray(['a', 'b']),
    nodes: fc.subarray([...NODES]),
    hasHints: fc.boolean(),
  })
  .map(({ family, host: last, odd, conditions, nodeName, zones, nodes, hasHints }) => ({
    addresses: [odd ?? (family === 4 ? `10.244.0.${last}` : `fd00:244::${last}`)],
    conditions,
    ...(nodeName !== undefined && { nodeName }),
    ...(hasHints && {
      hints: { forZones: zones.map((name) => ({ name })), forNodes: nodes.map((name) => ({ name })) },
    }),
  }));
const slice = fc
  .record({
    of: fc.constantFrom(...names),
    suffix: fc.constantFrom('x', 'y'),
    addressType: fc.constantFrom('IPv4', 'IPv6'),
    ports: fc.subarray(
      [
        { name: 'web', port: 8080, protocol: 'TCP' },
        { name: 'web', port: 8080, protocol: 'UDP' },
        { name: 'dns', port: 5353, protocol: 'UDP' },
        { name: 'dns', port: 0, protocol: 'TCP' },
        { name: 'web', port: 9999, protocol: 'SCTP' },
      ],
      { minLength: 1 },
    ),
    endpoints: fc.array(endpoint, { maxLength: 5 }),
  })
  .map(({ of, suffix, addressType, ports, endpoints }): EndpointSlice => {
    const labels = { 'kubernetes.io/service-name': of };
    const metadata = { namespace: 'default', name: `${of}-${suffix}`, labels };
    return { metadata, addressType, ports, endpoints };
  });

const SOURCES = ['10.244.0.2', '10.244.1.9', '172.18.0.2', '203.0.113.9', '198.51.100.1'];
const SOURCES_6 = ['fd00:244::2', 'fd00:18::2', 'fd00:203::9'];
const packets: readonly FirstPacket[] = [...CLUSTER_IPS, ...EXTERNAL_IPS, 'fd00:18::2', '203.0.113.1']
  .filter((address) => /^[0-9a-f.:]+$/u.test(address))
  .flatMap((destination) =>
    (destination.includes(':') ? SOURCES_6 : SOURCES).flatMap((source) =>
      [80, 53, 30_080, 30_053].flatMap((to) =>
        (['tcp', 'udp', 'sctp'] as const).map((protocol) => ({ source, destination, port: to, protocol })),
      ),
    ),
  );

/** The last word on each name, as a watch leaves it. */
function byName<T extends { metadata?: { name?: string } }>(list: readonly T[]): T[] {
  return [...new Map(list.map((each) => [each.metadata?.name, each])).values()];
}

test('the compiled plan says of every packet what evaluate says, however the objects came', () => {
  const property = fc.property(
    fc.array(service, { maxLength: 4 }),
    fc.array(slice, { maxLength: 5 }),
    nodeFacts,
    fc.boolean(),
    (services, slices, { zone, hasPods, nodePortAddresses }, late) => {
      const node: NodeFacts = {
        ...facts,
        podCidrs: hasPods ? facts.podCidrs : [],
        nodePortAddresses,
        ...(zone === undefined ? {} : { zone }),
      };
      const { zone: _zone, ...bare } = facts;
      const known: NodeFacts =
        zone === undefined ? { ...bare, podCidrs: node.podCidrs, nodePortAddresses } : node;
      // Facts that come late must lead to the same plan.
      const compiler = createServiceCompiler({
        node: late ? { ...bare, addresses: [], podCidrs: [] } : known,
      });
      for (const each of services) {
        compiler.setService(each);
        compiler.takeChange();
      }
      for (const each of slices) compiler.setSlice(each);
      compiler.takeChange();
      if (late) {
        compiler.setNode(known);
        compiler.takeChange();
      }
      const objects = { services: byName(services), slices: byName(slices) };
      for (const packet of packets) {
        const expected = evaluate(objects, known, packet);
        const found = verdictOf(compiler.plan, packet);
        assert.deepEqual(
          sorted(found),
          sorted(expected),
          `${JSON.stringify(packet)}\n${printPlan(compiler.plan)}`,
        );
      }
    },
  );
  fc.assert(property, { numRuns: 80 });
});

function sorted(verdict: Verdict): Verdict {
  if (verdict.kind !== 'endpoint') return verdict;
  const key = ({ address, port: to }: { address: string; port: number }): string => `${address} ${to}`;
  return { ...verdict, endpoints: verdict.endpoints.toSorted((a, b) => (key(a) < key(b) ? -1 : 1)) };
}
