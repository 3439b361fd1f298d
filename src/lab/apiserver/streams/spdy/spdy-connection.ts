import type { Duplex } from 'node:stream';
import {
  controlFrame,
  type ControlFrame,
  dataHeader,
  type DataPart,
  FLAG_FIN,
  FRAME,
  FrameReader,
  INITIAL_WINDOW_BYTES,
  RESET,
  SETTINGS_INITIAL_WINDOW_SIZE,
  SpdyProtocolError,
} from './frames.ts';
import { HeaderBlockReader, HeaderBlockWriter } from './header-block.ts';
import { SpdyStream, type StreamCarrier } from './spdy-stream.ts';

export interface SpdyOptions {
  /** Says whether a stream that the client opens is wanted. */
  readonly onStream: (stream: SpdyStream) => boolean;
  /** Runs once, when the connection is over, whoever ended it. */
  readonly onClose: () => void;
}

const MAX_STREAMS = 1024;
/** A stream whose reader is this far behind stops the whole connection: Go's client heeds no window. */
const MAX_BEHIND_BYTES = 1024 * 1024;
const WINDOW_UPDATE_BYTES = INITIAL_WINDOW_BYTES / 2;
const PING_INTERVAL_MS = 5000;
const MAX_DATA_BYTES = 64 * 1024;
const NO_HEADERS: ReadonlyMap<string, string> = new Map();

/**
 * The server's side of a SPDY/3.1 connection over any byte stream (spdy/3.1 draft, sections 2.2 to 2.6), as far as
 * Kubernetes uses it: the client opens streams, both sides send data. Streams it opens itself there are none.
 *
 * Flow control: what was read is acknowledged with WINDOW_UPDATE. The peer's window binds us only once it has sent
 * SETTINGS or WINDOW_UPDATE: the library inside kubectl (moby/spdystream) knows neither and would wait for ever.
 */
export class SpdyConnection implements StreamCarrier {
  readonly #socket: Duplex;
  readonly #options: SpdyOptions;
  readonly #frames = new FrameReader();
  readonly #headerReader = new HeaderBlockReader();
  readonly #headerWriter = new HeaderBlockWriter();
  readonly #streams = new Map<number, SpdyStream>();
  readonly #behind = new Set<SpdyStream>();
  #pinging: NodeJS.Timeout | undefined;
  #waiting: { readonly stream: SpdyStream; readonly run: () => void }[] = [];
  #afterDrain: (() => void)[] = [];
  #heedsWindows = false;
  #initialWindow = INITIAL_WINDOW_BYTES;
  #lastStreamId = 0;
  #nextPing = 2;
  #goingAway = false;
  #closed = false;

  constructor(socket: Duplex, options: SpdyOptions) {
    this.#socket = socket;
    this.#options = options;
  }

  /** Begins to read; `head` is what has been read already. */
  start(head: Buffer): void {
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('end', () => this.destroy());
    socket.on('error', () => this.destroy());
    socket.on('close', () => this.destroy());
    // A reader that is behind pauses the socket, which then says nothing of the client's death; a write does.
    this.#pinging = setInterval(() => this.#ping(), PING_INTERVAL_MS).unref();
    if (socket.destroyed) this.destroy();
    else if (head.length > 0) this.#receive(head);
  }

  /** Lets everything written go out, then closes. */
  end(): void {
    if (this.#closed) return;
    this.#socket.write(controlFrame(FRAME.goAway, [this.#lastStreamId, 0]));
    this.#socket.end();
    setTimeout(() => this.destroy(), 5000).unref();
  }

  /** Closes at once; open streams end with an error. */
  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#pinging);
    this.#socket.destroy();
    for (const stream of this.#streams.values()) {
      stream.destroy(stream.readableEnded && stream.writableFinished ? undefined : connectionLost());
    }
    this.#streams.clear();
    for (const { run } of this.#waiting.splice(0)) run();
    for (const run of this.#afterDrain.splice(0)) run();
    this.#options.onClose();
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.read(chunk)) {
        if (this.#closed) return;
        if (frame.kind === 'data') this.#receiveData(frame);
        else this.#receiveControl(frame);
      }
    } catch {
      // A protocol error: the rest of the bytes means nothing.
      this.destroy();
    }
  }

  #receiveControl({ type, flags, body }: ControlFrame): void {
    const number = (at: number): number => {
      if (at + 4 > body.length) throw new SpdyProtocolError(`control frame ${type} ends early`);
      return body.readUInt32BE(at);
    };
    switch (type) {
      case FRAME.synStream:
        this.#open(number(0) & 0x7f_ff_ff_ff, body.subarray(10), flags);
        break;
      case FRAME.headers:
      case FRAME.synReply:
        this.#headerReader.read(body.subarray(4));
        break;
      case FRAME.rstStream:
        this.#forget(number(0))?.destroy(new Error(`The client reset the stream (status ${number(4)})`));
        break;
      case FRAME.settings:
        this.#settings(body, number(0));
        break;
      case FRAME.ping:
        if (number(0) % 2 === 1) this.#socket.write(controlFrame(FRAME.ping, [number(0)]));
        break;
      case FRAME.goAway:
        this.#goingAway = true;
        if (this.#streams.size === 0) this.end();
        break;
      case FRAME.windowUpdate:
        this.#grow(number(0) & 0x7f_ff_ff_ff, number(4) & 0x7f_ff_ff_ff);
        break;
      default:
        // Unknown frames are ignored (section 2.2.1).
        break;
    }
  }

  #open(id: number, block: Buffer, flags: number): void {
    const headers = this.#headerReader.read(block);
    if (id % 2 === 0 || id <= this.#lastStreamId || this.#goingAway) {
      this.#reset(id, RESET.protocolError);
      return;
    }
    this.#lastStreamId = id;
    const stream = new SpdyStream(this, { id, headers, sendWindow: this.#initialWindow });
    // Errors reach whoever uses the stream; a stream between owners must not end the process.
    stream.on('error', () => {});
    if (this.#streams.size >= MAX_STREAMS || !this.#options.onStream(stream)) {
      this.#reset(id, RESET.refusedStream);
      return;
    }
    this.#streams.set(id, stream);
    const tail = this.#headerWriter.write(NO_HEADERS);
    this.#socket.write(controlFrame(FRAME.synReply, [id], { tail }));
    if (flags & FLAG_FIN) stream.receive(null);
  }

  #receiveData({ streamId, data, fin }: DataPart): void {
    const stream = this.#streams.get(streamId);
    if (!stream) {
      if (streamId > this.#lastStreamId) this.#reset(streamId, RESET.invalidStream);
      return;
    }
    if (data.length > 0 && !stream.receive(data) && stream.readableLength >= MAX_BEHIND_BYTES) {
      this.#behind.add(stream);
      this.#socket.pause();
    }
    if (fin) stream.receive(null);
  }

  #settings(body: Buffer, count: number): void {
    this.#heedsWindows = true;
    for (let at = 4; at + 8 <= body.length && at < 4 + count * 8; at += 8) {
      if (body.readUIntBE(at + 1, 3) !== SETTINGS_INITIAL_WINDOW_SIZE) continue;
      const size = body.readUInt32BE(at + 4) & 0x7f_ff_ff_ff;
      for (const stream of this.#streams.values()) stream.sendWindow += size - this.#initialWindow;
      this.#initialWindow = size;
    }
    this.#retry();
  }

  #grow(id: number, bytes: number): void {
    this.#heedsWindows = true;
    const stream = this.#streams.get(id);
    if (!stream) return;
    stream.sendWindow += bytes;
    this.#retry();
  }

  sendData(stream: SpdyStream, data: Buffer, fin: boolean, done: (error?: Error | null) => void): void {
    if (this.#closed || !this.#streams.has(stream.id)) {
      done(connectionLost());
      return;
    }
    const allowed = this.#heedsWindows ? Math.max(stream.sendWindow, 0) : Number.POSITIVE_INFINITY;
    const part = data.subarray(0, Math.min(allowed, MAX_DATA_BYTES));
    if (part.length === 0 && data.length > 0) {
      this.#waiting.push({ stream, run: () => this.sendData(stream, data, fin, done) });
      return;
    }
    stream.sendWindow -= part.length;
    const last = part.length === data.length;
    this.#socket.cork();
    this.#socket.write(dataHeader(stream.id, part.length, fin && last));
    const room = part.length === 0 || this.#socket.write(part);
    process.nextTick(() => this.#socket.uncork());
    const next = last ? () => done() : () => this.sendData(stream, data.subarray(part.length), fin, done);
    if (room) next();
    else this.#afterDrain.push(next);
  }

  #retry(): void {
    for (const { run } of this.#waiting.splice(0)) run();
  }

  #drained(): void {
    for (const run of this.#afterDrain.splice(0)) run();
  }

  consumed(stream: SpdyStream, bytes: number): void {
    if (this.#closed) return;
    if (this.#behind.delete(stream) && this.#behind.size === 0) this.#socket.resume();
    stream.unacknowledged += bytes;
    if (!this.#streams.has(stream.id)) return;
    if (stream.unacknowledged < WINDOW_UPDATE_BYTES) return;
    this.#socket.write(controlFrame(FRAME.windowUpdate, [stream.id, stream.unacknowledged]));
    stream.unacknowledged = 0;
  }

  abandoned(stream: SpdyStream): void {
    if (!this.#forget(stream.id) || this.#closed) return;
    if (!stream.readableEnded || !stream.writableFinished) this.#reset(stream.id, RESET.cancel);
  }

  #forget(id: number): SpdyStream | undefined {
    const stream = this.#streams.get(id);
    if (!stream) return undefined;
    this.#streams.delete(id);
    if (this.#behind.delete(stream) && this.#behind.size === 0) this.#socket.resume();
    const mine = this.#waiting.filter((waiting) => waiting.stream === stream);
    this.#waiting = this.#waiting.filter((waiting) => waiting.stream !== stream);
    for (const { run } of mine) run();
    if (this.#goingAway && this.#streams.size === 0) this.end();
    return stream;
  }

  #reset(id: number, status: number): void {
    this.#socket.write(controlFrame(FRAME.rstStream, [id, status]));
  }

  #ping(): void {
    this.#socket.write(controlFrame(FRAME.ping, [this.#nextPing]));
    this.#nextPing = this.#nextPing >= 0x7f_ff_ff_fe ? 2 : this.#nextPing + 2;
  }
}

function connectionLost(): Error {
  return new Error('The client closed the connection');
}
