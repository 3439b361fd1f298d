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

type Int = (...values: readonly (number | bigint | string | Buffer | null)[]) => number;
const declare = (prototype: string): Int => library.func(prototype);

const c = {
  dup3: declare('int dup3(int from, int to, int flags)'),
  exit: library.func('void _exit(int status)') as (status: number) => void,
  strerror: library.func('const char *strerror(int errnum)') as (errno: number) => string,
  gettid: declare('int gettid()'),
  close: declare('int close(int fd)'),
  setns: declare('int setns(int fd, int type)'),
  unshare: declare('int unshare(int flags)'),
  socket: declare('int socket(int domain, int type, int protocol)'),
  bind: declare('int bind(int fd, const void *address, uint32_t length)'),
  connect: declare('int connect(int fd, const void *address, uint32_t length)'),
  listen: declare('int listen(int fd, int backlog)'),
  accept4: declare('int accept4(int fd, void *address, void *length, int flags)'),
  getsockname: declare('int getsockname(int fd, void *address, void *length)'),
  setsockopt: declare('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)'),
  getsockopt: declare('int getsockopt(int fd, int level, int name, void *value, void *length)'),
  send: declare('int64_t send(int fd, const void *buffer, size_t length, int flags)'),
  recv: declare('int64_t recv(int fd, void *buffer, size_t length, int flags)'),
  recvmmsg: declare('int recvmmsg(int fd, void *headers, uint32_t count, int flags, void *timeout)'),
  sendmmsg: declare('int sendmmsg(int fd, void *headers, uint32_t count, int flags)'),
  mount: declare(
    'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
  ),
  umount2: declare('int umount2(const char *target, int flags)'),
  prctl: declare('int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)'),
  prctlName: library.func('prctl', 'int', [
    'int',
    'str',
    'unsigned long',
    'unsigned long',
    'unsigned long',
  ]) as Int,
  syscallPath2: library.func('syscall', 'long', ['long', 'str', 'str']) as Int,
  posixOpenpt: declare('int posix_openpt(int flags)'),
  grantpt: declare('int grantpt(int fd)'),
  unlockpt: declare('int unlockpt(int fd)'),
  ptsname: declare('int ptsname_r(int fd, void *buffer, size_t length)'),
  ioctl: library.func('ioctl', 'int', ['int', 'unsigned long', 'void *']) as Int,
  fcntl: library.func('fcntl', 'int', ['int', 'int', 'long']) as Int,
  schedSetaffinity: declare('int sched_setaffinity(int pid, size_t size, const void *mask)'),
  sethostname: declare('int sethostname(const char *name, size_t length)'),
  pipe2: declare('int pipe2(void *fds, int flags)'),
  eventfd: declare('int eventfd(unsigned int value, int flags)'),
};

function strerror(errno: number): string {
  return c.strerror(errno);
}

/**
 * Returns `result`, or throws when it is negative. Call it as `check(name, call(), koffi.errno())`: errno must be
 * read right after the call, before anything else can change it.
 */
function check(syscall: string, result: number, errno: number, detail?: string): number {
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

/** `address family, socket type, protocol` as in socket(2). */
export const AF = { UNIX: 1, INET: 2, INET6: 10, NETLINK: 16, PACKET: 17 } as const;
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, NONBLOCK: 0x800, CLOEXEC: 0x8_0000 } as const;
export const SOL = { IP: 0, SOCKET: 1, TCP: 6, IPV6: 41, NETLINK: 270 } as const;
export const SO = {
  REUSEADDR: 2,
  SNDBUF: 7,
  RCVBUF: 8,
  LINGER: 13,
  PEERCRED: 17,
  RCVTIMEO: 20,
  SNDBUFFORCE: 32,
  RCVBUFFORCE: 33,
} as const;
export const MSG = { TRUNC: 0x20, DONTWAIT: 0x40, NOSIGNAL: 0x4000 } as const;

/** A new socket, close-on-exec, in the calling thread's network namespace. */
export function socket(family: number, type: number, protocol = 0): number {
  return check('socket', c.socket(family, type | SOCK.CLOEXEC, protocol), koffi.errno(), `family ${family}`);
}

/** bind(2) with a `struct sockaddr_*` as it lies in memory. */
export function bind(fd: number, address: Buffer): void {
  check('bind', c.bind(fd, address, address.length), koffi.errno(), `file descriptor ${fd}`);
}

/** connect(2); on a non-blocking socket EINPROGRESS is no error. */
export function connect(fd: number, address: Buffer): void {
  const result = c.connect(fd, address, address.length);
  const errno = koffi.errno();
  if (result < 0 && errno !== koffi.os.errno.EINPROGRESS) throw new SyscallError('connect', errno, `${fd}`);
}

export function listen(fd: number, backlog: number): void {
  check('listen', c.listen(fd, backlog), koffi.errno(), `file descriptor ${fd}`);
}

/** The `struct sockaddr_*` the socket is bound to. */
export function getsockname(fd: number): Buffer {
  const address = Buffer.alloc(128);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  check('getsockname', c.getsockname(fd, address, length), koffi.errno(), `${fd}`);
  return address.subarray(0, length.readUInt32LE());
}

/** A connection that waits; -1 when there is none and the socket does not wait (or not for longer). */
export function accept(fd: number): number {
  const connection = c.accept4(fd, null, null, SOCK.CLOEXEC);
  const errno = koffi.errno();
  if (connection < 0 && errno === koffi.os.errno.EAGAIN) return -1;
  return check('accept4', connection, errno, `file descriptor ${fd}`);
}

/** setsockopt(2) of an int, or of a structure as it lies in memory. */
export function setsockopt(fd: number, level: number, name: number, value: number | Buffer): void {
  const bytes = typeof value === 'number' ? Buffer.alloc(4) : value;
  if (typeof value === 'number') bytes.writeInt32LE(value);
  const result = c.setsockopt(fd, level, name, bytes, bytes.length);
  const shown = typeof value === 'number' ? value : value.toString('hex');
  check('setsockopt', result, koffi.errno(), `level ${level} option ${name} = ${shown}`);
}

/** getsockopt(2) into `length` bytes. */
export function getsockopt(fd: number, level: number, name: number, length = 4): Buffer {
  const value = Buffer.alloc(length);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(length);
  check(
    'getsockopt',
    c.getsockopt(fd, level, name, value, size),
    koffi.errno(),
    `level ${level} option ${name}`,
  );
  return value.subarray(0, size.readUInt32LE());
}

/** Sends the whole buffer as one message. */
export function send(fd: number, buffer: Buffer, flags = 0): number {
  return check('send', c.send(fd, buffer, buffer.length, flags), koffi.errno(), `${buffer.length} bytes`);
}

const sendLater = library.func('int64_t send(int fd, const void *buffer, size_t length, int flags)');

/** As `send`, on a thread of the pool: for what takes the kernel long. Do not use the socket meanwhile. */
export function sendInBackground(fd: number, buffer: Buffer, flags = 0): Promise<number> {
  return new Promise((done, fail) => {
    sendLater.async(fd, buffer, buffer.length, flags, (error: unknown, length: number) => {
      // errno belongs to the other thread and is gone.
      if (error !== null || length < 0)
        fail(error ?? new SyscallError('send', koffi.os.errno.EIO ?? 5, `${fd}`));
      else done(length);
    });
  });
}

/** Bytes received into `buffer`; with MSG.DONTWAIT -1 when there is nothing to read. */
export function recv(fd: number, buffer: Buffer, flags = 0): number {
  for (;;) {
    const length = c.recv(fd, buffer, buffer.length, flags);
    const errno = koffi.errno();
    if (length >= 0) return length;
    if (errno === koffi.os.errno.EAGAIN) return -1;
    if (errno !== koffi.os.errno.EINTR) throw new SyscallError('recv', errno, `file descriptor ${fd}`);
  }
}

/** recvmmsg(2) without waiting: how many of the `struct mmsghdr` in `headers` were filled, -1 for none. */
export function receiveMessages(fd: number, headers: Buffer, count: number): number {
  const received = c.recvmmsg(fd, headers, count, MSG.DONTWAIT, null);
  const errno = koffi.errno();
  if (received >= 0 || errno === koffi.os.errno.EAGAIN || errno === koffi.os.errno.EINTR) return received;
  throw new SyscallError('recvmmsg', errno, `file descriptor ${fd}`);
}

/** sendmmsg(2) without waiting: how many went out. Throws when the first one could not be sent. */
export function sendMessages(fd: number, headers: Buffer, count: number): number {
  const sent = c.sendmmsg(fd, headers, count, MSG.DONTWAIT);
  return check('sendmmsg', sent, koffi.errno(), `file descriptor ${fd}`);
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

/** prctl(2) options. */
export const PR = {
  SET_PDEATHSIG: 1,
  SET_DUMPABLE: 4,
  SET_NAME: 15,
  CAPBSET_READ: 23,
  CAPBSET_DROP: 24,
  SET_CHILD_SUBREAPER: 36,
  SET_NO_NEW_PRIVS: 38,
} as const;

export function prctl(option: number, value: number | string): number {
  const result =
    typeof value === 'string' ? c.prctlName(option, value, 0, 0, 0) : c.prctl(option, value, 0, 0, 0);
  return check('prctl', result, koffi.errno(), `option ${option}`);
}

/** Sets the host name in the calling thread's UTS namespace. */
export function sethostname(name: string): void {
  check('sethostname', c.sethostname(name, Buffer.byteLength(name)), koffi.errno(), name);
}

/** A pipe(7). Unlike the socket pairs of `node:child_process`, a program may open it anew by /dev/stdout. */
export function pipe(): { readFd: number; writeFd: number } {
  const fds = Buffer.alloc(8);
  check('pipe2', c.pipe2(fds, SOCK.CLOEXEC), koffi.errno());
  return { readFd: fds.readInt32LE(0), writeFd: fds.readInt32LE(4) };
}

/** An eventfd(2), non-blocking. */
export function eventfd(): number {
  return check('eventfd', c.eventfd(0, SOCK.CLOEXEC | SOCK.NONBLOCK), koffi.errno());
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

/** A pseudo-terminal (pty(7)): its master end, and the path a child opens as its terminal. */
export interface Pty {
  readonly masterFd: number;
  readonly slavePath: string;
  resize(size: { columns: number; rows: number }): void;
}

/** A new pseudo-terminal in the mount namespace's devpts. Close `masterFd` when done. */
export function openPty(): Pty {
  const [O_RDWR, O_NOCTTY, O_CLOEXEC] = [2, 0o400, 0o2_000_000];
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

/** Who is at the other end of a connected unix socket (SO_PEERCRED, unix(7)), as seen in the caller's namespaces. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const ucred = getsockopt(fd, SOL.SOCKET, SO.PEERCRED, 12);
  return { pid: ucred.readInt32LE(0), uid: ucred.readUInt32LE(4), gid: ucred.readUInt32LE(8) };
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
