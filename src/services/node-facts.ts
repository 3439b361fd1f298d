import { nodeAddresses } from '../model/addresses.ts';
import { formatCidr, tryParseCidr } from '../model/ip.ts';
import type { Node } from '../model/objects.ts';
import type { NodeFacts } from './plan.ts';

/** Node ports are served on all of a node's addresses unless told otherwise. */
export const ALL_ADDRESSES: readonly string[] = ['0.0.0.0/0', '::/0'];

/** What the plan must know of a node, as its Node object says it. */
export function nodeFactsOf(node: Node, nodePortAddresses: readonly string[] = ALL_ADDRESSES): NodeFacts {
  const { metadata, spec } = node;
  const zone = metadata?.labels?.['topology.kubernetes.io/zone'];
  const cidrs = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  return {
    name: metadata?.name ?? '',
    ...(zone !== undefined && { zone }),
    addresses: nodeAddresses(node),
    podCidrs: cidrs.flatMap((text) => {
      const parsed = tryParseCidr(text);
      return parsed === undefined ? [] : [formatCidr(parsed.network)];
    }),
    nodePortAddresses,
  };
}

/** The addresses of the nodes but one, in an order that does not depend on theirs. */
export function addressesOfOthers(nodes: Iterable<Node>, name: string): readonly string[] {
  const others = [...nodes].filter(({ metadata }) => metadata?.name !== name);
  return [...new Set(others.flatMap(nodeAddresses))].toSorted();
}

export function sameAddresses(a: Node, b: Node): boolean {
  return nodeAddresses(a).join() === nodeAddresses(b).join();
}
