import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { isErrno, mount, MS, pivotRoot, umount } from '../../../kernel/ffi.ts';
import { compileRoot, type RootRequest, type RootStep } from './root-plan.ts';
import { holdNamespace, unshareInVisit, visit, type NamespaceFds } from './thread-namespaces.ts';

/** A mount namespace with a container's root in it. Programs come and go in copies of it that share its files. */
export interface ContainerRoot {
  readonly mountNamespaceFd: number;
  close(): void;
}

/** Builds the root. `pod` are the namespaces that /sys and the message queues are to show. */
export function buildContainerRoot(request: RootRequest, pod: NamespaceFds): ContainerRoot {
  const plan = compileRoot(request, `.old-${randomBytes(12).toString('hex')}`);
  const oldRoot = plan.oldRoot.slice(plan.root.length);
  const fd = visit(pod, () => {
    unshareInVisit('mnt');
    mount('/', { flags: MS.REC | MS.PRIVATE });
    for (const step of plan.outside) take(step);
    pivotRoot(plan.root, plan.oldRoot);
    for (const step of plan.inside) take(step);
    umount(oldRoot);
    rmdirSync(oldRoot);
    for (const step of plan.last) take(step);
    return holdNamespace('mnt');
  });
  return { mountNamespaceFd: fd, close: () => closeSync(fd) };
}

function take(step: RootStep): void {
  switch (step.do) {
    case 'directory':
      mkdirSync(step.path, { recursive: true });
      if (step.mode !== undefined) chmodSync(step.path, step.mode);
      break;
    case 'file':
      if (statSync(step.path, { throwIfNoEntry: false })) break;
      mkdirSync(dirname(step.path), { recursive: true });
      writeFileSync(step.path, '');
      break;
    case 'symlink':
      symlinkSync(step.to, step.path);
      break;
    case 'overlay':
      overlay(step);
      break;
    case 'readOnly':
      makeReadOnly(step.target, step.below);
      break;
    case 'mount':
      try {
        mount(step.target, step);
      } catch (error) {
        if (step.optional !== true) throw error;
      }
      break;
  }
}

/** `userxattr` is what an overlay in a user namespace needs; where there is none, the host's directory read-only. */
function overlay({ lower, upper, work, target, readOnly }: Extract<RootStep, { do: 'overlay' }>): void {
  const flags = MS.NOSUID | MS.NODEV | (readOnly ? MS.RDONLY : 0);
  const data = `lowerdir=${lower.join(':')},upperdir=${upper},workdir=${work},userxattr`;
  try {
    mount(target, { source: 'overlay', type: 'overlay', flags, data });
  } catch (error) {
    if (!isErrno(error)) throw error;
    const [mask, directory] = lower.length > 1 ? lower : [undefined, lower[0]];
    mount(target, { source: directory ?? target, flags: MS.BIND | MS.REC });
    if (mask !== undefined) layMask(mask, target);
    makeReadOnly(target, true);
  }
}

/** The files of `mask`, bound over what they hide one by one. */
function layMask(mask: string, target: string): void {
  for (const entry of readdirSync(mask, { withFileTypes: true })) {
    const [over, below] = [`${mask}/${entry.name}`, `${target}/${entry.name}`];
    if (entry.isDirectory()) layMask(over, below);
    else if (statSync(below).isDirectory())
      mount(below, { source: 'none', type: 'tmpfs', flags: MS.RDONLY, data: 'size=4k' });
    else mount(below, { source: over, flags: MS.BIND });
  }
}

const KEPT_FLAGS: Readonly<Record<string, number>> = {
  nosuid: MS.NOSUID,
  nodev: MS.NODEV,
  noexec: MS.NOEXEC,
  noatime: 1024,
  nodiratime: 2048,
  relatime: 1 << 21,
};

/** Each mount keeps the flags it has: a user namespace may not take them off. proc_pid_mountinfo(5). */
function makeReadOnly(target: string, below: boolean): void {
  for (const line of readFileSync('/proc/thread-self/mountinfo', 'utf8').split('\n')) {
    const [, , , , escaped = '', options = ''] = line.split(' ');
    const path = escaped.replaceAll(/\\([0-7]{3})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    );
    if (path !== target && !(below && path.startsWith(`${target}/`))) continue;
    const flags = options.split(',').reduce((sum, name) => sum | (KEPT_FLAGS[name] ?? 0), 0);
    mount(path, { flags: MS.BIND | MS.REMOUNT | MS.RDONLY | flags });
  }
}
