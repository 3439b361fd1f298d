import { gatewayOf } from '../cni/bridge-link-plan.ts';
import { GATEWAYS } from '../cni/pod-link-plan.ts';
import type { LinkMode } from '../cni/pod-network.ts';
import { type Cidr, cidrContains, formatCidr, tryParseCidr, tryParseIp } from '../model/ip.ts';
import type { Node } from '../model/objects.ts';

/** How a pod sends a packet, which depends on how it is connected to its node. */
export interface LeavingPod {
  readonly summary: string;
  readonly explain: string;
}

/** The decision of the pod's own routes about a packet to another machine. */
export function leavePod(
  { source, destination }: { source: string; destination: string },
  { linkMode, node }: { linkMode: LinkMode; node: Node },
): LeavingPod {
  const ip = tryParseIp(destination);
  const family = ip?.family ?? 4;
  if (linkMode === 'routed') {
    const gateway = GATEWAYS[family];
    return {
      summary: `default route via ${gateway}`,
      explain:
        `The pod has the address ${source} on eth0 and one route, the default, ` +
        `by way of ${gateway}: an address no interface has, which the node's end of the link answers for.`,
    };
  }
  const cidr = podCidrOf(node, family);
  if (ip && cidr && cidrContains(cidr, ip)) {
    return {
      summary: `${formatCidr(cidr)} on eth0, by the bridge`,
      explain: `The pod has the address ${source} in ${formatCidr(cidr)} on eth0, so it sends to ${destination} directly: both are on the bridge cbr0.`,
    };
  }
  const gateway = cidr ? gatewayOf(cidr) : GATEWAYS[family];
  return {
    summary: `default route via ${gateway}`,
    explain: `${destination} is not in the pod's own network, so it goes to the gateway ${gateway}, which is the node's bridge cbr0.`,
  };
}

function podCidrOf({ spec }: Node, family: 4 | 6): Cidr | undefined {
  const texts = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  return texts
    .map((text) => tryParseCidr(text)?.network)
    .find((cidr) => cidr !== undefined && cidr.family === family);
}
