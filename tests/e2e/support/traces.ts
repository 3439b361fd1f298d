/** What a lab could leave behind on the machine, as sorted lines that two moments can be compared by. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // It ended while we looked, or belongs to someone else.
  }
}

const processes = (): string[] => readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));

function files(directory: string, depth: number): string[] {
  const entries = attempt(() => readdirSync(directory, { withFileTypes: true })) ?? [];
  return entries.flatMap((entry) => {
    const path = join(directory, entry.name);
    return entry.isDirectory() && depth > 1 ? [path, ...files(path, depth - 1)] : [path];
  });
}

/** Processes whose command line names the cluster or its lab, by pid. */
export function processesOf(cluster: string): number[] {
  return processes()
    .map(Number)
    .filter((pid) => {
      const line = attempt(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '';
      return pid !== process.pid && line.includes(`"name":"${cluster}"`);
    });
}

const namespaceKinds = ['net', 'mnt', 'user', 'pid', 'ipc', 'uts'] as const;

function namespacesOf(pid: number | string): string[] {
  return namespaceKinds.flatMap((kind) => attempt(() => readlinkSync(`/proc/${pid}/ns/${kind}`)) ?? []);
}

/** Namespaces that these processes have and this one has not, `net:[4026532180]`. */
export function ownNamespaces(pids: readonly number[]): string[] {
  const ours = new Set(namespacesOf('self'));
  return [...new Set(pids.flatMap(namespacesOf))].filter((namespace) => !ours.has(namespace));
}

/** Those of the namespaces that some process still lives in. */
export function livingNamespaces(namespaces: readonly string[]): string[] {
  const living = new Set(processes().flatMap(namespacesOf));
  return namespaces.filter((namespace) => living.has(namespace));
}

export interface MachineState {
  readonly mounts: readonly string[];
  readonly links: readonly string[];
  readonly sockets: readonly string[];
  readonly files: readonly string[];
}

/** What of a cluster is on the machine outside its own namespaces. */
export function machineState(cluster: string): MachineState {
  const unix = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf(' ') + 1));
  const directories = ['/tmp', '/run', '/var/tmp', '/dev/shm', process.env['HOME'] ?? '/root'];
  return {
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').sort(),
    links: readdirSync('/sys/class/net').sort(),
    sockets: unix.filter((address) => address.startsWith('@podnet/') && address.includes(`/${cluster}`)),
    // Other programs' files come and go: those that could be a lab's.
    files: directories
      .flatMap((directory) => files(directory, 2))
      .filter((path) => /podnet|kubeconfig|kubelet|lab\.log|cluster\.db/.test(path) || path.includes(cluster))
      .sort(),
  };
}
