/**
 * A netlink socket used synchronously. The kernel handles a request within send(2) and has queued every answer when
 * that returns (dumps go on within recv(2)), so no receive here ever waits.
 */
import { closeFd, errnoNumber, isErrno, pollReadable } from '../ffi.ts';
import {
  AF,
  MSG,
  SO,
  SOCK,
  SOL,
  bind,
  getsockopt,
  recv,
  send,
  sendInBackground,
  setsockopt,
  socket,
} from '../ffi-sockets.ts';
import { type Netns, withNetns } from '../netns.ts';
import { NLM_F, NLMSG, type NetlinkMessage, describeMessage } from './message.ts';
import { NetlinkError } from './netlink-error.ts';
import { type NetlinkReply, parseReplies, replyError } from './reply.ts';

export interface NetlinkEvents {
  message(reply: NetlinkReply): void;
  /** Events were lost (ENOBUFS): read the whole state again. Those that still stood in the queue were dropped. */
  overflow(): void;
}

export interface NetlinkSocket {
  /** The most bytes `send` and `batch` can take at once. */
  readonly maxSendBytes: number;
  /** Sends one request and returns what came before its acknowledgement. Throws `NetlinkError`. */
  request(message: NetlinkMessage): NetlinkReply[];
  /** As `request`, with the kernel's work done on another thread. The socket must not be used meanwhile. */
  requestInBackground(message: NetlinkMessage): Promise<NetlinkReply[]>;
  /** Sends a dump request (NLM_F_DUMP is added) and returns every part. Repeats one that a change disturbed. */
  dump(message: NetlinkMessage): NetlinkReply[];
  /**
   * Sends messages in one go, asking to acknowledge the last only, and returns the errors in their order, none when
   * all is well. Each message succeeds or fails on its own, unless the family has transactions. Longer than
   * `maxSendBytes` they go in several sends; with `atomic` that throws EMSGSIZE instead.
   */
  batch(messages: readonly NetlinkMessage[], options?: BatchOptions): BatchResult;
  /** Calls back for every message of the groups the socket joined, from the event loop, until stopped. */
  listen(events: NetlinkEvents): { stop(): void };
  close(): void;
}

export interface BatchOptions {
  readonly atomic?: boolean;
  /** Which message asks for the acknowledgement; the last unless told. nfnetlink wants the one before its end. */
  readonly acknowledge?: number;
}

export interface BatchResult {
  readonly errors: readonly NetlinkError[];
  /** Other messages the kernel sent, such as NLM_F_ECHO makes it send. */
  readonly replies: readonly NetlinkReply[];
}

export interface NetlinkSocketOptions {
  /** Where the socket works; the calling thread's namespace unless told. */
  readonly netns?: Netns;
  /** Multicast groups to join, by number (RTNLGRP_*, NFNLGRP_*). */
  readonly groups?: readonly number[];
  /** How much the kernel keeps for us that we have not read yet; 8 MiB, or what it allows, unless told. */
  readonly receiveBufferBytes?: number;
}

const PROTOCOLS = { route: 0, netfilter: 12, generic: 16 } as const;
const NETLINK = { ADD_MEMBERSHIP: 1, CAP_ACK: 10, EXT_ACK: 11, GET_STRICT_CHK: 12 } as const;
const BUFFER_BYTES = 8 << 20;
/** Dump parts are at most 32 KiB; events and echoes can be as long as one message. */
const RECEIVE_BYTES = 256 << 10;
const DUMP_ATTEMPTS = 8;

let receiveBuffer: Buffer | undefined;

/**
 * A socket on `route` (rtnetlink), `netfilter` (nfnetlink) or `generic` (generic.ts). It stays in its namespace
 * whatever the thread does.
 */
export function openNetlinkSocket(
  protocol: keyof typeof PROTOCOLS,
  { netns, groups = [], receiveBufferBytes = BUFFER_BYTES }: NetlinkSocketOptions = {},
): NetlinkSocket {
  const open = (): number => socket(AF.NETLINK, SOCK.RAW, PROTOCOLS[protocol]);
  const fd = netns ? withNetns(netns, open) : open();
  try {
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF.NETLINK);
    bind(fd, address);
    // The forced forms need CAP_NET_ADMIN outside any user namespace; the others stop at net.core.[rw]mem_max.
    setBuffer(fd, { force: SO.SNDBUFFORCE, ordinary: SO.SNDBUF, bytes: BUFFER_BYTES });
    setBuffer(fd, { force: SO.RCVBUFFORCE, ordinary: SO.RCVBUF, bytes: receiveBufferBytes });
    setsockopt(fd, SOL.NETLINK, NETLINK.CAP_ACK, 1);
    setsockopt(fd, SOL.NETLINK, NETLINK.EXT_ACK, 1);
    if (protocol === 'route') setsockopt(fd, SOL.NETLINK, NETLINK.GET_STRICT_CHK, 1);
    for (const group of groups) setsockopt(fd, SOL.NETLINK, NETLINK.ADD_MEMBERSHIP, group);
    // netlink_sendmsg() refuses what is longer than the send buffer less 32 bytes.
    return new KernelNetlinkSocket(fd, getsockopt(fd, SOL.SOCKET, SO.SNDBUF).readInt32LE() - 32);
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}

/** Whether this process may pass the limits; what it may not do it is not let do later either. */
let mayForce = true;

function setBuffer(fd: number, option: { force: number; ordinary: number; bytes: number }): void {
  const { force, ordinary, bytes } = option;
  try {
    if (mayForce) {
      setsockopt(fd, SOL.SOCKET, force, bytes);
      return;
    }
  } catch (error) {
    if (!isErrno(error, 'EPERM')) throw error;
    mayForce = false;
  }
  setsockopt(fd, SOL.SOCKET, ordinary, bytes);
}

class KernelNetlinkSocket implements NetlinkSocket {
  readonly maxSendBytes: number;
  readonly #fd: number;
  #sequence = 0;
  #closed = false;
  #listener: { stop(): void } | undefined;

  constructor(fd: number, maxSendBytes: number) {
    this.#fd = fd;
    this.maxSendBytes = maxSendBytes;
  }

  request(message: NetlinkMessage): NetlinkReply[] {
    const { errors, replies } = this.batch([message], { atomic: true });
    if (errors[0]) throw errors[0];
    return [...replies];
  }

  dump(message: NetlinkMessage): NetlinkReply[] {
    for (let attempt = 1; ; attempt++) {
      const sequence = this.#prepare(message, NLM_F.DUMP);
      send(this.#fd, message.bytes);
      const { parts, interrupted } = this.#receiveDump(sequence, message);
      if (!interrupted) return parts;
      if (attempt === DUMP_ATTEMPTS) throw new NetlinkError(errnoNumber('EINTR'), describeMessage(message));
    }
  }

  #receiveDump(sequence: number, message: NetlinkMessage): { parts: NetlinkReply[]; interrupted: boolean } {
    const parts: NetlinkReply[] = [];
    let interrupted = false;
    for (;;) {
      const datagram = this.#receive();
      if (!datagram) throw new NetlinkError(errnoNumber('ENODATA'), describeMessage(message));
      for (const reply of parseReplies(datagram)) {
        if (reply.sequence !== sequence) continue;
        if (reply.flags & NLM_F.DUMP_INTR) interrupted = true;
        if (reply.type === NLMSG.ERROR || reply.type === NLMSG.DONE) {
          const error = replyError(reply, message);
          if (error) throw error;
          return { parts, interrupted };
        }
        parts.push(reply);
      }
    }
  }

  batch(
    messages: readonly NetlinkMessage[],
    { atomic = false, acknowledge = messages.length - 1 }: BatchOptions = {},
  ): BatchResult {
    const result = { errors: [] as NetlinkError[], replies: [] as NetlinkReply[] };
    let start = 0;
    while (start < messages.length) {
      let end = start;
      let bytes = 0;
      for (; end < messages.length; end++) {
        const length = messages[end]?.bytes.length ?? 0;
        if (bytes + length > this.maxSendBytes && end > start && !atomic) break;
        bytes += length;
      }
      const part = start === 0 && end === messages.length ? messages : messages.slice(start, end);
      const asks = end > acknowledge && acknowledge >= start ? acknowledge - start : part.length - 1;
      this.#sendPart(part, asks, result);
      start = end;
    }
    return result;
  }

  #sendPart(
    messages: readonly NetlinkMessage[],
    acknowledge: number,
    result: { errors: NetlinkError[]; replies: NetlinkReply[] },
  ): void {
    let first = 0;
    for (const [index, message] of messages.entries()) {
      const sequence = this.#prepare(message, index === acknowledge ? NLM_F.ACK : 0);
      if (index === 0) first = sequence;
    }
    const asking = messages[acknowledge];
    if (!asking) return;
    send(this.#fd, messages.length === 1 ? asking.bytes : Buffer.concat(messages.map(({ bytes }) => bytes)));
    this.#receiveAnswers(messages, { first, acknowledge }, result);
  }

  async requestInBackground(message: NetlinkMessage): Promise<NetlinkReply[]> {
    const first = this.#prepare(message, NLM_F.ACK);
    await sendInBackground(this.#fd, message.bytes);
    const result = { errors: [] as NetlinkError[], replies: [] as NetlinkReply[] };
    this.#receiveAnswers([message], { first, acknowledge: 0 }, result);
    if (result.errors[0]) throw result.errors[0];
    return result.replies;
  }

  /** Reads what the kernel answered to messages that were numbered from `first`. */
  #receiveAnswers(
    messages: readonly NetlinkMessage[],
    { first, acknowledge }: { first: number; acknowledge: number },
    result: { errors: NetlinkError[]; replies: NetlinkReply[] },
  ): void {
    const asking = messages[acknowledge];
    if (!asking) return;
    let answered = false;
    // The answer to the last message is the last one, unless answers were lost or are held back for the others'.
    let complete = false;
    while (!complete) {
      const datagram = this.#receiveUnlessLost();
      if (datagram === undefined) break;
      if (datagram === 'lost') {
        result.errors.push(
          new NetlinkError(errnoNumber('ENOBUFS'), describeMessage(asking), 'answers were lost'),
        );
        answered = true;
        continue;
      }
      for (const reply of parseReplies(datagram)) {
        const index = (reply.sequence - first) >>> 0;
        const message = messages[index];
        if (!message) continue;
        if (reply.type === NLMSG.ERROR) {
          const error = replyError(reply, message);
          if (error) result.errors.push(error);
          answered ||= error !== undefined || index === acknowledge;
          complete ||= index === messages.length - 1;
        } else if (reply.type !== NLMSG.DONE) {
          result.replies.push(reply);
        }
      }
    }
    if (!answered) throw new NetlinkError(errnoNumber('ENODATA'), describeMessage(asking));
  }

  /** Gives the message its number and flags; returns the number. */
  #prepare(message: NetlinkMessage, flags: number): number {
    // The number of a closed descriptor may be another file's by now.
    if (this.#closed) throw new Error(`The netlink socket is closed: ${describeMessage(message)}`);
    this.#sequence = (this.#sequence + 1) >>> 0;
    message.bytes.writeUInt32LE(this.#sequence, 8);
    message.bytes.writeUInt16LE(message.bytes.readUInt16LE(6) | flags, 6);
    return this.#sequence;
  }

  /** The next datagram that waits, if any. */
  #receive(): Buffer | undefined {
    receiveBuffer ??= Buffer.allocUnsafeSlow(RECEIVE_BYTES);
    const length = recv(this.#fd, receiveBuffer, MSG.DONTWAIT | MSG.TRUNC);
    if (length < 0) return undefined;
    if (length > receiveBuffer.length) throw new RangeError(`Netlink message of ${length} bytes is too long`);
    return Buffer.from(receiveBuffer.subarray(0, length));
  }

  #receiveUnlessLost(): Buffer | 'lost' | undefined {
    try {
      return this.#receive();
    } catch (error) {
      if (isErrno(error, 'ENOBUFS')) return 'lost';
      throw error;
    }
  }

  listen(events: NetlinkEvents): { stop(): void } {
    this.#listener?.stop();
    let poll: { stop(): void } | undefined;
    const start = (): void => {
      poll = pollReadable(this.#fd, () => {
        if (!poll) return;
        if (this.#deliver(events, () => poll !== undefined)) return;
        // After ENOBUFS the readiness of the socket is not reported again unless polling starts anew.
        poll?.stop();
        if (poll) start();
        events.overflow();
      });
    };
    start();
    const listener = {
      stop: (): void => {
        poll?.stop();
        poll = undefined;
      },
    };
    this.#listener = listener;
    return listener;
  }

  /** Hands over what waits; false when events were lost, with the queue emptied. */
  #deliver(events: NetlinkEvents, active: () => boolean): boolean {
    let lost = false;
    while (active()) {
      const datagram = this.#receiveUnlessLost();
      if (datagram === undefined) break;
      if (datagram === 'lost') lost = true;
      if (datagram === 'lost' || lost) continue;
      for (const reply of parseReplies(datagram)) if (active()) events.message(reply);
    }
    return !lost;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#listener?.stop();
    closeFd(this.#fd);
  }
}
