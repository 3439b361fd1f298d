/** The plugins that answer from records of their own: hosts and file. */
import type { FilePlan, HostsPlan } from '../corefile/plan.ts';
import { reverseName } from '../wire/address.ts';
import { RCODE, TYPE } from '../wire/constants.ts';
import { type DnsRecord, recordType } from '../wire/message.ts';
import { isWithin, nameKey, type NameKey, parentKey, printKey } from '../wire/name.ts';
import { parseZoneFile } from '../wire/zone-file.ts';
import type { Step } from './request.ts';
import { writeRcode, writeRecords } from './write.ts';

type Records = ReadonlyMap<NameKey, readonly DnsRecord[]>;

function byName(records: readonly DnsRecord[]): Map<NameKey, DnsRecord[]> {
  return Map.groupBy(records, ({ name }) => nameKey(name));
}

const within = (key: NameKey, zones: readonly NameKey[]): boolean =>
  zones.some((zone) => isWithin(key, zone));

/** Names without an entry go on where `fallthrough` says so, and fail otherwise: there is no SOA to deny them with. */
export function hostsStep({ zones, entries, ttlSeconds, reverse, fallthrough }: HostsPlan): Step {
  const records = byName(
    entries.flatMap(({ address, names }) => {
      const type = address.includes(':') ? 'AAAA' : 'A';
      const forward = names.map((name): DnsRecord => ({
        name: bare(name),
        ttlSeconds,
        data: { type, address },
      }));
      const [target] = names;
      if (!reverse || target === undefined) return forward;
      const back: DnsRecord = {
        name: reverseName(address),
        ttlSeconds,
        data: { type: 'PTR', target: bare(target) },
      };
      return [...forward, back];
    }),
  );
  return (request, room) => {
    const { key, type } = request.query;
    const isReverse = type === TYPE.PTR;
    if (!isReverse && !within(key, zones)) return undefined;
    const found = records.get(key);
    if (found === undefined) {
      if (isReverse || within(key, fallthrough)) return undefined;
      return writeRcode(request, RCODE.SERVFAIL, room);
    }
    return writeRecords(request, { answers: found.filter(({ data }) => recordType(data) === type) }, room);
  };
}

const bare = (name: string): string => name.replace(/\.$/, '').toLowerCase();

/** A zone from a master file: wildcards (RFC 4592), aliases within it, and denials with its SOA. */
export function fileStep({ zones, text, fallthrough }: FilePlan): Step {
  const parsed = zones.map((zone) => ({
    zone,
    records: byName(parseZoneFile(text, { origin: printKey(zone) })),
  }));
  return (request, room) => {
    const { key, type } = request.query;
    const place = parsed.find(({ zone }) => isWithin(key, zone));
    if (place === undefined) return undefined;
    const { zone, records } = place;
    const chain: DnsRecord[] = [];
    let name: NameKey = key;
    for (let hops = 0; hops < MAX_ALIASES; hops++) {
      const found = lookUp(records, name, zone);
      if (found === undefined) break;
      const wanted = found.filter(({ data }) => recordType(data) === type || type === TYPE.ANY);
      const alias = found.find(({ data }) => data.type === 'CNAME');
      if (wanted.length > 0 || alias === undefined || type === TYPE.CNAME) {
        const soa = wanted.length === 0 ? soaOf(records, zone) : [];
        return writeRecords(request, { answers: [...chain, ...wanted], authority: soa }, room);
      }
      chain.push(alias);
      name = nameKey(alias.data.type === 'CNAME' ? alias.data.target : '');
      if (!isWithin(name, zone)) return writeRecords(request, { answers: chain }, room);
    }
    if (chain.length === 0 && within(key, fallthrough)) return undefined;
    return writeRecords(
      request,
      { answers: chain, authority: soaOf(records, zone), rcode: RCODE.NXDOMAIN },
      room,
    );
  };
}

const MAX_ALIASES = 8;

/** The name's records; none for a name that exists because of those below it; undefined for what does not exist. */
function lookUp(records: Records, key: NameKey, zone: NameKey): readonly DnsRecord[] | undefined {
  const own = records.get(key);
  if (own !== undefined) return own;
  for (const below of records.keys()) if (isWithin(below, key)) return [];
  for (let above = parentKey(key); above !== undefined && isWithin(above, zone); above = parentKey(above)) {
    const wild = records.get(`\x01*${above}`);
    if (wild !== undefined) return wild.map((record) => ({ ...record, name: printKey(key) }));
    if (records.has(above)) return undefined;
  }
  return undefined;
}

function soaOf(records: Records, zone: NameKey): readonly DnsRecord[] {
  return (records.get(zone) ?? []).filter(({ data }) => data.type === 'SOA');
}
