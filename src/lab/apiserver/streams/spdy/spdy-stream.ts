import { Duplex } from 'node:stream';
import { INITIAL_WINDOW_BYTES } from './frames.ts';

/** What a stream needs of its connection. */
export interface StreamCarrier {
  /** Writes one data frame; `done` runs when more may be written. */
  sendData(stream: SpdyStream, data: Buffer, fin: boolean, done: (error?: Error | null) => void): void;
  /** The reader took bytes that had been received. */
  consumed(stream: SpdyStream, bytes: number): void;
  /** Nobody listens to this stream any more. */
  abandoned(stream: SpdyStream): void;
}

const READ_AHEAD_BYTES = INITIAL_WINDOW_BYTES;

/** One SPDY stream, opened by the client. Ending the writable side sends FIN, destroying it sends RST_STREAM. */
export class SpdyStream extends Duplex {
  readonly id: number;
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes the peer still lets us send, when it does flow control. */
  sendWindow: number;
  /** Bytes read and not yet acknowledged with WINDOW_UPDATE; the connection keeps count. */
  unacknowledged = 0;
  readonly #carrier: StreamCarrier;
  #received = 0;
  #acknowledged = 0;

  constructor(
    carrier: StreamCarrier,
    { id, headers, sendWindow }: { id: number; headers: ReadonlyMap<string, string>; sendWindow: number },
  ) {
    super({
      readableHighWaterMark: READ_AHEAD_BYTES,
      writableHighWaterMark: READ_AHEAD_BYTES,
      allowHalfOpen: true,
    });
    this.id = id;
    this.headers = headers;
    this.sendWindow = sendWindow;
    this.#carrier = carrier;
  }

  /** Bytes from the peer; null at its FIN. False when the reader should catch up first. */
  receive(data: Buffer | null): boolean {
    if (this.readableEnded || this.destroyed) return true;
    this.#received += data?.length ?? 0;
    return this.push(data);
  }

  override _read(): void {
    // Node asks for more before it takes what is there out of the buffer.
    process.nextTick(() => this.#acknowledge());
  }

  #acknowledge(): void {
    const bytes = this.#received - this.readableLength - this.#acknowledged;
    this.#acknowledged += bytes;
    this.#carrier.consumed(this, bytes);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#carrier.sendData(this, chunk, false, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#carrier.sendData(this, Buffer.alloc(0), true, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#carrier.abandoned(this);
    done(error);
  }
}
