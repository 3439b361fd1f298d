import { matchesNodeTerm, nodeFilters, tolerates } from './node-filters.ts';
import type { NodeInfo } from './node-info.ts';
import type { PodInfo } from './pod-info.ts';
import { prepareTopology, type TopologyFilter } from './topology.ts';

export type Decision =
  | { readonly nodeName: string; readonly message?: undefined }
  /** `0/3 nodes are available: 3 Insufficient cpu.` */
  | { readonly nodeName?: undefined; readonly message: string };

/** The node for a pod, or why there is none. Pure: the same nodes and pods give the same answer. */
export function decide(pod: PodInfo, nodes: readonly NodeInfo[]): Decision {
  const candidates = nodes.filter(({ node }) => node !== undefined);
  if (candidates.length === 0) return { message: 'no nodes available to schedule pods' };
  const topology = prepareTopology(pod, candidates);
  const reasons = new Map<string, number>();
  const feasible = candidates.filter((node) => {
    const objections = objectionsOf(pod, node, topology);
    for (const reason of objections) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
    return objections.length === 0;
  });
  if (feasible.length === 0) return { message: unavailable(candidates.length, reasons) };
  return { nodeName: best(pod, { nodes: feasible, topology }).name };
}

function objectionsOf(pod: PodInfo, node: NodeInfo, topology: TopologyFilter): readonly string[] {
  for (const filter of nodeFilters) {
    const reasons = filter(pod, node);
    if (reasons.length > 0) return reasons;
  }
  const reason = topology.reason(node);
  return reason === undefined ? [] : [reason];
}

function unavailable(count: number, reasons: ReadonlyMap<string, number>): string {
  const parts = [...reasons].map(([reason, times]) => `${times} ${reason}`).sort();
  return `0/${count} nodes are available: ${parts.join(', ')}.`;
}

/** The weights are kube-scheduler's defaults; ties go to the node with fewer pods, then by name. */
function best(
  pod: PodInfo,
  { nodes, topology }: { nodes: readonly NodeInfo[]; topology: TopologyFilter },
): NodeInfo {
  const scores: readonly (readonly [weight: number, values: readonly number[]])[] = [
    [1, nodes.map((node) => leastAllocated(pod, node))],
    [2, scaled(nodes.map((node) => preferredNodes(pod, node)))],
    [3, scaled(nodes.map((node) => -untoleratedPreferences(pod, node)))],
    [2, scaled(nodes.map((node) => topology.preference(node)))],
    [
      2,
      scaled(nodes.map((node) => (pod.controllerUid ? -(node.ofController.get(pod.controllerUid) ?? 0) : 0))),
    ],
  ];
  const total = (index: number): number =>
    scores.reduce((sum, [weight, values]) => sum + weight * (values[index] ?? 0), 0);
  const ranked = nodes.map((node, index) => ({ node, score: total(index) }));
  const [winner] = ranked.sort(
    (a, b) =>
      b.score - a.score || a.node.pods.size - b.node.pods.size || (a.node.name < b.node.name ? -1 : 1),
  );
  if (!winner) throw new RangeError('there is no node to choose from');
  return winner.node;
}

function share(used: number, capacity: number): number {
  return capacity > 0 ? Math.max(0, ((capacity - used) / capacity) * 100) : 0;
}

/** 0 to 100: the free share of CPU and memory after the pod would be there. */
function leastAllocated({ scoredRequests }: PodInfo, node: NodeInfo): number {
  const cpu = share(node.scoredMilliCpu + scoredRequests.milliCpu, node.allocatable('cpu'));
  const memory = share(node.scoredMemoryBytes + scoredRequests.memoryBytes, node.allocatable('memory'));
  return (cpu + memory) / 2;
}

function preferredNodes({ pod }: PodInfo, node: NodeInfo): number {
  const terms = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return terms.reduce(
    (sum, { preference, weight }) => sum + (matchesNodeTerm(preference, node) ? weight : 0),
    0,
  );
}

function untoleratedPreferences({ tolerations }: PodInfo, node: NodeInfo): number {
  return node.taints.filter(
    (taint) =>
      taint.effect === 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, taint)),
  ).length;
}

/** To 0…100, the largest at 100; all 0 when they are equal, for then they say nothing. */
function scaled(values: readonly number[]): readonly number[] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  return values.map((value) => (most === least ? 0 : ((value - least) / (most - least)) * 100));
}
