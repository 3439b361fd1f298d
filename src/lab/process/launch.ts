import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { userNamespaceFix } from '../../kernel/user-namespaces.ts';
import { PodnetError, errorMessage, type ErrorDetails } from '../../model/errors.ts';
import { controlAddress } from '../control/protocol.ts';
import type { LabOptions } from '../options.ts';
import { openHostSockets, type HostSockets } from './host-sockets.ts';
import { writeIdMaps } from './id-maps.ts';

/** What the lab process is told, as JSON. */
export interface LabArgument {
  readonly options: LabOptions;
  readonly owned: boolean;
}

/** The first words of the lab process, one line of JSON on its stdout. */
export type LabGreeting =
  | { readonly listening: true }
  | { readonly error: ErrorDetails & { readonly message: string } };

/**
 * Two steps, because only a process outside can write the id maps: a shell in the new user namespace says it is there
 * and waits; then, root inside, it makes the other namespaces and becomes the lab. The values travel as arguments,
 * never as shell text.
 */
const waitForMaps =
  'echo mapme; read -r go || exit 1; exec unshare --mount --net --pid --fork --kill-child=KILL --mount-proc -- "$@" </dev/null';

const startTimeoutMs = 20_000;

/** The entry point beside this file: TypeScript in a clone, compiled JavaScript in the published package. */
function labEntry(): string {
  return join(import.meta.dirname, '..', import.meta.filename.endsWith('.ts') ? 'main.ts' : 'main.js');
}

/** Reads lines until one satisfies; false when the output ends before. */
async function firstLines(input: Readable, onLine: (line: string) => boolean): Promise<boolean> {
  const reader = createInterface({ input });
  try {
    for await (const line of reader) if (onLine(line)) return true;
    return false;
  } finally {
    reader.close();
  }
}

interface Identity {
  readonly uid: number;
  readonly gid: number;
  readonly user: string;
}

function notStarted(stderr: string, how: string): PodnetError {
  const denied = /unshare failed|Operation not permitted|No space left/.test(stderr);
  return new PodnetError(denied ? 'This machine does not allow new namespaces' : 'The lab did not start', {
    code: denied ? 'no-namespaces' : 'lab-failed',
    where: stderr.trim() || how,
    ...(denied ? { fix: userNamespaceFix() } : {}),
  });
}

/** Rejects when the process cannot be started, ends, or takes too long. */
function watchForFailure(
  child: ChildProcess,
  stderr: () => string,
): { failed: Promise<never>; stop: () => void } {
  const { promise: failed, reject } = Promise.withResolvers<never>();
  failed.catch(() => undefined);
  child.once('error', (error: NodeJS.ErrnoException) => {
    const missing = { code: 'missing-program', fix: 'Install it: apt-get install util-linux' };
    reject(error.code === 'ENOENT' ? new PodnetError('The program unshare is missing', missing) : error);
  });
  child.once('close', (code, signal) => reject(notStarted(stderr(), `exit ${signal ?? code}`)));
  const timer = setTimeout(() => {
    reject(new PodnetError('The lab did not start in time', { code: 'lab-timeout', where: stderr().trim() }));
  }, startTimeoutMs);
  return { failed, stop: () => clearTimeout(timer) };
}

/** One try, with a user namespace for `identity` or, without one, in the caller's. */
async function launch(
  lab: readonly string[],
  sockets: HostSockets,
  identity: Identity | undefined,
): Promise<void> {
  const program = ['sh', '-c', waitForMaps, 'sh', ...lab];
  const [file = '', ...args] = identity === undefined ? program : ['unshare', '--user', '--', ...program];
  const child = spawn(file, args, {
    detached: true,
    cwd: '/',
    // A heap for every thread, as glibc would give them, keeps 20 MB that nobody uses.
    env: { ...process.env, MALLOC_ARENA_MAX: '2' },
    stdio: ['pipe', 'pipe', 'pipe', sockets.api, sockets.control],
  }) as ChildProcessByStdio<Writable, Readable, Readable>;
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr = (stderr + text).slice(-4096);
  });
  child.stdin.on('error', () => undefined); // Its end is reported by `close`.
  const { failed, stop } = watchForFailure(child, () => stderr);
  const greeting = firstLines(child.stdout, (line) => {
    if (line === 'mapme') {
      if (identity !== undefined) writeIdMaps(child.pid ?? 0, identity);
      child.stdin.end('go\n');
      return false;
    }
    const words = JSON.parse(line) as LabGreeting;
    if ('error' in words) throw new PodnetError(words.error.message, words.error);
    return true;
  });
  try {
    await Promise.race([greeting.then((greeted) => greeted || failed), failed]);
  } catch (error) {
    child.kill('SIGKILL');
    throw error instanceof PodnetError
      ? error
      : new PodnetError(`The lab did not start: ${errorMessage(error)}`, {
          code: 'lab-failed',
          cause: error,
        });
  } finally {
    stop();
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    child.removeAllListeners();
    child.unref();
  }
}

/**
 * Starts a lab in namespaces of its own and resolves when its control socket listens. An owned lab ends by itself unless
 * someone soon calls `own` on the control socket; any other outlives this process.
 */
export async function launchLab(options: LabOptions, { owned }: { owned: boolean }): Promise<void> {
  const { uid, gid, username: user } = userInfo();
  const argument: LabArgument = { options, owned };
  const lab = [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    labEntry(),
    JSON.stringify(argument),
  ];
  const sockets = await openHostSockets(options.name, controlAddress(uid, options.name));
  try {
    await launch(lab, sockets, { uid, gid, user });
  } catch (error) {
    // Root does not need a user namespace; where none can be made, the other namespaces must do.
    if (uid !== 0 || !(error instanceof PodnetError && error.code === 'no-namespaces')) throw error;
    await launch(lab, sockets, undefined);
  } finally {
    sockets.close();
  }
}
