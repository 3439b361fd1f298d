/** Reading the attributes of netlink messages (struct nlattr, drawn in message.ts). */
import { NLA_TYPE_MASK } from './message.ts';

/**
 * The attributes in one stretch of bytes, by number. When a number comes twice `get` gives the last, as the kernel's
 * own parser does; lists, whose elements share a number, are read with `list`.
 */
export class Attributes {
  readonly #bytes: Buffer;
  #byType: Map<number, Buffer> | undefined;

  /** `offset` skips the family's fixed header. */
  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = offset === 0 ? bytes : bytes.subarray(Math.min(offset, bytes.length));
  }

  /** Every attribute in order. Stops at one that claims more bytes than there are. */
  *list(): Generator<{ type: number; payload: Buffer }> {
    const bytes = this.#bytes;
    let at = 0;
    while (at + 4 <= bytes.length) {
      const length = bytes.readUInt16LE(at);
      if (length < 4 || at + length > bytes.length) return;
      yield {
        type: bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK,
        payload: bytes.subarray(at + 4, at + length),
      };
      at += (length + 3) & ~3;
    }
  }

  get(type: number): Buffer | undefined {
    if (!this.#byType) {
      this.#byType = new Map();
      for (const attribute of this.list()) this.#byType.set(attribute.type, attribute.payload);
    }
    return this.#byType.get(type);
  }

  has(type: number): boolean {
    return this.get(type) !== undefined;
  }

  nested(type: number): Attributes | undefined {
    const payload = this.get(type);
    return payload && new Attributes(payload);
  }

  u8(type: number): number | undefined {
    const payload = this.get(type);
    return payload && payload.length >= 1 ? payload[0] : undefined;
  }

  u16(type: number): number | undefined {
    const payload = this.get(type);
    return payload && payload.length >= 2 ? payload.readUInt16LE() : undefined;
  }

  u16be(type: number): number | undefined {
    const payload = this.get(type);
    return payload && payload.length >= 2 ? payload.readUInt16BE() : undefined;
  }

  u32(type: number): number | undefined {
    const payload = this.get(type);
    return payload && payload.length >= 4 ? payload.readUInt32LE() : undefined;
  }

  u32be(type: number): number | undefined {
    const payload = this.get(type);
    return payload && payload.length >= 4 ? payload.readUInt32BE() : undefined;
  }

  u64(type: number): bigint | undefined {
    const payload = this.get(type);
    return payload && payload.length >= 8 ? payload.readBigUInt64LE() : undefined;
  }

  u64be(type: number): bigint | undefined {
    const payload = this.get(type);
    return payload && payload.length >= 8 ? payload.readBigUInt64BE() : undefined;
  }

  /** Text up to its NUL byte. */
  string(type: number): string | undefined {
    const payload = this.get(type);
    if (!payload) return undefined;
    const end = payload.indexOf(0);
    return payload.toString('utf8', 0, end < 0 ? payload.length : end);
  }
}
