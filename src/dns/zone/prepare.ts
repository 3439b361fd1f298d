import { HEADER_BYTES } from '../wire/constants.ts';
import { type DnsQuestion, type DnsRecord, encodeMessage, recordEnds } from '../wire/message.ts';
import { DnsFormatError } from '../wire/name.ts';

/**
 * Everything behind the question of an answer. The question keeps the client's spelling and has the same length in
 * every spelling, so compression pointers into it stay right and the bytes serve every client.
 */
export interface PreparedAnswer {
  readonly bytes: Buffer;
  readonly answers: number;
  readonly authority: number;
  readonly additional: number;
  /** Offset in `bytes` behind each answer record. */
  readonly ends: readonly number[];
  /** Whether the answers may start at any of them: address records of one size, for clients that take the first. */
  readonly rotates: boolean;
}

/** Makes the bytes once. What does not fit a message is left out: first the additional records, then answers. */
export function prepareAnswer(
  question: DnsQuestion,
  answers: readonly DnsRecord[],
  additional: readonly DnsRecord[] = [],
): PreparedAnswer {
  try {
    return prepareMessage(question, { answers, authority: [], additional });
  } catch (error) {
    if (!(error instanceof DnsFormatError) || (answers.length < 2 && additional.length === 0)) throw error;
    const fewer = additional.length > 0 ? answers : answers.slice(0, Math.floor(answers.length / 2));
    return prepareAnswer(question, fewer);
  }
}

export function prepareMessage(
  question: DnsQuestion,
  sections: {
    readonly answers: readonly DnsRecord[];
    readonly authority: readonly DnsRecord[];
    readonly additional: readonly DnsRecord[];
  },
): PreparedAnswer {
  const message = encodeMessage({ id: 0, flags: 0, questions: [question], ...sections });
  const start = encodeMessage({
    id: 0,
    flags: 0,
    questions: [question],
    answers: [],
    authority: [],
    additional: [],
  });
  const bytes = message.subarray(start.length);
  const ends = recordEnds(message, start.length, sections.answers.length).map((end) => end - start.length);
  return {
    bytes,
    answers: sections.answers.length,
    authority: sections.authority.length,
    additional: sections.additional.length,
    ends,
    rotates:
      sections.answers.length > 1 &&
      start.length > HEADER_BYTES &&
      sections.answers.every(({ data }) => data.type === 'A' || data.type === 'AAAA') &&
      ends.every((end, index) => end === (ends[0] ?? 0) * (index + 1)),
  };
}
