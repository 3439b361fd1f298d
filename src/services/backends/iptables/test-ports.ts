/** Plans written by hand, for the tests of what carries them out. */
import type { EndpointChoice, NodeFacts, PlannedPort, ServicePlan } from '../../plan.ts';
import { frontKey } from '../../plan.ts';

export const testNode: NodeFacts = {
  name: 'node-1',
  addresses: ['172.18.0.11', 'fd00:18::11'],
  podCidrs: ['10.244.0.0/24', 'fd00:10:244::/64'],
  nodePortAddresses: ['0.0.0.0/0', '::/0'],
};

/** Endpoints `ADDRESS PORT`; `node` if they are those of this node only. */
export function testChoice(
  endpoints: readonly string[],
  options: Partial<Pick<EndpointChoice, 'scope' | 'whenNone'>> = {},
): EndpointChoice {
  return {
    endpoints: endpoints.map((text) => {
      const [address = '', port = ''] = text.split(' ');
      return { address, port: Number(port), source: { slice: 'default/web-a', field: 'endpoints[0]' } };
    }),
    chosenBy: endpoints.length === 0 ? 'nothing' : 'ready',
    scope: 'cluster',
    scopeField: '',
    whenNone: 'reject',
    skipped: [],
    ...options,
  };
}

export function testPort(
  port: Pick<PlannedPort, 'kind' | 'address' | 'port' | 'inside'> & Partial<PlannedPort>,
): PlannedPort {
  return {
    protocol: 'tcp',
    family: port.address.includes(':') ? 6 : 4,
    service: 'default/web',
    portName: 'http',
    field: 'spec.ports[0]',
    addressField: 'spec.clusterIPs[0]',
    outside: port.inside,
    masquerade: port.kind === 'clusterIP' ? ['outside'] : ['node', 'outside'],
    ...port,
  };
}

export function testPlan(ports: readonly PlannedPort[], node: NodeFacts = testNode): ServicePlan {
  return {
    node,
    ports: new Map(ports.map((port) => [frontKey(port), port])),
    ignored: new Map(),
    health: new Map(),
  };
}

/** A Service of every kind in one family, with what distinguishes one rule from another. */
export function everyKind(family: 4 | 6): PlannedPort[] {
  const v4 = family === 4;
  const cluster = testChoice(
    v4
      ? ['10.244.0.2 8080', '10.244.1.2 8080', '10.244.2.2 8080']
      : ['fd00:10:244::2 8080', 'fd00:10:244:1::2 8080'],
  );
  const local = testChoice(v4 ? ['10.244.0.2 8080'] : ['fd00:10:244::2 8080'], {
    scope: 'node',
    whenNone: 'drop',
  });
  const none = testChoice([]);
  const vip = (last: number): string => (v4 ? `10.96.0.${last}` : `fd00:96::${last}`);
  const outer = (last: number): string => (v4 ? `192.0.2.${last}` : `2001:db8::${last}`);
  const any = v4 ? '0.0.0.0' : '::';
  return [
    testPort({ kind: 'clusterIP', address: vip(1), port: 80, inside: cluster }),
    testPort({ kind: 'externalIP', address: outer(1), port: 80, inside: cluster }),
    testPort({ kind: 'nodePort', address: any, port: 30080, inside: cluster }),
    testPort({
      kind: 'clusterIP',
      address: vip(2),
      port: 53,
      protocol: 'udp',
      service: 'default/sticky',
      portName: '',
      inside: cluster,
      affinitySeconds: 10_800,
    }),
    testPort({ kind: 'clusterIP', address: vip(3), port: 443, service: 'default/local', inside: cluster }),
    testPort({
      kind: 'loadBalancerIP',
      address: outer(3),
      port: 443,
      service: 'default/local',
      inside: cluster,
      outside: local,
      masquerade: ['node'],
      sourceRanges: v4 ? ['198.51.100.0/24', '0.0.0.0/0'] : ['2001:db8:1::/48', '::/0'],
    }),
    testPort({
      kind: 'nodePort',
      address: any,
      port: 30443,
      service: 'default/local',
      inside: cluster,
      outside: testChoice([], { scope: 'node', whenNone: 'drop' }),
      masquerade: ['node'],
    }),
    testPort({ kind: 'clusterIP', address: vip(4), port: 80, service: 'default/idle', inside: none }),
    testPort({
      kind: 'clusterIP',
      address: vip(4),
      port: 81,
      protocol: 'sctp',
      service: 'default/idle',
      inside: none,
    }),
    testPort({ kind: 'nodePort', address: any, port: 30081, service: 'default/idle', inside: none }),
    testPort({
      kind: 'externalIP',
      address: outer(5),
      port: 80,
      service: 'default/mixed',
      inside: none,
      outside: testChoice([], { scope: 'node', whenNone: 'drop' }),
      masquerade: ['node'],
    }),
  ];
}
