import { randomBytes } from 'node:crypto';
import type { IpFamily } from '../../model/ip.ts';
import { type AnswerRoom, writeRefusal, writeTruncated } from '../answer.ts';
import { CLASS, HEADER_BYTES, RCODE, TYPE } from '../wire/constants.ts';
import { parseQuery, type Query } from '../wire/query.ts';
import type { Block } from './block.ts';
import { chooseBlockOf } from './choose-block.ts';
import type { ClientLimits } from './client-limits.ts';
import { createEdnsOptions, type EdnsOptions, hasMalformedOptions } from './edns-options.ts';
import type { Admission, ClientKey } from './rate-limit.ts';
import type { Client, Later, Reply, Request } from './request.ts';
import { writeRcode } from './write.ts';

export interface ServerOptions {
  /** Those of one port. */
  readonly blocks: readonly Block[];
  /** What each client may take; without them anything. */
  readonly limits?: ClientLimits;
  /** Signs cookies; a new one unless told. */
  readonly secret?: Buffer;
  /** Told of faults of our own; the client hears SERVFAIL, and the next one is answered. */
  readonly onError?: (error: unknown) => void;
}

/** A message as it came in; the buffer is valid during the call only. */
export interface Incoming {
  readonly message: Buffer;
  readonly length: number;
  readonly transport: 'udp' | 'tcp';
  readonly family: IpFamily;
  readonly client: () => Client;
  /** Counts for the limits; those without are not limited. */
  readonly clientKey?: ClientKey | undefined;
}

/** What a server block adds to the room its answers are written to. */
interface Manners {
  readonly edns: EdnsOptions;
  readonly udpBytes: number | undefined;
  readonly cancelMs: number | undefined;
}

export interface DnsServer {
  /** Never throws. */
  respond(incoming: Incoming, room: AnswerRoom): Reply;
}

/** Reads messages, finds the server block whose zone is nearest to the name asked for, and has it answer. */
export function createServer({
  blocks,
  limits,
  secret = randomBytes(16),
  onError = () => {},
}: ServerOptions): DnsServer {
  const blockOf = chooseBlockOf(blocks);
  const ownOptions = createEdnsOptions({ nsid: undefined, secret });
  const manners = new Map<Block, Manners>(
    blocks.map((block) => {
      const { nsid, bufsize, cancelMs } = block.plan;
      return [block, { edns: createEdnsOptions({ nsid, secret }), udpBytes: bufsize, cancelMs }];
    }),
  );

  function respond(incoming: Incoming, room: AnswerRoom): Reply {
    const { message, length, transport, family, client } = incoming;
    const query = parseQuery(message, length);
    if (query === 'ignore') return 0;
    if ('rcode' in query) return writeRefusal(message, query, room);
    const rcode = refusalOf(query, message);
    if (rcode !== undefined) return writeRcode({ message, query }, rcode, room);
    const request: Request = { message, length, query, transport, family, client };
    const block = blockOf(request);
    if (block === undefined) return writeRcode({ message, query }, RCODE.REFUSED, room);
    return mannered(block, request, room);
  }

  /** The block's answer with what its `bufsize`, `nsid` and `cancel` say, and the client's cookie. */
  function mannered(block: Block, request: Request, room: AnswerRoom): Reply {
    const { edns, udpBytes, cancelMs } = manners.get(block) ?? NO_MANNERS;
    const options = edns?.answerTo(request);
    if (options === undefined && udpBytes === undefined && cancelMs === undefined)
      return observed(block, request, room);
    const furnish = (bare: AnswerRoom): AnswerRoom => ({ ...bare, options, udpBytes });
    const reply = observed(block, request, furnish(room));
    if (typeof reply === 'number') return reply;
    const furnished: Later = (message, later) => reply(message, furnish(later));
    return cancelMs === undefined ? furnished : cancelAfter(furnished, cancelMs, request.query);
  }

  /** The block's answer, shown to whoever watches it. */
  function observed(block: Block, request: Request, room: AnswerRoom): Reply {
    const { see } = block;
    if (see === undefined) return block.respond(request, room);
    const started = performance.now();
    const seconds = (): number => (performance.now() - started) / 1000;
    const reply = block.respond(request, room);
    if (typeof reply === 'number') {
      see({ request, answer: room.out, length: reply, seconds: seconds() });
      return reply;
    }
    return async (message, later) => {
      const length = await reply(message, later);
      see({ request: { ...request, message }, answer: later.out, length, seconds: seconds(), waited: true });
      return length;
    };
  }

  /** A fault of our own: the client hears SERVFAIL. */
  function fail(error: unknown, message: Buffer, room: AnswerRoom): number {
    onError(error);
    const refusal = { rcode: RCODE.SERVFAIL, questionEnd: HEADER_BYTES, reason: 'internal error' };
    return writeRefusal(message, refusal, room);
  }

  function guarded(later: Later): Later {
    return async (message, room) => {
      try {
        return await later(message, room);
      } catch (error) {
        return fail(error, message, room);
      }
    };
  }

  /** What becomes of a question beyond its client's limit. */
  function refuse(incoming: Incoming, admission: Admission, room: AnswerRoom): Reply {
    const { message, length, transport, family, client, clientKey } = incoming;
    const query = parseQuery(message, length);
    if (query === 'ignore' || 'rcode' in query) return 0;
    const request: Request = { message, length, query, transport, family, client };
    if (clientKey !== undefined && ownOptions.isKnown(request) && limits?.admitKnown(clientKey) === true)
      return respond({ message, length, transport, family, client }, room);
    return admission === 'truncate' ? writeTruncated(message, query, room) : 0;
  }

  /** A denial or an error, unless its client was sent too many of them: forged questions bring their victim few. */
  function limitError(incoming: Incoming, length: number, room: AnswerRoom): number {
    const { message, clientKey } = incoming;
    const rcode = length === 0 ? 0 : (room.out[3] ?? 0) & 0xf;
    if (rcode === RCODE.NOERROR || limits === undefined || clientKey === undefined) return length;
    const admission = limits.admitError(clientKey, rcode);
    if (admission === 'answer') return length;
    const query = parseQuery(message, incoming.length);
    if (query === 'ignore' || 'rcode' in query) return 0;
    if (ownOptions.isKnown({ ...incoming, query })) return length;
    return admission === 'truncate' ? writeTruncated(message, query, room) : 0;
  }

  /** Questions over UDP whose client says who it is. */
  function limited(incoming: Incoming, clientKey: ClientKey, room: AnswerRoom): Reply {
    const admission = limits?.admit(clientKey) ?? 'answer';
    if (admission !== 'answer') {
      // Without an EDNS record there is no cookie either: this is the flood's shortest way.
      const isBare = incoming.length >= HEADER_BYTES && incoming.message.readUInt16BE(10) === 0;
      return admission === 'drop' && isBare ? 0 : refuse(incoming, admission, room);
    }
    const reply = respond(incoming, room);
    if (typeof reply === 'number') return limitError(incoming, reply, room);
    return async (message, later) => {
      const kept = { ...incoming, message };
      return limitError(kept, await reply(message, later), later);
    };
  }

  return {
    respond(incoming, room) {
      try {
        const { transport, clientKey } = incoming;
        if (transport === 'tcp' && clientKey !== undefined && limits?.admitTcp(clientKey) === false) return 0;
        const isLimited = transport === 'udp' && clientKey !== undefined && limits !== undefined;
        const reply = isLimited ? limited(incoming, clientKey, room) : respond(incoming, room);
        return typeof reply === 'number' ? reply : guarded(reply);
      } catch (error) {
        return fail(error, incoming.message, room);
      }
    },
  };
}

const NO_MANNERS: Partial<Manners> = {};

/** SERVFAIL for what takes too long. Whoever answers later writes to a buffer of its own. */
function cancelAfter(later: Later, afterMs: number, query: Query): Later {
  return async (message, room) => {
    const own = { ...room, out: Buffer.allocUnsafe(room.out.length) };
    const patience = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => patience.resolve(undefined), afterMs);
    try {
      const answering = later(message, own);
      answering.catch(() => {}); // it may fail when nobody waits any more
      const length = await Promise.race([answering, patience.promise]);
      if (length === undefined) return writeRcode({ message, query }, RCODE.SERVFAIL, room, CANCELLED);
      own.out.copy(room.out, 0, 0, length);
      return length;
    } finally {
      clearTimeout(timer);
    }
  };
}

const CANCELLED = [22, 'podnet: cancelled'] as const;

/** What nobody is answered: other EDNS versions, zone transfers, classes but IN and, for `chaos`, CH. */
function refusalOf({ edns, class: of, type }: Query, message: Buffer): number | undefined {
  if (edns !== undefined && edns.version !== 0) return RCODE.BADVERS;
  if (edns !== undefined && hasMalformedOptions(message, edns)) return RCODE.FORMERR;
  if (type === TYPE.AXFR || type === TYPE.IXFR) return RCODE.REFUSED;
  return of === CLASS.IN || (of === CLASS.CH && type === TYPE.TXT) ? undefined : RCODE.REFUSED;
}
