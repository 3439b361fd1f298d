import { reverseName } from '../wire/address.ts';
import { type DnsRecord, type RecordData, recordType } from '../wire/message.ts';
import { isWithin, nameKey, type NameKey, parentKey, printKey } from '../wire/name.ts';
import { compileApex, DEFAULT_TTL_SECONDS, nameServer } from './compile.ts';
import { type PlannedRecord, printRecords, type ZoneOptions, type ZonePart } from './plan.ts';
import { prepareAnswer, type PreparedAnswer } from './prepare.ts';

/** One name of the zone. A name without records exists because names below it do (RFC 8020). */
export interface ZoneName {
  /** The written form, in lower case as first given. */
  readonly name: string;
  records: PlannedRecord[];
  /** Names directly below, and owners that declare the name without giving it records. */
  dependants: number;
  /** Answer bytes by type, made when first asked and dropped when a record of the owner changes. */
  prepared: Map<number, PreparedAnswer> | undefined;
}

export interface Zone {
  readonly clusterDomain: string;
  /** Moves with every change (RFC 1982 arithmetic). */
  readonly serial: number;
  /** How many names it has, names without records included. */
  readonly size: number;
  /** Replaces what `owner` (`Service default/web`) contributes; `names` are to exist even without records. */
  set(owner: string, part: Pick<ZonePart, 'records'>, names?: readonly string[]): void;
  delete(owner: string): void;
  find(key: NameKey): ZoneName | undefined;
  /** The answer to a question of an existing name; undefined when it has no record of that type. */
  prepared(name: ZoneName, type: number): PreparedAnswer | undefined;
  /** The zone a name belongs to, of those this server is the authority of. */
  authority(key: NameKey): NameKey | undefined;
  soa(zone: NameKey): DnsRecord;
  /** Records by written name, of one type or all. */
  lookup(name: string, type?: RecordData['type']): readonly PlannedRecord[];
  records(): PlannedRecord[];
  /** The whole zone as text, each record with its source. */
  print(): string;
}

/**
 * Reverse names of addresses that mean nothing outside (RFC 6303, RFC 7793): without an upstream to ask, the answer
 * to those we do not know is that they do not exist.
 */
const PRIVATE_REVERSE_ZONES = [
  '10.in-addr.arpa',
  ...Array.from({ length: 16 }, (_, index) => `${16 + index}.172.in-addr.arpa`),
  '168.192.in-addr.arpa',
  ...Array.from({ length: 64 }, (_, index) => `${64 + index}.100.in-addr.arpa`),
  '127.in-addr.arpa',
  'd.f.ip6.arpa',
  '8.e.f.ip6.arpa',
  '9.e.f.ip6.arpa',
  'a.e.f.ip6.arpa',
  'b.e.f.ip6.arpa',
  reverseName('::1'),
];

const NO_NAMES: readonly string[] = [];
/** Of all names without records; never changed. */
const NO_RECORDS: PlannedRecord[] = [];

/** An empty zone of the cluster domain with its own records; `serial` is where it starts (seconds since 1970 do well). */
export function createZone(options: ZoneOptions, serial: number): Zone {
  return new MemoryZone(options, serial);
}

class MemoryZone implements Zone {
  readonly clusterDomain: string;
  readonly #apex: NameKey;
  readonly #reverse = new Set(PRIVATE_REVERSE_ZONES.map((name) => nameKey(name)));
  readonly #ttlSeconds: number;
  readonly #names = new Map<NameKey, ZoneName>();
  readonly #owners = new Map<string, { records: readonly PlannedRecord[]; names: readonly string[] }>();
  #serial: number;

  constructor(options: ZoneOptions, serial: number) {
    this.clusterDomain = options.clusterDomain;
    this.#apex = nameKey(options.clusterDomain);
    this.#ttlSeconds = options.ttlSeconds ?? DEFAULT_TTL_SECONDS;
    this.#serial = serial >>> 0;
    const { clusterDomain } = options;
    this.set('apex', compileApex(options), [clusterDomain, `svc.${clusterDomain}`, `pod.${clusterDomain}`]);
  }

  get serial(): number {
    return this.#serial;
  }

  get size(): number {
    return this.#names.size;
  }

  set(owner: string, { records }: Pick<ZonePart, 'records'>, names: readonly string[] = NO_NAMES): void {
    const before = this.#owners.get(owner);
    // Added first, so that names which stay are not dropped and made again.
    for (const record of records) {
      const name = this.#hold(nameKey(record.name), record.name);
      // An array that grows reserves room for many: nearly all names have one record.
      if (name.records.length === 0) name.records = [record];
      else name.records.push(record);
      name.prepared = undefined;
    }
    for (const name of names) this.#hold(nameKey(name), name).dependants++;
    this.#remove(before);
    if (records.length + names.length > 0) this.#owners.set(owner, { records, names });
    else this.#owners.delete(owner);
    this.#serial = (this.#serial + 1) >>> 0;
  }

  delete(owner: string): void {
    if (this.#owners.has(owner)) this.set(owner, { records: [] });
  }

  find(key: NameKey): ZoneName | undefined {
    return this.#names.get(key);
  }

  prepared(name: ZoneName, type: number): PreparedAnswer | undefined {
    const known = name.prepared?.get(type);
    if (known !== undefined) return known;
    const answers = name.records.filter(({ data }) => recordType(data) === type);
    if (answers.length === 0) return undefined;
    const targets = new Set(answers.flatMap(({ data }) => (data.type === 'SRV' ? [data.target] : [])));
    const additional = [...targets].flatMap((target) =>
      this.lookup(target).filter(({ data }) => data.type === 'A' || data.type === 'AAAA'),
    );
    const answer = prepareAnswer({ name: name.name, type }, answers, additional);
    name.prepared ??= new Map();
    name.prepared.set(type, answer);
    return answer;
  }

  authority(key: NameKey): NameKey | undefined {
    if (isWithin(key, this.#apex)) return this.#apex;
    if (!key.endsWith('\x04arpa\0')) return undefined;
    for (let at: NameKey | undefined = key; at !== undefined; at = parentKey(at)) {
      if (this.#reverse.has(at)) return at;
    }
    return undefined;
  }

  soa(zone: NameKey): DnsRecord {
    return {
      name: zone === this.#apex ? this.clusterDomain : printKey(zone),
      ttlSeconds: this.#ttlSeconds,
      data: {
        type: 'SOA',
        primary: nameServer(this.clusterDomain),
        mailbox: `hostmaster.${this.clusterDomain}`,
        serial: this.#serial,
        refreshSeconds: 7200,
        retrySeconds: 1800,
        expireSeconds: 86_400,
        minimumSeconds: this.#ttlSeconds,
      },
    };
  }

  lookup(name: string, type?: RecordData['type']): readonly PlannedRecord[] {
    const records = this.#names.get(nameKey(name))?.records ?? [];
    return type === undefined ? records : records.filter(({ data }) => data.type === type);
  }

  records(): PlannedRecord[] {
    return [...this.#owners.values()].flatMap(({ records }) => records);
  }

  print(): string {
    return printRecords(this.records());
  }

  /** The name, made if it is new, together with the names above it. */
  #hold(key: NameKey, text?: string): ZoneName {
    const known = this.#names.get(key);
    if (known !== undefined) return known;
    const name: ZoneName = {
      name: text ?? printKey(key),
      records: NO_RECORDS,
      dependants: 0,
      prepared: undefined,
    };
    this.#names.set(key, name);
    const parent = this.#parentWithin(key);
    if (parent !== undefined) this.#hold(parent).dependants++;
    return name;
  }

  #remove(contribution: { records: readonly PlannedRecord[]; names: readonly string[] } | undefined): void {
    for (const record of contribution?.records ?? []) {
      const key = nameKey(record.name);
      const name = this.#names.get(key);
      if (name === undefined) continue;
      name.records.splice(name.records.indexOf(record), 1);
      name.prepared = undefined;
      this.#release(key, name);
    }
    for (const text of contribution?.names ?? []) {
      const key = nameKey(text);
      const name = this.#names.get(key);
      if (name === undefined) continue;
      name.dependants--;
      this.#release(key, name);
    }
  }

  #release(key: NameKey, name: ZoneName): void {
    if (name.records.length > 0 || name.dependants > 0) return;
    this.#names.delete(key);
    const parent = this.#parentWithin(key);
    const above = parent === undefined ? undefined : this.#names.get(parent);
    if (parent === undefined || above === undefined) return;
    above.dependants--;
    this.#release(parent, above);
  }

  /** The name above, as long as it still belongs to the zone of the name itself. */
  #parentWithin(key: NameKey): NameKey | undefined {
    const zone = this.authority(key);
    return zone === undefined || zone === key ? undefined : parentKey(key);
  }
}
