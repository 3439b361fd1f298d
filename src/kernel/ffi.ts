/**
 * The one door to C: the libc functions podnet calls, through koffi. Nothing else in the project loads a library.
 * Every function here is synchronous and throws `SyscallError`. File descriptors are made close-on-exec.
 */
import { readFileSync } from 'node:fs';
import koffi from 'koffi';

const names = new Map<number, string>();
for (const [name, value] of Object.entries(koffi.os.errno)) {
  // EWOULDBLOCK, EDEADLOCK and ENOTSUP are second names of EAGAIN, EDEADLK and EOPNOTSUPP.
  if (!names.has(value) || /^E(AGAIN|DEADLK|OPNOTSUPP)$/.test(name)) names.set(value, name);
}

/** `EPERM` for 1; `E<number>` for one that errno(3) does not name. */
export function errnoName(errno: number): string {
  return names.get(errno) ?? `E${errno}`;
}

/** `1` for `EPERM`, 0 for an unknown name. */
export function errnoNumber(code: string): number {
  return koffi.os.errno[code] ?? 0;
}

/** A system call that failed. */
export class SyscallError extends Error {
  readonly errno: number;
  /** The errno's name: `EPERM`. */
  readonly code: string;
  readonly syscall: string;
  /** What the call was about: a path, an option, a file descriptor. */
  readonly detail: string;

  constructor(syscall: string, errno: number, detail = '') {
    const code = errnoName(errno);
    super(`${syscall}${detail && ` ${detail}`}: ${code} (${strerror(errno)})`);
    this.name = 'SyscallError';
    this.errno = errno;
    this.code = code;
    this.syscall = syscall;
    this.detail = detail;
  }
}

/** Whether `error` is a failed system call or netlink request, with one of the given errno names if any is given. */
export function isErrno(error: unknown, ...codes: readonly string[]): error is Error & { code: string } {
  if (!(error instanceof Error) || !('errno' in error) || !('code' in error)) return false;
  return typeof error.code === 'string' && (codes.length === 0 || codes.includes(error.code));
}

const isMusl = /ld-musl/.test(readFileSync('/proc/self/maps', 'utf8'));
const library = koffi.load(
  isMusl ? `libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1` : 'libc.so.6',
);

type Value = number | bigint | string | Buffer | null;
type Int = (...values: readonly Value[]) => number;

/** Finds a function of libc by its C prototype. For the files of this folder: each wraps what it declares. */
export const declare = (prototype: string): Int => library.func(prototype);

/** The same, to be called on a thread of libuv's pool; `error` is not errno, which stays behind on that thread. */
export function declareAsync(
  prototype: string,
): (values: readonly Value[], done: (error: unknown, result: number) => void) => void {
  const call = library.func(prototype);
  return (values, done) => call.async(...values, done);
}

const c = {
  dup3: declare('int dup3(int from, int to, int flags)'),
  exit: library.func('void _exit(int status)') as (status: number) => void,
  strerror: library.func('const char *strerror(int errnum)') as (errno: number) => string,
  gettid: declare('int gettid()'),
  close: declare('int close(int fd)'),
  setns: declare('int setns(int fd, int type)'),
  unshare: declare('int unshare(int flags)'),
  mount: declare(
    'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
  ),
  umount2: declare('int umount2(const char *target, int flags)'),
  syscallPath2: library.func('syscall', 'long', ['long', 'str', 'str']) as Int,
  posixOpenpt: declare('int posix_openpt(int flags)'),
  grantpt: declare('int grantpt(int fd)'),
  unlockpt: declare('int unlockpt(int fd)'),
  ptsname: declare('int ptsname_r(int fd, void *buffer, size_t length)'),
  ioctl: library.func('ioctl', 'int', ['int', 'unsigned long', 'void *']) as Int,
  fcntl: library.func('fcntl', 'int', ['int', 'int', 'long']) as Int,
  sethostname: declare('int sethostname(const char *name, size_t length)'),
  schedSetaffinity: declare('int sched_setaffinity(int pid, size_t size, const void *mask)'),
  flock: declare('int flock(int fd, int operation)'),
  pipe2: declare('int pipe2(void *fds, int flags)'),
};

function strerror(errno: number): string {
  return c.strerror(errno);
}

/**
 * Returns `result`, or throws when it is negative. Call it as `check(name, call(), koffi.errno())`: errno must be
 * read right after the call, before anything else can change it.
 */
export function check(syscall: string, result: number, errno: number, detail?: string): number {
  if (result < 0) throw new SyscallError(syscall, errno, detail);
  return result;
}

/** unshare(2), setns(2), clone(2). */
export const CLONE = {
  NEWNS: 0x0002_0000,
  NEWCGROUP: 0x0200_0000,
  NEWUTS: 0x0400_0000,
  NEWIPC: 0x0800_0000,
  NEWUSER: 0x1000_0000,
  NEWPID: 0x2000_0000,
  NEWNET: 0x4000_0000,
} as const;

/** The kernel's id of the calling thread. */
export function threadId(): number {
  return c.gettid();
}

/** Moves the calling thread into the namespace behind `fd`; `type` is one of `CLONE` or 0 for any. */
export function setns(fd: number, type: number): void {
  check('setns', c.setns(fd, type), koffi.errno(), `to file descriptor ${fd}`);
}

/** Gives the calling thread new namespaces; `flags` are of `CLONE`. */
export function unshare(flags: number): void {
  check('unshare', c.unshare(flags), koffi.errno(), `0x${flags.toString(16)}`);
}

/** Closes a file descriptor that did not come from `node:fs`. */
export function closeFd(fd: number): void {
  check('close', c.close(fd), koffi.errno(), `${fd}`);
}

/** Where a buffer lies in memory, for structures that hold pointers. Keep the buffer referenced as long as they do. */
export function addressOf(buffer: Buffer): bigint {
  return koffi.address(buffer);
}

/** mount(2) flags. */
export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  MOVE: 8192,
  REC: 16_384,
  PRIVATE: 1 << 18,
  SLAVE: 1 << 19,
} as const;
export const MNT_DETACH = 2;

/** mount(2); `data` are the file system's own options. */
export function mount(
  target: string,
  options: { source?: string; type?: string; flags?: number; data?: string } = {},
): void {
  const { source = 'none', type, flags = 0, data } = options;
  const result = c.mount(source, target, type ?? null, flags, data ?? null);
  check('mount', result, koffi.errno(), `${type ?? ''} ${source} on ${target}`.trim());
}

export function umount(target: string, flags: number = MNT_DETACH): void {
  check('umount2', c.umount2(target, flags), koffi.errno(), target);
}

/** pivot_root(2): `newRoot` becomes the root, the old one is moved to `putOld` below it. */
export function pivotRoot(newRoot: string, putOld: string): void {
  const number = process.arch === 'arm64' ? 41 : 155;
  check('pivot_root', c.syscallPath2(number, newRoot, putOld), koffi.errno(), `${newRoot} ${putOld}`);
}

/** Sets the host name in the calling thread's UTS namespace. */
export function sethostname(name: string): void {
  check('sethostname', c.sethostname(name, Buffer.byteLength(name)), koffi.errno(), name);
}

const O_CLOEXEC = 0o2_000_000;

/** A pipe(7). Unlike the socket pairs of `node:child_process`, a program may open it anew by /dev/stdout. */
export function pipe(): { readFd: number; writeFd: number } {
  const fds = Buffer.alloc(8);
  check('pipe2', c.pipe2(fds, O_CLOEXEC), koffi.errno());
  return { readFd: fds.readInt32LE(0), writeFd: fds.readInt32LE(4) };
}

/** Binds the calling thread (or `threadId`) to the given CPUs, each below 64. */
export function setCpuAffinity(cpus: readonly number[], thread = 0): void {
  const mask = Buffer.alloc(8);
  mask.writeBigUInt64LE(cpus.reduce((bits, cpu) => bits | (1n << BigInt(cpu)), 0n));
  const result = c.schedSetaffinity(thread, mask.length, mask);
  check('sched_setaffinity', result, koffi.errno(), `CPUs ${cpus.join(',')}`);
}

/** ioctl(2) with a structure in `argument`, changed in place. */
export function ioctl(fd: number, request: number, argument: Buffer): number {
  return check('ioctl', c.ioctl(fd, request, argument), koffi.errno(), `0x${request.toString(16)} on ${fd}`);
}

/** fcntl(2) with a number. */
export function fcntl(fd: number, command: number, value: number): number {
  return check('fcntl', c.fcntl(fd, command, value), koffi.errno(), `command ${command} on ${fd}`);
}

/** flock(2), exclusively: false when another open file has the lock. It ends when the descriptor is closed. */
export function tryFlock(fd: number): boolean {
  const [LOCK_EX, LOCK_NB] = [2, 4];
  const result = c.flock(fd, LOCK_EX | LOCK_NB);
  const errno = koffi.errno();
  if (result < 0 && errno === koffi.os.errno.EAGAIN) return false;
  check('flock', result, errno, `${fd}`);
  return true;
}

/** A pseudo-terminal (pty(7)): its master end, and the path a child opens as its terminal. */
export interface Pty {
  readonly masterFd: number;
  readonly slavePath: string;
  resize(size: { columns: number; rows: number }): void;
}

/** A new pseudo-terminal in the mount namespace's devpts. Close `masterFd` when done. */
export function openPty(): Pty {
  const [O_RDWR, O_NOCTTY] = [2, 0o400];
  const masterFd = check('posix_openpt', c.posixOpenpt(O_RDWR | O_NOCTTY | O_CLOEXEC), koffi.errno());
  let slavePath: string;
  try {
    check('grantpt', c.grantpt(masterFd), koffi.errno());
    check('unlockpt', c.unlockpt(masterFd), koffi.errno());
    slavePath = terminalName(masterFd);
  } catch (error) {
    closeFd(masterFd);
    throw error;
  }
  return {
    masterFd,
    slavePath,
    resize({ columns, rows }) {
      const TIOCSWINSZ = 0x5414;
      const winsize = Buffer.alloc(8);
      winsize.writeUInt16LE(rows, 0);
      winsize.writeUInt16LE(columns, 2);
      ioctl(masterFd, TIOCSWINSZ, winsize);
    },
  };
}

function terminalName(masterFd: number): string {
  const name = Buffer.alloc(128);
  const errno = c.ptsname(masterFd, name, name.length);
  if (errno !== 0) throw new SyscallError('ptsname_r', errno, `${masterFd}`);
  return name.toString('latin1', 0, name.indexOf(0));
}

const handles = new Set<ReturnType<typeof koffi.node.poll>>();

/**
 * Calls `ready` whenever `fd` can be read, or has an error, until stopped. After an error (POLLERR, such as ENOBUFS of
 * a netlink socket) libuv no longer watches the descriptor: stop, and poll anew.
 */
export function pollReadable(fd: number, ready: () => void): { stop(): void } {
  // koffi calls back outside of Node's own callback scope, where promises would stay unsettled until something else
  // happens; an immediate follows within the same turn of the event loop and has none of that.
  let waiting: NodeJS.Immediate | undefined;
  const handle = koffi.node.poll(fd, { readable: true }, () => {
    waiting ??= setImmediate(() => {
      waiting = undefined;
      ready();
    });
  });
  // A collected handle would stop silently.
  handles.add(handle);
  return {
    stop() {
      if (!handles.delete(handle)) return;
      if (waiting) clearImmediate(waiting);
      handle.stop();
      handle.close();
    },
  };
}

const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Keeps a descriptor that was inherited from being inherited further. */
export function closeOnExec(fd: number): void {
  fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/** Makes `to` another number of the file that `from` is, closing what it was before: in one step, unlike close and open. */
export function duplicateFd(from: number, to: number): void {
  check('dup3', c.dup3(from, to, 0), koffi.errno(), `${from} to ${to}`);
}

/** Ends the process at once, all threads with it, running nothing more. _exit(2). */
export function exitNow(status: number): never {
  c.exit(status);
  throw new Error('The process has ended');
}
