import type { Pod } from '../../model/objects.ts';
import { ContainerInstance } from './container-instance.ts';
import type { ContainerRecord, ContainerRole } from './container-record.ts';
import type { InstancePod } from './instance-pod.ts';
import type { PodContext } from './pod-context.ts';

/** The containers of one pod, as many as its spec has had. */
export class PodContainers {
  readonly instances = new Map<string, ContainerInstance>();
  readonly #context: PodContext;
  readonly #changed: () => void;

  constructor(context: PodContext, changed: () => void) {
    this.#context = context;
    this.#changed = changed;
  }

  get records(): ContainerRecord[] {
    return [...this.instances.values()].map(({ record }) => record);
  }

  get allEnded(): boolean {
    return [...this.instances.values()].every(({ running }) => !running);
  }

  /** Makes instances for containers that have none, and hands changed images on. Returns those that run an old one. */
  adopt(pod: Pod): ContainerInstance[] {
    const outdated: ContainerInstance[] = [];
    for (const { container, role } of containersOf(pod)) {
      const instance = this.instances.get(container.name);
      if (!instance)
        this.instances.set(
          container.name,
          new ContainerInstance(this.#context, container, role, this.#changed),
        );
      else if (instance.record.spec.image !== container.image) {
        instance.replaceSpec(container);
        if (instance.running) outdated.push(instance);
      }
    }
    return outdated;
  }

  /** Shows the back-offs of containers that are to come back, but not yet. */
  showBackOffs(of: InstancePod): void {
    const nowMs = this.#context.clock.now();
    const { restartPolicy = 'Always' } = of.pod.spec ?? {};
    for (const instance of this.instances.values()) {
      const { state, notBeforeMs } = instance.record;
      if (state.name === 'terminated' && notBeforeMs > nowMs && !staysDown(instance.record, restartPolicy))
        instance.showBackOff(of);
    }
  }

  killAll(of: InstancePod, graceMs: number): void {
    for (const instance of this.instances.values()) void instance.kill(of, graceMs, '');
  }

  /** Ends all in order: sidecars after the others, the last one first, in what is left of the time. */
  async end(of: InstancePod, graceMs: number, hasGraceEnded: Promise<void>): Promise<void> {
    const all = [...this.instances.values()];
    const endMs = this.#context.clock.now() + graceMs;
    const stop = (instance: ContainerInstance, leftMs: number): Promise<void> =>
      instance.kill(of, leftMs, '', hasGraceEnded);
    await Promise.all(
      all.filter(({ record }) => record.role !== 'sidecar').map((instance) => stop(instance, graceMs)),
    );
    for (const sidecar of all.filter(({ record }) => record.role === 'sidecar').toReversed())
      await stop(sidecar, Math.max(endMs - this.#context.clock.now(), 0));
  }

  remove(): void {
    for (const instance of this.instances.values()) instance.remove();
  }
}

type PodContainer = NonNullable<Pod['spec']>['containers'][number];

/** Pure: in the order in which they are started. */
function containersOf({ spec }: Pod): { readonly container: PodContainer; readonly role: ContainerRole }[] {
  return [
    ...(spec?.initContainers ?? []).map((container) => ({
      container,
      role: container.restartPolicy === 'Always' ? ('sidecar' as const) : ('init' as const),
    })),
    ...(spec?.containers ?? []).map((container) => ({ container, role: 'main' as const })),
    ...(spec?.ephemeralContainers ?? []).map((container) => ({ container, role: 'ephemeral' as const })),
  ];
}

/** Pure: whether a container that has ended is not to be started again. */
function staysDown({ role, state }: ContainerRecord, restartPolicy: string): boolean {
  if (state.name !== 'terminated' || role === 'ephemeral') return true;
  if (role === 'sidecar') return false;
  const hasSucceeded = state.exitCode === 0;
  return restartPolicy === 'Never' || (hasSucceeded && (role === 'init' || restartPolicy === 'OnFailure'));
}
