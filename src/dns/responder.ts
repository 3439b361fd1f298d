import { type AnswerRoom, EMPTY_ANSWER, writeAnswer } from './answer.ts';
import type { Question } from './outside/question.ts';
import { parseDashedAddress } from './wire/address.ts';
import { RCODE, TYPE } from './wire/constants.ts';
import { type DnsQuestion, type DnsRecord, recordType } from './wire/message.ts';
import { isWithin, type NameKey, nameKey, parentKey, printKey } from './wire/name.ts';
import type { Query } from './wire/query.ts';
import { NegativeAnswers } from './zone/negative.ts';
import { prepareAnswer, type PreparedAnswer, prepareMessage } from './zone/prepare.ts';
import type { Zone, ZoneName } from './zone/zone.ts';

/** A question whose answer lies outside the zone, wholly (`chain` empty) or behind a CNAME record of ours. */
export interface OutsideQuestion {
  readonly query: Query;
  /** What to ask for. */
  readonly question: Question;
  /** Our records that led there. */
  readonly chain: readonly DnsRecord[];
}

/** Which `<dashed address>.<namespace>.pod` names have an address: of any pod-like name, of existing pods, of none. */
export type PodRecords = 'insecure' | 'verified' | 'disabled';

export interface ResponderOptions {
  readonly zone: Zone;
  readonly podRecords: PodRecords;
  /** Names it is the authority of, found or not; the zone's own domain unless told. */
  readonly zones?: readonly NameKey[];
  /** Of those, names that go on to others when they are not found here. */
  readonly fallthrough?: readonly NameKey[];
  /** Nobody outside is asked: reverse names of private addresses that are not known here do not exist (RFC 6303). */
  readonly deniesPrivateAddresses?: boolean;
}

/** Aliases followed within the zone before an answer is given as far as it got. */
const MAX_CHAIN = 8;

/**
 * Answers questions from the zone: the answer is written to the room, its length returned, or the question to ask
 * elsewhere. Everything here is synchronous; an existing name costs one map look-up and two copies.
 */
export class Responder {
  readonly #zone: Zone;
  readonly #podRecords: PodRecords;
  readonly #zones: readonly NameKey[];
  readonly #fallthrough: readonly NameKey[];
  readonly #deniesPrivateAddresses: boolean;
  readonly #negatives: NegativeAnswers;
  #turn = 0;

  constructor({
    zone,
    podRecords,
    zones,
    fallthrough = [],
    deniesPrivateAddresses = false,
  }: ResponderOptions) {
    this.#zone = zone;
    this.#podRecords = podRecords;
    this.#zones = zones ?? [nameKey(zone.clusterDomain)];
    this.#fallthrough = fallthrough;
    this.#deniesPrivateAddresses = deniesPrivateAddresses;
    this.#negatives = new NegativeAnswers(zone);
  }

  /** Undefined for a name that is not its own, or that goes on to others when it is unknown here. */
  answer(message: Buffer, query: Query, room: AnswerRoom): number | OutsideQuestion | undefined {
    const { key } = query;
    const zone = this.#zones.find((each) => isWithin(key, each));
    if (zone === undefined) return undefined;
    const name = this.#zone.find(key);
    if (name !== undefined) return this.#answerName(message, query, name, room);
    const denied = this.#fallthrough.some((each) => isWithin(key, each))
      ? this.#deniesPrivateAddresses && key.endsWith('\x04arpa\0') && this.#zone.authority(key)
      : zone;
    return denied ? this.#answerMissing(message, query, denied, room) : undefined;
  }

  #answerName(message: Buffer, query: Query, name: ZoneName, room: AnswerRoom): number | OutsideQuestion {
    const type = query.type === TYPE.ANY ? anyType(name) : query.type;
    const prepared = this.#zone.prepared(name, type);
    if (prepared !== undefined) return this.#write(message, query, prepared, room);
    const alias = name.records.find(({ data }) => data.type === 'CNAME');
    if (alias !== undefined) return this.#followAlias(message, query, alias, room);
    const zone = this.#zone.authority(query.key);
    if (zone !== undefined) return this.#negative(message, query, { zone, exists: true }, room);
    return this.#write(message, query, EMPTY_ANSWER, room);
  }

  #answerMissing(message: Buffer, query: Query, zone: NameKey, room: AnswerRoom): number {
    const pod = this.#podRecords === 'insecure' ? this.#podAddress(query.key) : undefined;
    if (pod === undefined) return this.#negative(message, query, { zone, exists: false }, room);
    const type = pod.includes(':') ? ('AAAA' as const) : ('A' as const);
    if (query.type !== TYPE[type] && query.type !== TYPE.ANY) {
      return this.#negative(message, query, { zone, exists: true }, room);
    }
    const record = this.#record(printKey(query.key), { type, address: pod });
    return this.#write(
      message,
      query,
      prepareAnswer({ name: record.name, type: query.type }, [record]),
      room,
    );
  }

  /** The address in `<dashed address>.<namespace>.pod.<zone>` of a namespace that exists. */
  #podAddress(key: NameKey): string | undefined {
    const namespace = parentKey(key);
    if (namespace === undefined || this.#zone.find(namespace) === undefined) return undefined;
    const pods = parentKey(namespace);
    if (pods !== nameKey(`pod.${this.#zone.clusterDomain}`)) return undefined;
    return parseDashedAddress(key.slice(1, 1 + key.charCodeAt(0)));
  }

  /** Follows aliases within the zone; one that leads outside is followed there when there is somebody to ask. */
  #followAlias(message: Buffer, query: Query, first: DnsRecord, room: AnswerRoom): number | OutsideQuestion {
    const chain: DnsRecord[] = [];
    let alias: DnsRecord | undefined = first;
    while (alias?.data.type === 'CNAME' && !chain.includes(alias) && chain.length < MAX_CHAIN) {
      chain.push(alias);
      const { target } = alias.data;
      const key = nameKey(target);
      const name = this.#zone.find(key);
      if (name === undefined) {
        const inside = this.#zone.authority(key) !== undefined;
        if (!inside) return { query, question: questionFor(query, key), chain };
        return this.#negative(message, query, { zone: this.#apex, exists: false, chain }, room);
      }
      const found = name.records.filter(({ data }) => recordType(data) === query.type);
      if (found.length > 0) {
        const answer = prepareAnswer(questionOf(query), [...chain, ...found]);
        return this.#write(message, query, { ...answer, rotates: false }, room);
      }
      alias = name.records.find(({ data }) => data.type === 'CNAME');
      if (alias === undefined)
        return this.#negative(message, query, { zone: this.#apex, exists: true, chain }, room);
    }
    return this.#write(message, query, prepareAnswer(questionOf(query), chain), room);
  }

  get #apex(): NameKey {
    return nameKey(this.#zone.clusterDomain);
  }

  /** NODATA or NXDOMAIN with the zone's SOA, from whose last field clients learn how long to remember it (RFC 2308). */
  #negative(
    message: Buffer,
    query: Query,
    { zone, exists, chain = [] }: { zone: NameKey; exists: boolean; chain?: readonly DnsRecord[] },
    room: AnswerRoom,
  ): number {
    const rcode = exists ? RCODE.NOERROR : RCODE.NXDOMAIN;
    if (chain.length > 0) {
      const sections = { answers: chain, authority: [this.#zone.soa(zone)], additional: [] };
      return this.#write(message, query, prepareMessage(questionOf(query), sections), room, rcode);
    }
    if (exists && query.type === TYPE.SOA && query.key === zone) {
      return this.#write(message, query, prepareAnswer(questionOf(query), [this.#zone.soa(zone)]), room);
    }
    return this.#write(message, query, this.#negatives.get(zone, query.questionEnd - 4), room, rcode);
  }

  #record(name: string, data: DnsRecord['data']): DnsRecord {
    return { name, ttlSeconds: this.#zone.soa(this.#apex).ttlSeconds, data };
  }

  #write(
    message: Buffer,
    query: Query,
    answer: PreparedAnswer,
    room: AnswerRoom,
    rcode: number = RCODE.NOERROR,
  ): number {
    this.#turn = (this.#turn + 1) & 0xffff;
    return writeAnswer(message, query, answer, room, { rcode, authoritative: true, turn: this.#turn });
  }
}

/** What the client's question is about once aliases have been followed to `key`. */
export function questionFor({ type, edns, checkingDisabled }: Query, key: NameKey): Question {
  return { key, type, dnssecOk: edns?.dnssecOk ?? false, checkingDisabled };
}

function questionOf({ key, type }: Query): DnsQuestion {
  return { name: printKey(key), type };
}

/** One of the name's types answers a question for all of them (RFC 8482). */
function anyType({ records }: ZoneName): number {
  const data = records[0]?.data;
  return data === undefined ? TYPE.ANY : recordType(data);
}
