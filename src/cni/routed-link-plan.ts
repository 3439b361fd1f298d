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
import { type IpFamily, bits } from '../model/ip.ts';
import type { RouteSpec } from '../kernel/rtnl/rtnl.ts';
import {
  GATEWAYS,
  HOST_MAC,
  POD_INTERFACE,
  POD_NETWORK,
  type PodLinkPlan,
  type PodLinkRequest,
  type WithoutLink,
  hostInterfaceName,
  linkAddresses,
  linkAlias,
  podMac,
  routeToPod,
} from './pod-link-plan.ts';

/** @throws RangeError when an address is malformed or there is none */
export function routedLinkPlan(request: PodLinkRequest): PodLinkPlan {
  const { containerId, addresses, mtuBytes, nodeAddresses, pod = '' } = request;
  const { interfaceName = POD_INTERFACE, network = POD_NETWORK } = request;
  const ips = linkAddresses(addresses);
  const { mac = podMac(ips[0].address) } = request;
  const hostInterface = hostInterfaceName(containerId, interfaceName);
  const families = [...new Set(ips.map(({ family }) => family))];
  return {
    mtuBytes,
    pod: {
      interface: interfaceName,
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
      alias: linkAlias({ addresses, containerId, interfaceName, network, pod }),
      addresses: [],
      routes: ips.map((ip) => routeToPod(ip, nodeAddresses)),
      neighbours: addresses.map((address) => ({ address, mac })),
      // Strict reverse path filtering (RFC 3704): what a pod sends must come from its own address.
      sysctls: families.includes(4) ? [[`net.ipv4.conf.${hostInterface}.rp_filter`, '1']] : [],
      linkLocal: false,
    },
  };
}

/** A link-local IPv6 gateway is on the link by itself; the IPv4 one gets a route that says so. */
function gatewayRoutes(family: IpFamily): WithoutLink<RouteSpec>[] {
  const gateway = GATEWAYS[family];
  if (family === 6) return [{ dst: '::/0', gateway }];
  return [{ dst: `${gateway}/32` }, { dst: '0.0.0.0/0', gateway }];
}
