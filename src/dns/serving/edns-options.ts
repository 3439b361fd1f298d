/** EDNS options between a client and us: cookies (RFC 7873) and the server's identifier (RFC 5001). */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { hostname } from 'node:os';
import type { Edns } from '../wire/query.ts';
import type { Request } from './request.ts';

const NSID = 3;
const COOKIE = 10;
const CLIENT_COOKIE_BYTES = 8;
const SERVER_COOKIE_BYTES = 16;
/** A server cookie is good this long, and a little before its time for clocks that differ (RFC 9018 section 4.3). */
const COOKIE_LIFE_SECONDS = 3600;
const CLOCK_SKEW_SECONDS = 300;

export interface EdnsOptionsOptions {
  /** Undefined for none, empty for the host's name. */
  readonly nsid: string | undefined;
  /** Of this server, known to nobody else; a new one unless told. */
  readonly secret?: Buffer;
  /** Seconds since 1970. */
  readonly now?: () => number;
}

export interface EdnsOptions {
  /** What an answer's EDNS record carries for this client; undefined for nothing. */
  answerTo(request: Request): Buffer | undefined;
  /** Whether the client sent a cookie of ours that is still good: it is where it says it is. */
  isKnown(request: Request): boolean;
}

export function createEdnsOptions({
  nsid,
  secret = randomBytes(16),
  now = () => Math.floor(Date.now() / 1000),
}: EdnsOptionsOptions): EdnsOptions {
  const identifier =
    nsid === undefined ? undefined : option(NSID, Buffer.from(nsid === '' ? hostname() : nsid));

  function hash(client: Buffer, seconds: number, address: string): Buffer {
    const time = Buffer.alloc(4);
    time.writeUInt32BE(seconds >>> 0);
    return createHmac('sha256', secret).update(client).update(time).update(address).digest().subarray(0, 8);
  }

  /** As RFC 9018 lays it out: version 1, three zeros, the time, and a hash that only this server can make. */
  function serverCookie(client: Buffer, address: string): Buffer {
    const cookie = Buffer.alloc(SERVER_COOKIE_BYTES);
    const seconds = now();
    cookie[0] = 1;
    cookie.writeUInt32BE(seconds >>> 0, 4);
    hash(client, seconds, address).copy(cookie, 8);
    return cookie;
  }

  return {
    answerTo(request) {
      const { edns } = request.query;
      if (edns === undefined || edns.optionsAt === edns.optionsEnd) return undefined;
      const parts: Buffer[] = [];
      const cookie = findOption(request.message, edns, COOKIE);
      if (cookie !== undefined && cookie.length >= CLIENT_COOKIE_BYTES) {
        const client = cookie.subarray(0, CLIENT_COOKIE_BYTES);
        parts.push(option(COOKIE, Buffer.concat([client, serverCookie(client, request.client().address)])));
      }
      if (identifier !== undefined && findOption(request.message, edns, NSID) !== undefined)
        parts.push(identifier);
      return parts.length === 0 ? undefined : Buffer.concat(parts);
    },
    isKnown(request) {
      const { edns } = request.query;
      const cookie = edns && findOption(request.message, edns, COOKIE);
      if (cookie?.length !== CLIENT_COOKIE_BYTES + SERVER_COOKIE_BYTES) return false;
      const seconds = cookie.readUInt32BE(12);
      const age = now() - seconds;
      if (cookie[8] !== 1 || age > COOKIE_LIFE_SECONDS || age < -CLOCK_SKEW_SECONDS) return false;
      const wanted = hash(cookie.subarray(0, CLIENT_COOKIE_BYTES), seconds, request.client().address);
      return timingSafeEqual(cookie.subarray(16), wanted);
    },
  };
}

/** Options that run beyond their record, and cookies of a length there is not (RFC 7873 section 5.2.2). */
export function hasMalformedOptions(message: Buffer, { optionsAt, optionsEnd }: Edns): boolean {
  let at = optionsAt;
  while (at + 4 <= optionsEnd) {
    const length = message.readUInt16BE(at + 2);
    const isCookie = message.readUInt16BE(at) === COOKIE;
    if (isCookie && length !== 8 && (length < 16 || length > 40)) return true;
    at += 4 + length;
  }
  return at !== optionsEnd;
}

function option(code: number, data: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(code, 0);
  head.writeUInt16BE(data.length, 2);
  return Buffer.concat([head, data]);
}

/** The data of an option; undefined without it, or when the options are malformed. */
export function findOption(
  message: Buffer,
  { optionsAt, optionsEnd }: Edns,
  code: number,
): Buffer | undefined {
  for (let at = optionsAt; at + 4 <= optionsEnd;) {
    const end = at + 4 + message.readUInt16BE(at + 2);
    if (end > optionsEnd) return undefined;
    if (message.readUInt16BE(at) === code) return message.subarray(at + 4, end);
    at = end;
  }
  return undefined;
}
