import type { DeploymentCondition, DeploymentStatus } from 'kubernetes-types/apps/v1.d.ts';
import type { Deployment, ReplicaSet } from '../../model/objects.ts';
import { boundsOf, replicasOf } from './rolling-update.ts';

export interface RolloutState {
  readonly newest: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
  /** `newest` was created just now. */
  readonly created?: boolean;
  /** Names that another object had already taken. */
  readonly collisionCount?: number | undefined;
  readonly nowMs: number;
}

type Text = Pick<DeploymentCondition, 'status' | 'reason' | 'message'>;

const time = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

const conditionOf = (status: DeploymentStatus | undefined, type: string): DeploymentCondition | undefined =>
  status?.conditions?.find((condition) => condition.type === type);

/** What the Deployment's status must say of its ReplicaSets. */
export function deploymentStatus(deployment: Deployment, state: RolloutState): DeploymentStatus {
  const { newest, old } = state;
  const all = newest ? [newest, ...old] : old;
  const total = (count: (replicaSet: ReplicaSet) => number | undefined): number =>
    all.reduce((sum, replicaSet) => sum + (count(replicaSet) ?? 0), 0);
  const available = total(({ status }) => status?.availableReplicas);
  const collisionCount = state.collisionCount ?? deployment.status?.collisionCount;
  const counts: DeploymentStatus = {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas: total(({ status }) => status?.replicas),
    updatedReplicas: newest?.status?.replicas ?? 0,
    readyReplicas: total(({ status }) => status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total(replicasOf) - available),
    ...(collisionCount && { collisionCount }),
  };
  const texts: [string, Text | undefined][] = [
    ['Available', availability(deployment, available)],
    ['Progressing', progress(deployment, { counts, state })],
    ['ReplicaFailure', replicaFailure(all)],
  ];
  const conditions = texts.flatMap(([type, text]) =>
    text
      ? [merge(conditionOf(deployment.status, type), { type, text, nowMs: state.nowMs, counts, deployment })]
      : [],
  );
  return { ...counts, ...(conditions.length > 0 && { conditions }) };
}

function availability(deployment: Deployment, available: number): Text {
  return available >= replicasOf(deployment) - boundsOf(deployment).maxUnavailable
    ? {
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      }
    : {
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      };
}

export function isComplete(deployment: Deployment, counts: DeploymentStatus): boolean {
  const wanted = replicasOf(deployment);
  return (
    (counts.updatedReplicas ?? 0) === wanted &&
    (counts.replicas ?? 0) === wanted &&
    (counts.availableReplicas ?? 0) === wanted &&
    (counts.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

function progress(
  deployment: Deployment,
  { counts, state }: { counts: DeploymentStatus; state: RolloutState },
): Text | undefined {
  const { newest, created, nowMs } = state;
  const before = conditionOf(deployment.status, 'Progressing');
  const name = newest?.metadata?.name ?? '';
  const current: Text | undefined = before && {
    status: before.status,
    reason: before.reason ?? '',
    message: before.message ?? '',
  };
  if (deployment.spec?.paused)
    return { status: 'Unknown', reason: 'DeploymentPaused', message: 'Deployment is paused' };
  if (!newest) return current;
  if (created)
    return {
      status: 'True',
      reason: 'NewReplicaSetCreated',
      message: `Created new replica set "${name}"`,
    };
  if (isComplete(deployment, counts))
    return {
      status: 'True',
      reason: 'NewReplicaSetAvailable',
      message: `ReplicaSet "${name}" has successfully progressed.`,
    };
  if (before?.reason === 'DeploymentPaused')
    return { status: 'Unknown', reason: 'DeploymentResumed', message: 'Deployment is resumed' };
  if (!before)
    return { status: 'True', reason: 'FoundNewReplicaSet', message: `Found new replica set "${name}"` };
  if (hasProgressed(deployment.status ?? {}, counts))
    return { status: 'True', reason: 'ReplicaSetUpdated', message: `ReplicaSet "${name}" is progressing.` };
  if (isOverdue(deployment, before, nowMs))
    return {
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      message: `ReplicaSet "${name}" has timed out progressing.`,
    };
  return current;
}

const oldPods = ({ replicas = 0, updatedReplicas = 0 }: DeploymentStatus): number =>
  replicas - updatedReplicas;

/** A pod of the new template appeared, became ready or available, or an old one went. */
function hasProgressed(before: DeploymentStatus, counts: DeploymentStatus): boolean {
  return (
    (counts.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    (counts.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (counts.availableReplicas ?? 0) > (before.availableReplicas ?? 0) ||
    oldPods(counts) < oldPods(before)
  );
}

/** When a rollout that does not move is declared failed, in milliseconds since 1970; undefined when it need not. */
export function progressDeadlineMs(deployment: Deployment): number | undefined {
  const condition = conditionOf(deployment.status, 'Progressing');
  const seconds = deployment.spec?.progressDeadlineSeconds ?? 600;
  const done = condition?.reason === 'NewReplicaSetAvailable' || condition?.status === 'False';
  if (!condition || done || deployment.spec?.paused || seconds >= 0x7fff_ffff) return undefined;
  const sinceMs = Date.parse(condition.lastUpdateTime ?? '');
  return Number.isNaN(sinceMs) ? undefined : sinceMs + seconds * 1000;
}

function isOverdue(deployment: Deployment, before: DeploymentCondition, nowMs: number): boolean {
  if (before.reason === 'ProgressDeadlineExceeded') return true;
  const deadlineMs = progressDeadlineMs(deployment);
  return deadlineMs !== undefined && nowMs >= deadlineMs;
}

function replicaFailure(replicaSets: readonly ReplicaSet[]): Text | undefined {
  const failure = replicaSets
    .flatMap(({ status }) => status?.conditions ?? [])
    .find(({ type }) => type === 'ReplicaFailure');
  return failure && { status: failure.status, reason: failure.reason ?? '', message: failure.message ?? '' };
}

interface Merge {
  readonly type: string;
  readonly text: Text;
  readonly nowMs: number;
  readonly counts: DeploymentStatus;
  readonly deployment: Deployment;
}

/** The condition as it is when nothing about it changed; else with new times. */
function merge(
  before: DeploymentCondition | undefined,
  { type, text, nowMs, counts, deployment }: Merge,
): DeploymentCondition {
  const now = time(nowMs);
  const moved = text.reason === 'ReplicaSetUpdated' && hasProgressed(deployment.status ?? {}, counts);
  if (
    before &&
    before.status === text.status &&
    before.reason === text.reason &&
    before.message === text.message &&
    !moved
  )
    return before;
  const lastTransitionTime =
    before?.status === text.status && before.lastTransitionTime ? before.lastTransitionTime : now;
  return { type, ...text, lastUpdateTime: now, lastTransitionTime };
}
