/** Questions a plugin asks of those behind it, and answers it gives anew. */
import { writeAnswer, type AnswerRoom } from '../answer.ts';
import { FLAG, HEADER_BYTES, MAX_BYTES } from '../wire/constants.ts';
import { decodeMessage, type DnsMessage } from '../wire/message.ts';
import { type NameKey, printKey } from '../wire/name.ts';
import type { Query } from '../wire/query.ts';
import { prepareMessage } from '../zone/prepare.ts';
import type { Next, Reply, Request } from './request.ts';

/** The question for another name or type, as if the client had asked it. */
export function askedInstead(
  request: Request,
  change: { readonly key?: NameKey; readonly type?: number },
): Request {
  const { message, query } = request;
  const { key = query.key, type = query.type } = change;
  const rest = message.subarray(query.questionEnd, request.length);
  const head = Buffer.alloc(HEADER_BYTES + key.length + 4);
  message.copy(head, 0, 0, HEADER_BYTES);
  head.write(key, HEADER_BYTES, 'latin1');
  head.writeUInt16BE(type, HEADER_BYTES + key.length);
  head.writeUInt16BE(query.class, HEADER_BYTES + key.length + 2);
  const moved = head.length - query.questionEnd;
  const changed: Query = {
    ...query,
    key,
    type,
    questionEnd: head.length,
    edns: query.edns && {
      ...query.edns,
      optionsAt: query.edns.optionsAt + moved,
      optionsEnd: query.edns.optionsEnd + moved,
    },
  };
  return {
    ...request,
    message: Buffer.concat([head, rest]),
    length: head.length + rest.length,
    query: changed,
  };
}

/** The client's own message, and where its answer goes: other buffers once the answer had to wait. */
export interface Place {
  readonly message: Buffer;
  readonly room: AnswerRoom;
}

/** Asks the plugins behind for `asked` and hands their answer to `then`, now or when it is there. */
export function exchange(
  next: Next,
  asked: Request,
  place: Place,
  then: (answer: DnsMessage | undefined, place: Place) => Reply,
): Reply {
  const inner: AnswerRoom = { out: Buffer.allocUnsafe(MAX_BYTES), transport: 'tcp' };
  const read = (length: number): DnsMessage | undefined =>
    length === 0 ? undefined : decodeMessage(inner.out.subarray(0, length));
  const reply = next(asked, inner);
  if (typeof reply === 'number') return then(read(reply), place);
  const kept = Buffer.from(asked.message.subarray(0, asked.length));
  return async (message, room) => {
    const answered = then(read(await reply(kept, inner)), { message, room });
    return typeof answered === 'number' ? answered : answered(message, room);
  };
}

/** Writes an answer to the client's own question. */
export function writeMessage(
  { message, room }: Place,
  query: Query,
  answer: Omit<DnsMessage, 'id' | 'questions'> & { readonly rcode?: number },
): number {
  const { answers, authority, additional, flags, rcode = flags & 0xf } = answer;
  const question = { name: printKey(query.key), type: query.type };
  // The EDNS record is between us and the client: it is written anew.
  const own = additional.filter(({ data }) => !(data.type === 'other' && data.number === 41));
  const prepared = prepareMessage(question, { answers, authority, additional: own });
  return writeAnswer(message, query, { ...prepared, rotates: false }, room, {
    rcode,
    authoritative: (flags & FLAG.AA) !== 0,
    authenticated: (flags & FLAG.AD) !== 0,
    turn: 0,
  });
}
