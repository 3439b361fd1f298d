import { matchesNodeAffinity } from './node-filters.ts';
import type { NodeInfo } from './node-info.ts';
import type { AffinityTerm, PodInfo, SpreadConstraint } from './pod-info.ts';

/** Filters that look at where other pods are: they are prepared once for a pod, then asked of each node. */
export interface TopologyFilter {
  /** Why the node cannot have the pod; undefined when it can. */
  reason(node: NodeInfo): string | undefined;
  /** More is better; 0 when the pod has no preference. */
  preference(node: NodeInfo): number;
}

export function prepareTopology(pod: PodInfo, nodes: readonly NodeInfo[]): TopologyFilter {
  const spread = pod.spread.map((constraint) => prepareSpread(constraint, { pod, nodes }));
  const affinity = pod.requiredAffinity.map((term) => ({ term, domains: domainsWith(term, nodes) }));
  const isFirst =
    affinity.every(({ domains }) => domains.size === 0) &&
    pod.requiredAffinity.every((term) => term.matches(pod));
  const antiAffinity = pod.requiredAntiAffinity.map((term) => ({ term, domains: domainsWith(term, nodes) }));
  const forbidden = forbiddenDomains(pod, nodes);
  const preferred = pod.preferredAffinity.map((term) => ({ term, domains: domainsWith(term, nodes) }));

  return {
    reason(node) {
      for (const { constraint, allows } of spread) {
        if (!constraint.required) continue;
        if (node.labels[constraint.topologyKey] === undefined)
          return "node(s) didn't match pod topology spread constraints (missing required label)";
        if (!allows(node)) return "node(s) didn't match pod topology spread constraints";
      }
      for (const { term, domains } of affinity) {
        const domain = node.labels[term.topologyKey];
        // The first pod of a group that wants to be together may go anywhere.
        if (domain === undefined || !(domains.has(domain) || isFirst))
          return "node(s) didn't match pod affinity rules";
      }
      for (const { term, domains } of antiAffinity)
        if (domains.has(node.labels[term.topologyKey] ?? ''))
          return "node(s) didn't match pod anti-affinity rules";
      for (const [key, domains] of forbidden)
        if (domains.has(node.labels[key] ?? ''))
          return "node(s) didn't satisfy existing pods anti-affinity rules";
      return undefined;
    },
    preference(node) {
      let score = 0;
      for (const { term, domains } of preferred)
        score += term.weight * (domains.get(node.labels[term.topologyKey] ?? '') ?? 0);
      for (const { constraint, count } of spread) if (!constraint.required) score -= 10 * count(node);
      return score;
    },
  };
}

/** How many pods that match are in each domain of the term's topology. */
function domainsWith(
  { topologyKey, matches }: Pick<AffinityTerm, 'topologyKey' | 'matches'>,
  nodes: readonly NodeInfo[],
): Map<string, number> {
  const domains = new Map<string, number>();
  for (const node of nodes) {
    const domain = node.labels[topologyKey];
    if (domain === undefined) continue;
    let count = 0;
    for (const pod of node.pods.values()) if (matches(pod)) count++;
    if (count > 0) domains.set(domain, (domains.get(domain) ?? 0) + count);
  }
  return domains;
}

/** Domains that pods already placed do not want to share with this one, by topology key. */
function forbiddenDomains(pod: PodInfo, nodes: readonly NodeInfo[]): Map<string, Set<string>> {
  const forbidden = new Map<string, Set<string>>();
  for (const node of nodes)
    for (const other of node.antiAffine.values())
      for (const { topologyKey, matches } of other.requiredAntiAffinity) {
        const domain = node.labels[topologyKey];
        if (domain === undefined || !matches(pod)) continue;
        const domains = forbidden.get(topologyKey);
        if (domains) domains.add(domain);
        else forbidden.set(topologyKey, new Set([domain]));
      }
  return forbidden;
}

interface PreparedSpread {
  readonly constraint: SpreadConstraint;
  readonly count: (node: NodeInfo) => number;
  readonly allows: (node: NodeInfo) => boolean;
}

/** Only nodes that the pod's own selector admits count as domains (nodeAffinityPolicy: Honor). */
function prepareSpread(
  constraint: SpreadConstraint,
  { pod, nodes }: { pod: PodInfo; nodes: readonly NodeInfo[] },
): PreparedSpread {
  const { topologyKey, maxSkew, minDomains } = constraint;
  const counts = new Map<string, number>();
  const eligible = nodes.filter((node) => matchesNodeAffinity(pod.pod, node));
  for (const node of eligible) {
    const domain = node.labels[topologyKey];
    if (domain !== undefined) counts.set(domain, counts.get(domain) ?? 0);
  }
  for (const [domain, count] of domainsWith(constraint, eligible)) counts.set(domain, count);
  const least = counts.size < minDomains ? 0 : Math.min(...counts.values());
  const self = constraint.matches(pod) ? 1 : 0;
  const count = (node: NodeInfo): number => counts.get(node.labels[topologyKey] ?? '') ?? 0;
  return { constraint, count, allows: (node) => count(node) + self - least <= maxSkew };
}
