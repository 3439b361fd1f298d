/**
 * Network namespaces held by file descriptors: when the last one closes (or the process dies, however it dies), the
 * kernel removes the namespace with everything in it. network_namespaces(7), setns(2).
 */
import { closeSync, fstatSync, openSync, stat, statSync } from 'node:fs';
import { CLONE, setns, threadId as gettid, unshare } from './ffi.ts';

export interface Netns {
  readonly fd: number;
  /** The kernel's identity of the namespace, as `ls -l /proc/self/ns/net` shows it. */
  readonly inode: bigint;
  close(): void;
}

class HeldNetns implements Netns {
  readonly inode: bigint;
  #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
    this.inode = fstatSync(fd, { bigint: true }).ino;
  }

  get fd(): number {
    if (this.#fd < 0) throw new Error(`Network namespace ${this.inode} is closed`);
    return this.#fd;
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) closeSync(fd);
  }

  toString(): string {
    return `net:[${this.inode}]`;
  }
}

/** The kernel's id of the calling thread. */
export function threadId(): number {
  return gettid();
}

const OWN_NETNS = '/proc/thread-self/ns/net';

/** The namespace of the calling thread. Close it when done: it is a new file descriptor. */
export function currentNetns(): Netns {
  return openNetns(OWN_NETNS);
}

/** Which namespace the calling thread is in. */
export function currentNetnsInode(): bigint {
  return statSync(OWN_NETNS, { bigint: true }).ino;
}

/** The namespace at a path such as `/proc/PID/ns/net`, or the mount of one. */
export function openNetns(path: string): Netns {
  return new HeldNetns(openSync(path, 'r'));
}

/** A new namespace, empty but for `lo`, which is down. The calling thread stays where it is. */
export function createNetns(): Netns {
  startThreadPool();
  const home = currentNetns();
  try {
    unshare(CLONE.NEWNET);
    try {
      return currentNetns();
    } finally {
      returnTo(home);
    }
  } finally {
    home.close();
  }
}

/**
 * Runs a synchronous function with the calling thread inside `netns`. Sockets made in there, and programs started,
 * belong to `netns` for good. Asynchronous work would run after the thread came back, so a promise is an error.
 * When the way back fails the process is aborted, for nothing after that could be trusted.
 */
export function withNetns<T>(netns: Netns, run: () => T): T {
  startThreadPool();
  const home = currentNetns();
  try {
    setns(netns.fd, CLONE.NEWNET);
    try {
      const result = run();
      if (result instanceof Promise) {
        result.catch(() => {});
        throw new TypeError('withNetns runs synchronous functions only, and this one returned a promise');
      }
      return result;
    } finally {
      returnTo(home);
    }
  } finally {
    home.close();
  }
}

/** Moves the calling thread into `netns` for good. A worker thread that does so first lives there wholly. */
export function enterNetns(netns: Netns): void {
  startThreadPool();
  setns(netns.fd, CLONE.NEWNET);
}

function returnTo(home: Netns): void {
  try {
    setns(home.fd, CLONE.NEWNET);
  } catch (error) {
    console.error('podnet: cannot return to the network namespace this thread came from', error);
    process.abort();
  }
}

let threadPoolStarted = false;

/**
 * libuv starts its pool at the first asynchronous file operation, and threads inherit the namespace of the one that
 * starts them: they must not be born inside a pod.
 */
function startThreadPool(): void {
  if (threadPoolStarted) return;
  threadPoolStarted = true;
  stat('/', () => {});
}
