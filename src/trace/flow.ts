import { socketAddress } from '../kernel/datagram-socket.ts';
import { closeFd, isErrno } from '../kernel/ffi.ts';
import {
  AF,
  bind,
  connect,
  getsockname,
  getsockopt,
  MSG,
  recv,
  send,
  setsockopt,
  SOCK,
  socket,
  SOL,
} from '../kernel/ffi-sockets.ts';
import { type Netns, withNetns } from '../kernel/netns.ts';
import { tryParseIp } from '../model/ip.ts';
import type { Protocol } from './trace.ts';

/** `connected`, `answered` (UDP), `refused` (reset, ICMP port unreachable), `unreachable`, `silence`. */
export type FlowReply = 'connected' | 'answered' | 'refused' | 'unreachable' | 'silence';

/** A socket that has its port but has sent nothing yet. */
export interface Flow {
  readonly sourcePort: number;
  send(target: { address: string; port: number }, timeoutMs: number): Promise<FlowReply>;
  close(): void;
}

/** Have ICMP errors queued: since Linux 6.9 "host unreachable" no longer ends a connection attempt (RFC 1122 4.2.3.9). */
const IP_RECVERR = 11;
const IPV6_RECVERR = 25;
const MSG_ERRQUEUE = 0x2000;
const SO_ERROR = 4;
const TCP_INFO = 11;
const TCP_ESTABLISHED = 1;
const LOOK_AGAIN_MS = 2;
/** A datagram need not be answered: those who do, do it soon. */
const UDP_PATIENCE_MS = 200;

/** Opens a socket in another namespace, bound to a port the kernel chose. */
export function openFlow(netns: Netns, { protocol, source }: { protocol: Protocol; source: string }): Flow {
  const family = tryParseIp(source)?.family === 6 ? AF.INET6 : AF.INET;
  const type = (protocol === 'tcp' ? SOCK.STREAM : SOCK.DGRAM) | SOCK.NONBLOCK;
  const fd = withNetns(netns, () => socket(family, type));
  try {
    bind(fd, socketAddress(source, 0));
    if (family === AF.INET6) setsockopt(fd, SOL.IPV6, IPV6_RECVERR, 1);
    else setsockopt(fd, SOL.IP, IP_RECVERR, 1);
    return {
      sourcePort: getsockname(fd).readUInt16BE(2),
      send: async (target, timeoutMs) => {
        try {
          connect(fd, socketAddress(target.address, target.port));
          if (protocol === 'tcp') return await untilConnected(fd, timeoutMs);
          send(fd, Buffer.from('podnet trace\n'));
          return await untilAnswered(fd, Math.min(timeoutMs, UDP_PATIENCE_MS));
        } catch (error) {
          return replyOf(error);
        }
      },
      close: () => closeFd(fd),
    };
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

async function untilConnected(fd: number, timeoutMs: number): Promise<FlowReply> {
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline;) {
    const errno = getsockopt(fd, SOL.SOCKET, SO_ERROR).readInt32LE();
    if (errno !== 0) return errno === ECONNREFUSED || errno === ECONNRESET ? 'refused' : 'unreachable';
    if (getsockopt(fd, SOL.TCP, TCP_INFO, 104)[0] === TCP_ESTABLISHED) return 'connected';
    if (recv(fd, Buffer.alloc(512), MSG.DONTWAIT | MSG_ERRQUEUE) >= 0) return 'unreachable';
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
  return 'silence';
}

async function untilAnswered(fd: number, timeoutMs: number): Promise<FlowReply> {
  const answer = Buffer.alloc(2048);
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline;) {
    if (recv(fd, answer, MSG.DONTWAIT) >= 0) return 'answered';
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
  return 'silence';
}

const ECONNRESET = 104;
const ECONNREFUSED = 111;

function replyOf(error: unknown): FlowReply {
  if (isErrno(error, 'ECONNREFUSED', 'ECONNRESET')) return 'refused';
  if (isErrno(error, 'EHOSTUNREACH', 'ENETUNREACH', 'EACCES', 'EPERM')) return 'unreachable';
  throw error;
}
