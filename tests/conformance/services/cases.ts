/** The Services of the suite: one for each policy, and between them every kind of front. */
import type { EndpointSlice, Service } from '../../../src/model/objects.ts';
import type { ServiceObjects } from '../../../src/services/evaluate.ts';
import type { PlaceName } from './network.ts';

export interface CaseEndpoint {
  readonly at: PlaceName;
  readonly conditions?: {
    readonly ready?: boolean;
    readonly serving?: boolean;
    readonly terminating?: boolean;
  };
  readonly zones?: readonly string[];
  readonly nodes?: readonly string[];
}

export interface ServiceCase {
  readonly name: string;
  readonly spec?: NonNullable<Service['spec']>;
  readonly endpoints: readonly CaseEndpoint[];
  /** Has a load balancer's address, of which this is the mode. */
  readonly ipMode?: 'VIP' | 'Proxy';
  readonly hasExternalIp?: boolean;
}

const gone = { ready: false, serving: false, terminating: true } as const;
const leaving = { ready: false, serving: true, terminating: true } as const;
const near: CaseEndpoint = { at: 'one' };
const far: CaseEndpoint = { at: 'far' };
const both = [near, far] as const;
const internalLocal = { internalTrafficPolicy: 'Local' } as const;
const nodePort = { type: 'NodePort' } as const;
const nodePortLocal = { type: 'NodePort', externalTrafficPolicy: 'Local' } as const;
const balancer = { type: 'LoadBalancer' } as const;
const balancerLocal = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' } as const;
const affine = { sessionAffinity: 'ClientIP' } as const;

export const cases: readonly ServiceCase[] = [
  { name: 'ClusterIP', endpoints: both },
  { name: 'ClusterIP, none', endpoints: [] },
  { name: 'ClusterIP, itself', endpoints: [near] },
  { name: 'ClusterIP, the node', endpoints: [{ at: 'node' }] },
  { name: 'ClusterIP, not ready', endpoints: [{ ...near, conditions: { ready: false } }, far] },
  {
    name: 'ClusterIP, last ones',
    endpoints: [
      { ...near, conditions: leaving },
      { ...far, conditions: gone },
    ],
  },
  { name: 'ClusterIP, leaving', endpoints: [{ ...near, conditions: leaving }, far] },
  {
    name: 'publishNotReadyAddresses',
    spec: { publishNotReadyAddresses: true },
    endpoints: [{ ...near, conditions: { ready: false } }],
  },
  { name: 'ClusterIP, affinity', spec: affine, endpoints: [near, { at: 'two' }, far] },
  { name: 'internal Local', spec: internalLocal, endpoints: both },
  { name: 'internal Local, others', spec: internalLocal, endpoints: [far] },
  { name: 'internal Local, none', spec: internalLocal, endpoints: [] },
  {
    name: 'internal Local, leaving',
    spec: internalLocal,
    endpoints: [{ ...near, conditions: leaving }, far],
  },
  {
    name: 'hints, zone',
    endpoints: [
      { ...near, zones: ['a'] },
      { ...far, zones: ['b'] },
    ],
  },
  { name: 'hints, other zone', endpoints: [{ ...far, zones: ['b'] }] },
  { name: 'hints, one without', endpoints: [{ ...near, zones: ['a'] }, far] },
  {
    name: 'hints, node',
    endpoints: [
      { ...near, nodes: ['node-1'], zones: ['a'] },
      { at: 'two', nodes: ['node-2'], zones: ['a'] },
    ],
  },
  { name: 'NodePort', spec: nodePort, endpoints: both },
  { name: 'NodePort, none', spec: nodePort, endpoints: [] },
  { name: 'NodePort, affinity', spec: { ...nodePort, ...affine }, endpoints: [near, { at: 'two' }, far] },
  { name: 'NodePort, the node', spec: nodePort, endpoints: [{ at: 'node' }] },
  { name: 'NodePort Local', spec: nodePortLocal, endpoints: both },
  { name: 'NodePort Local, others', spec: nodePortLocal, endpoints: [far] },
  { name: 'NodePort Local, none', spec: nodePortLocal, endpoints: [] },
  {
    name: 'NodePort Local, leaving',
    spec: nodePortLocal,
    endpoints: [{ ...near, conditions: leaving }, far],
  },
  { name: 'NodePort, both Local', spec: { ...nodePortLocal, ...internalLocal }, endpoints: [far] },
  { name: 'externalIP', hasExternalIp: true, endpoints: both },
  { name: 'externalIP, none', hasExternalIp: true, endpoints: [] },
  {
    name: 'externalIP Local',
    hasExternalIp: true,
    spec: { externalTrafficPolicy: 'Local' },
    endpoints: both,
  },
  { name: 'LoadBalancer', spec: balancer, ipMode: 'VIP', endpoints: both },
  { name: 'LoadBalancer, none', spec: balancer, ipMode: 'VIP', endpoints: [] },
  { name: 'LoadBalancer Local', spec: balancerLocal, ipMode: 'VIP', endpoints: both },
  { name: 'LoadBalancer Local, others', spec: balancerLocal, ipMode: 'VIP', endpoints: [far] },
  {
    name: 'LoadBalancer Local, affinity',
    spec: { ...balancerLocal, ...affine },
    ipMode: 'VIP',
    endpoints: [near, { at: 'two' }, far],
  },
  {
    name: 'source ranges, outside',
    spec: { ...balancer, loadBalancerSourceRanges: ['203.0.113.0/24', '203.0.113.9/32', 'fd00:203::/64'] },
    ipMode: 'VIP',
    endpoints: both,
  },
  {
    name: 'source ranges, pods',
    spec: { ...balancerLocal, loadBalancerSourceRanges: ['10.244.0.0/24', 'fd00:244::/64'] },
    ipMode: 'VIP',
    endpoints: both,
  },
  {
    name: 'source ranges, IPv4 only',
    spec: { ...balancer, loadBalancerSourceRanges: ['0.0.0.0/0'] },
    ipMode: 'VIP',
    endpoints: both,
  },
];

export type FrontName = 'clusterIP' | 'nodePort' | 'externalIP' | 'loadBalancerIP';

export interface Aim {
  readonly front: FrontName;
  readonly port: number;
  readonly address: Readonly<Record<4 | 6, string>>;
}

export const TARGET_PORT = 8080;
const PORT = 80;

/** The objects of all cases, on addresses of their own, and where each is aimed at. */
export function objectsOf(
  list: readonly ServiceCase[],
  places: Readonly<Record<PlaceName, { address: Readonly<Record<4 | 6, string>>; nodeName: string }>>,
): { objects: ServiceObjects; aims: ReadonlyMap<ServiceCase, readonly Aim[]> } {
  const services: Service[] = [];
  const slices: EndpointSlice[] = [];
  const aims = new Map<ServiceCase, readonly Aim[]>();
  for (const [index, each] of list.entries()) {
    const name = `case-${index}`;
    const host = index + 1;
    const clusterIP = { 4: `10.96.0.${host}`, 6: `fd00:96::${host.toString(16)}` };
    const externalIP = { 4: `198.51.100.${host}`, 6: `fd00:198::${host.toString(16)}` };
    const balancerIP = { 4: `198.51.101.${host}`, 6: `fd00:199::${host.toString(16)}` };
    const isExposed = each.spec?.type === 'NodePort' || each.spec?.type === 'LoadBalancer';
    const nodePorts = { TCP: 30_000 + host, UDP: 30_000 + host };
    services.push({
      metadata: { namespace: 'default', name },
      spec: {
        clusterIP: clusterIP[4],
        clusterIPs: [clusterIP[4], clusterIP[6]],
        ports: (['TCP', 'UDP'] as const).map((protocol) => ({
          name: protocol.toLowerCase(),
          port: PORT,
          protocol,
          ...(isExposed && { nodePort: nodePorts[protocol] }),
        })),
        ...(each.hasExternalIp === true && { externalIPs: [externalIP[4], externalIP[6]] }),
        ...each.spec,
      },
      ...(each.ipMode !== undefined && {
        status: {
          loadBalancer: {
            ingress: [balancerIP[4], balancerIP[6]].map((ip) => ({ ip, ipMode: each.ipMode ?? 'VIP' })),
          },
        },
      }),
    });
    for (const family of [4, 6] as const) slices.push(sliceOf(name, family, each, places));
    aims.set(each, [
      { front: 'clusterIP', port: PORT, address: clusterIP },
      ...(isExposed
        ? [{ front: 'nodePort', port: nodePorts.TCP, address: places.node.address } as const]
        : []),
      ...(each.hasExternalIp === true
        ? [{ front: 'externalIP', port: PORT, address: externalIP } as const]
        : []),
      ...(each.ipMode === 'VIP'
        ? [{ front: 'loadBalancerIP', port: PORT, address: balancerIP } as const]
        : []),
    ]);
  }
  return { objects: { services, slices }, aims };
}

function sliceOf(
  service: string,
  family: 4 | 6,
  { endpoints }: ServiceCase,
  places: Readonly<Record<PlaceName, { address: Readonly<Record<4 | 6, string>>; nodeName: string }>>,
): EndpointSlice {
  return {
    metadata: {
      namespace: 'default',
      name: `${service}-${family}`,
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: `IPv${family}`,
    ports: (['TCP', 'UDP'] as const).map((protocol) => ({
      name: protocol.toLowerCase(),
      port: TARGET_PORT,
      protocol,
    })),
    endpoints: endpoints.map(({ at, conditions, zones, nodes }) => {
      const hints = {
        ...(zones && { forZones: zones.map((name) => ({ name })) }),
        ...(nodes && { forNodes: nodes.map((name) => ({ name })) }),
      };
      return {
        addresses: [places[at].address[family]],
        nodeName: places[at].nodeName,
        ...(conditions && { conditions }),
        ...(Object.keys(hints).length > 0 && { hints }),
      };
    }),
  };
}
