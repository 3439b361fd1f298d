/** A real cluster for a test: started by the command a user types, ended whatever happens. */
import { execFile, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';

const execFileAsync = promisify(execFile);

export const root = resolve(import.meta.dirname, '../../..');
export const podnetPath = join(root, 'podnet');

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end and returns what it said, whatever the exit code. */
export async function run(
  file: string,
  args: readonly string[],
  { env, input, timeoutMs = 120_000 }: { env?: NodeJS.ProcessEnv; input?: string; timeoutMs?: number } = {},
): Promise<Finished> {
  try {
    const running = execFileAsync(file, [...args], {
      env: { ...process.env, ...env },
      timeout: timeoutMs,
      maxBuffer: 1 << 26,
    });
    if (input !== undefined) running.child.stdin?.end(input);
    const { stdout, stderr } = await running;
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: unknown; stdout?: string; stderr?: string };
    if (typeof code !== 'number') throw error;
    return { code, stdout, stderr };
  }
}

export function hasProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why no cluster can run here, or undefined when it can. */
export function whyNoCluster(): string | undefined {
  const { status, stderr } = spawnSync('unshare', ['--user', '--map-root-user', '--mount', '--net', 'true'], {
    encoding: 'utf8',
  });
  return status === 0 ? undefined : `user namespaces are not available: ${stderr.trim()}`;
}

export interface TestCluster {
  readonly name: string;
  readonly up: Finished;
  readonly kubeconfig: string;
  podnet(...args: readonly string[]): Promise<Finished>;
  /** kubectl with this cluster's kubeconfig; throws when it fails. */
  kubectl(...args: readonly string[]): Promise<string>;
  tryKubectl(...args: readonly string[]): Promise<Finished>;
  down(): Promise<void>;
}

export async function startCluster(name: string, args: readonly string[]): Promise<TestCluster> {
  const up = await run(podnetPath, ['up', '-d', '--name', name, ...args]);
  const podnet = (...more: readonly string[]): Promise<Finished> =>
    run(podnetPath, [more[0] ?? '', '--name', name, ...more.slice(1)]);
  const { stdout, code, stderr } = await podnet('kubeconfig');
  if (code !== 0) throw new Error(`podnet up did not leave a cluster: ${up.stderr}${stderr}`);
  const kubeconfig = stdout.trim();
  const tryKubectl = (...more: readonly string[]): Promise<Finished> =>
    run('kubectl', more, { env: { KUBECONFIG: kubeconfig } });
  return {
    name,
    up,
    kubeconfig,
    podnet,
    tryKubectl,
    async kubectl(...more) {
      const result = await tryKubectl(...more);
      if (result.code !== 0) throw new Error(`kubectl ${more.join(' ')}: ${result.stderr}${result.stdout}`);
      return result.stdout;
    },
    async down() {
      await podnet('down');
    },
  };
}

/** Asks again until `look` gives something, at most `timeoutMs`. */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined>,
  timeoutMs = 20_000,
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((done) => setTimeout(done, 50));
  }
}
