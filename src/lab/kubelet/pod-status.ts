import { isDeepStrictEqual } from 'node:util';
import type { ContainerState, ContainerStatus, Pod, PodCondition, PodStatus } from '../../model/objects.ts';
import type { ContainerRecord, RecordState, TerminatedState } from './container-record.ts';
import type { Decision } from './decide.ts';

export interface StatusInput {
  readonly pod: Pod;
  /** What the kubelet said last: its conditions keep their times while they stay as they are. */
  readonly reported?: PodStatus | undefined;
  readonly records: readonly ContainerRecord[];
  readonly decision: Pick<Decision, 'phase' | 'initialized'>;
  /** Empty until the pod is on the network. */
  readonly podAddresses: readonly string[];
  readonly hostAddresses: readonly string[];
  readonly sandboxReady: boolean;
  /** When the kubelet first saw the pod. */
  readonly startedAtMs: number;
  readonly nowMs: number;
  /** Why the whole pod failed: `DeadlineExceeded`. */
  readonly reason?: string | undefined;
  readonly message?: string | undefined;
}

/** Pure: the status a kubelet reports. Conditions of others (readiness gates) stay as they are. */
export function podStatus(input: StatusInput): PodStatus {
  const { pod, records, decision, podAddresses, hostAddresses, startedAtMs, reason, message } = input;
  const of = (...roles: readonly ContainerRecord['role'][]): ContainerStatus[] =>
    records.filter(({ role }) => roles.includes(role)).map(containerStatus);
  const [init, main, ephemeral] = [of('init', 'sidecar'), of('main'), of('ephemeral')];
  return {
    phase: decision.phase,
    conditions: conditions(input),
    ...(reason !== undefined && { reason }),
    ...(message !== undefined && { message }),
    ...(hostAddresses[0] !== undefined && {
      hostIP: hostAddresses[0],
      hostIPs: hostAddresses.map((ip) => ({ ip })),
    }),
    ...(podAddresses[0] !== undefined && {
      podIP: podAddresses[0],
      podIPs: podAddresses.map((ip) => ({ ip })),
    }),
    startTime: rfc3339(startedAtMs),
    ...(init.length > 0 && { initContainerStatuses: init }),
    containerStatuses: main,
    ...(ephemeral.length > 0 && { ephemeralContainerStatuses: ephemeral }),
    qosClass: pod.status?.qosClass ?? qosClass(pod),
  };
}

/** Kubernetes' times have whole seconds. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}

/** The conditions of a pod that its kubelet writes. */
const OWN_CONDITIONS: ReadonlySet<string> = new Set([
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
]);

/** Pure: whether the API has what the kubelet wrote. Times and the conditions of others do not matter. */
export function saysTheSame(written: PodStatus, seen: PodStatus): boolean {
  const { conditions: mine = [], ...fields } = written;
  const theirs = new Map(seen.conditions?.map((condition) => [condition.type, condition]));
  return (
    isDeepStrictEqual({ ...fields }, pick(seen, Object.keys(fields))) &&
    mine.every(({ type, status }) => !OWN_CONDITIONS.has(type) || theirs.get(type)?.status === status)
  );
}

function pick(from: object, names: readonly string[]): object {
  return Object.fromEntries(Object.entries(from).filter(([name]) => names.includes(name)));
}

/** Pure: the kubelet's own conditions of `written`, those of others as they are in `seen`. */
export function withConditionsOfOthers(written: PodStatus, seen: PodStatus): PodStatus {
  const own = (written.conditions ?? []).filter(({ type }) => OWN_CONDITIONS.has(type));
  const others = (seen.conditions ?? []).filter(({ type }) => !OWN_CONDITIONS.has(type));
  return { ...written, conditions: [...own, ...others] };
}

type ConditionFact = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

function conditions(input: StatusInput): PodCondition[] {
  const { pod, reported, decision, records, sandboxReady, nowMs } = input;
  const known = reported ? withConditionsOfOthers(reported, pod.status ?? {}) : pod.status;
  const before = new Map((known?.conditions ?? []).map((condition) => [condition.type, condition]));
  const unready = records
    .filter(({ role, ready }) => (role === 'main' || role === 'sidecar') && !ready)
    .map(({ name }) => name);
  const ended = decision.phase === 'Succeeded' || decision.phase === 'Failed';
  const waitingInit = records
    .filter(({ role, state }) => role === 'init' && !(state.name === 'terminated' && state.exitCode === 0))
    .map(({ name }) => name);
  const containersReady = decision.initialized && unready.length === 0 && !ended;
  const gates = (pod.spec?.readinessGates ?? [])
    .map(({ conditionType }) => conditionType)
    .filter((type) => before.get(type)?.status !== 'True');
  const notReady: Omit<ConditionFact, 'type' | 'status'> = ended
    ? { reason: decision.phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` };
  const facts: ConditionFact[] = [
    fact('PodReadyToStartContainers', sandboxReady),
    fact('Initialized', decision.initialized, {
      reason: 'ContainersNotInitialized',
      message: `containers with incomplete status: [${waitingInit.join(' ')}]`,
    }),
    fact(
      'Ready',
      containersReady && gates.length === 0,
      containersReady
        ? {
            reason: 'ReadinessGatesNotReady',
            message: `corresponding condition of pod readiness gate ${gates.map((gate) => JSON.stringify(gate)).join(', ')} is not True`,
          }
        : notReady,
    ),
    fact('ContainersReady', containersReady, notReady),
    fact('PodScheduled', true),
  ];
  const ours = facts.map((one): PodCondition => {
    const { lastTransitionTime, status } = before.get(one.type) ?? {};
    return {
      ...one,
      lastTransitionTime:
        status === one.status && lastTransitionTime !== undefined ? lastTransitionTime : rfc3339(nowMs),
    };
  });
  return [...ours, ...[...before.values()].filter(({ type }) => !OWN_CONDITIONS.has(type))];
}

function fact(
  type: string,
  holds: boolean,
  otherwise: Omit<ConditionFact, 'type' | 'status'> = {},
): ConditionFact {
  return { type, status: holds ? 'True' : 'False', ...(!holds && otherwise) };
}

function containerStatus(record: ContainerRecord): ContainerStatus {
  const { name, spec, state, last, restartCount, ready, started, role } = record;
  const image = spec.image ?? '';
  const containerID = state.name === 'waiting' ? last?.containerId : state.containerId;
  return {
    name,
    state: containerState(state),
    lastState: last && state.name !== 'terminated' ? containerState(last) : {},
    ready: role === 'init' ? state.name === 'terminated' && state.exitCode === 0 : ready,
    restartCount,
    image,
    imageID: state.name === 'waiting' && !last ? '' : `podnet://${image}`,
    ...(containerID !== undefined && { containerID }),
    started: state.name === 'running' && started,
  };
}

function containerState(state: RecordState): ContainerState {
  if (state.name === 'running') return { running: { startedAt: rfc3339(state.startedAtMs) } };
  if (state.name === 'terminated') return { terminated: terminated(state) };
  const { reason, message } = state;
  return { waiting: { reason, ...(message !== undefined && { message }) } };
}

function terminated(state: TerminatedState): NonNullable<ContainerState['terminated']> {
  const { exitCode, signal, reason, message, startedAtMs, finishedAtMs, containerId } = state;
  return {
    exitCode,
    ...(signal !== 0 && { signal }),
    reason,
    ...(message !== undefined && { message }),
    ...(startedAtMs !== undefined && { startedAt: rfc3339(startedAtMs) }),
    finishedAt: rfc3339(finishedAtMs),
    ...(containerId !== undefined && { containerID: containerId }),
  };
}

/** `Guaranteed` when every container has equal requests and limits, `BestEffort` when none has any. */
export function qosClass({ spec }: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  const has = ({ resources }: (typeof containers)[number]): boolean =>
    Object.keys(resources?.requests ?? {}).length + Object.keys(resources?.limits ?? {}).length > 0;
  if (!containers.some(has)) return 'BestEffort';
  const guaranteed = containers.every(({ resources: { requests, limits } = {} }) =>
    (['cpu', 'memory'] as const).every(
      (name) => limits?.[name] !== undefined && (requests?.[name] ?? limits[name]) === limits[name],
    ),
  );
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
