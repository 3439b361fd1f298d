import { EDNS_BYTES, FLAG, HEADER_BYTES, OPT_BYTES, TYPE, UDP_BYTES } from './wire/constants.ts';
import type { Query, Refusal } from './wire/query.ts';
import type { PreparedAnswer } from './zone/prepare.ts';

/** Where an answer is written and how large it may be. */
export interface AnswerRoom {
  readonly out: Buffer;
  /** UDP: the client's limit and ours hold, and what does not fit is cut with TC set. TCP: `out` is the limit. */
  readonly transport: 'udp' | 'tcp';
  /** What a message over UDP may be long, and what clients hear of it; 1232 bytes unless told. */
  readonly udpBytes?: number | undefined;
  /** EDNS options that every answer to this client carries, whoever writes it. */
  readonly options?: Buffer | undefined;
}

export interface AnswerOptions {
  readonly rcode: number;
  /** Whether we are the authority for it, as opposed to passing on what an upstream said. */
  readonly authoritative: boolean;
  /** An upstream calls it authentic; said to clients that asked for it. */
  readonly authenticated?: boolean;
  /** Which of the addresses comes first, counted round. */
  readonly turn: number;
  /** EDNS options to send to a client that speaks EDNS. */
  readonly options?: Buffer;
}

/** An answer without records. */
export const EMPTY_ANSWER: PreparedAnswer = {
  bytes: Buffer.alloc(0),
  answers: 0,
  authority: 0,
  additional: 0,
  ends: [],
  rotates: false,
};

const NO_OPTIONS = Buffer.alloc(0);

/** An extended DNS error (RFC 8914): the reason in a number and in words, shown by dig and by resolvers' logs. */
export function extendedError(code: number, text: string): Buffer {
  const bytes = Buffer.from(text);
  const option = Buffer.alloc(6 + bytes.length);
  option.writeUInt16BE(15, 0);
  option.writeUInt16BE(2 + bytes.length, 2);
  option.writeUInt16BE(code, 4);
  bytes.copy(option, 6);
  return option;
}

/**
 * Writes the answer to the query in `message`: its header and question as the client spelled it, the prepared records
 * behind them, an OPT record for a client that sent one. Returns the length.
 */
export function writeAnswer(
  message: Buffer,
  query: Query,
  answer: PreparedAnswer,
  room: AnswerRoom,
  { rcode, authoritative, authenticated = false, turn, options: own = NO_OPTIONS }: AnswerOptions,
): number {
  const { out } = room;
  const options = room.options === undefined ? own : Buffer.concat([own, room.options]);
  const { questionEnd, edns } = query;
  const { bytes } = answer;
  const optBytes = edns === undefined ? 0 : OPT_BYTES + options.length;
  const available = sizeLimit(query, room) - questionEnd - optBytes;

  let { answers, authority, additional } = answer;
  let length = bytes.length;
  let truncated = 0;
  if (length > available) {
    authority = 0;
    additional = 0;
    answers = answer.ends.findLastIndex((end) => end <= available) + 1;
    length = answers === 0 ? 0 : (answer.ends[answers - 1] ?? 0);
    if (answers < answer.answers) truncated = FLAG.TC;
  }

  message.copy(out, 0, 0, questionEnd);
  if (answer.rotates && answers > 1) copyRotated(answer, { out, at: questionEnd, answers, length, turn });
  else bytes.copy(out, questionEnd, 0, length);
  const flags =
    FLAG.QR |
    FLAG.RA |
    truncated |
    (authoritative ? FLAG.AA : 0) |
    (authenticated && (query.authenticData || edns?.dnssecOk === true) ? FLAG.AD : 0) |
    (message.readUInt16BE(2) & (FLAG.RD | FLAG.CD)) |
    (rcode & 0xf);
  out.writeUInt16BE(flags, 2);
  out.writeUInt16BE(1, 4);
  out.writeUInt16BE(answers, 6);
  out.writeUInt16BE(authority, 8);
  out.writeUInt16BE(additional + (edns === undefined ? 0 : 1), 10);
  const end = questionEnd + length;
  if (edns === undefined) return end;
  const { udpBytes = EDNS_BYTES } = room;
  return writeOpt(out, end, { rcode, dnssecOk: edns.dnssecOk, options, udpBytes });
}

/** Writes an answer without records that was cut: the client is to come again over TCP. */
export function writeTruncated(message: Buffer, query: Query, room: AnswerRoom): number {
  const length = writeAnswer(message, query, EMPTY_ANSWER, room, { rcode: 0, authoritative: false, turn: 0 });
  room.out.writeUInt16BE(room.out.readUInt16BE(2) | FLAG.TC, 2);
  return length;
}

/** Writes an answer to what could not be read as a query: the header, and the question if it was legible. */
export function writeRefusal(
  message: Buffer,
  refusal: Exclude<Refusal, 'ignore'>,
  { out }: AnswerRoom,
): number {
  message.copy(out, 0, 0, refusal.questionEnd);
  const kept = message.readUInt16BE(2) & (0x7800 | FLAG.RD);
  out.writeUInt16BE(FLAG.QR | kept | refusal.rcode, 2);
  out.writeUInt16BE(refusal.questionEnd > HEADER_BYTES ? 1 : 0, 4);
  out.fill(0, 6, HEADER_BYTES);
  return refusal.questionEnd;
}

function sizeLimit({ edns }: Query, { out, transport, udpBytes = EDNS_BYTES }: AnswerRoom): number {
  if (transport === 'tcp') return out.length;
  return edns === undefined ? UDP_BYTES : Math.min(Math.max(edns.udpBytes, UDP_BYTES), udpBytes);
}

/** The first `answers` records counted round from `turn`, then whatever stands behind the answers. */
function copyRotated(
  answer: PreparedAnswer,
  {
    out,
    at,
    answers,
    length,
    turn,
  }: { out: Buffer; at: number; answers: number; length: number; turn: number },
): void {
  const { bytes } = answer;
  const unit = answer.ends[0] ?? 0;
  const start = turn % answer.answers;
  const first = Math.min(answers, answer.answers - start);
  bytes.copy(out, at, start * unit, (start + first) * unit);
  bytes.copy(out, at + first * unit, 0, (answers - first) * unit);
  bytes.copy(
    out,
    at + answers * unit,
    answer.answers * unit,
    answer.answers * unit + length - answers * unit,
  );
}

function writeOpt(
  out: Buffer,
  start: number,
  {
    rcode,
    dnssecOk,
    options,
    udpBytes,
  }: { rcode: number; dnssecOk: boolean; options: Buffer; udpBytes: number },
): number {
  out[start] = 0;
  out.writeUInt16BE(TYPE.OPT, start + 1);
  out.writeUInt16BE(udpBytes, start + 3);
  out[start + 5] = rcode >> 4;
  out[start + 6] = 0;
  out.writeUInt16BE(dnssecOk ? 0x8000 : 0, start + 7);
  out.writeUInt16BE(options.length, start + 9);
  options.copy(out, start + OPT_BYTES);
  return start + OPT_BYTES + options.length;
}
