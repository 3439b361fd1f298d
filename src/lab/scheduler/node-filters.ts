import type { NodeSelectorTerm, Taint, Toleration } from 'kubernetes-types/core/v1.d.ts';
import type { Pod } from '../../model/objects.ts';
import { compileLabelMap, matchesSelector, type Labels, type Requirement } from '../../model/selectors.ts';
import type { NodeInfo } from './node-info.ts';
import type { HostPort, PodInfo } from './pod-info.ts';

/** Why a node cannot have the pod, in the scheduler's usual words; none when it can. */
export type NodeFilter = (pod: PodInfo, node: NodeInfo) => readonly string[];

/** The filters that look at one node alone, in order; the first that objects is the one that is reported. */
export const nodeFilters: readonly NodeFilter[] = [
  unschedulable,
  nodeName,
  taints,
  nodeAffinity,
  hostPorts,
  resources,
];

const none: readonly string[] = [];

export const unschedulableTaint = 'node.kubernetes.io/unschedulable';

function unschedulable({ tolerations }: PodInfo, { node }: NodeInfo): readonly string[] {
  const taint: Taint = { key: unschedulableTaint, effect: 'NoSchedule' };
  return node?.spec?.unschedulable && !tolerations.some((toleration) => tolerates(toleration, taint))
    ? ['node(s) were unschedulable']
    : none;
}

function nodeName({ pod }: PodInfo, { name }: NodeInfo): readonly string[] {
  const wanted = pod.spec?.nodeName;
  return wanted && wanted !== name ? ["node(s) didn't match the requested node name"] : none;
}

function taints({ tolerations }: PodInfo, node: NodeInfo): readonly string[] {
  const taint = node.taints.find(
    (each) =>
      (each.effect === 'NoSchedule' || each.effect === 'NoExecute') &&
      !tolerations.some((toleration) => tolerates(toleration, each)),
  );
  return taint ? [`node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}`] : none;
}

export function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return Boolean(key) && (value ?? '') === (taint.value ?? '');
}

function nodeAffinity({ pod }: PodInfo, node: NodeInfo): readonly string[] {
  return matchesNodeAffinity(pod, node) ? none : ["node(s) didn't match Pod's node affinity/selector"];
}

/** `nodeSelector` and the required node affinity both hold. */
export function matchesNodeAffinity({ spec }: Pod, node: NodeInfo): boolean {
  const selector = compileLabelMap(spec?.nodeSelector) ?? [];
  if (!matchesSelector(selector, node.labels)) return false;
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return !required || required.nodeSelectorTerms.some((term) => matchesNodeTerm(term, node));
}

/** A term without conditions matches nothing. */
export function matchesNodeTerm(
  { matchExpressions, matchFields }: NodeSelectorTerm,
  node: NodeInfo,
): boolean {
  const expressions = matchExpressions ?? [];
  const fields = matchFields ?? [];
  if (expressions.length === 0 && fields.length === 0) return false;
  return meetsAll(expressions, node.labels) && meetsAll(fields, { 'metadata.name': node.name });
}

const operators: ReadonlySet<string> = new Set(['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']);

function meetsAll(
  conditions: readonly { key: string; operator: string; values?: string[] }[],
  labels: Labels,
): boolean {
  return conditions.every(
    ({ key, operator, values }) =>
      isOperator(operator) && matchesSelector([{ key, operator, values: values ?? [] }], labels),
  );
}

function isOperator(operator: string): operator is Requirement['operator'] {
  return operators.has(operator);
}

function hostPorts(pod: PodInfo, node: NodeInfo): readonly string[] {
  if (pod.hostPorts.length === 0) return none;
  const taken = node.hostPorts();
  return pod.hostPorts.some((wanted) => taken.some((port) => portsConflict(wanted, port)))
    ? ["node(s) didn't have free ports for the requested pod ports"]
    : none;
}

export function portsConflict(a: HostPort, b: HostPort): boolean {
  return (
    a.port === b.port &&
    a.protocol === b.protocol &&
    (a.address === b.address || a.address === '0.0.0.0' || b.address === '0.0.0.0')
  );
}

function resources({ requests }: PodInfo, node: NodeInfo): readonly string[] {
  const reasons: string[] = [];
  if (node.pods.size + 1 > node.allocatable('pods')) reasons.push('Too many pods');
  if (requests.milliCpu > 0 && node.milliCpu + requests.milliCpu > node.allocatable('cpu'))
    reasons.push('Insufficient cpu');
  if (requests.memoryBytes > 0 && node.memoryBytes + requests.memoryBytes > node.allocatable('memory'))
    reasons.push('Insufficient memory');
  for (const [name, wanted] of requests.others)
    if (wanted > 0 && (node.others.get(name) ?? 0) + wanted > node.allocatable(name))
      reasons.push(`Insufficient ${name}`);
  return reasons;
}
