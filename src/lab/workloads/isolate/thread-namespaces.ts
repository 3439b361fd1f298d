/**
 * Namespaces of the calling thread. A thread may visit others and start programs there, because each thread has its
 * own set (setns(2), unshare(2)) once it no longer shares its root and working directory with the process.
 * Everything in a visit is synchronous; `node:fs` calls act in the visited mount namespace.
 */
import { closeSync, openSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';
import { CLONE, setns, unshare } from '../../../kernel/ffi.ts';

export type NamespaceKind = 'mnt' | 'uts' | 'ipc' | 'net' | 'pid';

/** File descriptors of the namespaces to visit; the thread stays where it is in those not given. */
export type NamespaceFds = { readonly [kind in NamespaceKind]?: number };

const flags = {
  mnt: CLONE.NEWNS,
  uts: CLONE.NEWUTS,
  ipc: CLONE.NEWIPC,
  net: CLONE.NEWNET,
  pid: CLONE.NEWPID,
} as const satisfies Record<NamespaceKind, number>;

/** Entering another mount namespace hides /proc: it comes last. Going home it comes first. */
const ORDER = ['net', 'uts', 'ipc', 'pid', 'mnt'] as const;

/** CLONE_FS of unshare(2): a root and working directory of the thread's own. */
const CLONE_FS = 0x200;

let home: Omit<Record<NamespaceKind, number>, 'net'> | undefined;

/**
 * Done once a thread. The host name and IPC namespaces become the thread's own as well: in a user namespace one may
 * only come back to namespaces which that user namespace owns.
 */
function settle(): NonNullable<typeof home> {
  if (home) return home;
  unshare(CLONE_FS | CLONE.NEWUTS | CLONE.NEWIPC);
  home = { mnt: openOwn('mnt'), uts: openOwn('uts'), ipc: openOwn('ipc'), pid: openOwn('pid') };
  return home;
}

function openOwn(kind: NamespaceKind): number {
  return openSync(`/proc/thread-self/ns/${kind}`, 'r');
}

/** Runs a synchronous function in the given namespaces. When a way back fails the process is aborted. */
export function visit<T>(namespaces: NamespaceFds, run: () => T): T {
  const { uts, ipc, pid, mnt } = settle();
  const net = openOwn('net');
  const workingDirectory = isMainThread ? process.cwd() : undefined;
  try {
    for (const kind of ORDER) {
      const fd = namespaces[kind];
      if (fd !== undefined) setns(fd, flags[kind]);
    }
    return run();
  } finally {
    try {
      setns(mnt, CLONE.NEWNS);
      setns(pid, CLONE.NEWPID);
      setns(uts, CLONE.NEWUTS);
      setns(ipc, CLONE.NEWIPC);
      setns(net, CLONE.NEWNET);
      if (workingDirectory !== undefined) process.chdir(workingDirectory);
    } catch (error) {
      console.error('podnet: cannot return to the namespaces this thread came from', error);
      process.abort();
    }
    closeSync(net);
  }
}

/** Within `visit`: new namespaces for the rest of the visit. */
export function unshareInVisit(...kinds: readonly NamespaceKind[]): void {
  unshare(kinds.reduce((sum, kind) => sum | flags[kind], 0));
}

/** Within `visit`: a file descriptor that holds the thread's present namespace. Close it with `closeSync`. */
export function holdNamespace(kind: NamespaceKind): number {
  return openOwn(kind);
}
