import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync } from 'node:fs';
import { errorMessage, PodnetError } from '../../model/errors.ts';
import type { Container, Pod, Probe } from '../../model/objects.ts';
import { imageDefaults } from '../workloads/image-defaults.ts';
import { containerCapabilities } from '../workloads/isolate/capabilities.ts';
import {
  createContainerSpace,
  startIsolated,
  type ContainerSpace,
} from '../workloads/isolate/isolated-container.ts';
import { DEFAULT_PATH, findProgram } from '../workloads/isolate/programs.ts';
import { createContainerLog, type ContainerLog } from '../workloads/logs/container-log.ts';
import { standInPorts } from '../workloads/standin/ports.ts';
import { startStandIn } from '../workloads/standin/stand-in.ts';
import type { Execution, ExitStatus, Workload } from '../workloads/workload.ts';
import { containerCommand, type ContainerKind } from './container-command.ts';
import {
  newRecord,
  type ContainerRecord,
  type ContainerRole,
  type TerminatedState,
} from './container-record.ts';
import type { PodFacts } from './downward.ts';
import { containerEnvironment } from './environment.ts';
import { runHook } from './hooks.ts';
import { askProbe, type ProbeTarget } from './probes/handler.ts';
import { startProber, type Prober, type ProberOptions } from './probes/prober.ts';
import type { PodContext } from './pod-context.ts';
import { restartWait } from './restart-backoff.ts';
import type { PodSandbox } from './sandbox.ts';

/** What a container needs of its pod at the moment it is started. */
export interface InstancePod {
  readonly pod: Pod;
  readonly sandbox: PodSandbox;
  readonly facts: PodFacts;
  /** Writes the pod's files and volumes, once. */
  prepareFiles(): Promise<void>;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** One container of a pod: its record, its present run, its probes and its logs. */
export class ContainerInstance {
  record: ContainerRecord;
  workload: Workload | undefined;
  log: ContainerLog | undefined;
  previousLog: ContainerLog | undefined;
  readonly #context: PodContext;
  readonly #changed: () => void;
  #probers: Prober[] = [];
  #saidSkippedExec = false;
  #runDirectory = '';
  /** Why this run is being ended, if the kubelet ends it. */
  #killing: Promise<void> | undefined;

  constructor(context: PodContext, spec: Container, role: ContainerRole, changed: () => void) {
    this.#context = context;
    this.#changed = changed;
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
      const environment = await this.#environment(of);
      const kind = containerCommand(spec, environment, isHostProgram);
      if (kind.kind === 'isolated') await of.prepareFiles();
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      this.previousLog?.remove();
      this.previousLog = this.log;
      this.log = createContainerLog({ path: `${directory}/${attempt}.log`, now: () => clock.now() });
      this.workload = await this.#startWorkload(of, kind, environment, `${directory}/run-${attempt}`);
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

  async #environment({ pod, facts }: InstancePod): Promise<Record<string, string>> {
    const { spec } = this.record;
    const { objects } = this.#context;
    const namespace = pod.metadata?.namespace ?? 'default';
    const [maps, secrets] = [new Map<string, unknown>(), new Map<string, unknown>()];
    for (const { configMapRef, secretRef } of spec.envFrom ?? []) {
      if (configMapRef) maps.set(configMapRef.name ?? '', undefined);
      if (secretRef) secrets.set(secretRef.name ?? '', undefined);
    }
    for (const { valueFrom } of spec.env ?? []) {
      if (valueFrom?.configMapKeyRef) maps.set(valueFrom.configMapKeyRef.name ?? '', undefined);
      if (valueFrom?.secretKeyRef) secrets.set(valueFrom.secretKeyRef.name ?? '', undefined);
    }
    const configMapsFound = new Map(
      await Promise.all(
        [...maps.keys()].map(async (name) => [name, await objects.configMap(namespace, name)] as const),
      ),
    );
    const secretsFound = new Map(
      await Promise.all(
        [...secrets.keys()].map(async (name) => [name, await objects.secret(namespace, name)] as const),
      ),
    );
    // A stand-in looks at no Service: its variables are only there for programs.
    const needsServices =
      pod.spec?.enableServiceLinks !== false &&
      (spec.command !== undefined ||
        spec.args !== undefined ||
        imageDefaults(spec.image ?? '')?.shell !== undefined);
    return containerEnvironment(spec, {
      pod,
      facts,
      configMap: (name) => configMapsFound.get(name),
      secret: (name) => secretsFound.get(name),
      services: needsServices ? await objects.services(namespace) : [],
    });
  }

  async #startWorkload(
    of: InstancePod,
    kind: ContainerKind,
    environment: Record<string, string>,
    directory: string,
  ): Promise<Workload> {
    const { spec } = this.record;
    const { pod, sandbox } = of;
    const { nodeName, standIns } = this.#context;
    const output = this.log ?? { write: () => {} };
    if (kind.kind === 'isolated') {
      const space = this.#space(of, environment, directory);
      try {
        const { stdin = false, stdinOnce = false, tty = false } = spec;
        const workload = startIsolated(space, { command: kind.command, stdin, stdinOnce, tty, output });
        of.event(
          'Normal',
          'Created',
          `Created container ${spec.name}: ${kind.command[0]} of this machine, isolated, for image ${spec.image ?? ''}`,
        );
        of.event('Normal', 'Started', `Started container ${spec.name}`);
        return workload;
      } catch (error) {
        space.close();
        throw error;
      }
    }
    const ports = standInPorts(spec);
    let space: ContainerSpace | undefined;
    const guests = new Set<Execution>();
    const workload = await startStandIn({
      identity: {
        namespace: pod.metadata?.namespace ?? '',
        pod: pod.metadata?.name ?? '',
        container: spec.name,
        image: spec.image ?? '',
        node: nodeName,
        addresses: sandbox.addresses,
      },
      netns: sandbox.netns,
      ports,
      server: standIns,
      output,
      exec: (request) => {
        const guest = (space ??= this.#space(of, environment, directory)).startFirst(request);
        guests.add(guest);
        void guest.exited.finally(() => guests.delete(guest));
        return guest;
      },
    });
    // What was started beside a stand-in ends with it, as it would in a container.
    void workload.exited.finally(() => {
      for (const guest of guests) guest.kill('SIGKILL');
      space?.close();
    });
    const where =
      ports.length === 0 ? 'no ports' : ports.map(({ port, protocol }) => `${protocol} ${port}`).join(', ');
    const message = `Stand-in for image ${spec.image ?? ''} answers on ${where}`;
    output.write('stdout', `${message}\n`);
    if (kind.note !== undefined) of.event('Warning', 'ArgsIgnored', kind.note);
    of.event('Normal', 'Started', `${message} (container ${spec.name})`);
    return workload;
  }

  #space(of: InstancePod, environment: Record<string, string>, directory: string): ContainerSpace {
    const { spec } = this.record;
    const { pod, sandbox } = of;
    const isolation = this.#context.isolation();
    const podContext = pod.spec?.securityContext;
    const user = spec.securityContext?.runAsUser ?? podContext?.runAsUser;
    const group = spec.securityContext?.runAsGroup ?? podContext?.runAsGroup;
    const { granted, refused } = containerCapabilities(spec);
    if (refused.length > 0)
      of.event(
        'Warning',
        'CapabilityRefused',
        `Container ${spec.name} asked for ${refused.join(', ')}, which no container of the lab gets`,
      );
    const [userIsThere, groupIsThere] = [
      isMappedOr(user, isolation.isUserMapped),
      isMappedOr(group, isolation.isGroupMapped),
    ];
    if (!userIsThere || !groupIsThere)
      of.event(
        'Warning',
        'RunAsUser',
        `Container ${spec.name} runs as user 0: without root the lab has no user ${user ?? 0} or group ${group ?? 0}`,
      );
    const asked = userIsThere && groupIsThere;
    const groups = [
      ...(podContext?.supplementalGroups ?? []),
      ...(podContext?.fsGroup === undefined ? [] : [podContext.fsGroup]),
    ];
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#runDirectory = directory;
    return createContainerSpace(isolation, sandbox.namespaces, {
      directory,
      environment,
      workingDirectory: spec.workingDir ?? '/',
      volumes: this.#context.files.mounts(pod, spec, sandbox),
      readOnlyRoot: spec.securityContext?.readOnlyRootFilesystem === true,
      privileged: spec.securityContext?.privileged === true,
      capabilities: granted,
      noNewPrivileges: spec.securityContext?.allowPrivilegeEscalation === false,
      user: asked ? user : undefined,
      group: asked ? group : undefined,
      supplementaryGroups: groups.filter((id) => isolation.isGroupMapped(id)),
    });
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
    this.stopProbes();
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
    if (!spec.startupProbe) return this.#startedUp(of, workload, startedAtMs);
    this.#probe(of, workload, spec.startupProbe, 'Startup', startedAtMs, 'unknown', (healthy) => {
      if (healthy) {
        this.stopProbes();
        this.#startedUp(of, workload, startedAtMs);
        return;
      }
      const why = `Container ${spec.name} failed startup probe, will be restarted`;
      void this.kill(of, graceMsOf(of.pod, spec.startupProbe), why);
    });
  }

  #startedUp(of: InstancePod, workload: Workload, startedAtMs: number): void {
    const { spec } = this.record;
    const { readinessProbe, livenessProbe } = spec;
    this.#update({ started: true, ready: readinessProbe === undefined });
    if (readinessProbe)
      this.#probe(of, workload, readinessProbe, 'Readiness', startedAtMs, 'failure', (ready) =>
        this.#update({ ready }),
      );
    if (livenessProbe)
      this.#probe(of, workload, livenessProbe, 'Liveness', startedAtMs, 'success', (healthy) => {
        if (!healthy)
          void this.kill(
            of,
            graceMsOf(of.pod, livenessProbe),
            `Container ${spec.name} failed liveness probe, will be restarted`,
          );
      });
  }

  #probe(
    of: InstancePod,
    workload: Workload,
    probe: Probe,
    kind: string,
    startedAtMs: number,
    initially: ProberOptions['initially'],
    onChange: (healthy: boolean) => void,
  ): void {
    const { clock } = this.#context;
    const target = this.#target(of, workload);
    this.#probers.push(
      startProber({
        probe,
        initially,
        startedAtMs,
        clock,
        ask: (timeoutMs) => askProbe(probe, target, timeoutMs),
        onChange,
        onFailure: (message) => of.event('Warning', 'Unhealthy', `${kind} probe failed: ${message}`),
      }),
    );
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

  stopProbes(): void {
    for (const prober of this.#probers.splice(0)) prober.stop();
  }

  /** preStop, SIGTERM, and SIGKILL when the grace is over. Resolves when the container has ended. */
  kill(of: InstancePod, graceMs: number, why: string, hasGraceEnded?: Promise<void>): Promise<void> {
    const { workload } = this;
    if (!workload) return Promise.resolve();
    this.#killing ??= this.#kill(of, workload, graceMs, why, hasGraceEnded);
    return this.#killing;
  }

  async #kill(
    of: InstancePod,
    workload: Workload,
    graceMs: number,
    why: string,
    hasGraceEnded: Promise<void> = new Promise(() => {}),
  ): Promise<void> {
    const { clock } = this.#context;
    const { spec, name } = this.record;
    of.event('Normal', 'Killing', why === '' ? `Stopping container ${name}` : why);
    this.stopProbes();
    const deadlineMs = clock.now() + graceMs;
    const ended = workload.exited.then(() => undefined);
    const { preStop } = spec.lifecycle ?? {};
    if (preStop && graceMs > 0) {
      const failure = await Promise.race([
        runHook(preStop, this.#target(of, workload), graceMs),
        ended,
        hasGraceEnded,
      ]);
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
const MINIMUM_GRACE_MS = 2000;

function graceMsOf(pod: Pod, probe?: Probe): number {
  return (probe?.terminationGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000;
}

function isMappedOr(id: number | undefined, isMapped: (id: number) => boolean): boolean {
  return id === undefined || isMapped(id);
}

function isHostProgram(name: string): boolean {
  try {
    findProgram(name, DEFAULT_PATH, '/');
    return true;
  } catch {
    return false;
  }
}
