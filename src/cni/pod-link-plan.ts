/**
 * The routed link of a pod, decided: a veth pair, the pod's end with a host address and a gateway that exists only
 * in its neighbour table, the node's end with one route to the pod. No bridge, no ARP, no broadcast.
 *
 * ```
 *   pod namespace                                   node namespace
 *   eth0 10.244.1.5/32  0a:58:0a:f4:01:05 ═══veth═══ pod1f0e…  ee:ee:ee:ee:ee:ee (no address)
 *   default via 169.254.1.1                         10.244.1.5/32 dev pod1f0e…
 *   169.254.1.1 is at ee:ee:ee:ee:ee:ee             10.244.1.5 is at 0a:58:0a:f4:01:05
 * ```
 */
import { createHash } from 'node:crypto';
import { type IpFamily, bits, ipToBytes, parseIp } from '../model/ip.ts';
import type { AddressSpec, NeighbourSpec, RouteSpec } from '../kernel/rtnl/rtnl.ts';

/** What the pods of every node use as their gateway. No interface has these addresses (RFC 3927, RFC 4291). */
export const GATEWAYS = { 4: '169.254.1.1', 6: 'fe80::1' } as const satisfies Record<IpFamily, string>;
/** Of the node's end of every pod link: the pods' neighbour entries never change. */
export const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
/** rtm_protocol of the routes to this node's pods. */
export const POD_ROUTE_PROTOCOL = 91;
/** Link group of the pods' links on the node. */
export const POD_LINK_GROUP = 0x706f64;
/** Link group of those that wait to be deleted. */
export const TRASH_LINK_GROUP = POD_LINK_GROUP + 1;

export interface PodLinkRequest {
  readonly containerId: string;
  /** Without prefix length. At least one. */
  readonly addresses: readonly string[];
  readonly mtuBytes: number;
  /** The node's own addresses: what connections from the node to the pod come from. */
  readonly nodeAddresses?: readonly string[];
}

type WithoutLink<T> = Omit<T, 'link'>;

/** What is set at one end; the interface is that end's own. */
export interface LinkEnd {
  readonly interface: string;
  readonly mac: string;
  readonly addresses: readonly WithoutLink<AddressSpec>[];
  readonly routes: readonly WithoutLink<RouteSpec>[];
  readonly neighbours: readonly WithoutLink<NeighbourSpec>[];
  /** Kernel parameters, by full name. */
  readonly sysctls: readonly (readonly [name: string, value: string])[];
  /** Whether the kernel gives the interface a link-local IPv6 address. */
  readonly linkLocal: boolean;
}

export interface PodLinkPlan {
  readonly mtuBytes: number;
  readonly pod: LinkEnd;
  readonly host: LinkEnd;
}

/** The name of the node's end, which a person can find again: `pod` and the start of the container id's SHA-256. */
export function hostInterfaceName(containerId: string): string {
  return `pod${createHash('sha256').update(containerId).digest('hex').slice(0, 11)}`;
}

/** A locally administered address made of the pod's last four address bytes: unique on the node, and readable. */
export function podMac(address: string): string {
  const bytes = ipToBytes(parseIp(address)).slice(-4);
  return ['0a', '58', ...Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** @throws RangeError when an address is malformed or there is none */
export function podLinkPlan({
  containerId,
  addresses,
  mtuBytes,
  nodeAddresses = [],
}: PodLinkRequest): PodLinkPlan {
  const [first] = addresses;
  if (first === undefined) throw new RangeError('A pod link needs an address');
  const mac = podMac(first);
  const hostInterface = hostInterfaceName(containerId);
  const ips = addresses.map((address) => ({ address, ...parseIp(address) }));
  const families = [...new Set(ips.map(({ family }) => family))];
  return {
    mtuBytes,
    pod: {
      interface: 'eth0',
      mac,
      addresses: ips.map(({ address, family }) => ({
        address,
        prefixLength: bits(family),
        ...(family === 6 && { noDad: true }),
      })),
      routes: families.flatMap((family) => gatewayRoutes(family)),
      neighbours: families.map((family) => ({ address: GATEWAYS[family], mac: HOST_MAC })),
      sysctls: [],
      linkLocal: families.includes(6),
    },
    host: {
      interface: hostInterface,
      mac: HOST_MAC,
      addresses: [],
      routes: ips.map(({ address, family }) => hostRoute(address, family, nodeAddresses)),
      neighbours: addresses.map((address) => ({ address, mac })),
      // Strict reverse path filtering (RFC 3704): what a pod sends must come from its own address.
      sysctls: families.includes(4) ? [[`net.ipv4.conf.${hostInterface}.rp_filter`, '1']] : [],
      linkLocal: false,
    },
  };
}

function hostRoute(
  address: string,
  family: IpFamily,
  nodeAddresses: readonly string[],
): WithoutLink<RouteSpec> {
  const route = { dst: `${address}/${bits(family)}`, protocol: POD_ROUTE_PROTOCOL };
  const source = nodeAddresses.find((node) => parseIp(node).family === family);
  return source === undefined ? route : { ...route, source };
}

/** A link-local IPv6 gateway is on the link by itself; the IPv4 one gets a route that says so. */
function gatewayRoutes(family: IpFamily): WithoutLink<RouteSpec>[] {
  const gateway = GATEWAYS[family];
  if (family === 6) return [{ dst: '::/0', gateway }];
  return [{ dst: `${gateway}/32` }, { dst: '0.0.0.0/0', gateway }];
}

/** The plan as lines of ip(8), each preceded by the end it is for. */
export function printPodLinkPlan(plan: PodLinkPlan): string {
  const { pod, host, mtuBytes } = plan;
  return [
    `link ${host.interface} ${host.mac} mtu ${mtuBytes} peer ${pod.interface} ${pod.mac}`,
    ...printEnd('pod', pod),
    ...printEnd('host', host),
  ].join('\n');
}

function printEnd(name: string, end: LinkEnd): string[] {
  const dev = `dev ${end.interface}`;
  return [
    ...end.sysctls.map(([key, value]) => `sysctl ${key} = ${value}`),
    ...end.addresses.map(({ address, prefixLength }) => `address ${address}/${prefixLength} ${dev}`),
    ...end.routes.map(({ dst, gateway, source }) =>
      ['route', dst, gateway && `via ${gateway}`, dev, source && `src ${source}`].filter(Boolean).join(' '),
    ),
    ...end.neighbours.map(({ address, mac }) => `neighbour ${address} lladdr ${mac} ${dev}`),
  ].map((line) => `${name}: ${line}`);
}
