import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

import { PodnetError } from '../model/errors.ts';
import { tryParseIp } from '../model/ip.ts';
import { EDNS_BYTES, FLAG, HEADER_BYTES, RCODE, TYPE } from './wire/constants.ts';
import { encodeMessage } from './wire/message.ts';
import { labelsToKey, readName } from './wire/name.ts';
import { readFrames, writeFrame } from './wire/frame.ts';

/** A resolver to ask for names outside. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
}

export interface UpstreamsOptions {
  readonly upstreams: readonly Upstream[];
  /** For one attempt at one upstream. 2000 unless told. */
  readonly timeoutMs?: number;
  /** Clients that may wait at the same time; more fail at once. 512 unless told. */
  readonly maxInFlight?: number;
}

export interface Upstreams {
  /**
   * The whole answer of the first upstream that gives one (NOERROR or NXDOMAIN; any other rcode only when no upstream
   * does better). Rejects when none answers or too many questions are open.
   */
  ask(question: { readonly name: string; readonly type: number }): Promise<Buffer>;
}

/** Reads `ADDRESS`, `ADDRESS:PORT` or `[ADDRESS]:PORT`. Throws `PodnetError`. */
export function parseUpstream(text: string): Upstream {
  const match = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text) ?? /^([^:]+)(?::(\d{1,5}))?$/.exec(text);
  const address = match?.[1] ?? text;
  const port = Number(match?.[2] ?? 53);
  if (tryParseIp(address) === undefined || port < 1 || port > 65_535) {
    throw new PodnetError(`Upstream resolver ${JSON.stringify(text)} is not an address`, {
      code: 'dns-upstream-invalid',
      where: 'upstreams',
      fix: 'Write ADDRESS or ADDRESS:PORT, an IPv6 address with a port in brackets.',
    });
  }
  return { address, port };
}

/**
 * Asks upstream resolvers: over UDP from a fresh socket and port with a random id each time, over TCP when the answer
 * was cut. An upstream that fails is asked last until it is the only one left to try.
 */
export function createUpstreams({
  upstreams,
  timeoutMs = 2000,
  maxInFlight = 512,
}: UpstreamsOptions): Upstreams {
  let order = [...upstreams];
  /** Questions of one name and type share one answer. */
  const inFlight = new Map<string, Promise<Buffer>>();

  let waiting = 0;

  async function resolve(question: { name: string; type: number }): Promise<Buffer> {
    let lastAnswer: Buffer | undefined;
    let lastError: unknown = new Error('No upstream resolver is configured');
    for (const upstream of order) {
      try {
        const answer = await askOne(upstream, question, timeoutMs);
        const rcode = answer.readUInt16BE(2) & 0xf;
        if (rcode === RCODE.NOERROR || rcode === RCODE.NXDOMAIN) return answer;
        lastAnswer = answer;
      } catch (error) {
        lastError = error;
        order = [...order.filter((other) => other !== upstream), upstream];
      }
    }
    if (lastAnswer !== undefined) return lastAnswer;
    throw lastError;
  }

  return {
    ask: async (question) => {
      if (waiting >= maxInFlight) throw new Error(`More than ${maxInFlight} questions are open upstream`);
      const key = `${question.type} ${question.name}`;
      waiting++;
      try {
        let answer = inFlight.get(key);
        if (answer === undefined) {
          answer = resolve(question).finally(() => inFlight.delete(key));
          inFlight.set(key, answer);
        }
        return await answer;
      } finally {
        waiting--;
      }
    },
  };
}

async function askOne(
  upstream: Upstream,
  question: { name: string; type: number },
  timeoutMs: number,
): Promise<Buffer> {
  const query = encodeMessage({
    id: randomInt(0x1_0000),
    flags: FLAG.RD,
    questions: [question],
    answers: [],
    authority: [],
    additional: [
      {
        name: '.',
        class: EDNS_BYTES,
        ttlSeconds: 0,
        data: { type: 'other', number: TYPE.OPT, bytes: Buffer.alloc(0) },
      },
    ],
  });
  const answer = await askOverUdp(upstream, query, timeoutMs);
  if ((answer.readUInt16BE(2) & FLAG.TC) === 0) return answer;
  return askOverTcp(upstream, query, timeoutMs);
}

/** Whether `answer` answers `query`: the id, the question, and that it is an answer at all. */
export function isAnswerTo(query: Buffer, answer: Buffer): boolean {
  if (answer.length < HEADER_BYTES || answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if ((answer.readUInt16BE(2) & FLAG.QR) === 0) return false;
  if (answer.readUInt16BE(4) !== 1) return false;
  try {
    const asked = readName(query, HEADER_BYTES);
    const answered = readName(answer, HEADER_BYTES);
    return (
      asked.end === answered.end &&
      labelsToKey(asked.labels) === labelsToKey(answered.labels) &&
      query.subarray(asked.end, asked.end + 4).equals(answer.subarray(asked.end, asked.end + 4))
    );
  } catch {
    return false;
  }
}

/** A connected socket: the kernel drops what comes from elsewhere, and a closed port is an error at once. */
async function askOverUdp({ address, port }: Upstream, query: Buffer, timeoutMs: number): Promise<Buffer> {
  const socket = createSocket(tryParseIp(address)?.family === 6 ? 'udp6' : 'udp4');
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const timer = setTimeout(
    () => reject(new Error(`No answer from ${address} within ${timeoutMs} ms`)),
    timeoutMs,
  );
  socket.on('error', reject);
  socket.on('message', (answer) => {
    if (isAnswerTo(query, answer)) resolve(answer);
  });
  // A failure to connect, such as no route, comes as the callback's argument (which the types leave out).
  socket.connect(port, address, (error?: Error) => (error ? reject(error) : socket.send(query)));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.close();
  }
}

async function askOverTcp({ address, port }: Upstream, query: Buffer, timeoutMs: number): Promise<Buffer> {
  const socket = connect({ host: address, port });
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const timer = setTimeout(
    () => reject(new Error(`No answer from ${address} within ${timeoutMs} ms`)),
    timeoutMs,
  );
  socket.on('error', reject);
  socket.on('close', () => reject(new Error(`${address} closed the connection without an answer`)));
  readFrames(socket, (answer) => {
    if (isAnswerTo(query, answer)) resolve(Buffer.from(answer));
  });
  socket.write(writeFrame(query));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}
