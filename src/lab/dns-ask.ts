import { FLAG, rcodeName, typeName } from '../dns/wire/constants.ts';
import { decodeMessage, encodeMessage, recordType, type DnsMessage } from '../dns/wire/message.ts';
import { DnsFormatError } from '../dns/wire/name.ts';
import { printData } from '../dns/zone/plan.ts';
import { readSocketAddress, socketAddress } from '../kernel/datagram-socket.ts';
import { closeFd, isErrno } from '../kernel/ffi.ts';
import { AF, MSG, SOCK, connect, getsockname, recv, send, socket } from '../kernel/ffi-sockets.ts';
import { type Netns, withNetns } from '../kernel/netns.ts';
import { errorMessage } from '../model/errors.ts';

/** What came back of a question that was really sent. */
export interface DnsReply {
  /** `NOERROR`; undefined when no answer came. */
  readonly rcode?: string;
  /** Why no answer came. */
  readonly problem?: string;
  /** The server speaks for the zone (AA). */
  readonly authoritative: boolean;
  readonly transport: 'udp' | 'tcp';
  readonly answers: readonly DnsReplyRecord[];
  readonly milliseconds: number;
  /** Datagrams, or connections, it took. */
  readonly roundTrips: number;
  /** Of the asking socket: by it the question is found in the server's log. */
  readonly port: number;
  readonly id: number;
}

export interface DnsReplyRecord {
  readonly name: string;
  readonly ttlSeconds: number;
  readonly type: string;
  /** As in a zone file. */
  readonly data: string;
}

export interface DnsAsk {
  /** Complete. */
  readonly name: string;
  readonly type: number;
  readonly server: string;
}

/** As glibc's resolver waits, and asks once more. */
const TIMEOUT_MS = 5000;
const ATTEMPTS = 2;
const LOOK_AGAIN_MS = 1;
const UNREACHABLE = ['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ECONNRESET', 'EPIPE'] as const;
/** A stream's socket that is not connected yet. */
const WAITING = ['EAGAIN', 'EINPROGRESS', 'ENOTCONN', 'EALREADY'] as const;

/** Asks from within a network namespace over UDP, and again over TCP when the answer was cut. */
export async function askDns(netns: Netns, question: DnsAsk): Promise<DnsReply> {
  const id = Math.floor(Math.random() * 0x1_0000);
  const questions = [{ name: question.name, type: question.type }];
  const query = encodeMessage({ id, flags: FLAG.RD, questions, answers: [], authority: [], additional: [] });
  const started = performance.now();
  const since = (): number => performance.now() - started;
  let roundTrips = 0;
  let port = 0;
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      roundTrips += 1;
      const overUdp = await exchange(netns, { server: question.server, query, transport: 'udp' });
      port = overUdp.port;
      if (overUdp.answer === undefined) continue;
      const message = decodeMessage(overUdp.answer);
      const base = { milliseconds: since(), port, id };
      if ((message.flags & FLAG.TC) === 0) return replyOf(message, { ...base, transport: 'udp', roundTrips });
      roundTrips += 1;
      const overTcp = await exchange(netns, { server: question.server, query, transport: 'tcp' });
      const whole = overTcp.answer === undefined ? message : decodeMessage(overTcp.answer);
      return replyOf(whole, {
        ...base,
        port: overTcp.port,
        milliseconds: since(),
        transport: 'tcp',
        roundTrips,
      });
    }
    return nothing({
      problem: `no answer within ${TIMEOUT_MS / 1000} s`,
      roundTrips,
      port,
      id,
      milliseconds: since(),
    });
  } catch (error) {
    if (!isErrno(error, ...UNREACHABLE) && !(error instanceof DnsFormatError)) throw error;
    return nothing({ problem: errorMessage(error), roundTrips, port, id, milliseconds: since() });
  }
}

type Facts = Pick<DnsReply, 'milliseconds' | 'roundTrips' | 'port' | 'id'>;

function nothing(facts: Facts & { readonly problem: string }): DnsReply {
  return { authoritative: false, transport: 'udp', answers: [], ...facts };
}

function replyOf({ flags, answers }: DnsMessage, facts: Facts & Pick<DnsReply, 'transport'>): DnsReply {
  return {
    rcode: rcodeName(flags & 0xf),
    authoritative: (flags & FLAG.AA) !== 0,
    answers: answers.map(({ name, ttlSeconds, data }) => ({
      name,
      ttlSeconds,
      type: typeName(recordType(data)),
      data: printData(data),
    })),
    ...facts,
  };
}

interface Exchange {
  readonly server: string;
  readonly query: Buffer;
  readonly transport: 'udp' | 'tcp';
}

/** Sends a query and waits for its answer; other messages are passed over. */
async function exchange(
  netns: Netns,
  { server, query, transport }: Exchange,
): Promise<{ readonly answer: Buffer | undefined; readonly port: number }> {
  const isStream = transport === 'tcp';
  const family = server.includes(':') ? AF.INET6 : AF.INET;
  const kind = (isStream ? SOCK.STREAM : SOCK.DGRAM) | SOCK.NONBLOCK;
  const fd = withNetns(netns, () => socket(family, kind));
  const deadline = performance.now() + TIMEOUT_MS;
  const frame = Buffer.alloc(2);
  frame.writeUInt16BE(query.length);
  const outgoing = isStream ? Buffer.concat([frame, query]) : query;
  let received = Buffer.alloc(0);
  let isSent = false;
  try {
    tolerate(() => connect(fd, socketAddress(server, 53)));
    const { port } = readSocketAddress(getsockname(fd));
    const buffer = Buffer.alloc(65_535);
    while (performance.now() < deadline) {
      isSent ||= tolerate(() => send(fd, outgoing, MSG.NOSIGNAL));
      let length = 0;
      if (isSent) tolerate(() => (length = recv(fd, buffer, MSG.DONTWAIT)));
      if (length > 0) {
        const chunk = Buffer.from(buffer.subarray(0, length));
        received = isStream ? Buffer.concat([received, chunk]) : chunk;
        const whole = isStream ? unframe(received) : received;
        if (whole !== undefined && whole.length >= 12 && whole.readUInt16BE(0) === query.readUInt16BE(0))
          return { answer: whole, port };
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
    return { answer: undefined, port };
  } finally {
    closeFd(fd);
  }
}

function unframe(received: Buffer): Buffer | undefined {
  const length = received.length >= 2 ? received.readUInt16BE(0) : Infinity;
  return received.length >= 2 + length ? received.subarray(2, 2 + length) : undefined;
}

/** Whether it was done; false when the kernel asks for patience. */
function tolerate(act: () => unknown): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (isErrno(error, ...WAITING)) return false;
    throw error;
  }
}
