/** Plugins that change answers without changing questions: header, minimal, dns64. */
import type { Dns64Plan, HeaderRule } from '../corefile/plan.ts';
import { formatIp, ipFromBytes, ipToBytes, parseIp } from '../../model/ip.ts';
import { FLAG, RCODE, TYPE } from '../wire/constants.ts';
import type { DnsRecord } from '../wire/message.ts';
import { askedInstead, exchange, type Place, writeMessage } from './exchange.ts';
import type { Layer, Reply } from './request.ts';

const FLAGS = { aa: FLAG.AA, ra: FLAG.RA, rd: FLAG.RD } as const;

/** Sets and clears flags of the answer. Those of the query change nothing here: what is asked outside asks for recursion. */
export function headerLayer(rules: readonly HeaderRule[]): Layer {
  const own = rules.filter(({ of }) => of === 'response');
  const patch = (out: Buffer, length: number): number => {
    if (length === 0) return 0;
    let flags = out.readUInt16BE(2);
    for (const { action, flags: names } of own) {
      for (const name of names) flags = action === 'set' ? flags | FLAGS[name] : flags & ~FLAGS[name];
    }
    out.writeUInt16BE(flags, 2);
    return length;
  };
  return (next) => (request, room) => {
    const reply = next(request, room);
    if (typeof reply === 'number') return patch(room.out, reply);
    return async (message, outer) => patch(outer.out, await reply(message, outer));
  };
}

/** Leaves out what the client did not ask for, where there is an answer. */
export const minimalLayer: Layer = (next) => (request, room) =>
  exchange(next, request, { message: request.message, room }, (answer, client) => {
    if (answer === undefined) return 0;
    const bare = answer.answers.length > 0 ? { ...answer, authority: [], additional: [] } : answer;
    return writeMessage(client, request.query, bare);
  });

/** AAAA records for clients of IPv6 alone, made of the A records (RFC 6147). */
export function dns64Layer({ prefix, translateAll, allowIpv4 }: Dns64Plan): Layer {
  return (next) => (request, room) => {
    const { query, message } = request;
    const applies = query.type === TYPE.AAAA && query.edns?.dnssecOk !== true;
    if (!applies || !(allowIpv4 || request.client().address.includes(':'))) return next(request, room);
    const ofIpv4 = askedInstead(request, { type: TYPE.A });
    const translate = (place: Place): Reply =>
      exchange(next, ofIpv4, place, (answer, client) => {
        if (answer === undefined) return 0;
        const answers = answer.answers.map((record) => translated(record, prefix));
        return writeMessage(client, query, { ...answer, answers });
      });
    if (translateAll) return translate({ message, room });
    return exchange(next, request, { message, room }, (answer, client) => {
      if (answer === undefined) return 0;
      const isThere = answer.answers.some(({ data }) => data.type === 'AAAA');
      return isThere || (answer.flags & 0xf) === RCODE.NXDOMAIN
        ? writeMessage(client, query, answer)
        : translate(client);
    });
  };
}

/** The address with the IPv4 address put into the prefix, around the byte that stays zero (RFC 6052 section 2.2). */
export function embed(prefix: Dns64Plan['prefix'], address: string): string {
  const bytes = Buffer.from(ipToBytes({ family: 6, value: prefix.value }));
  let at = prefix.prefixLength / 8;
  for (const byte of ipToBytes(parseIp(address))) {
    if (at === 8) at += 1;
    bytes[at] = byte;
    at += 1;
  }
  return formatIp(ipFromBytes(bytes));
}

function translated(record: DnsRecord, prefix: Dns64Plan['prefix']): DnsRecord {
  if (record.data.type !== 'A') return record;
  return { ...record, data: { type: 'AAAA', address: embed(prefix, record.data.address) } };
}
