import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import type { HostEntry, HostLayout } from './root-plan.ts';

/** Where programs, their libraries and their settings lie. Nothing else of the host is shown to a container. */
const SHOWN = ['usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'etc', 'opt', 'nix', 'gnu'];

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];

/**
 * Reads the host once. `directory`, on the lab's tmpfs, receives what is laid over the host's directories: a
 * container's user 0 may be the user who runs the lab, and is to see of /etc no more than every user of the machine;
 * and directories that belong to the machine's root are to be writable for it all the same.
 */
export function readHostLayout(directory: string): HostLayout {
  maskUnreadable('/etc', `${directory}/etc-mask`);
  return {
    entries: SHOWN.flatMap((name): HostEntry[] => {
      const status = lstatSync(`/${name}`, { throwIfNoEntry: false });
      if (status?.isSymbolicLink()) return [{ name, linkTo: readlinkSync(`/${name}`) }];
      if (!status?.isDirectory()) return [];
      const mask = `${directory}/${name}-mask`;
      ownDirectories(`/${name}`, mask);
      return [{ name, mask }];
    }),
    varDirectories: ['lib', 'log', 'cache', 'spool'].flatMap((parent) =>
      directoriesOf(`/var/${parent}`).map((name) => `${parent}/${name}`),
    ),
    devices: DEVICES.filter((name) => existsSync(`/dev/${name}`)),
  };
}

function directoriesOf(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}

/** Directories that merge with the host's, to give the upper levels an owner the container can act as. */
function ownDirectories(path: string, mask: string): void {
  mkdirSync(mask, { recursive: true, mode: 0o755 });
  const visible = (at: string): string[] =>
    directoriesOf(at).filter((name) => (lstatSync(`${at}/${name}`).mode & 0o5) === 0o5);
  for (const name of visible(path)) {
    mkdirSync(`${mask}/${name}`, { recursive: true, mode: 0o755 });
    if (name === 'local')
      for (const below of visible(`${path}/local`))
        mkdirSync(`${mask}/local/${below}`, { recursive: true, mode: 0o755 });
  }
}

/** Lays an empty file into `mask` for everything below `path` that others may not read. */
function maskUnreadable(path: string, mask: string): void {
  mkdirSync(mask, { recursive: true, mode: 0o755 });
  const pending = [''];
  for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
    for (const entry of readdirSync(path + at, { withFileTypes: true })) {
      if (entry.isSymbolicLink()) continue;
      const below = `${at}/${entry.name}`;
      const mode = lstatSync(path + below, { throwIfNoEntry: false })?.mode ?? 0;
      const wanted = entry.isDirectory() ? 0o5 : 0o4;
      if ((mode & wanted) === wanted) {
        if (entry.isDirectory()) pending.push(below);
        continue;
      }
      mkdirSync(mask + at, { recursive: true, mode: 0o755 });
      writeFileSync(mask + below, '', { mode: 0o444 });
    }
  }
}

/**
 * What the first process of a container mounts: its own /proc, of which it may not change what concerns the machine
 * (its user 0 may be the machine's root). A privileged container may set its network's sysctls. fstab(5).
 */
export function procMountTable(privileged: boolean): string {
  const readOnly = ['sys', 'sysrq-trigger', 'irq', 'bus', 'fs'].filter((name) => existsSync(`/proc/${name}`));
  const hidden = ['kcore', 'keys', 'timer_list'].filter((name) => existsSync(`/proc/${name}`));
  // Under another name than the lab's, which `mount -a` would take for the same and leave out.
  const lines = ['container /proc proc nosuid,nodev,noexec'];
  for (const name of readOnly) {
    if (name !== 'sys' || !privileged) lines.push(`/proc/${name} /proc/${name} none bind,ro`);
    else
      for (const part of directoriesOf('/proc/sys'))
        if (part !== 'net') lines.push(`/proc/sys/${part} /proc/sys/${part} none bind,ro`);
  }
  for (const name of hidden) lines.push(`/dev/null /proc/${name} none bind`);
  return lines.map((line) => `${line} 0 0\n`).join('');
}

/** A directory of links named after busybox's applets, or undefined when the host has no busybox. */
export function layBusyboxApplets(directory: string): string | undefined {
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find((path) => existsSync(path));
  if (busybox === undefined) return undefined;
  const { stdout, status } = spawnSync(busybox, ['--list'], { encoding: 'utf8', env: {} });
  if (status !== 0) return undefined;
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  for (const applet of stdout.split('\n')) {
    if (/^[\w[-]+$/.test(applet) && !existsSync(`${directory}/${applet}`))
      symlinkSync(busybox, `${directory}/${applet}`);
  }
  return directory;
}

/** Whether setgroups(2) is allowed here: not in a user namespace that an unprivileged user mapped for himself. */
export function canSetGroups(): boolean {
  return readFileSync('/proc/self/setgroups', 'utf8').trim() !== 'deny';
}

/** Whether a user or group id exists in this user namespace; the text is that of uid_map(5). */
export function isMapped(id: number, map: string): boolean {
  return map
    .trim()
    .split('\n')
    .some((line) => {
      const [first = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
      return id >= first && id < first + count;
    });
}

/** How many ids a text like that of uid_map(5) maps. */
export function countMapped(map: string): number {
  return map
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + (Number(line.trim().split(/\s+/)[2]) || 0), 0);
}
