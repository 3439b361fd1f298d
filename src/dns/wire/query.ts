import { FLAG, HEADER_BYTES, OPCODE, RCODE, TYPE } from './constants.ts';
import type { NameKey } from './name.ts';

/** A client's question, as far as an answer needs it. */
export interface Query {
  /** The name in lower case; the message itself keeps the client's spelling. */
  readonly key: NameKey;
  readonly type: number;
  readonly class: number;
  /** Offset after the question: what an answer copies from the query, header apart. */
  readonly questionEnd: number;
  /** The client checks signatures itself (CD), and wants to know whether we did (AD) (RFC 4035, RFC 6840). */
  readonly checkingDisabled: boolean;
  readonly authenticData: boolean;
  /** The client's EDNS record, undefined without one. */
  readonly edns: Edns | undefined;
}

/** What a client says of itself (RFC 6891). */
export interface Edns {
  readonly udpBytes: number;
  readonly version: number;
  /** It wants DNSSEC records (the DO bit, RFC 3225). */
  readonly dnssecOk: boolean;
  /** Where its options stand in the message. */
  readonly optionsAt: number;
  readonly optionsEnd: number;
}

/** Why a message gets no answer from the zone: an error code to return, or silence. */
export type Refusal =
  | { readonly rcode: number; readonly questionEnd: number; readonly reason: string }
  | 'ignore';

/** More additional records than any client sends (EDNS, TSIG, SIG(0), padding travels inside EDNS). */
const MAX_ADDITIONAL = 4;

/**
 * Reads one query strictly: exactly one question, no answers, at most one EDNS record, nothing behind the last record.
 * What is not a query at all (an answer, less than a header) is to be ignored, or two servers could talk for ever.
 */
export function parseQuery(message: Buffer, length: number = message.length): Query | Refusal {
  if (length < HEADER_BYTES) return 'ignore';
  const flags = message.readUInt16BE(2);
  if ((flags & FLAG.QR) !== 0) return 'ignore';
  if (((flags >> 11) & 0xf) !== OPCODE.QUERY) {
    return { rcode: RCODE.NOTIMP, questionEnd: HEADER_BYTES, reason: 'the operation is not a query' };
  }
  const additional = message.readUInt16BE(10);
  if (message.readUInt16BE(4) !== 1) return malformed('a query asks exactly one question');
  if (message.readUInt32BE(6) !== 0) return malformed('a query carries no answers');
  if (additional > MAX_ADDITIONAL) return malformed('too many additional records');

  let at = HEADER_BYTES;
  for (;;) {
    const label = message[at] ?? 0xff;
    if (at >= length || label > 63) return malformed('the name is not a sequence of labels');
    at += label + 1;
    if (label === 0) break;
  }
  const nameEnd = at;
  const questionEnd = nameEnd + 4;
  if (nameEnd - HEADER_BYTES > 255 || questionEnd > length)
    return malformed('the name or the question is too long');

  const query = {
    key: lowerCaseKey(message.toString('latin1', HEADER_BYTES, nameEnd)),
    type: message.readUInt16BE(nameEnd),
    class: message.readUInt16BE(nameEnd + 2),
    questionEnd,
    checkingDisabled: (flags & FLAG.CD) !== 0,
    authenticData: (flags & FLAG.AD) !== 0,
    edns: undefined,
  };
  if (additional === 0) {
    return questionEnd === length ? query : malformed('bytes behind the question', questionEnd);
  }
  const edns = parseAdditional(message, questionEnd, { length, count: additional });
  return typeof edns === 'string' ? malformed(edns, questionEnd) : { ...query, ...edns };
}

/** Only the letters A to Z have a case in DNS (RFC 4343); the lengths between them are below those. */
function lowerCaseKey(key: string): NameKey {
  return /[^\0-\x7f]/.test(key)
    ? key.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
    : key.toLowerCase();
}

function malformed(reason: string, questionEnd: number = HEADER_BYTES): Refusal {
  return { rcode: RCODE.FORMERR, questionEnd, reason };
}

function parseAdditional(
  message: Buffer,
  start: number,
  { length, count }: { length: number; count: number },
): Pick<Query, 'edns'> | string {
  let edns: Query['edns'];
  let at = start;
  for (let index = 0; index < count; index++) {
    const owner = at;
    for (let label = message[at] ?? 0xff; label !== 0; label = message[at] ?? 0xff) {
      if (at >= length || label > 63) return 'an additional record has a malformed name';
      at += label + 1;
    }
    at += 1;
    if (at + 10 > length) return 'an additional record runs beyond the message';
    const type = message.readUInt16BE(at);
    const udpBytes = message.readUInt16BE(at + 2);
    const version = message[at + 5] ?? 0;
    const dnssecOk = ((message[at + 6] ?? 0) & 0x80) !== 0;
    const optionsAt = at + 10;
    at += 10 + message.readUInt16BE(at + 8);
    if (at > length) return 'an additional record runs beyond the message';
    if (type !== TYPE.OPT) continue;
    if (edns !== undefined) return 'more than one EDNS record';
    if (message[owner] !== 0) return 'the EDNS record is not at the root';
    edns = { udpBytes, version, dnssecOk, optionsAt, optionsEnd: at };
  }
  return at === length ? { edns } : 'bytes behind the last record';
}
