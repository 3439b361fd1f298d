/**
 * The bridge of a node and the link of a pod that is a port of it, decided: the textbook picture.
 *
 * ```
 *   pod namespace                                   node namespace
 *   eth0 10.244.1.5/24  0a:58:0a:f4:01:05 ═══veth═══ pod1f0e… ── cbr0 10.244.1.1/24  0a:58:0a:f4:01:01
 *   default via 10.244.1.1                          10.244.1.5/32 dev cbr0
 *   10.244.1.1 is at 0a:58:0a:f4:01:01              10.244.1.5 is at 0a:58:0a:f4:01:05
 * ```
 *
 * Pods of one node reach each other through the bridge, and every such packet must still pass the rules of nftables:
 * Services and policies live there. Bridge netfilter (net.bridge.bridge-nf-call-iptables) sees to that. On a kernel
 * without it the ports are isolated and the pods have no route to their neighbours but by the gateway, so that the node
 * routes every packet.
 *
 * The gateway's IPv4 address has scope `link`, and IPv6's is link-local: what the node sends to pods, and what it
 * masquerades to them, comes from the node's own address, as with routed links.
 */
import { PodnetError } from '../model/errors.ts';
import {
  type Cidr,
  type IpFamily,
  cidrAddress,
  cidrContains,
  formatIp,
  parseCidr,
  parseIp,
} from '../model/ip.ts';
import type { AddressSpec, RouteSpec } from '../kernel/rtnl/rtnl.ts';
import {
  GATEWAYS,
  type LinkAddress,
  type LinkEnd,
  POD_INTERFACE,
  POD_NETWORK,
  type PodLinkPlan,
  type PodLinkRequest,
  type WithoutLink,
  hostInterfaceName,
  linkAddresses,
  linkAlias,
  podMac,
  printEnd,
  routeToPod,
} from './pod-link-plan.ts';

export const BRIDGE = 'cbr0';

/** Whose presence shows that the kernel has bridge netfilter. */
export const BRIDGE_NETFILTER_SYSCTLS = {
  4: 'net.bridge.bridge-nf-call-iptables',
  6: 'net.bridge.bridge-nf-call-ip6tables',
} as const satisfies Record<IpFamily, string>;

export interface BridgeRequest {
  /** The node's, one of each IP family. */
  readonly podCidrs: readonly string[];
  readonly mtuBytes: number;
  /** Whether the kernel can show bridged packets to nftables' ip and ip6 tables. */
  readonly bridgeNetfilter: boolean;
}

export interface BridgePlan extends Omit<LinkEnd, 'routes' | 'neighbours'> {
  readonly mac: string;
  readonly mtuBytes: number;
  /** Set only where the kernel has them. */
  readonly sysctlsIfPresent: LinkEnd['sysctls'];
  /** How a packet between two pods of the node travels. */
  readonly sameNode: 'bridged' | 'routed';
  readonly podCidrs: readonly Cidr[];
}

/** @throws RangeError for a malformed CIDR and for none */
export function bridgePlan({ podCidrs, mtuBytes, bridgeNetfilter }: BridgeRequest): BridgePlan {
  const cidrs = podCidrs.map(parseCidr);
  const [first] = cidrs;
  if (first === undefined) throw new RangeError('A bridge needs a pod CIDR');
  const families = cidrs.map(({ family }) => family);
  const netfilter = (value: string): LinkEnd['sysctls'] =>
    families.map((family) => [BRIDGE_NETFILTER_SYSCTLS[family], value]);
  return {
    interface: BRIDGE,
    mac: podMac(formatIp(cidrAddress(first, 1))),
    mtuBytes,
    sameNode: bridgeNetfilter ? 'bridged' : 'routed',
    podCidrs: cidrs,
    addresses: cidrs.map(gatewayAddress),
    sysctls: [
      ...(families.includes(4)
        ? ([
            // What comes from a port must come from an address of a pod on the bridge (RFC 3704).
            [`net.ipv4.conf.${BRIDGE}.rp_filter`, '1'],
            [`net.ipv4.conf.${BRIDGE}.send_redirects`, '0'],
          ] as const)
        : []),
      ...(bridgeNetfilter ? netfilter('1') : []),
    ],
    // When its module is loaded later it would hand translated packets to ports that are isolated.
    sysctlsIfPresent: bridgeNetfilter ? [] : netfilter('0'),
    linkLocal: false,
  };
}

/** No route to the whole CIDR: each pod has its own, and an address no pod has is unreachable at once. */
function gatewayAddress(cidr: Cidr): WithoutLink<AddressSpec> {
  if (cidr.family === 6) return { address: GATEWAYS[6], prefixLength: 64, noDad: true };
  const { prefixLength } = cidr;
  return { address: gatewayOf(cidr), prefixLength, scope: 'link', noPrefixRoute: true };
}

/** What a bridged pod's default route leads to. */
export function gatewayOf(cidr: Cidr): string {
  return cidr.family === 6 ? GATEWAYS[6] : formatIp(cidrAddress(cidr, 1));
}

/**
 * @throws RangeError when an address is malformed or there is none
 * @throws PodnetError for an address outside the bridge's CIDRs
 */
export function bridgeLinkPlan(request: PodLinkRequest, bridge: BridgePlan): PodLinkPlan {
  const { containerId, addresses, mtuBytes, nodeAddresses, pod = '' } = request;
  const { interfaceName = POD_INTERFACE, network = POD_NETWORK } = request;
  const ips = linkAddresses(addresses).map((ip) => ({ ...ip, cidr: cidrOf(ip, bridge) }));
  const { mac = podMac(addresses[0] ?? '') } = request;
  const isRouted = bridge.sameNode === 'routed';
  const hasIpv6 = ips.some(({ family }) => family === 6);
  return {
    mtuBytes,
    pod: {
      interface: interfaceName,
      mac,
      addresses: ips.map(({ address, family, cidr }) => ({
        address,
        prefixLength: cidr.prefixLength,
        ...(family === 6 && { noDad: true }),
        ...(isRouted && { noPrefixRoute: true }),
      })),
      routes: ips.flatMap(({ cidr }) => podRoutes(cidr, isRouted)),
      neighbours: ips.map(({ cidr }) => ({ address: gatewayOf(cidr), mac: bridge.mac })),
      // The node tells with an ICMPv6 redirect that the other pod is on the same link, where it does not answer.
      sysctls: isRouted && hasIpv6 ? [[`net.ipv6.conf.${interfaceName}.accept_redirects`, '0']] : [],
      linkLocal: hasIpv6,
    },
    host: {
      interface: hostInterfaceName(containerId, interfaceName),
      alias: linkAlias({ addresses, containerId, interfaceName, network, pod }),
      port: { bridge: bridge.interface, hairpin: true, isolated: isRouted },
      addresses: [],
      routes: ips.map((ip) => routeToPod(ip, nodeAddresses)),
      neighbours: addresses.map((address) => ({ address, mac })),
      sysctls: [],
      linkLocal: false,
    },
  };
}

function cidrOf({ address, family }: LinkAddress, { podCidrs }: BridgePlan): Cidr {
  const found = podCidrs.find((cidr) => cidrContains(cidr, parseIp(address)));
  if (found) return found;
  const same = podCidrs.find((cidr) => cidr.family === family);
  throw new PodnetError(`${address} is no address of this node's bridge`, {
    code: 'address-outside-pod-cidr',
    where: `${BRIDGE} ${same ? `${formatIp(same)}/${same.prefixLength}` : `has no IPv${family} pod CIDR`}`,
    fix: 'Choose an address of the node’s pod CIDR, or use linkMode routed, which takes any.',
  });
}

function podRoutes(cidr: Cidr, isRouted: boolean): WithoutLink<RouteSpec>[] {
  const gateway = gatewayOf(cidr);
  if (cidr.family === 6) return [{ dst: '::/0', gateway }];
  return [...(isRouted ? [{ dst: `${gateway}/32` }] : []), { dst: '0.0.0.0/0', gateway }];
}

/** The bridge as lines of ip(8). */
export function printBridgePlan(plan: BridgePlan): string {
  return [
    `bridge ${plan.interface} ${plan.mac} mtu ${plan.mtuBytes}, pods of the node ${plan.sameNode}`,
    ...printEnd('bridge', { ...plan, routes: [], neighbours: [] }),
  ].join('\n');
}
