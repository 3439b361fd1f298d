/**
 * Ground for programs that believe they have a machine: root of new user, mount, network, PID and cgroup namespaces,
 * with an empty network, `/run` and `/var/lib` of its own and cgroups that cannot be written. The files of the real
 * machine stay visible. When it is closed, or the test dies, the kernel ends everything inside.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

export interface Ground {
  /** Of this test alone; removed by `close`. */
  readonly directory: string;
  /** Its first process, as the real machine counts. */
  readonly pid: number;
  /** Runs a program in there to its end, whatever its exit code. */
  tryRun(file: string, args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** What it wrote. @throws Error with what it said when the exit code is not 0 */
  run(file: string, args: readonly string[], options?: RunOptions): Promise<string>;
  /** Starts a program that stays. Its output goes to `directory/NAME.log`. */
  start(name: string, file: string, args: readonly string[], options?: RunOptions): ChildProcess;
  /** What a started program has written so far. */
  log(name: string): string;
  close(): Promise<void>;
}

/** Container images have many owners: all 65,536 ids are mapped, which only root may do. */
export function whyNoGround(): string | undefined {
  if (process.getuid?.() !== 0) return 'container runtimes are tried as root only';
  const { status, stderr } = spawnSync('unshare', [...NAMESPACES, 'true'], { encoding: 'utf8' });
  return status === 0 ? undefined : `namespaces are not available: ${stderr.trim()}`;
}

const NAMESPACES = [
  '--user',
  '--mount',
  '--net',
  '--pid',
  '--cgroup',
  '--fork',
  '--kill-child',
  '--mount-proc',
];

/** Waits until its user is root in there, then becomes it: `exec` gives root its capabilities. */
const ENTER = 'read -r go && exec sh -c "$1"';
const PREPARE = [
  'mount -t tmpfs -o mode=755 tmpfs /run',
  'mount -t tmpfs -o mode=755 tmpfs /var/lib',
  // crun refuses a machine that has cgroups of both versions; here it sees the second alone.
  'mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup',
  'ip link set lo up',
  'echo ready',
  // The end of its input, when the test dies, is the end of everything.
  'exec cat >/dev/null',
].join(' && ');

export async function openGround(): Promise<Ground> {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-ground-'));
  const child = spawn('unshare', [...NAMESPACES, 'sh', '-c', ENTER, 'sh', PREPARE], { stdio: 'pipe' });
  const errors: string[] = [];
  child.stderr.on('data', (text: Buffer) => errors.push(text.toString()));
  try {
    // `unshare` has its namespaces only a moment after it started.
    const own = readFileSync('/proc/self/uid_map', 'utf8');
    await until(
      'the ground has a user namespace',
      () => readFileSync(`/proc/${child.pid}/uid_map`, 'utf8') !== own,
    );
    for (const map of ['uid_map', 'gid_map']) writeFileSync(`/proc/${child.pid}/${map}`, '0 0 65536\n');
    child.stdin.write('go\n');
    const ready = once(child.stdout, 'data').then(() => true);
    const ended = once(child, 'close').then(() => false);
    if (!(await Promise.race([ready, ended])))
      throw new Error(`The ground could not be laid: ${errors.join('')}`);
    const pid = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim());
    return new NamespaceGround(directory, child, pid);
  } catch (error) {
    child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

class NamespaceGround implements Ground {
  readonly directory: string;
  readonly pid: number;
  readonly #root: ChildProcess;

  constructor(directory: string, root: ChildProcess, pid: number) {
    this.directory = directory;
    this.#root = root;
    this.pid = pid;
  }

  #enter(file: string, args: readonly string[]): string[] {
    const namespaces = ['--user', '--mount', '--net', '--pid', '--cgroup'];
    return [...namespaces, `--target=${this.pid}`, '--', file, ...args];
  }

  tryRun(file: string, args: readonly string[], { env, input }: RunOptions = {}): Promise<Finished> {
    return new Promise((done, fail) => {
      const options = { env: { ...process.env, ...env }, timeout: 60_000, maxBuffer: 1 << 26 };
      const child = execFile('nsenter', this.#enter(file, args), options, (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        if (typeof code === 'number') done({ code, stdout, stderr });
        else fail(new Error(`${file} ${args.join(' ')}: ${error?.message}`, { cause: error }));
      });
      // A program may end without reading its input.
      child.stdin?.on('error', () => {});
      child.stdin?.end(input ?? '');
    });
  }

  async run(file: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.tryRun(file, args, options);
    if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  start(name: string, file: string, args: readonly string[], { env }: RunOptions = {}): ChildProcess {
    const log = openSync(join(this.directory, `${name}.log`), 'a');
    return spawn('nsenter', this.#enter(file, args), {
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
    });
  }

  log(name: string): string {
    return readFileSync(join(this.directory, `${name}.log`), 'utf8');
  }

  async close(): Promise<void> {
    if (this.#root.exitCode === null && this.#root.signalCode === null) {
      const closed = once(this.#root, 'close');
      // Its child is the first process of the PID namespace, which dies with it and takes all others along.
      process.kill(this.pid, 'SIGKILL');
      await closed;
    }
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Asks again until it is so. @throws Error after `limitMs` */
export async function until(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  limitMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
