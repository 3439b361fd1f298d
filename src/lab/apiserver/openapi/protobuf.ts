const LENGTH_DELIMITED = 2;

/** A writer of protocol buffer messages into one growing buffer: just what the OpenAPI documents need. */
export class ProtobufWriter {
  #buffer = Buffer.allocUnsafe(64 * 1024);
  #length = 0;

  /** A string field; absent and empty strings are not written, as proto3 has it. */
  string(field: number, value: string | undefined): this {
    if (!value) return this;
    const length = Buffer.byteLength(value);
    this.#reserve(length + 10);
    this.#varint((field << 3) | LENGTH_DELIMITED);
    this.#varint(length);
    this.#length += this.#buffer.write(value, this.#length);
    return this;
  }

  /** Each string as a field of its own. */
  strings(field: number, values: readonly string[] | undefined): this {
    for (const value of values ?? []) this.string(field, value);
    return this;
  }

  /** False and absent are not written. */
  boolean(field: number, value: boolean | undefined): this {
    if (!value) return this;
    this.#reserve(10);
    this.#varint(field << 3);
    this.#varint(1);
    return this;
  }

  /** A nested message, written by `write`. Its length is known only afterwards, so its bytes move to make room. */
  message(field: number, write: (writer: this) => void): this {
    this.#reserve(10);
    this.#varint((field << 3) | LENGTH_DELIMITED);
    const start = this.#length;
    write(this);
    const length = this.#length - start;
    this.#reserve(10);
    this.#length = start;
    const room = varintSize(length);
    this.#buffer.copyWithin(start + room, start, start + length);
    this.#varint(length);
    this.#length = start + room + length;
    return this;
  }

  /** A copy of what was written. */
  finish(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe((this.#length + bytes) * 2);
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  /** Base-128, least significant group first. `value` is below 2³². */
  #varint(value: number): void {
    let rest = value;
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#buffer[this.#length++] = rest;
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size += 1;
  return size;
}
