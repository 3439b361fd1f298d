import type { IpFamily } from '../../model/ip.ts';
import { type AnswerRoom, writeRefusal } from '../answer.ts';
import { CLASS, HEADER_BYTES, RCODE, TYPE } from '../wire/constants.ts';
import { isWithin, type NameKey } from '../wire/name.ts';
import { parseQuery, type Query } from '../wire/query.ts';
import type { Block } from './block.ts';
import type { Client, Later, Reply, Request } from './request.ts';
import { writeRcode } from './write.ts';

export interface ServerOptions {
  /** Those of one port. */
  readonly blocks: readonly Block[];
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
}

export interface DnsServer {
  /** Never throws. */
  respond(incoming: Incoming, room: AnswerRoom): Reply;
}

/** Reads messages, finds the server block whose zone is nearest to the name asked for, and has it answer. */
export function createServer({ blocks, onError = () => {} }: ServerOptions): DnsServer {
  const places = blocks
    .flatMap((block) => block.plan.zones.map((zone) => ({ zone, block })))
    .toSorted((a, b) => b.zone.length - a.zone.length);

  function blockOf(key: NameKey): Block | undefined {
    return places.find(({ zone }) => isWithin(key, zone))?.block;
  }

  function respond({ message, length, transport, family, client }: Incoming, room: AnswerRoom): Reply {
    const query = parseQuery(message, length);
    if (query === 'ignore') return 0;
    if ('rcode' in query) return writeRefusal(message, query, room);
    const rcode = refusalOf(query);
    if (rcode !== undefined) return writeRcode({ message, query }, rcode, room);
    const block = blockOf(query.key);
    if (block === undefined) return writeRcode({ message, query }, RCODE.REFUSED, room);
    return observed(block, { message, length, query, transport, family, client }, room);
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

  return {
    respond(incoming, room) {
      try {
        const reply = respond(incoming, room);
        return typeof reply === 'number' ? reply : guarded(reply);
      } catch (error) {
        return fail(error, incoming.message, room);
      }
    },
  };
}

/** What nobody is answered: other EDNS versions, zone transfers, classes but IN and, for `chaos`, CH. */
function refusalOf({ edns, class: of, type }: Query): number | undefined {
  if (edns !== undefined && edns.version !== 0) return RCODE.BADVERS;
  if (type === TYPE.AXFR || type === TYPE.IXFR) return RCODE.REFUSED;
  return of === CLASS.IN || (of === CLASS.CH && type === TYPE.TXT) ? undefined : RCODE.REFUSED;
}
