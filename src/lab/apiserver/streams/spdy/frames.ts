/** Control frame types of SPDY/3.1. */
export const FRAME = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Status codes of RST_STREAM. */
export const RESET = {
  protocolError: 1,
  invalidStream: 2,
  refusedStream: 3,
  cancel: 5,
  flowControl: 7,
} as const;

export const FLAG_FIN = 1;
export const INITIAL_WINDOW_BYTES = 64 * 1024;
export const SETTINGS_INITIAL_WINDOW_SIZE = 7;

const VERSION_3_CONTROL = 0x80_03;
const HEADER_BYTES = 8;
const MAX_CONTROL_BYTES = 64 * 1024;

export interface ControlFrame {
  readonly kind: 'control';
  readonly type: number;
  readonly flags: number;
  readonly body: Buffer;
}

/** Part of a data frame, as it comes off the wire; FIN is set on the last part only. */
export interface DataPart {
  readonly kind: 'data';
  readonly streamId: number;
  readonly fin: boolean;
  readonly data: Buffer;
}

export class SpdyProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SpdyProtocolError';
  }
}

/**
 * Cuts bytes into frames. Control frames are put together (at most 64 KiB), data frames are handed on in parts, so
 * that a frame's declared length costs no memory.
 * ```
 * |1| version 15 | type 16 |       |0|   stream id 31    |
 * | flags 8 |   length 24  |       | flags 8 | length 24 |
 * ```
 */
export class FrameReader {
  #pending: Buffer = Buffer.alloc(0);
  #data: { streamId: number; fin: boolean; left: number } | undefined;

  /** The frames that these bytes complete. Throws SpdyProtocolError; the connection is then unusable. */
  *read(chunk: Buffer): Generator<ControlFrame | DataPart> {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      if (this.#data) {
        const { streamId, fin, left } = this.#data;
        if (left > 0 && this.#pending.length === 0) return;
        const data = this.#pending.subarray(0, left);
        this.#pending = this.#pending.subarray(data.length);
        this.#data.left -= data.length;
        const last = this.#data.left === 0;
        if (last) this.#data = undefined;
        yield { kind: 'data', streamId, fin: fin && last, data };
        continue;
      }
      if (this.#pending.length < HEADER_BYTES) return;
      const length = this.#pending.readUIntBE(5, 3);
      const flags = this.#pending.readUInt8(4);
      if ((this.#pending.readUInt8(0) & 0x80) === 0) {
        this.#data = { streamId: this.#pending.readUInt32BE(0), fin: (flags & FLAG_FIN) !== 0, left: length };
        this.#pending = this.#pending.subarray(HEADER_BYTES);
        continue;
      }
      if (this.#pending.readUInt16BE(0) !== VERSION_3_CONTROL)
        throw new SpdyProtocolError('not SPDY version 3');
      if (length > MAX_CONTROL_BYTES) throw new SpdyProtocolError(`a control frame of ${length} bytes`);
      if (this.#pending.length < HEADER_BYTES + length) return;
      const type = this.#pending.readUInt16BE(2);
      const body = this.#pending.subarray(HEADER_BYTES, HEADER_BYTES + length);
      this.#pending = this.#pending.subarray(HEADER_BYTES + length);
      yield { kind: 'control', type, flags, body };
    }
  }
}

/** A control frame whose body is 32-bit numbers, then bytes. */
export function controlFrame(
  type: number,
  numbers: readonly number[],
  { flags = 0, tail = Buffer.alloc(0) }: { readonly flags?: number; readonly tail?: Buffer } = {},
): Buffer {
  const frame = Buffer.alloc(HEADER_BYTES + numbers.length * 4);
  frame.writeUInt16BE(VERSION_3_CONTROL, 0);
  frame.writeUInt16BE(type, 2);
  frame.writeUInt8(flags, 4);
  frame.writeUIntBE(numbers.length * 4 + tail.length, 5, 3);
  for (const [i, number] of numbers.entries()) frame.writeUInt32BE(number, HEADER_BYTES + i * 4);
  return tail.length === 0 ? frame : Buffer.concat([frame, tail]);
}

/** The eight bytes before a data frame's payload. */
export function dataHeader(streamId: number, length: number, fin: boolean): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt32BE(streamId, 0);
  header.writeUInt8(fin ? FLAG_FIN : 0, 4);
  header.writeUIntBE(length, 5, 3);
  return header;
}
