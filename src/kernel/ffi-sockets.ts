/** Sockets as the C library has them: what `node:net` and `node:dgram` cannot do. socket(2). */
import koffi from 'koffi';
import { check, declare, declareAsync, SyscallError } from './ffi.ts';

/** On a thread of the pool. */
const sendLater = declareAsync('int64_t send(int fd, const void *buffer, size_t length, int flags)');

const c = {
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
};

/** `address family, socket type, protocol` as in socket(2). */
export const AF = { UNIX: 1, INET: 2, BRIDGE: 7, INET6: 10, NETLINK: 16, PACKET: 17 } as const;
export const SOCK = { STREAM: 1, DGRAM: 2, RAW: 3, NONBLOCK: 0x800, CLOEXEC: 0x8_0000 } as const;
export const SOL = { IP: 0, SOCKET: 1, TCP: 6, IPV6: 41, NETLINK: 270 } as const;
export const SO = {
  REUSEADDR: 2,
  SNDBUF: 7,
  RCVBUF: 8,
  LINGER: 13,
  REUSEPORT: 15,
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

/** As `send`, on a thread of the pool: for what takes the kernel long. Do not use the socket meanwhile. */
export function sendInBackground(fd: number, buffer: Buffer, flags = 0): Promise<number> {
  return new Promise((done, fail) => {
    sendLater([fd, buffer, buffer.length, flags], (error, length) => {
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

/** Who is at the other end of a connected unix socket (SO_PEERCRED, unix(7)), as seen in the caller's namespaces. */
export function peerCredentials(fd: number): { pid: number; uid: number; gid: number } {
  const ucred = getsockopt(fd, SOL.SOCKET, SO.PEERCRED, 12);
  return { pid: ucred.readInt32LE(0), uid: ucred.readUInt32LE(4), gid: ucred.readUInt32LE(8) };
}
