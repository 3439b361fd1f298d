import type { Clock } from '../../cluster/clock.ts';
import { runHook } from './hooks.ts';
import type { InstancePod } from './instance-pod.ts';
import type { ProbeTarget } from './probes/handler.ts';

const MINIMUM_GRACE_MS = 2000;

export interface RunEnd {
  readonly graceMs: number;
  /** For the Event; empty when the pod itself ends. */
  readonly why: string;
  /** Cuts the grace short. */
  readonly hasGraceEnded?: Promise<void> | undefined;
  readonly clock: Clock;
}

/** preStop, SIGTERM, and SIGKILL when the grace is over. Resolves when the container has ended. */
export async function endRun(
  of: Pick<InstancePod, 'event'>,
  target: ProbeTarget,
  { graceMs, why, hasGraceEnded = new Promise(() => {}), clock }: RunEnd,
): Promise<void> {
  const { container, workload } = target;
  of.event('Normal', 'Killing', why === '' ? `Stopping container ${container.name}` : why);
  const deadlineMs = clock.now() + graceMs;
  const ended = workload.exited.then(() => undefined);
  const { preStop } = container.lifecycle ?? {};
  if (preStop && graceMs > 0) {
    const failure = await Promise.race([runHook(preStop, target, graceMs), ended, hasGraceEnded]);
    if (typeof failure === 'string')
      of.event('Warning', 'FailedPreStopHook', `PreStopHook failed: ${failure}`);
  }
  workload.kill('SIGTERM');
  // As kubelets do: a hook that used up the time leaves the program two seconds.
  const leftMs = graceMs === 0 ? 0 : Math.max(deadlineMs - clock.now(), MINIMUM_GRACE_MS);
  let cancel = (): void => {};
  await Promise.race([
    ended,
    hasGraceEnded,
    new Promise<void>((resolve) => (cancel = clock.after(leftMs, resolve))),
  ]);
  cancel();
  workload.kill('SIGKILL');
  await ended;
}
