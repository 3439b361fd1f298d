/** Running the programs of the host, without a shell: arguments are passed as they are. */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { PodnetError } from '../model/errors.ts';
import { type Netns, withNetns } from './netns.ts';

export interface RunOptions {
  /** Where the program runs; the calling thread's namespace unless told. */
  readonly netns?: Netns;
  /** Written to its standard input. */
  readonly input?: string | Buffer;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** After this it is killed, and the promise rejects with code `program-timeout`. */
  readonly timeoutMs?: number;
  /** The most that is kept of each output; what comes after is dropped. 16 MiB unless told. */
  readonly maxOutputBytes?: number;
  readonly signal?: AbortSignal;
}

export interface ProgramResult {
  /** `null` when a signal ended it. */
  readonly status: number | null;
  readonly killedBy: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Debian's packages of the programs podnet may call. */
const PACKAGES: Readonly<Record<string, string>> = {
  bird: 'bird2',
  birdc: 'bird2',
  bridge: 'iproute2',
  conntrack: 'conntrack',
  crun: 'crun',
  curl: 'curl',
  dig: 'bind9-dnsutils',
  haproxy: 'haproxy',
  ip: 'iproute2',
  kubectl: 'kubernetes-client',
  nft: 'nftables',
  nslookup: 'bind9-dnsutils',
  nsenter: 'util-linux',
  ping: 'iputils-ping',
  ss: 'iproute2',
  tc: 'iproute2',
  tcpdump: 'tcpdump',
  unshare: 'util-linux',
};

/** Of the administrator too: an ordinary user's PATH often lacks them. */
const EXTRA_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

/** The path of a program, as a shell would find it. Undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  if (name.includes('/')) return isExecutable(name) ? name : undefined;
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...EXTRA_DIRECTORIES];
  return directories
    .filter((directory) => directory.startsWith('/'))
    .map((directory) => join(directory, name))
    .find((path) => isExecutable(path));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export interface MissingProgram {
  readonly name: string;
  /** How to get it: `apt-get install nftables`. */
  readonly fix: string;
}

/** Those of the programs that are not installed. */
export function missingPrograms(names: readonly string[]): MissingProgram[] {
  return names
    .filter((name) => findProgram(name) === undefined)
    .map((name) => ({ name, fix: `apt-get install ${PACKAGES[name] ?? name}` }));
}

/**
 * Runs a program to its end and resolves with what it said, whatever its exit status.
 * @throws PodnetError `program-missing` or `program-timeout`
 */
export async function runProgram(
  name: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProgramResult> {
  const path = findProgram(name);
  if (path === undefined) {
    const [missing] = missingPrograms([name]);
    throw new PodnetError(`The program ${name} is not installed`, {
      code: 'program-missing',
      where: name,
      ...(missing && { fix: `Install it: ${missing.fix}` }),
    });
  }
  const { netns, input, cwd, env, timeoutMs, maxOutputBytes = 16 << 20, signal } = options;
  signal?.throwIfAborted();
  const start = () => spawn(path, args, { ...(cwd && { cwd }), ...(env && { env }), stdio: 'pipe' });
  const child = netns ? withNetns(netns, start) : start();
  const stdout = collect(child.stdout, maxOutputBytes);
  const stderr = collect(child.stderr, maxOutputBytes);
  // A program may end without reading all of its input.
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  let timedOut = false;
  const kill = (): void => {
    child.kill('SIGKILL');
    // What the program started may live on and hold these open: it is not waited for.
    child.stdout.destroy();
    child.stderr.destroy();
  };
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          kill();
        }, timeoutMs);
  signal?.addEventListener('abort', kill, { once: true });
  try {
    const { status, killedBy } = await new Promise<Pick<ProgramResult, 'status' | 'killedBy'>>(
      (done, fail) => {
        child.once('error', fail);
        child.once('close', (code, by) => done({ status: code, killedBy: by }));
      },
    );
    signal?.throwIfAborted();
    if (timedOut) {
      const message = `${name} did not end within ${timeoutMs} ms`;
      throw new PodnetError(message, {
        code: 'program-timeout',
        where: [name, ...args].join(' '),
        fix: `Run ${name} by hand to see what it waits for.`,
      });
    }
    return { status, killedBy, stdout: stdout(), stderr: stderr() };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', kill);
  }
}

/** Keeps the first `limit` bytes of a stream; call the result for their text. */
function collect(stream: NodeJS.ReadableStream, limit: number): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < limit) chunks.push(chunk.subarray(0, limit - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
