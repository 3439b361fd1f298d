import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Kubectl {
  /** `1.32` */
  readonly version: string;
  readonly path: string;
}

/** The kubectl in the path, and the one that `PODNET_OLD_KUBECTL` names: Debian's 1.20 differs in every protocol. */
export function findKubectls(): Kubectl[] {
  const paths = ['kubectl', process.env['PODNET_OLD_KUBECTL'] ?? ''].filter(Boolean);
  return paths.flatMap((path) => {
    const { stdout, status } = spawnSync(path, ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
    const version = /"gitVersion": "v(\d+\.\d+)/.exec(stdout ?? '')?.[1];
    return status === 0 && version ? [{ path, version }] : [];
  });
}

/** Why a test without any kubectl is skipped; false when there is one. */
export function kubectlMissing(): string | false {
  return findKubectls().length === 0 && 'kubectl is not installed (apt-get install kubernetes-client)';
}

export interface Output {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: Buffer | string;
  readonly timeoutMs?: number;
}

/** One kubectl against one server, with a home of its own so that nothing is cached between tests. */
export function kubectlRunner(kubectl: Kubectl, server: string) {
  const home = mkdtempSync(join(tmpdir(), 'podnet-kubectl-'));
  const env = { ...process.env, HOME: home, KUBECONFIG: '/dev/null' };
  const start = (args: readonly string[]) =>
    spawn(kubectl.path, ['--server', server, ...args], { env, stdio: 'pipe' });
  return {
    start,
    run: async (args: readonly string[], { input, timeoutMs = 30_000 }: RunOptions = {}): Promise<Output> => {
      const child = start(args);
      const stdout: Buffer[] = [];
      let stderr = '';
      child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => {
        stderr += chunk.toString();
      });
      // A command may end before it has read its input.
      child.stdin.on('error', () => {});
      child.stdin.end(input ?? '');
      const timeout = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
      const code = await new Promise<number | null>((resolve, reject) => {
        child.on('error', reject);
        child.on('close', resolve);
      });
      clearTimeout(timeout);
      return { code, stdout: Buffer.concat(stdout), stderr };
    },
    /** The same command line for a shell, for programs that run it in a terminal. */
    shellCommand: (args: string): string =>
      `HOME=${home} KUBECONFIG=/dev/null ${kubectl.path} --server ${server} ${args}`,
    dispose: (): void => rmSync(home, { recursive: true, force: true }),
  };
}
