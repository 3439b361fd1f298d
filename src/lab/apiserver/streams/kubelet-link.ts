import { request } from 'node:http';
import { type Duplex, Writable } from 'node:stream';
import { errorMessage } from '../../../model/errors.ts';
import type { Status } from '../../../model/objects.ts';
import { internalError, StatusError } from '../status.ts';
import { CHANNEL, channelHeader, ChannelReader, STREAM_PROTOCOL } from './channels.ts';

const ANSWER_TIMEOUT_MS = 30_000;
const MAX_ERROR_BYTES = 64 * 1024;

/** Runs for each piece that comes from the kubelet. False stops the reading until `resume` is called. */
export type OnChannel = (channel: number, payload: Buffer) => boolean;

export interface LinkHandlers {
  readonly onChannel: OnChannel;
  /** Runs once, when the kubelet has closed the connection or it broke. */
  readonly onClose: () => void;
}

/** One upgraded connection to a kubelet: channels both ways. Nothing is read before `start`. */
export class KubeletLink {
  readonly #socket: Duplex;
  readonly #reader = new ChannelReader();
  #head: Buffer;
  #queue: { readonly channel: number; readonly payload: Buffer }[] = [];
  #stopped = false;
  #ended = false;
  #closed = false;
  #handlers: LinkHandlers | undefined;

  constructor(socket: Duplex, head: Buffer) {
    this.#socket = socket;
    this.#head = head;
    socket.on('error', () => socket.destroy());
  }

  start(handlers: LinkHandlers): void {
    this.#handlers = handlers;
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('end', () => this.#end());
    this.#socket.on('close', () => this.#end());
    if (this.#head.length > 0) this.#receive(this.#head);
    this.#head = Buffer.alloc(0);
    if (this.#socket.destroyed) this.#end();
    else if (!this.#stopped) this.#socket.resume();
  }

  /** A way to write to one channel; ending it tells the kubelet that the channel is done. */
  channelWriter(channel: number): Writable {
    return new Writable({
      highWaterMark: 64 * 1024,
      write: (chunk: Buffer, _encoding, done) => this.#send(channel, chunk, done),
      final: (done) => this.#send(CHANNEL.close, Buffer.from([channel]), done),
    });
  }

  /** Sends a short message. */
  send(channel: number, payload: Buffer): void {
    this.#send(channel, payload, () => {});
  }

  resume(): void {
    this.#stopped = false;
    this.#deliver();
    if (!this.#stopped) this.#socket.resume();
  }

  destroy(): void {
    this.#closed = true;
    this.#socket.destroy();
  }

  #send(channel: number, payload: Buffer, done: () => void): void {
    if (this.#socket.destroyed || !this.#socket.writable) {
      done();
      return;
    }
    this.#socket.cork();
    this.#socket.write(channelHeader(channel, payload.length));
    const room = this.#socket.write(payload);
    this.#socket.uncork();
    if (room) done();
    else this.#whenDrained(done);
  }

  #whenDrained(done: () => void): void {
    const finish = (): void => {
      this.#socket.off('drain', finish);
      this.#socket.off('close', finish);
      done();
    };
    this.#socket.on('drain', finish);
    this.#socket.on('close', finish);
  }

  #receive(chunk: Buffer): void {
    try {
      this.#queue.push(...this.#reader.read(chunk));
    } catch {
      this.#socket.destroy();
      return;
    }
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#stopped && !this.#closed) {
      const next = this.#queue.shift();
      if (!next) break;
      if (this.#handlers?.onChannel(next.channel, next.payload) === false) {
        this.#stopped = true;
        this.#socket.pause();
      }
    }
    if (this.#ended && this.#queue.length === 0) this.#finish();
  }

  #end(): void {
    this.#ended = true;
    this.#deliver();
  }

  #finish(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    this.#handlers?.onClose();
  }
}

/**
 * Asks a kubelet for a stream. Rejects with a StatusError: what the kubelet answered, or that it did not.
 * `path` is absolute and encoded.
 */
export async function openKubeletLink(dial: () => Duplex, path: string): Promise<KubeletLink> {
  const socket = dialQuietly(dial);
  return await new Promise<KubeletLink>((resolve, reject) => {
    const upgrade = request({
      method: 'POST',
      path,
      headers: { Host: 'kubelet', Connection: 'Upgrade', Upgrade: STREAM_PROTOCOL, 'Content-Length': 0 },
      createConnection: () => socket,
    });
    const timeout = setTimeout(() => {
      upgrade.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`));
    }, ANSWER_TIMEOUT_MS);
    upgrade.on('close', () => clearTimeout(timeout));
    upgrade.on('upgrade', (_response, upgraded: Duplex, head) => {
      clearTimeout(timeout);
      resolve(new KubeletLink(upgraded, head));
    });
    upgrade.on('response', (response) => {
      readText(response)
        .then((text) => reject(refusal(response.statusCode ?? 500, text)))
        .catch((error: unknown) => reject(unreachable(error)));
    });
    upgrade.on('error', (error) => reject(unreachable(error)));
    upgrade.end();
  });
}

/** A connection whose errors are heard from the start: HTTP listens only a tick later. */
export function dialQuietly(dial: () => Duplex): Duplex {
  const socket = dial();
  socket.on('error', () => {});
  if (socket.destroyed) throw unreachable(socket.errored ?? new Error('the kubelet is away'));
  return socket;
}

export function unreachable(error: unknown): StatusError {
  return internalError(`error dialing backend: ${errorMessage(error)}`);
}

/** The first 64 KiB of an answer. */
export async function readText(from: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of from) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > MAX_ERROR_BYTES) break;
  }
  return Buffer.concat(chunks).toString('utf8', 0, MAX_ERROR_BYTES);
}

/** A kubelet's answer other than the one hoped for: the Status it sent, or its text. */
export function refusal(code: number, text: string): StatusError {
  const status = parseStatus(text);
  return new StatusError({
    code: status?.code ?? code,
    reason: status?.reason ?? (code === 404 ? 'NotFound' : code === 400 ? 'BadRequest' : 'InternalError'),
    message: status?.message ?? (text.trim() || `the kubelet answered with ${code}`),
    ...(status?.details && { details: status.details }),
  });
}

/** A metav1.Status in JSON, with or without its kind; undefined for anything else. */
export function parseStatus(text: string): Status | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || !('status' in value)) return undefined;
    if (value.status === 'Success' || value.status === 'Failure') return value as Status;
  } catch {
    // Not JSON: the caller shows the text.
  }
  return undefined;
}
