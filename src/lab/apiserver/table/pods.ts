import type { Container, ContainerState, ContainerStatus, Pod } from '../../../model/objects.ts';
import { age, column, NONE, type Printer, wideColumn } from './printer.ts';

export const podPrinter: Printer<Pod> = {
  columns: [
    column('Ready'),
    column('Status'),
    column('Restarts'),
    column('Age'),
    wideColumn('IP'),
    wideColumn('Node'),
    wideColumn('Nominated Node'),
    wideColumn('Readiness Gates'),
  ],
  cells: (pod, now) => {
    const { ready, total, reason, restarts, lastRestart } = summarize(pod);
    const { spec, status } = pod;
    return [
      `${ready}/${total}`,
      reason,
      restarts > 0 && lastRestart ? `${restarts} (${age(lastRestart, now)} ago)` : String(restarts),
      age(pod.metadata?.creationTimestamp, now),
      status?.podIPs?.[0]?.ip || status?.podIP || NONE,
      spec?.nodeName || NONE,
      status?.nominatedNodeName || NONE,
      readinessGates(pod),
    ];
  },
};

interface Summary {
  readonly ready: number;
  readonly total: number;
  /** The one word for the pod's state. */
  readonly reason: string;
  readonly restarts: number;
  /** When a container last ended and was started again. */
  readonly lastRestart: string | undefined;
}

/** Counters over some containers. */
interface Counts {
  ready: number;
  restarts: number;
  lastRestart: string | undefined;
}

/**
 * The state of a pod in one word. In order of weight: being deleted, an init container that is not done, a container
 * that waits or ended, the reason of the pod, its phase. Sidecars (init containers that restart always) count among
 * the containers.
 */
function summarize(pod: Pod): Summary {
  const { spec, status } = pod;
  const sidecars = (spec?.initContainers ?? []).filter(isSidecar);
  const init = initSummary(pod);
  let { counts } = init;
  let reason = init.reason ?? baseReason(pod);
  if (init.reason === undefined || conditionIsTrue(pod, 'Initialized')) {
    const main = containersSummary(status?.containerStatuses ?? [], reason);
    reason = main.reason;
    if (reason === 'Completed' && main.running)
      reason = conditionIsTrue(pod, 'Ready') ? 'Running' : 'NotReady';
    counts = {
      ready: init.counts.ready + main.counts.ready,
      restarts: init.sidecars.restarts + main.counts.restarts,
      lastRestart: later(init.sidecars.lastRestart, main.counts.lastRestart),
    };
  }
  if (pod.metadata?.deletionTimestamp) {
    if (status?.reason === 'NodeLost') reason = 'Unknown';
    else if (status?.phase !== 'Succeeded' && status?.phase !== 'Failed') reason = 'Terminating';
  }
  return { ...counts, reason, total: (spec?.containers ?? []).length + sidecars.length };
}

function baseReason(pod: Pod): string {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.reason === 'SchedulingGated') return 'SchedulingGated';
  return pod.status?.reason || pod.status?.phase || 'Unknown';
}

/** `reason` is undefined when every init container is done. */
function initSummary(pod: Pod): { reason: string | undefined; counts: Counts; sidecars: Counts } {
  const specs = pod.spec?.initContainers ?? [];
  const counts: Counts = { ready: 0, restarts: 0, lastRestart: undefined };
  const sidecars: Counts = { ready: 0, restarts: 0, lastRestart: undefined };
  for (const [i, status] of (pod.status?.initContainerStatuses ?? []).entries()) {
    const sidecar = specs.some((spec) => spec.name === status.name && isSidecar(spec));
    count(counts, status);
    if (sidecar) count(sidecars, status);
    if (sidecar && status.started) {
      if (status.ready) counts.ready += 1;
      continue;
    }
    const { terminated, waiting } = status.state ?? {};
    if (terminated?.exitCode === 0) continue;
    let reason = `${i}/${specs.length}`;
    if (terminated) reason = endReason(terminated);
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') ({ reason } = waiting);
    return { reason: `Init:${reason}`, counts, sidecars };
  }
  return { reason: undefined, counts, sidecars };
}

/** The first container that does not run gives the reason. */
function containersSummary(
  statuses: readonly ContainerStatus[],
  phase: string,
): { reason: string; counts: Counts; running: boolean } {
  const counts: Counts = { ready: 0, restarts: 0, lastRestart: undefined };
  let reason = phase;
  let running = false;
  for (const status of statuses.toReversed()) {
    count(counts, status);
    const { terminated, waiting, running: runs } = status.state ?? {};
    if (waiting?.reason) ({ reason } = waiting);
    else if (terminated) reason = endReason(terminated);
    else if (status.ready && runs) {
      running = true;
      counts.ready += 1;
    }
  }
  return { reason, counts, running };
}

function endReason({ reason, signal, exitCode }: NonNullable<ContainerState['terminated']>): string {
  return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);
}

function count(counts: Counts, { restartCount, lastState }: ContainerStatus): void {
  counts.restarts += restartCount;
  counts.lastRestart = later(counts.lastRestart, lastState?.terminated?.finishedAt);
}

function later(a: string | undefined, b: string | undefined): string | undefined {
  if (!a || !b) return a ?? b;
  return Date.parse(a) > Date.parse(b) ? a : b;
}

function isSidecar({ restartPolicy }: Container): boolean {
  return restartPolicy === 'Always';
}

function conditionIsTrue(pod: Pod, wanted: string): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === wanted && status === 'True') === true;
}

function readinessGates(pod: Pod): string {
  const gates = pod.spec?.readinessGates ?? [];
  if (gates.length === 0) return NONE;
  const passed = gates.filter(({ conditionType }) => conditionIsTrue(pod, conditionType));
  return `${passed.length}/${gates.length}`;
}
