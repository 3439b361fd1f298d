/** The plugins that need no more than the question and its client: acl, any, chaos, local, whoami. */
import { hostname } from 'node:os';
import { cidrContains, parseIp } from '../../model/ip.ts';
import type { AclRule, ChaosPlan } from '../corefile/plan.ts';
import { CLASS, RCODE, TYPE } from '../wire/constants.ts';
import type { DnsRecord, RecordData } from '../wire/message.ts';
import { isWithin, nameKey, type NameKey, parentKey, printKey } from '../wire/name.ts';
import type { Step } from './request.ts';
import { writeRcode, writeRecords } from './write.ts';

/** The first rule that fits decides. */
export function aclStep(rules: readonly AclRule[]): Step {
  return (request, room) => {
    const { query } = request;
    const rule = rules.find(
      ({ zones, types, networks }) =>
        zones.some((zone) => isWithin(query.key, zone)) &&
        (types.length === 0 || types.includes(query.type)) &&
        (networks.length === 0 ||
          networks.some((network) => cidrContains(network, parseIp(request.client().address)))),
    );
    if (rule === undefined || rule.action === 'allow') return undefined;
    if (rule.action === 'drop') return 0;
    return rule.action === 'block'
      ? writeRcode(request, RCODE.REFUSED, room, [15, 'Blocked'])
      : writeRcode(request, RCODE.NOERROR, room, [17, 'Filtered']);
  };
}

const NO_ANY: RecordData = {
  type: 'other',
  number: TYPE.HINFO,
  bytes: Buffer.from('\x07RFC8482\x00', 'latin1'),
};

/** A question for all types gets one short record (RFC 8482). */
export const anyStep: Step = (request, room) => {
  const { type, key } = request.query;
  if (type !== TYPE.ANY) return undefined;
  return writeRecords(request, { answers: [{ name: printKey(key), ttlSeconds: 8482, data: NO_ANY }] }, room);
};

/** `version.bind` and its like, in class CH. */
export function chaosStep({ version, authors }: ChaosPlan): Step {
  const texts = new Map<NameKey, readonly string[]>([
    [nameKey('version.bind'), [version]],
    [nameKey('version.server'), [version]],
    [nameKey('authors.bind'), authors],
    [nameKey('hostname.bind'), [hostname()]],
    [nameKey('id.server'), [hostname()]],
  ]);
  return (request, room) => {
    const { class: of, type, key } = request.query;
    const strings = of === CLASS.CH && type === TYPE.TXT ? texts.get(key) : undefined;
    if (strings === undefined) return undefined;
    const answers = strings.map((text) => ({
      name: printKey(key),
      class: CLASS.CH,
      ttlSeconds: 0,
      data: { type: 'TXT', strings: [text.slice(0, 255)] } as const,
    }));
    return writeRecords(request, { answers }, room);
  };
}

const LOCALHOST = nameKey('localhost');
const LOCAL_REVERSE = nameKey('1.0.0.127.in-addr.arpa');
/** Zones that mean nothing outside (RFC 6303), answered as empty. */
const EMPTY_ZONES = ['0.in-addr.arpa', '127.in-addr.arpa', '255.in-addr.arpa'].map(nameKey);
const LOCAL_TTL_SECONDS = 604_800;

/** `localhost`, `localhost.DOMAIN` (which search lists make of it) and their reverse names. */
export const localStep: Step = (request, room) => {
  const { key, type } = request.query;
  const name = printKey(key);
  const first = key.slice(0, 10);
  if (
    key === LOCALHOST ||
    isWithin(key, LOCALHOST) ||
    (first === LOCALHOST.slice(0, 10) && parentKey(key) !== undefined)
  ) {
    const data: RecordData[] =
      type === TYPE.A
        ? [{ type: 'A', address: '127.0.0.1' }]
        : type === TYPE.AAAA
          ? [{ type: 'AAAA', address: '::1' }]
          : [];
    return writeRecords(
      request,
      { answers: data.map((each) => ({ name, ttlSeconds: LOCAL_TTL_SECONDS, data: each })) },
      room,
    );
  }
  if (key === LOCAL_REVERSE && type === TYPE.PTR) {
    const data = { type: 'PTR', target: 'localhost' } as const;
    return writeRecords(request, { answers: [{ name, ttlSeconds: LOCAL_TTL_SECONDS, data }] }, room);
  }
  return EMPTY_ZONES.some((zone) => isWithin(key, zone))
    ? writeRecords(request, { answers: [] }, room)
    : undefined;
};

/** The client's address and port, as additional records. */
export const whoamiStep: Step = (request, room) => {
  const { address, port } = request.client();
  const name = printKey(request.query.key);
  const host: DnsRecord = {
    name,
    ttlSeconds: 0,
    data: { type: address.includes(':') ? 'AAAA' : 'A', address },
  };
  const service: DnsRecord = {
    name: `_${request.transport}.${name === '.' ? '' : name}`.replace(/\.$/, ''),
    ttlSeconds: 0,
    data: { type: 'SRV', priority: 0, weight: 0, port, target: '.' },
  };
  return writeRecords(request, { answers: [], additional: [host, service] }, room);
};
