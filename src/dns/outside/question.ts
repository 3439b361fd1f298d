import { randomBytes, randomInt } from 'node:crypto';
import { EDNS_BYTES, FLAG, HEADER_BYTES, OPT_BYTES, TYPE } from '../wire/constants.ts';
import type { NameKey } from '../wire/name.ts';

/** What is asked of upstreams, and what answers are remembered by. */
export interface Question {
  readonly key: NameKey;
  readonly type: number;
  /** The client wants DNSSEC records (the DO bit, RFC 3225), and checks signatures itself (CD, RFC 4035). */
  readonly dnssecOk: boolean;
  readonly checkingDisabled: boolean;
}

/** One string for equal questions. */
export function questionKey({ key, type, dnssecOk, checkingDisabled }: Question): string {
  return String.fromCharCode(type, (dnssecOk ? 2 : 0) | (checkingDisabled ? 1 : 0)) + key;
}

export interface EncodeOptions {
  /** Spells the name in letters of random case, which an honest answer repeats: bits that a forger must guess. */
  readonly randomCase: boolean;
}

/** The message for an upstream, with a random id (RFC 5452). */
export function encodeQuestion(
  { key, type, dnssecOk, checkingDisabled }: Question,
  { randomCase }: EncodeOptions,
): Buffer {
  const message = Buffer.alloc(HEADER_BYTES + key.length + 4 + OPT_BYTES);
  message.writeUInt16BE(randomInt(0x1_0000), 0);
  message.writeUInt16BE(FLAG.RD | (checkingDisabled ? FLAG.CD : 0), 2);
  message.writeUInt16BE(1, 4);
  message.writeUInt16BE(1, 10);
  const nameEnd = HEADER_BYTES + message.write(key, HEADER_BYTES, 'latin1');
  if (randomCase) spellAtRandom(message, HEADER_BYTES, nameEnd);
  message.writeUInt16BE(type, nameEnd);
  message.writeUInt16BE(1, nameEnd + 2);
  const opt = nameEnd + 4;
  message.writeUInt16BE(TYPE.OPT, opt + 1);
  message.writeUInt16BE(EDNS_BYTES, opt + 3);
  message.writeUInt16BE(dnssecOk ? 0x8000 : 0, opt + 7);
  return message;
}

/** Lengths of labels are below the letters, so that only letters change. */
function spellAtRandom(message: Buffer, start: number, end: number): void {
  const bits = randomBytes(end - start);
  for (let at = start; at < end; at++) {
    const byte = message[at] ?? 0;
    if (byte >= 0x61 && byte <= 0x7a && (bits[at - start] ?? 0) & 1) message[at] = byte - 0x20;
  }
}

/** `other-spelling`: everything agrees but the case of the name's letters. */
export type AnswerMatch = 'yes' | 'no' | 'other-spelling';

/** Whether `answer` answers `query`: id, question, and that it is an answer at all. */
export function matchAnswer(query: Buffer, answer: Buffer): AnswerMatch {
  const questionEnd = query.length - OPT_BYTES;
  if (answer.length < questionEnd || answer.readUInt16BE(0) !== query.readUInt16BE(0)) return 'no';
  if ((answer.readUInt16BE(2) & FLAG.QR) === 0 || answer.readUInt16BE(4) !== 1) return 'no';
  if (answer.compare(query, HEADER_BYTES, questionEnd, HEADER_BYTES, questionEnd) === 0) return 'yes';
  if (answer.compare(query, questionEnd - 4, questionEnd, questionEnd - 4, questionEnd) !== 0) return 'no';
  const name = (message: Buffer): string =>
    message
      .toString('latin1', HEADER_BYTES, questionEnd - 4)
      .replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
  return name(answer) === name(query) ? 'other-spelling' : 'no';
}
