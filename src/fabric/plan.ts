/** What one node needs so that its pods reach the pods of other nodes and the world, as a value. */
import { type Ip, cidrContains, parseCidr, parseIp } from '../model/ip.ts';

/** The object and field that decided something. */
export interface Reason {
  readonly object: string;
  readonly field: string;
}

export interface PlannedRoute {
  /** `10.244.2.0/24` */
  readonly dst: string;
  /** `unreachable` answers at once for addresses no pod has, instead of sending packets to the default gateway. */
  readonly type: 'unicast' | 'unreachable';
  /** The address of the node that has the pods. */
  readonly gateway?: string;
  readonly reason: Reason;
}

/** Which packets of this node's pods leave with the node's own address as their source. */
export interface EgressPlan {
  /** Packets from here … */
  readonly podCidrs: readonly string[];
  /** … keep their source on the way to these: the pods of all nodes, */
  readonly clusterCidrs: readonly string[];
  /** and the nodes, which know the way back. */
  readonly nodeAddresses: readonly string[];
}

/** Something in the objects that keeps part of the network from working. */
export interface Problem {
  readonly code: string;
  /** `info`: it comes right by itself, as of a node that has not reported yet. */
  readonly level: 'warning' | 'info';
  readonly message: string;
  readonly reason: Reason;
}

export interface RoutePlan {
  readonly nodeName: string;
  /** Ordered by destination. */
  readonly routes: readonly PlannedRoute[];
  readonly egress: EgressPlan;
  readonly problems: readonly Problem[];
}

/** One line for each route, in the words of ip-route(8), and what decided it. */
export function printRoutePlan(plan: RoutePlan): string {
  const { egress } = plan;
  const lines = plan.routes.map((route) => `${printRoute(route)}  # ${printReason(route.reason)}`);
  if (egress.podCidrs.length > 0) {
    const kept = [...egress.clusterCidrs, ...egress.nodeAddresses].join(', ');
    lines.push(`masquerade from ${egress.podCidrs.join(', ')} to all but ${kept || 'nothing'}`);
  }
  for (const { message, reason } of plan.problems) lines.push(`! ${message}  # ${printReason(reason)}`);
  return lines.join('\n');
}

export function printRoute({ dst, type, gateway }: PlannedRoute): string {
  return [type === 'unicast' ? dst : `${type} ${dst}`, gateway && `via ${gateway}`].filter(Boolean).join(' ');
}

export function printReason({ object, field }: Reason): string {
  return `${object} ${field}`;
}

/** The planned route for a destination: the longest prefix that holds it. Undefined when the fabric has no say. */
export function routeFor(plan: RoutePlan, destination: string): PlannedRoute | undefined {
  const ip = parseIp(destination);
  let best: { route: PlannedRoute; prefixLength: number } | undefined;
  for (const route of plan.routes) {
    const cidr = parseCidr(route.dst);
    if (cidrContains(cidr, ip) && cidr.prefixLength > (best?.prefixLength ?? -1)) {
      best = { route, prefixLength: cidr.prefixLength };
    }
  }
  return best?.route;
}

/** Whether a packet of one of this node's pods leaves masqueraded, as `egressRules` has the kernel decide it. */
export function isMasqueraded(
  { egress }: RoutePlan,
  packet: { source: string; destination: string },
): boolean {
  const [source, destination] = [parseIp(packet.source), parseIp(packet.destination)];
  if (!within(egress.podCidrs, source) || within(egress.clusterCidrs, destination)) return false;
  if (isMulticast(destination)) return false;
  return !egress.nodeAddresses.some((address) => {
    const node = parseIp(address);
    return node.family === destination.family && node.value === destination.value;
  });
}

function within(cidrs: readonly string[], ip: Ip): boolean {
  return cidrs.some((cidr) => cidrContains(parseCidr(cidr), ip));
}

export const MULTICAST = { 4: '224.0.0.0/4', 6: 'ff00::/8' } as const;

function isMulticast(ip: Ip): boolean {
  return cidrContains(parseCidr(MULTICAST[ip.family]), ip);
}
