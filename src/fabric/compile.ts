import { nodeAddresses } from '../model/addresses.ts';
import { isNodeReady } from '../model/conditions.ts';
import type { Node } from '../model/objects.ts';
import {
  type Cidr,
  type IpFamily,
  cidrContains,
  cidrsOverlap,
  compareIp,
  formatCidr,
  tryParseCidr,
  tryParseIp,
} from '../model/ip.ts';
import type { PlannedRoute, Problem, Reason, RoutePlan } from './plan.ts';

/** The fields of a Node the plan depends on. */
export type FabricNode = Pick<Node, 'metadata' | 'spec' | 'status'>;

export interface CompileOptions {
  readonly nodeName: string;
  /** The prefixes that hold the pods of all nodes, at most one of each IP family. */
  readonly clusterCidrs: readonly string[];
}

interface Claim {
  readonly node: FabricNode;
  readonly cidr: Cidr;
  readonly reason: Reason;
}

/**
 * Host routes: every other node's pod CIDRs by way of that node's address, and no answer but "unreachable" for
 * addresses that no pod has. A node whose fields do not make sense gets no route and a problem that names them; of two
 * nodes that claim the same addresses the older one has them.
 */
export function compile(nodes: Iterable<FabricNode>, { nodeName, clusterCidrs }: CompileOptions): RoutePlan {
  const problems: Problem[] = [];
  const byAge = [...nodes].sort(compareAge);
  const claims = resolveOverlaps(
    byAge.flatMap((node) => claimsOf(node, problems)),
    problems,
  );
  const routes = new Map<string, PlannedRoute>();
  for (const clusterCidr of clusterCidrs) {
    const reason = { object: 'cluster', field: 'clusterCIDR' };
    routes.set(clusterCidr, { dst: clusterCidr, type: 'unreachable', reason });
  }
  const own: string[] = [];
  for (const claim of claims) {
    const dst = formatCidr(claim.cidr);
    if (claim.node.metadata?.name === nodeName) {
      own.push(dst);
      routes.set(dst, { dst, type: 'unreachable', reason: claim.reason });
      continue;
    }
    const gateway = gatewayOf(claim, problems);
    if (gateway !== undefined) routes.set(dst, { dst, type: 'unicast', gateway, reason: claim.reason });
  }
  return {
    nodeName,
    routes: [...routes.values()].sort((a, b) => compareDestinations(a.dst, b.dst)),
    egress: { podCidrs: own, clusterCidrs, nodeAddresses: byAge.flatMap(nodeAddresses) },
    problems,
  };
}

function objectOf(node: FabricNode): string {
  return `node ${node.metadata?.name ?? '?'}`;
}

function compareAge(a: FabricNode, b: FabricNode): number {
  const key = ({ metadata }: FabricNode): string =>
    `${metadata?.creationTimestamp ?? ''} ${metadata?.name ?? ''}`;
  const [left, right] = [key(a), key(b)];
  return left < right ? -1 : Number(left > right);
}

function claimsOf(node: FabricNode, problems: Problem[]): Claim[] {
  const { podCIDR, podCIDRs } = node.spec ?? {};
  const texts = podCIDRs && podCIDRs.length > 0 ? podCIDRs : podCIDR ? [podCIDR] : [];
  const claims: Claim[] = [];
  for (const [index, text] of texts.entries()) {
    const field = podCIDRs && podCIDRs.length > 0 ? `spec.podCIDRs[${index}]` : 'spec.podCIDR';
    const reason = { object: objectOf(node), field };
    const cidr = tryParseCidr(text)?.network;
    const inside = cidr && nodeAddresses(node).find((address) => holds(cidr, address));
    if (!cidr) {
      const message = `${JSON.stringify(text)} is no CIDR`;
      problems.push({ code: 'bad-pod-cidr', level: 'warning', message, reason });
    } else if (inside !== undefined) {
      const message = `The pod CIDR ${text} holds the node's own address ${inside}`;
      problems.push({ code: 'pod-cidr-holds-node', level: 'warning', message, reason });
    } else {
      claims.push({ node, cidr, reason });
    }
  }
  return claims;
}

/** Keeps the claims that overlap none of an older node. `claims` come oldest first. */
function resolveOverlaps(claims: readonly Claim[], problems: Problem[]): Claim[] {
  const age = new Map(claims.map((claim, index) => [claim, index]));
  const kept: Claim[] = [];
  for (const claim of [...claims].sort((a, b) => compareCidrs(a.cidr, b.cidr))) {
    // Prefixes nest or are apart, so in this order only the last one kept can reach into the next.
    const other = kept.at(-1);
    if (!other || !cidrsOverlap(other.cidr, claim.cidr)) {
      kept.push(claim);
      continue;
    }
    const [winner, loser] = (age.get(other) ?? 0) <= (age.get(claim) ?? 0) ? [other, claim] : [claim, other];
    kept[kept.length - 1] = winner;
    problems.push({
      code: 'pod-cidr-taken',
      level: 'warning',
      message: `The pod CIDR ${formatCidr(loser.cidr)} overlaps ${formatCidr(winner.cidr)} of ${objectOf(winner.node)}`,
      reason: loser.reason,
    });
  }
  return kept;
}

function compareCidrs(a: Cidr, b: Cidr): number {
  return compareIp(a, b) || a.prefixLength - b.prefixLength;
}

function compareDestinations(a: string, b: string): number {
  const [left, right] = [tryParseCidr(a)?.network, tryParseCidr(b)?.network];
  return left && right ? compareCidrs(left, right) : 0;
}

function holds(cidr: Cidr, address: string): boolean {
  const ip = tryParseIp(address);
  return ip !== undefined && cidrContains(cidr, ip);
}

function gatewayOf({ node, cidr }: Claim, problems: Problem[]): string | undefined {
  const gateway = nodeAddresses(node).find((address) => familyOf(address) === cidr.family);
  if (gateway === undefined) {
    const isNew = node.status?.addresses === undefined && !isNodeReady(node);
    problems.push({
      code: 'node-without-address',
      level: isNew ? 'info' : 'warning',
      message: `No IPv${cidr.family} InternalIP to send packets for ${formatCidr(cidr)} to`,
      reason: { object: objectOf(node), field: 'status.addresses' },
    });
  }
  return gateway;
}

function familyOf(address: string): IpFamily | undefined {
  return tryParseIp(address)?.family;
}
