import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { ReadStream } from 'node:tty';
import { closeFd, openPty, pipe } from '../../../kernel/ffi.ts';
import { errorMessage } from '../../../model/errors.ts';
import type { Execution, ExitStatus } from '../workload.ts';
import { DEFAULT_PATH, findProgram } from './programs.ts';
import { startLine, type StartLine } from './start-line.ts';
import { unshareInVisit, visit, type NamespaceFds } from './thread-namespaces.ts';

export interface ProgramRequest extends Omit<StartLine, 'controllingTerminal' | 'mountTable'> {
  readonly environment: Readonly<Record<string, string>>;
  readonly workingDirectory: string;
  readonly stdin: boolean;
  readonly tty: boolean;
  /** Of the namespaces to run in; `mnt` is a container's root. */
  readonly namespaces: NamespaceFds;
  /** A file of mounts to make: the program becomes the first process of a new PID namespace. */
  readonly mountTablePath?: string;
}

export interface Program extends Execution {
  /** As the lab sees it. */
  readonly pid: number;
}

const O_RDWR_NOCTTY = 0o402;

/**
 * Starts a program in the given namespaces. Returns when it has been started; throws `PodnetError` when it does not
 * exist there. About 3 ms of the calling thread.
 */
export function startProgram(request: ProgramRequest): Program {
  const table = request.mountTablePath === undefined ? undefined : openSync(request.mountTablePath, 'r');
  const streams: Streams[] = [];
  try {
    const child = visit(request.namespaces, () => {
      const { PATH = DEFAULT_PATH } = request.environment;
      findProgram(request.command[0] ?? '', PATH, request.workingDirectory);
      if (table !== undefined) unshareInVisit('mnt', 'pid');
      streams.push(request.tty ? openTerminal() : openPipes(request.stdin));
      return spawnInto(request, streams[0]?.childFds ?? [], table);
    });
    const opened = streams[0];
    if (!opened) throw new Error('the streams were not opened');
    return toProgram(child, opened, request);
  } catch (error) {
    for (const { abandon } of streams) abandon();
    throw error;
  } finally {
    if (table !== undefined) closeSync(table);
  }
}

function spawnInto(request: ProgramRequest, fds: readonly number[], table: number | undefined): ChildProcess {
  const [file = '', ...args] = startLine({
    ...request,
    controllingTerminal: request.tty,
    mountTable: table !== undefined,
  });
  return spawn(file, args, {
    env: { PATH: DEFAULT_PATH, ...request.environment },
    cwd: request.workingDirectory,
    stdio: [...fds, ...(table === undefined ? [] : [table])],
    // A session of its own: the lab's terminal must not signal it. setsid makes one for a program with a terminal.
    detached: !request.tty,
  });
}

interface Streams {
  /** For the program's 0, 1 and 2. */
  readonly childFds: readonly number[];
  /** Closes the program's ends, and wraps ours. */
  open(): { stdin: Writable | undefined; stdout: Readable; stderr: Readable | undefined };
  readonly resize: (size: { columns: number; rows: number }) => void;
  readonly abandon: () => void;
}

function openPipes(stdin: boolean): Streams {
  const nullFd = stdin ? undefined : openSync('/dev/null', 'r');
  const input = stdin ? pipe() : undefined;
  const output = pipe();
  const errors = pipe();
  // What `node:fs` opened it must close, and nothing else: a worker thread keeps count.
  const closeChildFds = (): void => {
    if (nullFd !== undefined) closeSync(nullFd);
    for (const fd of [input?.readFd, output.writeFd, errors.writeFd]) if (fd !== undefined) closeFd(fd);
  };
  const reader = (fd: number): Socket => quiet(new Socket({ fd, readable: true, writable: false }));
  return {
    childFds: [nullFd ?? input?.readFd ?? 0, output.writeFd, errors.writeFd],
    open() {
      closeChildFds();
      return {
        stdin: input && quiet(new Socket({ fd: input.writeFd, readable: false, writable: true })),
        stdout: reader(output.readFd),
        stderr: reader(errors.readFd),
      };
    },
    resize() {},
    abandon() {
      closeChildFds();
      for (const fd of [input?.writeFd, output.readFd, errors.readFd]) if (fd !== undefined) closeFd(fd);
    },
  };
}

function openTerminal(): Streams {
  const pty = openPty();
  const { masterFd, slavePath } = pty;
  const slaveFd = openSync(slavePath, O_RDWR_NOCTTY);
  return {
    childFds: [slaveFd, slaveFd, slaveFd],
    open() {
      closeSync(slaveFd);
      // Reading ends with EIO when the last program has let go of the terminal: an end, not an error.
      const terminal = quiet(new ReadStream(masterFd));
      return { stdin: terminal, stdout: terminal, stderr: undefined };
    },
    resize: (size) => pty.resize(size),
    abandon() {
      closeSync(slaveFd);
      closeFd(masterFd);
    },
  };
}

/** The other end of a stream may go at any time: EPIPE and EIO are how one learns it. */
function quiet<T extends Socket>(stream: T): T {
  return stream.on('error', () => stream.destroy());
}

function toProgram(
  child: ChildProcess,
  streams: Streams,
  { command, mountTablePath }: ProgramRequest,
): Program {
  const { stdin, stdout, stderr } = streams.open();
  const ended = new Promise<ExitStatus>((resolve) => {
    child.once('exit', (code, signal) => resolve(exitStatus(code, signal)));
    child.once('error', (error) =>
      resolve({
        exitCode: 128,
        signal: 0,
        reason: 'StartError',
        message: `cannot start ${command[0] ?? ''}: ${errorMessage(error)}`,
      }),
    );
  });
  const { pid = 0 } = child;
  return {
    pid,
    stdin,
    stdout,
    stderr,
    exited: ended.then(async (status) => {
      await Promise.all([readOut(stdout), ...(stderr ? [readOut(stderr)] : [])]);
      stdin?.destroy();
      return status;
    }),
    resize(columns, rows) {
      if (!stdout.destroyed) streams.resize({ columns: clampSize(columns), rows: clampSize(rows) });
    },
    kill(signal) {
      if (pid === 0 || child.exitCode !== null || child.signalCode !== null) return;
      try {
        // The first process answers for its whole PID namespace; another one for the group it leads.
        process.kill(mountTablePath === undefined ? -pid : pid, signal);
      } catch {
        child.kill(signal); // it does not lead its group yet
      }
    },
  };
}

function clampSize(cells: number): number {
  return Number.isInteger(cells) ? Math.min(Math.max(cells, 0), 0xffff) : 0;
}

/** A background process may keep the stream open: what the program itself wrote arrives well within this time. */
const LINGER_MS = 250;

function readOut(stream: Readable): Promise<void> {
  if (stream.readableEnded || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      // Nobody reads: keep what is there for whoever still will.
      if (stream.readableFlowing === true) stream.destroy();
      resolve();
    }, LINGER_MS);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** As a shell counts: 128 and the signal's number. */
function exitStatus(code: number | null, signal: NodeJS.Signals | null): ExitStatus {
  const number = signal === null ? 0 : constants.signals[signal];
  const exitCode = code ?? 128 + number;
  return { exitCode, signal: number, reason: exitCode === 0 ? 'Completed' : 'Error' };
}
