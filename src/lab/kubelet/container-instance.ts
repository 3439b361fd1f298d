import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { errorMessage, PodnetError } from '../../model/errors.ts';
import type { Container, Pod, Probe } from '../../model/objects.ts';
import { DEFAULT_PATH, findProgram } from '../workloads/isolate/programs.ts';
import { createContainerLog, type ContainerLog } from '../workloads/logs/container-log.ts';
import type { ExitStatus, Workload } from '../workloads/workload.ts';
import { containerCommand } from './container-command.ts';
import {
  newRecord,
  type ContainerRecord,
  type ContainerRole,
  type TerminatedState,
} from './container-record.ts';
import { endRun, type RunEnd } from './end-run.ts';
import { runHook } from './hooks.ts';
import { readEnvironment } from './instance-environment.ts';
import type { InstancePod } from './instance-pod.ts';
import type { PodContext } from './pod-context.ts';
import { ContainerProbes } from './probes/container-probes.ts';
import type { ProbeTarget } from './probes/handler.ts';
import { restartWait } from './restart-backoff.ts';
import { startWorkload } from './start-workload.ts';

/** One container of a pod: its record, its present run, its probes and its logs. */
export class ContainerInstance {
  record: ContainerRecord;
  workload: Workload | undefined;
  log: ContainerLog | undefined;
  previousLog: ContainerLog | undefined;
  readonly #context: PodContext;
  readonly #changed: () => void;
  readonly #probes: ContainerProbes;
  #saidSkippedExec = false;
  #runDirectory = '';
  /** Why this run is being ended, if the kubelet ends it. */
  #killing: Promise<void> | undefined;

  constructor(context: PodContext, spec: Container, role: ContainerRole, changed: () => void) {
    this.#context = context;
    this.#changed = changed;
    this.#probes = new ContainerProbes(context.clock);
    this.record = newRecord(spec, role);
  }

  get running(): boolean {
    return this.record.state.name === 'running';
  }

  #update(change: Partial<ContainerRecord>): void {
    this.record = { ...this.record, ...change };
    this.#changed();
  }

  /** Takes over a changed spec; the next run uses it. */
  replaceSpec(spec: Container): void {
    this.record = { ...this.record, spec };
  }

  /** Starts the next run. What goes wrong is in the record and in Events; it does not throw. */
  async start(of: InstancePod): Promise<void> {
    const { clock } = this.#context;
    const { spec, state } = this.record;
    const attempt = state.name === 'waiting' && !this.record.last ? 0 : this.record.restartCount + 1;
    const containerId = `podnet://${randomBytes(32).toString('hex')}`;
    const directory = `${of.sandbox.directory}/containers/${spec.name}`;
    try {
      const environment = await readEnvironment(spec, of, this.#context.objects);
      const kind = containerCommand(spec, environment, isHostProgram);
      if (kind.kind === 'isolated') await of.prepareFiles();
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      this.previousLog?.remove();
      this.previousLog = this.log;
      this.log = createContainerLog({ path: `${directory}/${attempt}.log`, now: () => clock.now() });
      this.#runDirectory = `${directory}/run-${attempt}`;
      this.workload = await startWorkload(this.#context, of, kind, {
        spec,
        environment,
        directory: this.#runDirectory,
        output: this.log,
      });
    } catch (error) {
      this.#startFailed(of, error, attempt, containerId);
      return;
    }
    const { workload } = this;
    const startedAtMs = clock.now();
    this.#update({
      state: { name: 'running', startedAtMs, containerId },
      ...(state.name === 'terminated' && { last: state }),
      restartCount: attempt,
      ready: false,
      started: false,
    });
    void workload.exited.then((status) => this.#exited(status, startedAtMs, containerId));
    await this.#afterStart(of, workload, startedAtMs);
  }

  #startFailed(of: InstancePod, error: unknown, attempt: number, containerId: string): void {
    const { clock } = this.#context;
    const { name } = this.record;
    const fix = error instanceof PodnetError && error.fix !== undefined ? ` (${error.fix})` : '';
    const message = `${errorMessage(error)}${fix}`;
    of.event('Warning', 'Failed', `Error: ${message}`);
    if (error instanceof PodnetError && error.code === 'config-missing') {
      this.#update({
        state: { name: 'waiting', reason: 'CreateContainerConfigError', message },
        notBeforeMs: clock.now() + CONFIG_RETRY_MS,
      });
      return;
    }
    if (!(error instanceof PodnetError)) this.#context.onError(error);
    this.log?.write('stderr', `podnet: container ${name}: ${message}\n`);
    this.log?.end();
    this.#discardLayer();
    const isPortTaken = error instanceof PodnetError && error.code === 'port-taken';
    this.#ended(
      {
        name: 'terminated',
        exitCode: isPortTaken ? 1 : 128,
        signal: 0,
        reason: isPortTaken ? 'Error' : 'StartError',
        message,
        finishedAtMs: clock.now(),
        containerId,
      },
      0,
      attempt,
    );
  }

  #exited(status: ExitStatus, startedAtMs: number, containerId: string): void {
    const nowMs = this.#context.clock.now();
    this.#probes.stop();
    this.#discardLayer();
    this.log?.end();
    this.workload = undefined;
    this.#killing = undefined;
    const { exitCode, signal, reason, message } = status;
    this.#ended(
      {
        name: 'terminated',
        exitCode,
        signal,
        reason,
        ...(message !== undefined && { message }),
        startedAtMs,
        finishedAtMs: nowMs,
        containerId,
      },
      nowMs - startedAtMs,
      this.record.restartCount,
    );
  }

  #ended(state: TerminatedState, ranForMs: number, restartCount: number): void {
    const { waitMs, nextMs } = restartWait(this.record.backoffMs, ranForMs);
    this.#update({
      state,
      restartCount,
      ready: false,
      started: false,
      notBeforeMs: state.finishedAtMs + waitMs,
      backoffMs: nextMs,
    });
  }

  /** It stays down for a while: shows what Kubernetes shows. */
  showBackOff(of: Pick<InstancePod, 'pod' | 'event'>): void {
    const { state, name, notBeforeMs } = this.record;
    if (state.name !== 'terminated') return;
    const seconds = Math.round((notBeforeMs - state.finishedAtMs) / 1000);
    const { metadata } = of.pod;
    const message = `back-off ${seconds}s restarting failed container=${name} pod=${metadata?.name}_${metadata?.namespace}(${metadata?.uid})`;
    of.event(
      'Warning',
      'BackOff',
      `Back-off restarting failed container ${name} in pod ${metadata?.name}_${metadata?.namespace}(${metadata?.uid})`,
    );
    this.record = {
      ...this.record,
      state: { name: 'waiting', reason: 'CrashLoopBackOff', message },
      last: state,
    };
  }

  async #afterStart(of: InstancePod, workload: Workload, startedAtMs: number): Promise<void> {
    const { spec } = this.record;
    const postStart = spec.lifecycle?.postStart;
    if (postStart) {
      const failure = await runHook(postStart, this.#target(of, workload), HOOK_LIMIT_MS);
      if (failure !== undefined) {
        of.event('Warning', 'FailedPostStartHook', `PostStartHook failed: ${failure}`);
        await this.kill(of, graceMsOf(of.pod), 'FailedPostStartHook');
        return;
      }
    }
    if (this.workload !== workload) return;
    this.#probes.start(this.#target(of, workload), startedAtMs, {
      onStarted: (ready) => this.#update({ started: true, ready }),
      onReady: (ready) => this.#update({ ready }),
      onUnhealthy: (probe, kind) => {
        const why = `Container ${spec.name} failed ${kind} probe, will be restarted`;
        void this.kill(of, graceMsOf(of.pod, probe), why);
      },
      onFailure: (message) => of.event('Warning', 'Unhealthy', message),
    });
  }

  #target(of: InstancePod, workload: Workload): ProbeTarget {
    return {
      container: this.record.spec,
      podAddress: of.sandbox.addresses[0] ?? '127.0.0.1',
      workload,
      onSkippedExec: () => {
        if (this.#saidSkippedExec) return;
        this.#saidSkippedExec = true;
        of.event(
          'Normal',
          'ExecSkipped',
          `Container ${this.record.name} is a stand-in for ${this.record.spec.image ?? ''}: its exec probes and hooks cannot run and count as passed`,
        );
      },
    };
  }

  /** preStop, SIGTERM, and SIGKILL when the grace is over. Resolves when the container has ended. */
  kill(of: InstancePod, graceMs: number, why: string, hasGraceEnded?: Promise<void>): Promise<void> {
    const { workload } = this;
    if (!workload) return Promise.resolve();
    this.#killing ??= this.#end(of, workload, { graceMs, why, hasGraceEnded, clock: this.#context.clock });
    return this.#killing;
  }

  #end(of: InstancePod, workload: Workload, end: RunEnd): Promise<void> {
    this.#probes.stop();
    return endRun(of, this.#target(of, workload), end);
  }

  /** Removes what this container left on disk, its logs too. */
  remove(): void {
    this.log?.remove();
    this.previousLog?.remove();
  }

  /** The writable layer of a run that has ended: logs and volumes lie elsewhere. */
  #discardLayer(): void {
    if (this.#runDirectory !== '') rmSync(this.#runDirectory, { recursive: true, force: true });
    this.#runDirectory = '';
  }
}

const CONFIG_RETRY_MS = 5000;
const HOOK_LIMIT_MS = 120_000;

function graceMsOf(pod: Pod, probe?: Probe): number {
  return (probe?.terminationGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
}

function isHostProgram(name: string): boolean {
  try {
    findProgram(name, DEFAULT_PATH, '/');
    return true;
  } catch {
    return false;
  }
}
