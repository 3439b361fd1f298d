/**
 * What is decided about a pod's link, as values: `routed-link-plan.ts` and `bridge-link-plan.ts` make them,
 * `pod-link.ts` makes the kernel equal to them.
 */
import { createHash } from 'node:crypto';
import { type IpFamily, ipToBytes, parseIp, tryParseIp } from '../model/ip.ts';
import type { BridgePortProperties } from '../kernel/rtnl/bridge.ts';
import type { AddressSpec, NeighbourSpec, RouteSpec } from '../kernel/rtnl/rtnl.ts';

/** What pods use as their gateway when no interface of their network has an address (RFC 3927, RFC 4291). */
export const GATEWAYS = { 4: '169.254.1.1', 6: 'fe80::1' } as const satisfies Record<IpFamily, string>;
/** Of the node's end of every routed link: the pods' neighbour entries never change. */
export const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
/** rtm_protocol of the routes to this node's pods. */
export const POD_ROUTE_PROTOCOL = 91;
/** Link group of the pods' links on the node. */
export const POD_LINK_GROUP = 0x706f64;
/** Link group of those that wait to be deleted. */
export const TRASH_LINK_GROUP = POD_LINK_GROUP + 1;
export const POD_INTERFACE = 'eth0';
export const POD_NETWORK = 'podnet';

export interface PodLinkRequest {
  readonly containerId: string;
  /** Of the pod's end; `eth0` unless told. */
  readonly interfaceName?: string;
  /** `podnet` unless told. */
  readonly network?: string;
  /** `NAMESPACE/NAME`, for people. */
  readonly pod?: string;
  /** Without prefix length. At least one, at most one of each IP family. */
  readonly addresses: readonly string[];
  readonly mtuBytes: number;
  /** Of the pod's end; made of its first address unless told. */
  readonly mac?: string;
  /** The node's own addresses: what connections from the node to the pod come from. */
  readonly nodeAddresses?: readonly string[];
}

export type WithoutLink<T> = Omit<T, 'link'>;

/** What is set at one end. */
export interface LinkEnd {
  readonly interface: string;
  /** The kernel's choice unless told. */
  readonly mac?: string;
  readonly addresses: readonly WithoutLink<AddressSpec>[];
  readonly routes: readonly WithoutLink<RouteSpec>[];
  readonly neighbours: readonly WithoutLink<NeighbourSpec>[];
  /** Kernel parameters, by full name. */
  readonly sysctls: readonly (readonly [name: string, value: string])[];
  /** Whether the kernel gives the interface a link-local IPv6 address. */
  readonly linkLocal: boolean;
}

export interface PodEnd extends LinkEnd {
  readonly mac: string;
}

export interface HostEnd extends LinkEnd {
  /** Whose link it is, kept by the kernel: `readAlias` reads it. */
  readonly alias: string;
  /** The bridge it is a port of; routes and neighbours are the bridge's then. */
  readonly port?: { readonly bridge: string } & BridgePortProperties;
}

export interface PodLinkPlan {
  readonly mtuBytes: number;
  readonly pod: PodEnd;
  readonly host: HostEnd;
}

/** The name of the node's end, which a person can find again: `pod` and the start of the container id's SHA-256. */
export function hostInterfaceName(containerId: string, interfaceName = POD_INTERFACE): string {
  // A container id has no slash.
  const of = interfaceName === POD_INTERFACE ? containerId : `${containerId}/${interfaceName}`;
  return `pod${createHash('sha256').update(of).digest('hex').slice(0, 11)}`;
}

/** A locally administered address made of the last four address bytes: unique on the node, and readable. */
export function podMac(address: string): string {
  const bytes = ipToBytes(parseIp(address)).slice(-4);
  return ['0a', '58', ...Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))].join(':');
}

/** A pod's address with what the plans of both kinds need. @throws RangeError for none, and for a malformed one */
export interface LinkAddress {
  readonly address: string;
  readonly family: IpFamily;
}

/** @throws RangeError when an address is malformed or there is none */
export function linkAddresses(addresses: readonly string[]): [LinkAddress, ...LinkAddress[]] {
  const [first, ...rest] = addresses.map((address) => ({ address, family: parseIp(address).family }));
  if (first === undefined) throw new RangeError('A pod link needs an address');
  return [first, ...rest];
}

/** The route that leads to a pod, with the node's own address as the source of what the node itself sends. */
export function routeToPod(
  { address, family }: LinkAddress,
  nodeAddresses: readonly string[] = [],
): WithoutLink<RouteSpec> {
  const route = { dst: `${address}/${family === 4 ? 32 : 128}`, protocol: POD_ROUTE_PROTOCOL };
  const source = nodeAddresses.find((node) => parseIp(node).family === family);
  return source === undefined ? route : { ...route, source };
}

/** Who a link on the node belongs to. */
export interface LinkOwner {
  readonly addresses: readonly string[];
  readonly containerId: string;
  readonly interfaceName: string;
  readonly network: string;
  /** `NAMESPACE/NAME`, perhaps cut off. */
  readonly pod: string;
}

/** IFALIASZ of linux/if.h, less the closing zero. */
const ALIAS_BYTES = 255;

/** `10.244.1.5,fd00::5 CONTAINER eth0 NETWORK NAMESPACE/NAME`: who has which address, when all else is lost. */
export function linkAlias({ addresses, containerId, interfaceName, network, pod }: LinkOwner): string {
  const words = [addresses.join(','), containerId, interfaceName, network, pod];
  return words.join(' ').slice(0, ALIAS_BYTES).trimEnd();
}

/** The owner an alias tells of; undefined for one that `linkAlias` did not write. */
export function readAlias(alias: string | undefined): LinkOwner | undefined {
  const [list = '', containerId, interfaceName, network, pod = ''] = alias?.split(' ') ?? [];
  const addresses = list.split(',');
  if (!containerId || !interfaceName || !network) return undefined;
  if (addresses.some((address) => !tryParseIp(address))) return undefined;
  return { addresses, containerId, interfaceName, network, pod };
}

/** The plan as lines of ip(8), each preceded by the end it is for. */
export function printPodLinkPlan(plan: PodLinkPlan): string {
  const { pod, host, mtuBytes } = plan;
  const words = ['link', host.interface, host.mac, 'mtu', mtuBytes, 'peer', pod.interface, pod.mac];
  return [
    words.filter((word) => word !== undefined).join(' '),
    ...printEnd('pod', pod),
    `host: alias ${host.alias}`,
    ...printPort(host),
    ...printEnd('host', host, host.port?.bridge),
  ].join('\n');
}

function printPort({ interface: name, port }: HostEnd): string[] {
  if (!port) return [];
  const flags = [port.hairpin && 'hairpin', port.isolated && 'isolated'].filter(Boolean);
  return [['host: master', port.bridge, 'dev', name, ...flags].join(' ')];
}

export function printEnd(name: string, end: Omit<LinkEnd, 'mac'>, device = end.interface): string[] {
  const dev = `dev ${device}`;
  return [
    ...end.sysctls.map(([key, value]) => `sysctl ${key} = ${value}`),
    ...end.addresses.map(({ address, prefixLength, scope, noPrefixRoute }) =>
      [
        `address ${address}/${prefixLength} dev ${end.interface}`,
        scope && `scope ${scope}`,
        noPrefixRoute && 'noprefixroute',
      ]
        .filter(Boolean)
        .join(' '),
    ),
    ...end.routes.map(({ dst, gateway, source }) =>
      ['route', dst, gateway && `via ${gateway}`, dev, source && `src ${source}`].filter(Boolean).join(' '),
    ),
    ...end.neighbours.map(({ address, mac }) => `neighbour ${address} lladdr ${mac} ${dev}`),
  ].map((line) => `${name}: ${line}`);
}
