import { type AnswerRoom, EMPTY_ANSWER, extendedError, writeAnswer } from '../answer.ts';
import type { DnsRecord } from '../wire/message.ts';
import { printKey } from '../wire/name.ts';
import { prepareMessage } from '../zone/prepare.ts';
import type { Request } from './request.ts';

export interface Sections {
  readonly answers: readonly DnsRecord[];
  readonly authority?: readonly DnsRecord[];
  readonly additional?: readonly DnsRecord[];
  readonly rcode?: number;
  /** Unless told, what a plugin answers it answers with authority. */
  readonly authoritative?: boolean;
}

/** Writes an answer of these records. */
export function writeRecords(
  { message, query }: Pick<Request, 'message' | 'query'>,
  { answers, authority = [], additional = [], rcode = 0, authoritative = true }: Sections,
  room: AnswerRoom,
): number {
  const question = { name: printKey(query.key), type: query.type };
  const prepared = prepareMessage(question, { answers, authority, additional });
  return writeAnswer(message, query, prepared, room, { rcode, authoritative, turn: 0 });
}

/** Writes an answer without records; `reason` is an extended error's code (RFC 8914) and words. */
export function writeRcode(
  { message, query }: Pick<Request, 'message' | 'query'>,
  rcode: number,
  room: AnswerRoom,
  reason?: readonly [code: number, text: string],
): number {
  return writeAnswer(message, query, EMPTY_ANSWER, room, {
    rcode,
    authoritative: false,
    turn: 0,
    ...(reason !== undefined && { options: extendedError(...reason) }),
  });
}
