import type { Pod, PodStatus } from '../../model/objects.ts';
import type { ContainerInstance } from './container-instance.ts';
import { decide, type Decision } from './decide.ts';
import type { InstancePod } from './instance-pod.ts';
import type { PodContext } from './pod-context.ts';
import { leaveApi } from './leave-api.ts';
import { PodContainers } from './pod-containers.ts';
import { PodGround } from './pod-ground.ts';
import { podStatus } from './pod-status.ts';
import type { PodSandbox } from './sandbox.ts';

/**
 * One pod on this node, from its binding to its end. Everything that happens calls `wake`; one step at a time then
 * brings the pod from where it is to where `decide` wants it.
 */
export class PodWorker {
  readonly uid: string;
  readonly #context: PodContext;
  readonly #onGone: () => void;
  readonly #containers: PodContainers;
  readonly #ground: PodGround;
  readonly #startedAtMs: number;
  #pod: Pod;
  #reported: PodStatus | undefined;
  #decision: Pick<Decision, 'phase' | 'initialized'> = { phase: 'Pending', initialized: false };
  #failure: { readonly reason: string; readonly message: string } | undefined;
  #step: Promise<void> | undefined;
  #again = false;
  #cancelTimer = (): void => {};
  #terminating: Promise<void> | undefined;
  #graceEnd = Promise.withResolvers<void>();
  #removed = false;

  constructor(context: PodContext, pod: Pod, onGone: () => void) {
    this.#context = context;
    this.#pod = pod;
    this.#onGone = onGone;
    this.uid = pod.metadata?.uid ?? '';
    this.#startedAtMs = context.clock.now();
    this.#containers = new PodContainers(context, () => this.wake());
    this.#ground = new PodGround({
      context,
      pod: () => this.#pod,
      event: (type, reason, message) => this.#event(type, reason, message),
    });
    this.#adopt(pod);
    this.wake();
  }

  get pod(): Pod {
    return this.#pod;
  }

  get instances(): ReadonlyMap<string, ContainerInstance> {
    return this.#containers.instances;
  }

  get sandbox(): PodSandbox | undefined {
    return this.#ground.network === 'given back' ? undefined : this.#ground.sandbox;
  }

  /** The pod as the API server has it now. */
  update(pod: Pod): void {
    this.#pod = pod;
    this.#adopt(pod);
    if (pod.metadata?.deletionTimestamp !== undefined && pod.metadata.deletionGracePeriodSeconds === 0)
      this.#graceEnd.resolve();
    this.wake();
  }

  /** The pod is gone from the API: what is left of it ends now. */
  remove(): Promise<void> {
    this.#removed = true;
    this.#graceEnd.resolve();
    this.#terminating ??= this.#terminate(0);
    return this.#terminating;
  }

  /** For an exec: writes what the pod's programs find on disk. */
  prepareFiles(): Promise<void> {
    return this.#ground.prepareFiles();
  }

  #adopt(pod: Pod): void {
    const outdated = this.#containers.adopt(pod);
    if (this.#terminating) return;
    for (const instance of outdated) {
      const why = `Container ${instance.record.name} definition changed, will be restarted`;
      void instance.kill(this.#instancePod(), this.#graceMs(), why);
    }
  }

  wake(): void {
    this.#again = true;
    this.#step ??= this.#run();
  }

  async #run(): Promise<void> {
    // Whatever woke the worker may still be changing things: let it finish first.
    await Promise.resolve();
    while (this.#again && !this.#terminating) {
      this.#again = false;
      try {
        await this.#advance();
      } catch (error) {
        this.#context.onError(error);
        this.#wakeAfter(1000);
        break;
      }
    }
    this.#step = undefined;
    if (this.#terminating && !this.#removed) this.#report();
  }

  async #advance(): Promise<void> {
    if (this.#pod.metadata?.deletionTimestamp !== undefined) {
      this.#terminating ??= this.#terminate(this.#graceMs());
      return;
    }
    if (this.#failure && this.#containers.allEnded) return this.#finish('Failed');
    if (this.#ground.network === 'given back') return;
    if (!(await this.#prepareGround())) return;
    this.#watchDeadline();
    const decision = this.#decide();
    for (const name of decision.stop)
      void this.instances.get(name)?.kill(this.#instancePod(), this.#graceMs(), '');
    if (decision.finished) return this.#finish(decision.phase);
    this.#decision = decision;
    this.#containers.showBackOffs(this.#instancePod());
    this.#report();
    for (const name of decision.start) {
      if (this.#pod.metadata?.deletionTimestamp !== undefined) break;
      await this.instances.get(name)?.start(this.#instancePod());
    }
    if (decision.start.length > 0) this.#again = true;
    else if (decision.retryAtMs !== undefined)
      this.#wakeAfter(decision.retryAtMs - this.#context.clock.now());
  }

  #decide(isEnding = this.#failure !== undefined): Decision {
    return decide({
      restartPolicy: isEnding
        ? 'Never'
        : ((this.#pod.spec?.restartPolicy ?? 'Always') as 'Always' | 'OnFailure' | 'Never'), // the API admits these three
      records: this.#containers.records,
      nowMs: this.#context.clock.now(),
    });
  }

  async #prepareGround(): Promise<boolean> {
    if (this.#ground.isReady) return true;
    this.#report();
    const waitMs = await this.#ground.prepare();
    if (waitMs === undefined) return true;
    this.#report();
    this.#wakeAfter(waitMs);
    return false;
  }

  #watchDeadline(): void {
    const { activeDeadlineSeconds } = this.#pod.spec ?? {};
    if (activeDeadlineSeconds === undefined || this.#failure) return;
    const leftMs = this.#startedAtMs + activeDeadlineSeconds * 1000 - this.#context.clock.now();
    if (leftMs > 0) return this.#wakeAfter(leftMs);
    this.#failure = {
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
    };
    this.#containers.killAll(this.#instancePod(), this.#graceMs());
  }

  /** All is done: the network goes back, records and logs stay until the pod is deleted. */
  async #finish(phase: Decision['phase']): Promise<void> {
    this.#decision = { phase, initialized: phase === 'Succeeded' || this.#decision.initialized };
    this.#report();
    await this.#ground.giveBackNetwork();
  }

  async #terminate(graceMs: number): Promise<void> {
    this.#cancelTimer();
    // A step may be starting a container right now.
    await this.#step;
    if (this.#ground.sandbox)
      await this.#containers.end(this.#instancePod(), graceMs, this.#graceEnd.promise);
    await this.#ground.giveBackNetwork();
    if (!this.#removed) await this.#leaveApi();
    this.#context.statusWriter.forget(this.#pod);
    this.#containers.remove();
    this.#ground.remove();
    this.#onGone();
  }

  /** Reports how it ended, then lets the API forget the pod. */
  async #leaveApi(): Promise<void> {
    const { statusWriter } = this.#context;
    const ended = this.#decide(true);
    this.#decision = {
      phase: ended.finished ? ended.phase : 'Failed',
      initialized: this.#decision.initialized,
    };
    this.#report();
    await statusWriter.flushed(this.#pod);
    await leaveApi(this.#pod, { ...this.#context, isGone: () => this.#removed });
  }

  #report(): void {
    if (this.#removed) return;
    const { nodeAddresses, clock, statusWriter } = this.#context;
    this.#reported = podStatus({
      pod: this.#pod,
      reported: this.#reported,
      records: this.#containers.records,
      decision: this.#decision,
      podAddresses: this.#ground.sandbox?.addresses ?? [],
      hostAddresses: nodeAddresses,
      sandboxReady: this.#ground.network === 'up',
      startedAtMs: this.#startedAtMs,
      nowMs: clock.now(),
      reason: this.#failure?.reason,
      message: this.#failure?.message,
    });
    statusWriter.set(this.#pod, this.#reported);
  }

  #instancePod(): InstancePod {
    const { sandbox, facts } = this.#ground;
    if (!sandbox) throw new Error(`pod ${this.uid} has no sandbox`);
    return {
      pod: this.#pod,
      sandbox,
      facts,
      prepareFiles: () => this.prepareFiles(),
      event: (type, reason, message) => this.#event(type, reason, message),
    };
  }

  #event(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#context.record(this.#pod, { type, reason, message });
  }

  #graceMs(): number {
    const { metadata, spec } = this.#pod;
    return (metadata?.deletionGracePeriodSeconds ?? spec?.terminationGracePeriodSeconds ?? 30) * 1000;
  }

  #wakeAfter(delayMs: number): void {
    this.#cancelTimer();
    this.#cancelTimer = this.#context.clock.after(Math.max(delayMs, 0), () => this.wake());
  }
}
