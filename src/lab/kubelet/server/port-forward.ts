import { Socket } from 'node:net';
import { closeFd, isErrno, SyscallError } from '../../../kernel/ffi.ts';
import { AF, connect, getsockopt, SOCK, socket as openSocket, SOL } from '../../../kernel/ffi-sockets.ts';
import { withNetns, type Netns } from '../../../kernel/netns.ts';
import { errorMessage } from '../../../model/errors.ts';
import { CHANNEL } from '../../apiserver/streams/channels.ts';
import type { PodWorker } from '../pod-worker.ts';
import { exitStatus, RequestError } from './answers.ts';
import { finish, receive, sendAll, type Upgrade } from './sessions.ts';

/** `?port=N`: a connection to 127.0.0.1 inside the pod, or ::1 when nobody listens there. */
export async function forwardPort(
  worker: PodWorker,
  query: URLSearchParams,
  upgrade: Upgrade,
): Promise<void> {
  const port = Number(query.get('port'));
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new RequestError(400, 'BadRequest', `not a port: ${query.get('port')}`);
  const { sandbox } = worker;
  if (!sandbox) throw new RequestError(400, 'BadRequest', 'the pod is not running');
  const inside = dialInside(sandbox.netns, port);
  upgrade.accept();
  const { socket } = upgrade;
  inside.on('error', () => inside.destroy());
  socket.once('close', () => inside.destroy());
  receive(upgrade, { stdin: inside, closesStdin: true, resize: () => {} });
  await sendAll(socket, CHANNEL.stdout, inside);
  finish(socket, exitStatus(0));
}

/** A TCP connection that belongs to the pod's namespace. Throws `RequestError` when it is refused. */
function dialInside(netns: Netns, port: number): Socket {
  let refusal: unknown;
  for (const [family, address] of [
    [AF.INET, ipv4Loopback(port)],
    [AF.INET6, ipv6Loopback(port)],
  ] as const) {
    let fd: number | undefined;
    try {
      fd = withNetns(netns, () => openSocket(family, SOCK.STREAM | SOCK.NONBLOCK));
      // On loopback the handshake, or the refusal, is over when connect(2) returns.
      connect(fd, address);
      const error = getsockopt(fd, SOL.SOCKET, SO_ERROR).readInt32LE();
      if (error === 0) return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true });
      throw new SyscallError('connect', error, `port ${port}`);
    } catch (error) {
      refusal ??= error;
      if (fd !== undefined) closeFd(fd);
    }
  }
  const why = isErrno(refusal, 'ECONNREFUSED') ? 'connection refused' : errorMessage(refusal);
  throw new RequestError(500, 'InternalError', `dial tcp4 127.0.0.1:${port}: ${why}`);
}

const SO_ERROR = 4;

function ipv4Loopback(port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF.INET, 0);
  address.writeUInt16BE(port, 2);
  address.set([127, 0, 0, 1], 4);
  return address;
}

function ipv6Loopback(port: number): Buffer {
  const address = Buffer.alloc(28);
  address.writeUInt16LE(AF.INET6, 0);
  address.writeUInt16BE(port, 2);
  address[23] = 1;
  return address;
}
