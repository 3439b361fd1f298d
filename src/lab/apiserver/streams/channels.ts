import type { Duplex } from 'node:stream';

/**
 * podnet-stream.v1, the framing between the API server and a kubelet: one byte for the channel, four for the
 * payload's length (big-endian), the payload. `close` carries one byte, the channel whose sender is done.
 */
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, status: 3, resize: 4, close: 255 } as const;

/** The value of the Upgrade header. */
export const STREAM_PROTOCOL = 'podnet-stream.v1';

const HEADER_BYTES = 5;
const MAX_MESSAGE_BYTES = 1024 * 1024;

export function channelHeader(channel: number, length: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(channel, 0);
  header.writeUInt32BE(length, 1);
  return header;
}

/**
 * Notices a peer that has gone while nothing is read from it, because a program does not take its input: writes an
 * empty piece of stdout now and then, which fails when nobody is there. Stops when the connection closes.
 */
export function probePeer(socket: Duplex, intervalMs = 5000): void {
  const probing = setInterval(() => {
    if (socket.writable) socket.write(channelHeader(CHANNEL.stdout, 0));
  }, intervalMs).unref();
  socket.once('close', () => clearInterval(probing));
}

export interface ChannelPart {
  readonly channel: number;
  readonly payload: Buffer;
}

/**
 * Cuts bytes into frames. Data channels are handed on in parts as they come; status, resize and close only whole, at
 * most 1 MiB.
 */
export class ChannelReader {
  #pending: Buffer = Buffer.alloc(0);
  #data: { channel: number; left: number } | undefined;

  /** Throws a RangeError for a message that is too long. */
  *read(chunk: Buffer): Generator<ChannelPart> {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    for (;;) {
      if (this.#data) {
        if (this.#pending.length === 0) return;
        const { channel, left } = this.#data;
        const payload = this.#pending.subarray(0, left);
        this.#pending = this.#pending.subarray(payload.length);
        if (payload.length === left) this.#data = undefined;
        else this.#data.left -= payload.length;
        yield { channel, payload };
        continue;
      }
      if (this.#pending.length < HEADER_BYTES) return;
      const channel = this.#pending.readUInt8(0);
      const length = this.#pending.readUInt32BE(1);
      if (channel <= CHANNEL.stderr) {
        this.#pending = this.#pending.subarray(HEADER_BYTES);
        if (length > 0) this.#data = { channel, left: length };
        continue;
      }
      if (length > MAX_MESSAGE_BYTES)
        throw new RangeError(`a message of ${length} bytes on channel ${channel}`);
      if (this.#pending.length < HEADER_BYTES + length) return;
      const payload = this.#pending.subarray(HEADER_BYTES, HEADER_BYTES + length);
      this.#pending = this.#pending.subarray(HEADER_BYTES + length);
      yield { channel, payload };
    }
  }
}
