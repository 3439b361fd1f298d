/**
 * Building netlink messages (linux/netlink.h). Numbers are in host order, which is little-endian on every processor
 * podnet runs on, but where a name ends in `be`.
 *
 *     struct nlmsghdr                    then           struct nlattr, as often as needed
 *     ┌────────────┬──────┬───────┐      ┌─────────┐    ┌─────┬──────┬─────────┬─────────┐
 *     │ length  32 │type16│flags16│      │ family  │    │len16│type16│ payload │ padding │
 *     ├────────────┼──────┴───────┤      │ header  │    └─────┴──────┴─────────┴─────────┘
 *     │sequence 32 │ port id   32 │      └─────────┘    len counts without the padding to 4 bytes
 *     └────────────┴──────────────┘
 */

/** nlmsghdr.nlmsg_flags */
export const NLM_F = {
  REQUEST: 0x001,
  MULTI: 0x002,
  ACK: 0x004,
  ECHO: 0x008,
  DUMP_INTR: 0x010,
  // of GET requests
  ROOT: 0x100,
  MATCH: 0x200,
  DUMP: 0x300,
  // of NEW requests
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
} as const;

/** nlmsghdr.nlmsg_type below the families' own */
export const NLMSG = { NOOP: 1, ERROR: 2, DONE: 3, OVERRUN: 4, MIN_TYPE: 0x10 } as const;

/** nlattr.nla_type: the bits above the number */
export const NLA_F_NESTED = 0x8000;
export const NLA_TYPE_MASK = 0x3fff;

export const HEADER_LENGTH = 16;
/** The most bytes an attribute's payload can have: `nla_len` is 16 bits and counts its own header. */
export const MAX_ATTRIBUTE_LENGTH = 0xffff - 4;

/** One complete message, its sequence number still open: the socket sets it. */
export interface NetlinkMessage {
  /** Header and payload. */
  readonly bytes: Buffer;
  /** What the message asks for, in words a person can type or read: errors carry it. */
  readonly description: string | (() => string);
}

/** The printable form of a message. */
export function describeMessage({ description }: NetlinkMessage): string {
  return typeof description === 'string' ? description : description();
}

/** Writes one message: header, then whatever fixed header the family has, then attributes. */
export class MessageWriter {
  #buffer: Buffer;
  #length = HEADER_LENGTH;

  /** `flags` get NLM_F_REQUEST added. */
  constructor(type: number, flags: number, capacity = 256) {
    this.#buffer = Buffer.alloc(Math.max(capacity, HEADER_LENGTH));
    this.#buffer.writeUInt16LE(type, 4);
    this.#buffer.writeUInt16LE(flags | NLM_F.REQUEST, 6);
  }

  /** Bytes written so far, the header included. */
  get length(): number {
    return this.#length;
  }

  #reserve(size: number): number {
    const at = this.#length;
    this.#length = at + size;
    if (this.#length > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(this.#buffer.length * 2, this.#length));
      this.#buffer.copy(grown, 0, 0, at);
      this.#buffer = grown;
    }
    return at;
  }

  // Fixed headers: numbers without an attribute around them.

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#buffer[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#reserve(2);
    this.#buffer.writeUInt16LE(value, at);
    return this;
  }

  u16be(value: number): this {
    const at = this.#reserve(2);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32LE(value, at);
    return this;
  }

  i32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeInt32LE(value, at);
    return this;
  }

  bytes(value: Uint8Array): this {
    const at = this.#reserve(value.length);
    this.#buffer.set(value, at);
    return this;
  }

  // Attributes.

  #attribute(type: number, size: number): number {
    if (size > MAX_ATTRIBUTE_LENGTH) throw new RangeError(`Attribute ${type} of ${size} bytes is too long`);
    const at = this.#reserve(4 + ((size + 3) & ~3));
    this.#buffer.writeUInt16LE(4 + size, at);
    this.#buffer.writeUInt16LE(type, at + 2);
    return at + 4;
  }

  /** An attribute that says all by being there. */
  attrFlag(type: number): this {
    this.#attribute(type, 0);
    return this;
  }

  attrU8(type: number, value: number): this {
    const at = this.#attribute(type, 1);
    this.#buffer[at] = value;
    return this;
  }

  attrU16(type: number, value: number): this {
    const at = this.#attribute(type, 2);
    this.#buffer.writeUInt16LE(value, at);
    return this;
  }

  attrU16be(type: number, value: number): this {
    const at = this.#attribute(type, 2);
    this.#buffer.writeUInt16BE(value, at);
    return this;
  }

  attrU32(type: number, value: number): this {
    const at = this.#attribute(type, 4);
    this.#buffer.writeUInt32LE(value, at);
    return this;
  }

  attrU32be(type: number, value: number): this {
    const at = this.#attribute(type, 4);
    this.#buffer.writeUInt32BE(value, at);
    return this;
  }

  attrU64(type: number, value: bigint): this {
    const at = this.#attribute(type, 8);
    this.#buffer.writeBigUInt64LE(value, at);
    return this;
  }

  attrU64be(type: number, value: bigint): this {
    const at = this.#attribute(type, 8);
    this.#buffer.writeBigUInt64BE(value, at);
    return this;
  }

  /** Text with the NUL byte the kernel expects at its end. */
  attrString(type: number, value: string): this {
    const size = Buffer.byteLength(value);
    const at = this.#attribute(type, size + 1);
    this.#buffer.write(value, at, size);
    return this;
  }

  attrBytes(type: number, value: Uint8Array): this {
    const at = this.#attribute(type, value.length);
    this.#buffer.set(value, at);
    return this;
  }

  /** An attribute of so many zeros, to be filled in at once: see `buffer`. Returns where they begin. */
  attrZeros(type: number, size: number): number {
    return this.#attribute(type, size);
  }

  /** Good until the next thing is written, which may move it. */
  get buffer(): Buffer {
    return this.#buffer;
  }

  /** An attribute made of what `body` writes, marked NLA_F_NESTED. */
  attrNested(type: number, body: () => void): this {
    const mark = this.openNest(type);
    body();
    return this.closeNest(mark);
  }

  /** Begins a nested attribute; give what it returns to `closeNest`. */
  openNest(type: number): number {
    return this.#attribute(type | NLA_F_NESTED, 0);
  }

  closeNest(mark: number): this {
    const size = this.#length - mark;
    if (size > MAX_ATTRIBUTE_LENGTH) throw new RangeError(`Nested attribute of ${size} bytes is too long`);
    this.#buffer.writeUInt16LE(4 + size, mark - 4);
    return this;
  }

  /** The message, complete. The writer must not be used after it. */
  finish(description: NetlinkMessage['description']): NetlinkMessage {
    this.#buffer.writeUInt32LE(this.#length, 0);
    return { bytes: this.#buffer.subarray(0, this.#length), description };
  }
}
