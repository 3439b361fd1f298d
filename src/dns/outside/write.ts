import { type AnswerRoom, EMPTY_ANSWER, extendedError, writeAnswer } from '../answer.ts';
import type { OutsideQuestion } from '../responder.ts';
import { FLAG, HEADER_BYTES, RCODE } from '../wire/constants.ts';
import { decodeMessage, type DnsRecord, encodeMessage } from '../wire/message.ts';
import { printKey } from '../wire/name.ts';
import { prepareAnswer } from '../zone/prepare.ts';
import { ageAnswer, type OutsideAnswer } from './outside-answer.ts';
import type { Question } from './question.ts';
import type { Resolution, Resolver } from './resolver.ts';

const UNREACHABLE = extendedError(22, 'podnet: no upstream resolver answered');
const STALE = extendedError(3, '');

/** Asks outside and writes the answer to the client's `message`. Never rejects: a failure is SERVFAIL. */
export async function answerFromOutside(
  resolver: Resolver,
  message: Buffer,
  outside: OutsideQuestion,
  room: AnswerRoom,
  onError: (error: unknown) => void = () => {},
): Promise<number> {
  try {
    return writeResolution(message, outside, await resolver.ask(outside.question), room);
  } catch (error) {
    onError(error);
    return writeFailure(message, outside, room);
  }
}

/** Writes what is known, behind the CNAME records of ours that led to it. Returns the length. */
export function writeResolution(
  message: Buffer,
  { query, question, chain }: OutsideQuestion,
  { answer, ageSeconds, floorSeconds, from }: Resolution,
  room: AnswerRoom,
): number {
  const options = {
    authoritative: false,
    authenticated: answer.authenticated && chain.length === 0,
    turn: 0,
    rcode: answer.rcode,
    ...(from === 'stale cache' && { options: STALE }),
  };
  if (chain.length > 0) {
    const behind = recordsOf(question, answer).map((record) => ({
      ...record,
      ttlSeconds: Math.max(floorSeconds, record.ttlSeconds - ageSeconds),
    }));
    const whole = prepareAnswer({ name: printKey(query.key), type: query.type }, [...chain, ...behind]);
    return writeAnswer(message, query, { ...whole, rotates: false }, room, options);
  }
  const length = writeAnswer(message, query, answer, room, options);
  if (ageSeconds > 0)
    ageAnswer(room.out, answer, { offset: query.questionEnd, length, ageSeconds, floorSeconds });
  return length;
}

/** SERVFAIL, after the CNAME records of ours if there are any. */
function writeFailure(message: Buffer, { query, chain }: OutsideQuestion, room: AnswerRoom): number {
  const known =
    chain.length === 0 ? EMPTY_ANSWER : prepareAnswer({ name: printKey(query.key), type: 1 }, chain);
  return writeAnswer(message, query, { ...known, rotates: false }, room, {
    authoritative: false,
    turn: 0,
    rcode: RCODE.SERVFAIL,
    options: UNREACHABLE,
  });
}

/** Records that can be written anew: those of types whose names we know how to expand. */
function recordsOf({ key, type }: Question, answer: OutsideAnswer): DnsRecord[] {
  const asked = encodeMessage({
    id: 0,
    flags: FLAG.QR,
    questions: [{ name: printKey(key), type }],
    answers: [],
    authority: [],
    additional: [],
  });
  const message = Buffer.concat([asked.subarray(0, HEADER_BYTES + key.length + 4), answer.bytes]);
  message.writeUInt16BE(answer.answers, 6);
  message.writeUInt16BE(answer.authority, 8);
  message.writeUInt16BE(answer.additional, 10);
  return decodeMessage(message).answers.filter(({ data }) => data.type !== 'other');
}
