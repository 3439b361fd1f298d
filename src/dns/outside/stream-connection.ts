import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { readFrames, writeFrame } from '../wire/frame.ts';
import { matchAnswer } from './question.ts';

export interface StreamTarget {
  readonly address: string;
  readonly port: number;
  /** For DNS over TLS (RFC 7858): the name that the certificate must have; undefined for plain TCP. */
  readonly serverName: string | undefined;
  /** PEM of the authorities to believe instead of the system's. */
  readonly ca?: string;
}

/** A question waits on its own for the answer, in whatever order answers come. */
interface Waiting {
  readonly query: Buffer;
  readonly resolve: (answer: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

/** One connection to an upstream, shared by questions for as long as it is busy (RFC 7766). */
export class StreamConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #closed = false;

  constructor({ address, port, serverName, ca }: StreamTarget, idleMs: number) {
    this.#socket =
      serverName === undefined
        ? connectTcp({ host: address, port, noDelay: true })
        : connectTls({
            host: address,
            port,
            servername: serverName,
            ALPNProtocols: ['dot'],
            minVersion: 'TLSv1.2',
            ...(ca !== undefined && { ca }),
          });
    this.#socket.setTimeout(idleMs, () => this.#end(new Error(`${address} did not answer`)));
    this.#socket.on('error', (error) => this.#end(error));
    this.#socket.on('close', () => this.#end(new Error(`${address} closed the connection`)));
    readFrames(this.#socket, (answer) => this.#receive(answer));
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Rejects when the connection ends first, or when another question with this id waits already. */
  ask(query: Buffer): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const id = query.readUInt16BE(0);
    if (this.#closed) reject(new Error('The connection is closed'));
    else if (this.#waiting.has(id)) reject(new Error(`Two questions have the id ${id}`));
    else {
      this.#waiting.set(id, { query, resolve, reject });
      this.#socket.write(writeFrame(query));
    }
    return promise;
  }

  /** Nobody waits for the answer any more. */
  forget(query: Buffer): void {
    this.#waiting.delete(query.readUInt16BE(0));
  }

  close(): void {
    this.#end(new Error('The connection is closed'));
  }

  #receive(answer: Buffer): void {
    if (answer.length < 2) return;
    const id = answer.readUInt16BE(0);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined || matchAnswer(waiting.query, answer) === 'no') return;
    this.#waiting.delete(id);
    waiting.resolve(Buffer.from(answer));
  }

  #end(error: Error): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
