/** Messages of ctnetlink (linux/netfilter/nfnetlink_conntrack.h). */
import { formatIp, ipFromBytes, ipToBytes, parseIp, type IpFamily } from '../../model/ip.ts';
import { Attributes } from '../netlink/attributes.ts';
import { MessageWriter, type NetlinkMessage } from '../netlink/message.ts';
import {
  type ConntrackEntry,
  type ConntrackFilter,
  type ConntrackTuple,
  IP_PROTOCOL,
  printTuple,
} from './conntrack-entry.ts';

const NFNL_SUBSYS_CTNETLINK = 1;
const MSG = { GET: 1, DELETE: 2, GET_STATS: 5 } as const;
const CTA = {
  TUPLE_ORIG: 1,
  TUPLE_REPLY: 2,
  STATUS: 3,
  PROTOINFO: 4,
  TIMEOUT: 7,
  MARK: 8,
  ID: 12,
  ZONE: 18,
  FILTER: 25,
} as const;
const TUPLE = { IP: 1, PROTO: 2 } as const;
const IP = { V4_SRC: 1, V4_DST: 2, V6_SRC: 3, V6_DST: 4 } as const;
const PROTO = {
  NUM: 1,
  SRC_PORT: 2,
  DST_PORT: 3,
  ICMP_ID: 4,
  ICMP_TYPE: 5,
  ICMP_CODE: 6,
  ICMPV6_ID: 7,
  ICMPV6_TYPE: 8,
  ICMPV6_CODE: 9,
} as const;
const PROTOINFO = { TCP: 1, TCP_STATE: 1 } as const;
const FILTER = { ORIG_FLAGS: 1 } as const;
/** Bit of CTA_PROTO_NUM in CTA_FILTER_ORIG_FLAGS (net/netfilter/nf_conntrack_netlink.c). */
const FILTER_BY_PROTOCOL = 1 << 3;
const STATS_GLOBAL_ENTRIES = 1;

const AF_OF = { 4: 2, 6: 10 } as const;

/** nfgenmsg: family, version, resource. */
function conntrackMessage(type: number, family: IpFamily | undefined): MessageWriter {
  return new MessageWriter((NFNL_SUBSYS_CTNETLINK << 8) | type, 0)
    .u8(family === undefined ? 0 : AF_OF[family])
    .u8(0)
    .u16(0);
}

export function encodeList(filter: ConntrackFilter): NetlinkMessage {
  const { family, protocol } = filter;
  const writer = conntrackMessage(MSG.GET, family);
  // The kernel takes a tuple to sift by only together with its family.
  if (family !== undefined && protocol !== undefined) {
    writer.attrNested(CTA.TUPLE_ORIG, () =>
      writer.attrNested(TUPLE.PROTO, () => writer.attrU8(PROTO.NUM, protocol)),
    );
    writer.attrNested(CTA.FILTER, () => writer.attrU32(FILTER.ORIG_FLAGS, FILTER_BY_PROTOCOL));
  }
  return writer.finish(`list conntrack entries`);
}

export function encodeDelete(entry: ConntrackEntry): NetlinkMessage {
  const { family, original, zone, id } = entry;
  const writer = conntrackMessage(MSG.DELETE, family);
  writer.attrNested(CTA.TUPLE_ORIG, () => writeTuple(writer, original));
  if (zone !== 0) writer.attrU16be(CTA.ZONE, zone);
  if (id !== 0) writer.attrU32be(CTA.ID, id);
  return writer.finish(() => `forget flow ${printTuple(original)}`);
}

export function encodeCount(): NetlinkMessage {
  return conntrackMessage(MSG.GET_STATS, undefined).finish('count conntrack entries');
}

function writeTuple(writer: MessageWriter, tuple: ConntrackTuple): void {
  const source = parseIp(tuple.source);
  const destination = parseIp(tuple.destination);
  const v4 = source.family === 4;
  writer.attrNested(TUPLE.IP, () =>
    writer
      .attrBytes(v4 ? IP.V4_SRC : IP.V6_SRC, ipToBytes(source))
      .attrBytes(v4 ? IP.V4_DST : IP.V6_DST, ipToBytes(destination)),
  );
  writer.attrNested(TUPLE.PROTO, () => {
    writer.attrU8(PROTO.NUM, tuple.protocol);
    const { icmp } = tuple;
    if (icmp === undefined) {
      writer.attrU16be(PROTO.SRC_PORT, tuple.sourcePort).attrU16be(PROTO.DST_PORT, tuple.destinationPort);
      return;
    }
    const six = tuple.protocol === IP_PROTOCOL.icmpv6;
    writer
      .attrU16be(six ? PROTO.ICMPV6_ID : PROTO.ICMP_ID, icmp.id)
      .attrU8(six ? PROTO.ICMPV6_TYPE : PROTO.ICMP_TYPE, icmp.type)
      .attrU8(six ? PROTO.ICMPV6_CODE : PROTO.ICMP_CODE, icmp.code);
  });
}

export function decodeCount(payload: Buffer): number {
  return new Attributes(payload, 4).u32be(STATS_GLOBAL_ENTRIES) ?? 0;
}

/** Undefined for what is not IP. */
export function decodeEntry(payload: Buffer): ConntrackEntry | undefined {
  const family = payload[0] === AF_OF[4] ? 4 : payload[0] === AF_OF[6] ? 6 : undefined;
  const attributes = new Attributes(payload, 4);
  const original = attributes.nested(CTA.TUPLE_ORIG);
  const reply = attributes.nested(CTA.TUPLE_REPLY);
  if (family === undefined || original === undefined || reply === undefined) return undefined;
  const tcpState = attributes.nested(CTA.PROTOINFO)?.nested(PROTOINFO.TCP)?.u8(PROTOINFO.TCP_STATE);
  return {
    family,
    original: decodeTuple(original),
    reply: decodeTuple(reply),
    status: attributes.u32be(CTA.STATUS) ?? 0,
    mark: attributes.u32be(CTA.MARK) ?? 0,
    zone: attributes.u16be(CTA.ZONE) ?? 0,
    id: attributes.u32be(CTA.ID) ?? 0,
    timeoutSeconds: attributes.u32be(CTA.TIMEOUT) ?? 0,
    ...(tcpState === undefined ? {} : { tcpState }),
  };
}

function decodeTuple(tuple: Attributes): ConntrackTuple {
  const ip = tuple.nested(TUPLE.IP);
  const proto = tuple.nested(TUPLE.PROTO);
  const protocol = proto?.u8(PROTO.NUM) ?? 0;
  const icmp = decodeIcmp(protocol, proto);
  return {
    source: decodeAddress(ip?.get(IP.V4_SRC) ?? ip?.get(IP.V6_SRC)),
    destination: decodeAddress(ip?.get(IP.V4_DST) ?? ip?.get(IP.V6_DST)),
    protocol,
    sourcePort: proto?.u16be(PROTO.SRC_PORT) ?? 0,
    destinationPort: proto?.u16be(PROTO.DST_PORT) ?? 0,
    ...(icmp === undefined ? {} : { icmp }),
  };
}

function decodeIcmp(protocol: number, proto: Attributes | undefined): ConntrackTuple['icmp'] {
  if (protocol === IP_PROTOCOL.icmp) {
    return {
      id: proto?.u16be(PROTO.ICMP_ID) ?? 0,
      type: proto?.u8(PROTO.ICMP_TYPE) ?? 0,
      code: proto?.u8(PROTO.ICMP_CODE) ?? 0,
    };
  }
  if (protocol !== IP_PROTOCOL.icmpv6) return undefined;
  return {
    id: proto?.u16be(PROTO.ICMPV6_ID) ?? 0,
    type: proto?.u8(PROTO.ICMPV6_TYPE) ?? 0,
    code: proto?.u8(PROTO.ICMPV6_CODE) ?? 0,
  };
}

function decodeAddress(bytes: Buffer | undefined): string {
  if (bytes === undefined) return '';
  // The quick way for what nearly every entry has.
  if (bytes.length === 4) return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
  return formatIp(ipFromBytes(bytes));
}
