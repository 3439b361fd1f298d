import { FLAG, rcodeName, typeName } from '../wire/constants.ts';
import { printKey } from '../wire/name.ts';
import type { Seen } from './block-metrics.ts';
import { HeavyHitters, type Hitter } from './heavy-hitters.ts';
import type { ClientName } from './query-log.ts';

/** One question and its answer, for people. */
export interface QueryEntry {
  /** One higher for each question seen. */
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** `namespace/name`; undefined for an address that is no pod's of this node. */
  readonly pod?: string;
  readonly client: string;
  readonly port: number;
  readonly id: number;
  readonly transport: 'udp' | 'tcp';
  readonly name: string;
  readonly type: string;
  /** Undefined when nothing was answered. */
  readonly rcode?: string;
  readonly answers: number;
  readonly milliseconds: number;
  readonly from: AnswerOrigin;
}

/**
 * Who had the answer: the cluster's own zone, something else in memory (the cache, `hosts`, a refusal), or an upstream
 * resolver that had to be asked.
 */
export type AnswerOrigin = 'zone' | 'memory' | 'upstream';

export interface DnsTop {
  /** Since counting began, which is when somebody first looked. */
  readonly seconds: number;
  readonly questions: number;
  readonly names: readonly Hitter[];
  readonly clients: readonly Hitter[];
  readonly types: readonly Hitter[];
  readonly rcodes: readonly Hitter[];
  readonly from: readonly Hitter[];
}

export interface DnsLogPage {
  /** Oldest first; those that came since the last page, as far as there was room for them. */
  readonly entries: readonly QueryEntry[];
  /** Give it with the next question for entries. */
  readonly next: number;
}

/** Looks at questions and answers while somebody wants to know, and costs nothing otherwise. */
export interface DnsLook {
  /** Undefined while nobody looks. */
  readonly see: ((seen: Seen) => void) | undefined;
  /** The most frequent of everything. */
  top(limit: number): DnsTop;
  /** Entries from a number on: 0, or what the last page said. */
  log(from: number): DnsLogPage;
}

/** Names and clients that are counted apart. */
const CAPACITY = 1000;
/** Entries kept for those who read the log. */
const LOG_ENTRIES = 2000;
/** Nobody looks any more when nobody has asked for so long. */
const LEASE_MS = 10_000;

export interface LookOptions {
  readonly nameOf: ClientName;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export function createDnsLook({ nameOf, now = Date.now }: LookOptions): DnsLook {
  return new Look(nameOf, now);
}

class Look implements DnsLook {
  readonly #nameOf: ClientName;
  readonly #now: () => number;
  readonly #counts = {
    names: new HeavyHitters(CAPACITY),
    clients: new HeavyHitters(CAPACITY),
    types: new HeavyHitters(64),
    rcodes: new HeavyHitters(32),
    from: new HeavyHitters(3),
  };
  #entries: QueryEntry[] = [];
  #number = 0;
  #questions = 0;
  #since = 0;
  #topUntil = 0;
  #logUntil = 0;

  constructor(nameOf: ClientName, now: () => number) {
    this.#nameOf = nameOf;
    this.#now = now;
  }

  get see(): ((seen: Seen) => void) | undefined {
    if (this.#topUntil === 0 && this.#logUntil === 0) return undefined;
    const now = this.#now();
    if (this.#topUntil !== 0 && now > this.#topUntil) this.#topUntil = 0;
    if (this.#logUntil !== 0 && now > this.#logUntil) {
      this.#logUntil = 0;
      this.#entries = [];
    }
    return this.#topUntil === 0 && this.#logUntil === 0 ? undefined : this.#see;
  }

  top(limit: number): DnsTop {
    const now = this.#now();
    if (this.#topUntil === 0 || now > this.#topUntil) {
      for (const each of Object.values(this.#counts)) each.clear();
      this.#questions = 0;
      this.#since = now;
    }
    this.#topUntil = now + LEASE_MS;
    const { names, clients, types, rcodes, from } = this.#counts;
    return {
      seconds: (now - this.#since) / 1000,
      questions: this.#questions,
      names: names.top(limit),
      clients: clients.top(limit),
      types: types.top(limit),
      rcodes: rcodes.top(limit),
      from: from.top(limit),
    };
  }

  log(from: number): DnsLogPage {
    this.#logUntil = this.#now() + LEASE_MS;
    return { entries: this.#entries.filter(({ number }) => number >= from), next: this.#number };
  }

  readonly #see = (seen: Seen): void => {
    const entry = this.#entryOf(seen);
    if (this.#topUntil !== 0) {
      this.#questions += 1;
      this.#counts.names.add(`${entry.name} ${entry.type}`);
      this.#counts.clients.add(entry.pod ?? entry.client);
      this.#counts.types.add(entry.type);
      this.#counts.rcodes.add(entry.rcode ?? 'no answer');
      this.#counts.from.add(entry.from);
    }
    if (this.#logUntil !== 0) {
      this.#entries.push(entry);
      if (this.#entries.length >= 2 * LOG_ENTRIES) this.#entries = this.#entries.slice(-LOG_ENTRIES);
    }
  };

  #entryOf({ request, answer, length, seconds, waited = false }: Seen): QueryEntry {
    const { query, message, transport } = request;
    const { address, port } = request.client();
    const pod = this.#nameOf(address);
    const isOurs = length > 0 && (answer.readUInt16BE(2) & FLAG.AA) !== 0;
    return {
      number: this.#number++,
      at: this.#now(),
      ...(pod !== undefined && { pod }),
      client: address,
      port,
      id: message.readUInt16BE(0),
      transport,
      name: printKey(query.key),
      type: typeName(query.type),
      ...(length > 0 && { rcode: rcodeName((answer[3] ?? 0) & 0xf) }),
      answers: length > 0 ? answer.readUInt16BE(6) : 0,
      milliseconds: seconds * 1000,
      from: waited ? 'upstream' : isOurs ? 'zone' : 'memory',
    };
  }
}
