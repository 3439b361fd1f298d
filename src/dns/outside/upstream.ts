import { createSocket } from 'node:dgram';
import { PodnetError } from '../../model/errors.ts';
import { tryParseIp } from '../../model/ip.ts';
import { FLAG } from '../wire/constants.ts';
import { encodeQuestion, matchAnswer, type Question } from './question.ts';
import { StreamConnection } from './stream-connection.ts';

/** A resolver to ask for names outside. */
export interface UpstreamAddress {
  readonly address: string;
  /** 53, and 853 for TLS, unless told. */
  readonly port: number;
  readonly transport: 'dns' | 'tls';
}

export interface UpstreamOptions {
  /** For DNS over TLS: the name the certificate must have; the address itself unless told. */
  readonly serverName?: string;
  /** PEM of the authorities to believe instead of the system's. */
  readonly ca?: string;
  /** Over TCP even where UDP would do. */
  readonly forceTcp?: boolean;
  /** How long an idle connection is kept; 10,000 unless told. */
  readonly expireMs?: number;
}

/** Reads `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT`, each with `dns://` or `tls://` before. @throws PodnetError */
export function parseUpstream(text: string): UpstreamAddress {
  const [, scheme = 'dns', rest = ''] = /^(?:(dns|tls):\/\/)?(.*)$/.exec(text) ?? [];
  const transport = scheme === 'tls' ? 'tls' : 'dns';
  const match =
    tryParseIp(rest) === undefined
      ? (/^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(rest) ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(rest))
      : undefined;
  const address = match?.[1] ?? rest;
  const port = Number(match?.[2] ?? (transport === 'tls' ? 853 : 53));
  if (tryParseIp(address) === undefined || port < 1 || port > 65_535) {
    throw new PodnetError(`Upstream resolver ${JSON.stringify(text)} is not an address`, {
      code: 'dns-upstream-invalid',
      where: 'upstreams',
      fix: 'Write ADDRESS or ADDRESS:PORT, an IPv6 address with a port in brackets; tls:// before it for DNS over TLS.',
    });
  }
  return { address, port, transport };
}

/** `192.0.2.53:53`, `tls://[2001:db8::53]:853` */
export function printUpstream({ address, port, transport }: UpstreamAddress): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return `${transport === 'tls' ? 'tls://' : ''}${host}:${port}`;
}

/**
 * Asks one resolver: over UDP from a fresh socket and port each time, over TCP when the answer was cut or spelled the
 * name otherwise than the question did, over a kept connection for TLS.
 */
export class Upstream {
  readonly at: UpstreamAddress;
  readonly #options: UpstreamOptions;
  #connection: StreamConnection | undefined;
  /** Whether its answers repeat the question letter for letter. */
  #keepsCase = true;

  constructor(at: UpstreamAddress, options: UpstreamOptions = {}) {
    this.at = at;
    this.#options = options;
  }

  /** The whole answer. Rejects when there is none within the time. */
  async ask(question: Question, timeoutMs: number): Promise<Buffer> {
    const deadline = performance.now() + timeoutMs;
    if (this.at.transport === 'dns' && this.#options.forceTcp !== true) {
      const query = encodeQuestion(question, { randomCase: this.#keepsCase });
      const { answer, spelledAlike } = await askOverUdp(this.at, query, timeoutMs);
      if (spelledAlike && (answer.readUInt16BE(2) & FLAG.TC) === 0) return answer;
      if (!spelledAlike) this.#keepsCase = false;
    }
    const query = encodeQuestion(question, { randomCase: false });
    return this.#askOverStream(query, Math.max(1, deadline - performance.now()));
  }

  close(): void {
    this.#connection?.close();
  }

  /** A kept connection may end at any time: the question is asked once more over a new one. */
  async #askOverStream(query: Buffer, timeoutMs: number): Promise<Buffer> {
    const kept = this.#connection?.closed === false ? this.#connection : undefined;
    const failed = Promise.withResolvers<never>();
    const timer = setTimeout(() => failed.reject(this.#late(timeoutMs)), timeoutMs);
    failed.promise.catch(() => {});
    try {
      const first = kept ?? this.#connect();
      try {
        return await Promise.race([first.ask(query), failed.promise]);
      } catch (error) {
        first.forget(query);
        if (kept === undefined || !kept.closed) throw error;
        return await Promise.race([this.#connect().ask(query), failed.promise]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #connect(): StreamConnection {
    const { serverName, ca, expireMs = 10_000 } = this.#options;
    const { address, port, transport } = this.at;
    const target = {
      address,
      port,
      serverName: transport === 'tls' ? (serverName ?? address) : undefined,
      ...(ca !== undefined && { ca }),
    };
    this.#connection = new StreamConnection(target, expireMs);
    return this.#connection;
  }

  #late(timeoutMs: number): Error {
    return new Error(`No answer from ${printUpstream(this.at)} within ${Math.round(timeoutMs)} ms`);
  }
}

/** A connected socket: the kernel drops what comes from elsewhere, and a closed port is an error at once. */
async function askOverUdp(
  at: UpstreamAddress,
  query: Buffer,
  timeoutMs: number,
): Promise<{ answer: Buffer; spelledAlike: boolean }> {
  const socket = createSocket(tryParseIp(at.address)?.family === 6 ? 'udp6' : 'udp4');
  const { promise, resolve, reject } = Promise.withResolvers<{ answer: Buffer; spelledAlike: boolean }>();
  const timer = setTimeout(
    () => reject(new Error(`No answer from ${printUpstream(at)} within ${Math.round(timeoutMs)} ms`)),
    timeoutMs,
  );
  socket.on('error', reject);
  socket.on('message', (answer) => {
    const match = matchAnswer(query, answer);
    if (match !== 'no') resolve({ answer, spelledAlike: match === 'yes' });
  });
  // A failure to connect, such as no route, comes as the callback's argument (which the types leave out).
  socket.connect(at.port, at.address, (error?: Error) => (error ? reject(error) : socket.send(query)));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}
