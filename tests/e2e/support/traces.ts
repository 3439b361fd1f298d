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

export interface MachineState {
  readonly namespaces: readonly string[];
  readonly mounts: readonly string[];
  readonly links: readonly string[];
  readonly sockets: readonly string[];
  readonly files: readonly string[];
}

export function machineState(): MachineState {
  const namespaces = processes().flatMap((pid) =>
    ['net', 'mnt', 'user', 'pid'].map((kind) => attempt(() => readlinkSync(`/proc/${pid}/ns/${kind}`)) ?? ''),
  );
  const unix = readFileSync('/proc/net/unix', 'utf8')
    .split('\n')
    .map((line) => line.slice(line.lastIndexOf(' ') + 1));
  return {
    namespaces: [...new Set(namespaces)].sort(),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').trim().split('\n').sort(),
    links: readdirSync('/sys/class/net').sort(),
    sockets: unix.filter((address) => address.startsWith('@podnet/')).sort(),
    files: ['/tmp', '/run', '/var/tmp', '/dev/shm', process.env['HOME'] ?? '/root']
      .flatMap((directory) => files(directory, 2))
      .sort(),
  };
}
