import type { PodAffinityTerm, ResourceRequirements, Toleration } from 'kubernetes-types/core/v1.d.ts';
import { objectKey, type LabelSelector, type Pod } from '../../model/objects.ts';
import { quantityMilliValue, quantityValue } from '../../model/quantity.ts';
import { compileLabelSelector, matchesSelector, type Labels, type Selector } from '../../model/selectors.ts';

/** What a pod asks of its node; other names (`nvidia.com/gpu`) count in whole units. */
export interface Requests {
  readonly milliCpu: number;
  readonly memoryBytes: number;
  readonly others: ReadonlyMap<string, number>;
}

export interface HostPort {
  /** `0.0.0.0` when the pod does not say. */
  readonly address: string;
  readonly protocol: string;
  readonly port: number;
}

/** Pods a term speaks of, and the node label that says what "together" means. */
export interface AffinityTerm {
  readonly topologyKey: string;
  readonly weight: number;
  readonly matches: (pod: PodInfo) => boolean;
}

export interface SpreadConstraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  /** False: only preferred. */
  readonly required: boolean;
  readonly matches: (pod: PodInfo) => boolean;
}

/** A pod as the scheduler reads it: parsed once, however often it is looked at. */
export interface PodInfo {
  readonly pod: Pod;
  readonly key: string;
  readonly namespace: string;
  readonly labels: Labels;
  readonly requests: Requests;
  /** As `requests`, with a default for what is not asked for, so that such pods spread too. */
  readonly scoredRequests: Requests;
  readonly hostPorts: readonly HostPort[];
  readonly tolerations: readonly Toleration[];
  readonly requiredAffinity: readonly AffinityTerm[];
  readonly requiredAntiAffinity: readonly AffinityTerm[];
  /** Anti-affinity has negative weights. */
  readonly preferredAffinity: readonly AffinityTerm[];
  readonly spread: readonly SpreadConstraint[];
  /** Of the ReplicaSet or other controller; its pods are kept apart when nothing else decides. */
  readonly controllerUid: string;
}

/** Labels of a namespace, for terms that select namespaces. */
export type NamespaceLabels = (namespace: string) => Labels | undefined;

/** @throws SelectorSyntaxError, RangeError when the pod says something that cannot be understood */
export function readPod(pod: Pod, namespaceLabels: NamespaceLabels = () => undefined): PodInfo {
  const { metadata, spec } = pod;
  const namespace = metadata?.namespace ?? '';
  const labels = metadata?.labels ?? {};
  const { podAffinity, podAntiAffinity } = spec?.affinity ?? {};
  const term = (affinityTerm: PodAffinityTerm, weight = 0): AffinityTerm =>
    readTerm(affinityTerm, { namespace, namespaceLabels, weight });
  const requests = podRequests(pod);
  return {
    pod,
    key: objectKey(pod),
    namespace,
    labels,
    requests,
    scoredRequests: {
      ...requests,
      milliCpu: requests.milliCpu || 100,
      memoryBytes: requests.memoryBytes || 200 * 1024 * 1024,
    },
    hostPorts: hostPortsOf(pod),
    tolerations: spec?.tolerations ?? [],
    requiredAffinity: (podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map((each) =>
      term(each),
    ),
    requiredAntiAffinity: (podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map(
      (each) => term(each),
    ),
    preferredAffinity: [
      ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((each) =>
        term(each.podAffinityTerm, each.weight),
      ),
      ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((each) =>
        term(each.podAffinityTerm, -each.weight),
      ),
    ],
    spread: readSpread(pod, namespace),
    controllerUid: metadata?.ownerReferences?.find(({ controller }) => controller)?.uid ?? '',
  };
}

function readTerm(
  { labelSelector, namespaces, namespaceSelector, topologyKey }: PodAffinityTerm,
  context: { namespace: string; namespaceLabels: NamespaceLabels; weight: number },
): AffinityTerm {
  const selector = compileLabelSelector(labelSelector);
  const ofNamespaces = compileLabelSelector(namespaceSelector);
  const named = new Set(namespaces ?? (namespaceSelector ? [] : [context.namespace]));
  if (named.size === 0 && !namespaceSelector) named.add(context.namespace);
  return {
    topologyKey,
    weight: context.weight,
    matches: (other) =>
      selector !== undefined &&
      (named.has(other.namespace) ||
        (ofNamespaces !== undefined &&
          matchesSelector(ofNamespaces, context.namespaceLabels(other.namespace)))) &&
      matchesSelector(selector, other.labels),
  };
}

function readSpread({ spec, metadata }: Pod, namespace: string): SpreadConstraint[] {
  return (spec?.topologySpreadConstraints ?? []).map((constraint) => {
    const selector = withLabelKeys(
      constraint.labelSelector,
      constraint.matchLabelKeys,
      metadata?.labels ?? {},
    );
    return {
      topologyKey: constraint.topologyKey,
      maxSkew: constraint.maxSkew,
      minDomains: constraint.minDomains ?? 1,
      required: constraint.whenUnsatisfiable !== 'ScheduleAnyway',
      matches: (other) =>
        selector !== undefined &&
        other.namespace === namespace &&
        other.pod.metadata?.deletionTimestamp === undefined &&
        matchesSelector(selector, other.labels),
    };
  });
}

/** `matchLabelKeys`: the pod's own values of these labels must match too. */
function withLabelKeys(
  labelSelector: LabelSelector | undefined,
  keys: readonly string[] | undefined,
  labels: Labels,
): Selector | undefined {
  const selector = compileLabelSelector(labelSelector);
  const own = (keys ?? []).filter((key) => labels[key] !== undefined);
  return (
    selector && [
      ...selector,
      ...own.map((key) => ({ key, operator: 'In' as const, values: [labels[key] ?? ''] })),
    ]
  );
}

/** The sum of the containers, or what an init container needs if that is more, as the kubelet reserves it. */
export function podRequests({ spec }: Pod): Requests {
  const total = new Map<string, number>();
  for (const { resources } of spec?.containers ?? []) addTo(total, requestsOf(resources));
  const sidecars = new Map<string, number>();
  const peak = new Map<string, number>();
  for (const { resources, restartPolicy } of spec?.initContainers ?? []) {
    const needed = new Map(sidecars);
    addTo(needed, requestsOf(resources));
    if (restartPolicy === 'Always') addTo(sidecars, requestsOf(resources));
    for (const [name, value] of needed) peak.set(name, Math.max(peak.get(name) ?? 0, value));
  }
  for (const [name, value] of sidecars) total.set(name, (total.get(name) ?? 0) + value);
  for (const [name, value] of peak) total.set(name, Math.max(total.get(name) ?? 0, value));
  addTo(total, spec?.overhead ?? {});
  const { cpu: milliCpu = 0, memory: memoryBytes = 0 } = Object.fromEntries(total);
  const others = new Map([...total].filter(([name]) => name !== 'cpu' && name !== 'memory'));
  return { milliCpu, memoryBytes, others };
}

function addTo(sum: Map<string, number>, requests: Readonly<Record<string, string>>): void {
  for (const [name, quantity] of Object.entries(requests))
    sum.set(name, (sum.get(name) ?? 0) + amount(name, quantity));
}

/** Limits stand in for requests that are not given. */
function requestsOf(resources: ResourceRequirements | undefined): Record<string, string> {
  return { ...resources?.limits, ...resources?.requests };
}

export function amount(name: string, quantity: string | undefined): number {
  return name === 'cpu' ? quantityMilliValue(quantity) : quantityValue(quantity);
}

function hostPortsOf({ spec }: Pod): HostPort[] {
  return (spec?.containers ?? []).flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort, containerPort, hostIP, protocol }) => {
      const port = hostPort ?? (spec?.hostNetwork ? containerPort : 0);
      return port ? [{ address: hostIP || '0.0.0.0', protocol: protocol ?? 'TCP', port }] : [];
    }),
  );
}
