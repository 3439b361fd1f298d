import { formatIp, ipFromBytes, ipToBytes, parseIp } from '../model/ip.ts';
import { addressOf, closeFd, isErrno, pollReadable } from './ffi.ts';
import {
  AF,
  bind,
  connect,
  getsockname,
  MSG,
  receiveMessages,
  sendMessages,
  setsockopt,
  SO,
  SOCK,
  socket,
  SOL,
} from './ffi-sockets.ts';

/** Who sent a datagram. Valid during the call it is passed to; `copy` keeps it. */
export interface DatagramPeer {
  /** A `struct sockaddr_in` or `sockaddr_in6`, to be passed back to `send`. */
  copy(): Buffer;
  /** Its address without the port, in a form that costs nothing: equal for equal addresses of one family only. */
  readonly addressKey: number | string;
  readonly port: number;
}

export interface DatagramSocketOptions {
  readonly address: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  /**
   * Called for each datagram, `message[0, length)`, which is only valid during the call. What it writes to `out` is
   * sent back to the peer: it returns how many bytes, 0 for none.
   */
  readonly answer: (message: Buffer, length: number, out: Buffer, peer: DatagramPeer) => number;
  /** Told when the socket can no longer be read; it is closed by then. */
  readonly onError: (error: unknown) => void;
  /** Longer datagrams are dropped. 4096 unless told. */
  readonly maxMessageBytes?: number;
  /** What it sends is never cut into pieces, whatever the kernel believes of the path (IP_PMTUDISC_PROBE, ip(7)). */
  readonly dontFragment?: boolean;
  /**
   * Several sockets of one user may be bound to the address (SO_REUSEPORT, socket(7)); the kernel deals datagrams out
   * among them by their sender.
   */
  readonly reusePort?: boolean;
}

export interface DatagramSocket {
  readonly port: number;
  send(message: Buffer, peer: Buffer): void;
  /**
   * Takes no new datagrams, which go to other sockets of the address from now on, and answers those it has. It may still
   * send until it is closed.
   */
  drain(): void;
  close(): void;
}

/** Datagrams taken from the kernel by one system call. */
const BATCH = 64;
/** Batches before the event loop gets its turn. */
const BATCHES_A_TURN = 4;
const NAME_BYTES = 28;
const MMSGHDR_BYTES = 64;
const MAX_DATAGRAM_BYTES = 65_507;
const KERNEL_BUFFER_BYTES = 4 << 20;

/**
 * A bound UDP socket that answers many datagrams with two system calls (recvmmsg(2), sendmmsg(2)): three times what
 * node:dgram can do on one processor. It lives in the network namespace of the caller at the time of opening.
 * Throws `SyscallError` when the address cannot be bound.
 */
export function openDatagramSocket(options: DatagramSocketOptions): DatagramSocket {
  return new BatchedSocket(options);
}

/** `struct sockaddr_in` or `sockaddr_in6` (ip(7), ipv6(7)). */
export function socketAddress(address: string, port: number): Buffer {
  const ip = parseIp(address);
  const bytes = Buffer.alloc(ip.family === 4 ? 16 : NAME_BYTES);
  bytes.writeUInt16LE(ip.family === 4 ? AF.INET : AF.INET6, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(ipToBytes(ip), ip.family === 4 ? 4 : 8);
  return bytes;
}

/** The address and port of a `struct sockaddr_in` or `sockaddr_in6`. */
export function readSocketAddress(bytes: Buffer): { address: string; port: number } {
  const isV4 = bytes.readUInt16LE(0) === AF.INET;
  const ip = ipFromBytes(isV4 ? bytes.subarray(4, 8) : bytes.subarray(8, 24));
  return { address: formatIp(ip), port: bytes.readUInt16BE(2) };
}

/** linux/in.h, linux/in6.h */
const MTU_DISCOVER = { IP: 10, IPV6: 23, PROBE: 3 } as const;

function probePath(fd: number, isIpv6: boolean): void {
  if (isIpv6) setsockopt(fd, SOL.IPV6, MTU_DISCOVER.IPV6, MTU_DISCOVER.PROBE);
  else setsockopt(fd, SOL.IP, MTU_DISCOVER.IP, MTU_DISCOVER.PROBE);
}

/** Beyond net.core.rmem_max and wmem_max where we may: a burst waits there while this thread does something else. */
function setBuffer(fd: number, { force, ordinary }: { force: number; ordinary: number }): void {
  try {
    setsockopt(fd, SOL.SOCKET, force, KERNEL_BUFFER_BYTES);
  } catch (error) {
    if (!isErrno(error, 'EPERM')) throw error;
    setsockopt(fd, SOL.SOCKET, ordinary, KERNEL_BUFFER_BYTES);
  }
}

class BatchedSocket implements DatagramSocket {
  readonly port: number;
  readonly #fd: number;
  readonly #options: DatagramSocketOptions;
  readonly #incoming: MessageRing;
  readonly #outgoing: MessageRing;
  #poll: { stop(): void };
  #single: MessageRing | undefined;
  #closed = false;

  constructor(options: DatagramSocketOptions) {
    const name = socketAddress(options.address, options.port);
    this.#options = options;
    this.#fd = socket(name.readUInt16LE(0), SOCK.DGRAM | SOCK.NONBLOCK);
    try {
      if (name.readUInt16LE(0) === AF.INET6) setsockopt(this.#fd, SOL.IPV6, IPV6_V6ONLY, 1);
      if (options.dontFragment) probePath(this.#fd, name.readUInt16LE(0) === AF.INET6);
      if (options.reusePort) setsockopt(this.#fd, SOL.SOCKET, SO.REUSEPORT, 1);
      setBuffer(this.#fd, { force: SO.RCVBUFFORCE, ordinary: SO.RCVBUF });
      setBuffer(this.#fd, { force: SO.SNDBUFFORCE, ordinary: SO.SNDBUF });
      bind(this.#fd, name);
      this.port = getsockname(this.#fd).readUInt16BE(2);
      const slotBytes = options.maxMessageBytes ?? 4096;
      this.#incoming = new MessageRing(BATCH, slotBytes);
      this.#outgoing = new MessageRing(BATCH, slotBytes);
      this.#poll = pollReadable(this.#fd, () => this.#read());
    } catch (error) {
      closeFd(this.#fd);
      throw error;
    }
  }

  send(message: Buffer, peer: Buffer): void {
    if (this.#closed) return;
    // A ring of its own: the other may be half filled with answers.
    const single = (this.#single ??= new MessageRing(1, MAX_DATAGRAM_BYTES));
    single.set(0, message.copy(single.slot(0)), peer);
    this.#flush(single, 1);
  }

  drain(): void {
    if (this.#closed) return;
    // Connected to nobody (port 9 of itself, "discard"), it is left out when the kernel looks for a socket for others.
    const self = getsockname(this.#fd);
    self.writeUInt16BE(9, 2);
    connect(this.#fd, self);
    this.#read();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#poll.stop();
    closeFd(this.#fd);
  }

  #read(): void {
    try {
      for (let turn = 0; turn < BATCHES_A_TURN && !this.#closed; turn++) {
        const received = receiveMessages(this.#fd, this.#incoming.headers, BATCH);
        if (received > 0) this.#answer(received);
        if (received < BATCH) return;
      }
    } catch (error) {
      if (isErrno(error, 'ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOBUFS')) {
        // A report that an earlier answer met a closed port: the socket itself is well, but no longer polled.
        this.#poll.stop();
        this.#poll = pollReadable(this.#fd, () => this.#read());
        return;
      }
      this.close();
      this.#options.onError(error);
    }
  }

  #answer(received: number): void {
    const incoming = this.#incoming;
    const outgoing = this.#outgoing;
    let answers = 0;
    for (let index = 0; index < received; index++) {
      if (incoming.isTruncated(index)) continue;
      const out = outgoing.slot(answers);
      const peer = new Peer(incoming.name(index));
      const length = this.#options.answer(incoming.slot(index), incoming.length(index), out, peer);
      if (length > 0) outgoing.set(answers++, length, incoming.name(index));
    }
    incoming.reset(received);
    this.#flush(outgoing, answers);
  }

  /** What the kernel does not take is dropped, as the network may do with any datagram. */
  #flush(ring: MessageRing, count: number): void {
    for (let sent = 0; sent < count && !this.#closed;) {
      try {
        sent += sendMessages(this.#fd, ring.from(sent), count - sent);
      } catch (error) {
        if (isErrno(error, 'EAGAIN', 'ENOBUFS')) return;
        sent += 1;
      }
    }
  }
}

class Peer implements DatagramPeer {
  readonly #name: Buffer;

  constructor(name: Buffer) {
    this.#name = name;
  }

  copy(): Buffer {
    return Buffer.from(this.#name);
  }

  get addressKey(): number | string {
    return addressKeyOf(this.#name);
  }

  get port(): number {
    return this.#name.readUInt16BE(2);
  }
}

/** `addressKey` of a `struct sockaddr_in` or `sockaddr_in6`. */
export function addressKeyOf(name: Buffer): number | string {
  return name[0] === AF.INET ? name.readInt32LE(4) : name.toString('latin1', 8, 24);
}

const IPV6_V6ONLY = 26;

/**
 * Buffers with their `struct mmsghdr` (recvmmsg(2)), on 64-bit little-endian:
 *
 *     0 name pointer   8 name length   16 iovec pointer   24 iovec count   32 control   48 flags   56 message length
 */
class MessageRing {
  readonly headers: Buffer;
  readonly #words: Uint32Array;
  readonly #names: Buffer;
  readonly #vectors: Buffer;
  readonly #lengths: Uint32Array;
  readonly #data: Buffer;
  readonly #slots: Buffer[];
  readonly #nameSlots: Buffer[];
  readonly #slotBytes: number;

  constructor(count: number, slotBytes: number) {
    this.headers = Buffer.alloc(count * MMSGHDR_BYTES);
    this.#words = new Uint32Array(this.headers.buffer, this.headers.byteOffset, this.headers.length / 4);
    this.#names = Buffer.alloc(count * NAME_BYTES);
    this.#vectors = Buffer.alloc(count * 16);
    this.#lengths = new Uint32Array(this.#vectors.buffer, this.#vectors.byteOffset, count * 4);
    this.#slotBytes = slotBytes;
    this.#data = Buffer.alloc(count * slotBytes);
    this.#slots = Array.from({ length: count }, (_, index) =>
      this.#data.subarray(index * slotBytes, (index + 1) * slotBytes),
    );
    this.#nameSlots = Array.from({ length: count }, (_, index) =>
      this.#names.subarray(index * NAME_BYTES, (index + 1) * NAME_BYTES),
    );
    const [names, vectors, data] = [this.#names, this.#vectors, this.#data].map((buffer) =>
      addressOf(buffer),
    );
    for (let index = 0; index < count; index++) {
      const header = index * MMSGHDR_BYTES;
      this.headers.writeBigUInt64LE((names ?? 0n) + BigInt(index * NAME_BYTES), header);
      this.headers.writeBigUInt64LE((vectors ?? 0n) + BigInt(index * 16), header + 16);
      this.headers.writeBigUInt64LE(1n, header + 24);
      this.#vectors.writeBigUInt64LE((data ?? 0n) + BigInt(index * slotBytes), index * 16);
    }
    this.reset(count);
  }

  slot(index: number): Buffer {
    return this.#slots[index] ?? this.#data;
  }

  /** The peer's address as long as the kernel made it. */
  name(index: number): Buffer {
    const name = this.#nameSlots[index] ?? this.#names;
    return name[0] === AF.INET ? name.subarray(0, 16) : name;
  }

  length(index: number): number {
    return this.#words[index * 16 + 14] ?? 0;
  }

  isTruncated(index: number): boolean {
    return ((this.#words[index * 16 + 12] ?? 0) & MSG.TRUNC) !== 0;
  }

  from(index: number): Buffer {
    return index === 0 ? this.headers : this.headers.subarray(index * MMSGHDR_BYTES);
  }

  /** Describes an outgoing message that stands in its slot. */
  set(index: number, length: number, name: Buffer): void {
    name.copy(this.#nameSlots[index] ?? this.#names);
    this.#words[index * 16 + 2] = name.length;
    this.#lengths[index * 4 + 2] = length;
  }

  /** Makes the first `count` slots ready to receive again. */
  reset(count: number): void {
    for (let index = 0; index < count; index++) {
      this.#words[index * 16 + 2] = NAME_BYTES;
      this.#lengths[index * 4 + 2] = this.#slotBytes;
    }
  }
}
