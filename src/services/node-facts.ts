import { nodeAddresses } from '../model/addresses.ts';
import { formatCidr, tryParseCidr } from '../model/ip.ts';
import type { Node } from '../model/objects.ts';
import type { NodeFacts } from './plan.ts';

/**
 * What the plan must know of a node, as its Node object says it. Node ports are served on its first InternalIP of each
 * IP family unless told which CIDRs.
 */
export function nodeFactsOf(node: Node, nodePortAddresses?: readonly string[]): NodeFacts {
  const { metadata, spec } = node;
  const zone = metadata?.labels?.['topology.kubernetes.io/zone'];
  const cidrs = spec?.podCIDRs ?? (spec?.podCIDR === undefined ? [] : [spec.podCIDR]);
  const addresses = nodeAddresses(node);
  return {
    name: metadata?.name ?? '',
    ...(zone !== undefined && { zone }),
    addresses,
    podCidrs: cidrs.flatMap((text) => {
      const parsed = tryParseCidr(text);
      return parsed === undefined ? [] : [formatCidr(parsed.network)];
    }),
    nodePortAddresses: nodePortAddresses ?? primaryOf(addresses),
  };
}

function primaryOf(addresses: readonly string[]): readonly string[] {
  const first4 = addresses.find((address) => !address.includes(':'));
  const first6 = addresses.find((address) => address.includes(':'));
  return [
    ...(first4 === undefined ? [] : [`${first4}/32`]),
    ...(first6 === undefined ? [] : [`${first6}/128`]),
  ];
}

/** The addresses of the nodes but one, in an order that does not depend on theirs. */
export function addressesOfOthers(nodes: Iterable<Node>, name: string): readonly string[] {
  const others = [...nodes].filter(({ metadata }) => metadata?.name !== name);
  return [...new Set(others.flatMap(nodeAddresses))].toSorted();
}

export function sameAddresses(a: Node, b: Node): boolean {
  return nodeAddresses(a).join() === nodeAddresses(b).join();
}
