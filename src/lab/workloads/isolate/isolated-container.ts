import { closeSync, openSync, readFileSync } from 'node:fs';
import { PodnetError } from '../../../model/errors.ts';
import type { Attachment, Execution, ExecRequest, ExitStatus, OutputSink, Workload } from '../workload.ts';
import { buildContainerRoot, type ContainerRoot } from './container-root.ts';
import type { Isolation } from './isolation.ts';
import type { PodNamespaces } from './pod-namespaces.ts';
import { startProgram, type Program, type ProgramRequest } from './program.ts';
import { DEFAULT_PATH } from './programs.ts';
import type { RootVolume } from './root-plan.ts';
import type { NamespaceFds } from './thread-namespaces.ts';

/** How the programs of a container run, whoever starts them. */
export interface ContainerSettings {
  /** On the lab's tmpfs, for the container's writable layers. Made anew for each start. */
  readonly directory: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly volumes: readonly RootVolume[];
  readonly readOnlyRoot: boolean;
  readonly privileged: boolean;
  readonly capabilities: readonly string[];
  readonly noNewPrivileges: boolean;
  readonly user?: number | undefined;
  readonly group?: number | undefined;
  readonly supplementaryGroups?: readonly number[];
}

/** A container's root file system, and the way to run programs in it. */
export interface ContainerSpace {
  /** The first process of a PID namespace of its own. */
  startFirst(request: ExecRequest): Program;
  /** Beside that process. */
  startBeside(first: Program, request: ExecRequest): Program;
  close(): void;
}

/** Builds the container's root at the first start. Throws `PodnetError` and `SyscallError`. */
export function createContainerSpace(
  isolation: Isolation,
  pod: PodNamespaces,
  settings: ContainerSettings,
): ContainerSpace {
  let root: ContainerRoot | undefined;
  const applets =
    isolation.appletsDirectory === undefined
      ? []
      : [{ source: isolation.appletsDirectory, target: APPLETS, readOnly: true, isFile: false }];
  const searchPath = `${settings.environment['PATH'] ?? DEFAULT_PATH}${applets.length > 0 ? `:${APPLETS}` : ''}`;

  function program(request: ExecRequest, namespaces: NamespaceFds, mountTablePath?: string): Program {
    const full: ProgramRequest = {
      ...request,
      ...settings,
      environment: {
        PATH: searchPath,
        HOSTNAME: pod.hostname,
        HOME: '/root',
        ...(isolation.mapsOneUser && TAR_KEEPS_OWN_FILES),
        ...(request.tty && { TERM: 'xterm' }),
        ...settings.environment,
        ...(settings.environment['PATH'] !== undefined && { PATH: searchPath }),
      },
      canSetGroups: isolation.canSetGroups,
      namespaces,
      ...(mountTablePath !== undefined && { mountTablePath }),
    };
    return startProgram(full);
  }

  return {
    startFirst(request) {
      root ??= buildContainerRoot(
        {
          directory: settings.directory,
          host: isolation.host,
          readOnly: settings.readOnlyRoot,
          shm: pod.shm(),
          volumes: [...applets, ...settings.volumes],
          workingDirectory: settings.workingDirectory,
        },
        pod.fds(),
      );
      const table = settings.privileged ? isolation.mountTable.privileged : isolation.mountTable.ordinary;
      return program(request, { ...pod.fds(), mnt: root.mountNamespaceFd }, table);
    },
    startBeside({ pid }, request) {
      awaitOwnProc(pid);
      const own = (['mnt', 'pid'] as const).map((kind) => openSync(`/proc/${pid}/ns/${kind}`, 'r'));
      try {
        const [mnt = -1, pidNamespace = -1] = own;
        return program(request, { ...pod.fds(), mnt, pid: pidNamespace });
      } finally {
        for (const fd of own) closeSync(fd);
      }
    },
    close() {
      root?.close();
      root = undefined;
    },
  };
}

/** GNU tar, as root, gives files to whom the archive says, and fails where there is no such user; kubectl cp uses it. */
const TAR_KEEPS_OWN_FILES = { TAR_OPTIONS: '--no-same-owner' } as const;

/**
 * The first process mounts its /proc over the lab's within some milliseconds of its start; until then nobody else may
 * enter. Blocks the thread, which happens only to an exec that comes right after the start.
 */
function awaitOwnProc(pid: number): void {
  const deadlineMs = performance.now() + 2000;
  while (performance.now() < deadlineMs) {
    const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n');
    if (mounts.filter((line) => line.split(' ')[4] === '/proc').length > 1) return;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
  }
  throw new PodnetError('The container is still starting', { code: 'container-starting', fix: 'Try again.' });
}

/** Where containers find busybox's applets. */
const APPLETS = '/var/lib/busybox';

export interface IsolatedOptions {
  readonly command: readonly string[];
  readonly stdin: boolean;
  /** `stdinOnce`: end of input with the first attachment that ends. */
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  readonly output: OutputSink;
}

/** Starts the container's program. Throws `PodnetError` when there is no such program. */
export function startIsolated(space: ContainerSpace, options: IsolatedOptions): Workload {
  const { command, stdin, tty, output } = options;
  const first = space.startFirst({ command, stdin, tty });
  const listeners = new Set<(stream: 'stdout' | 'stderr', data: Buffer) => void>();
  for (const [stream, readable] of [
    ['stdout', first.stdout],
    ['stderr', first.stderr],
  ] as const)
    readable?.on('data', (data: Buffer) => {
      output.write(stream, data);
      for (const listener of listeners) listener(stream, data);
    });
  const exited: Promise<ExitStatus> = first.exited.finally(() => space.close());
  return {
    kind: 'isolated',
    exited,
    kill: (signal) => first.kill(signal),
    exec: (request): Execution => space.startBeside(first, request),
    attach: (): Attachment => ({
      tty,
      stdin: first.stdin,
      onOutput(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      resize: (columns, rows) => first.resize(columns, rows),
    }),
  };
}
