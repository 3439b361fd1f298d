import type { ReplicaSetCondition, ReplicaSetStatus } from 'kubernetes-types/apps/v1.d.ts';
import type { Pod, ReplicaSet } from '../../model/objects.ts';
import { isPodAvailable, isPodReady, readySinceMs } from './pod-state.ts';

const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** Smaller goes first; compared from left to right. */
function deletionRank(pod: Pod, onSameNode: number): readonly number[] {
  const { metadata, spec, status } = pod;
  const restarts = (status?.containerStatuses ?? []).map(({ restartCount }) => restartCount);
  return [
    spec?.nodeName ? 1 : 0,
    phaseRank[status?.phase ?? ''] ?? 0,
    isPodReady(pod) ? 1 : 0,
    Number.parseInt(metadata?.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? '0', 10) || 0,
    -onSameNode,
    -(readySinceMs(pod) ?? 0),
    -Math.max(0, ...restarts),
    -Date.parse(metadata?.creationTimestamp ?? ''),
  ];
}

/** The `count` pods that go first when a ReplicaSet shrinks: those that serve least, then the youngest. */
export function podsToDelete(pods: readonly Pod[], count: number): readonly Pod[] {
  if (count >= pods.length) return pods;
  const onNode = new Map<string, number>();
  for (const { spec } of pods) onNode.set(spec?.nodeName ?? '', (onNode.get(spec?.nodeName ?? '') ?? 0) + 1);
  return pods
    .map((pod) => ({ pod, rank: deletionRank(pod, onNode.get(pod.spec?.nodeName ?? '') ?? 0) }))
    .sort((a, b) => compareRanks(a.rank, b.rank))
    .slice(0, count)
    .map(({ pod }) => pod);
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0);
}

export interface ReplicaSetFailure {
  readonly reason: 'FailedCreate' | 'FailedDelete';
  readonly message: string;
}

/** What the ReplicaSet's status must say of these active pods. `now` is RFC 3339. */
export function replicaSetStatus(
  replicaSet: ReplicaSet,
  pods: readonly Pod[],
  { nowMs, failure }: { nowMs: number; failure?: ReplicaSetFailure | undefined },
): ReplicaSetStatus {
  const { spec, metadata, status } = replicaSet;
  const templateLabels = Object.entries(spec?.template?.metadata?.labels ?? {});
  const minReadySeconds = spec?.minReadySeconds ?? 0;
  const conditions = (status?.conditions ?? []).filter(({ type }) => type !== 'ReplicaFailure');
  if (failure) conditions.push(failureCondition(failure, status?.conditions ?? [], nowMs));
  return {
    replicas: pods.length,
    fullyLabeledReplicas: pods.filter((pod) =>
      templateLabels.every(([key, value]) => pod.metadata?.labels?.[key] === value),
    ).length,
    readyReplicas: pods.filter(isPodReady).length,
    availableReplicas: pods.filter((pod) => isPodAvailable(pod, minReadySeconds, nowMs)).length,
    observedGeneration: metadata?.generation ?? 0,
    ...(conditions.length > 0 && { conditions }),
  };
}

function failureCondition(
  { reason, message }: ReplicaSetFailure,
  before: readonly ReplicaSetCondition[],
  nowMs: number,
): ReplicaSetCondition {
  const existing = before.find((condition) => condition.type === 'ReplicaFailure');
  const lastTransitionTime = existing?.lastTransitionTime ?? new Date(nowMs).toISOString();
  return { type: 'ReplicaFailure', status: 'True', lastTransitionTime, reason, message };
}
