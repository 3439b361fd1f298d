import { type AnswerRoom, EMPTY_ANSWER, extendedError, writeAnswer } from './answer.ts';
import type { OutsideQuestion } from './responder.ts';
import type { Upstreams } from './upstream.ts';
import { HEADER_BYTES, RCODE, TYPE } from './wire/constants.ts';
import { decodeMessage, type DnsRecord, recordEnds } from './wire/message.ts';
import { printKey, readName } from './wire/name.ts';
import { prepareAnswer, type PreparedAnswer } from './zone/prepare.ts';

const UNREACHABLE = extendedError(22, 'podnet: no upstream resolver answered');

/**
 * Asks an upstream for what lies outside and writes the answer to the client's `message`. Never rejects: a failure is
 * SERVFAIL, after the CNAME records of ours if there are any.
 */
export async function answerFromOutside(
  upstreams: Upstreams,
  message: Buffer,
  outside: OutsideQuestion,
  room: AnswerRoom,
): Promise<number> {
  const { query, target, chain } = outside;
  const options = { authoritative: false, turn: 0 };
  try {
    const answer = await upstreams.ask({ name: target, type: query.type });
    const rcode = answer.readUInt16BE(2) & 0xf;
    const prepared =
      chain.length === 0
        ? relay(answer)
        : prepareAnswer({ name: printKey(query.key), type: query.type }, [...chain, ...behindAlias(answer)]);
    return writeAnswer(message, query, { ...prepared, rotates: false }, room, { ...options, rcode });
  } catch {
    const known =
      chain.length === 0 ? EMPTY_ANSWER : prepareAnswer({ name: printKey(query.key), type: 1 }, chain);
    return writeAnswer(message, query, { ...known, rotates: false }, room, {
      ...options,
      rcode: RCODE.SERVFAIL,
      options: UNREACHABLE,
    });
  }
}

/**
 * The upstream's records as they stand: the question before them has the same length, so compression pointers stay
 * right. Its EDNS record is for us alone and is taken out; it can only be the last record or the answer is refused.
 */
function relay(answer: Buffer): PreparedAnswer {
  const start = readName(answer, HEADER_BYTES).end + 4;
  const answers = answer.readUInt16BE(6);
  const authority = answer.readUInt16BE(8);
  let additional = answer.readUInt16BE(10);
  const ends = recordEnds(answer, start, answers + authority + additional);
  let end = ends.at(-1) ?? start;
  if (end > answer.length) throw new RangeError('The answer is cut short');
  for (let index = 0; index < additional; index++) {
    const at = answers + authority + index;
    const owner = readName(answer, ends[at - 1] ?? start);
    if (answer.readUInt16BE(owner.end) !== TYPE.OPT) continue;
    end = ends[at - 1] ?? start;
    additional = index;
  }
  return {
    bytes: answer.subarray(start, end),
    answers,
    authority,
    additional,
    ends: ends.slice(0, answers).map((offset) => offset - start),
    rotates: false,
  };
}

/** Records that can be written anew: those of types whose names we know how to expand. */
function behindAlias(answer: Buffer): DnsRecord[] {
  return decodeMessage(answer).answers.filter(({ data }) => data.type !== 'other');
}
