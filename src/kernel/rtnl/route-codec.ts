/** RTM_*ROUTE: struct rtmsg and RTA_* attributes (linux/rtnetlink.h). */
import { type IpFamily, bits } from '../../model/ip.ts';
import { Attributes } from '../netlink/attributes.ts';
import { MessageWriter, NLM_F, type NetlinkMessage } from '../netlink/message.ts';
import type { ResolveLink } from './link-codec.ts';
import {
  PROTOCOL,
  TABLE,
  addressFamily,
  decodeIp,
  encodeIp,
  encodePrefix,
  ipFamily,
  routeTypeName,
  routeTypeNumber,
  scopeName,
  scopeNumber,
} from './names.ts';
import type { NextHop, Route, RouteQuery, RouteSpec, Scope } from './rtnl.ts';

export const RTM_ROUTE = { NEW: 24, DEL: 25, GET: 26 } as const;

const RTA = {
  DST: 1,
  SRC: 2,
  IIF: 3,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  MARK: 16,
  VIA: 18,
} as const;
const RTAX = { MTU: 2, ADVMSS: 8 } as const;
const RTNH_F_ONLINK = 4;
const RTM_F = { LOOKUP_TABLE: 0x1000, FIB_MATCH: 0x2000 } as const;

interface RouteHeader {
  readonly family: number;
  readonly dstLength?: number;
  readonly sourceLength?: number;
  readonly table?: number;
  readonly protocol?: number;
  readonly scope?: number;
  readonly type?: number;
  readonly flags?: number;
}

/** struct rtmsg; tables above 255 go in RTA_TABLE alone. */
function rtmsg(writer: MessageWriter, header: RouteHeader): MessageWriter {
  const { dstLength = 0, sourceLength = 0, table = 0, protocol = 0, scope = 0, type = 0, flags = 0 } = header;
  writer.u8(header.family).u8(dstLength).u8(sourceLength).u8(0);
  return writer
    .u8(table > 255 ? 0 : table)
    .u8(protocol)
    .u8(scope)
    .u8(type)
    .u32(flags);
}

export function encodeReplaceRoute(spec: RouteSpec, resolve: ResolveLink): NetlinkMessage {
  const writer = new MessageWriter(RTM_ROUTE.NEW, NLM_F.CREATE | NLM_F.REPLACE);
  const { protocol = PROTOCOL.static, type = 'unicast' } = spec;
  const scope = scopeNumber(defaultScope(spec));
  encodeRoute(writer, spec, resolve, { protocol, scope, type: routeTypeNumber(type) });
  return writer.finish(() => `replace route ${describeRoute(spec)}`);
}

export function encodeDeleteRoute(spec: RouteSpec, resolve: ResolveLink): NetlinkMessage {
  const writer = new MessageWriter(RTM_ROUTE.DEL, 0);
  // RT_SCOPE_NOWHERE matches any scope, protocol 0 any protocol, type 0 any type.
  const scope = scopeNumber(spec.scope ?? 'nowhere');
  const type = spec.type === undefined ? 0 : routeTypeNumber(spec.type);
  encodeRoute(writer, spec, resolve, { protocol: spec.protocol ?? 0, scope, type });
  return writer.finish(() => `delete route ${describeRoute(spec)}`);
}

function defaultScope({ type = 'unicast', gateway, nextHops, scope }: RouteSpec): Scope {
  if (scope !== undefined) return scope;
  if (type === 'local') return 'host';
  if (type !== 'unicast' && type !== 'broadcast' && type !== 'multicast' && type !== 'anycast')
    return 'universe';
  return gateway === undefined && nextHops === undefined ? 'link' : 'universe';
}

function encodeRoute(
  writer: MessageWriter,
  spec: RouteSpec,
  resolve: ResolveLink,
  { protocol, scope, type }: { protocol: number; scope: number; type: number },
): void {
  const dst = encodePrefix(spec.dst);
  const table = spec.table ?? (spec.type === 'local' ? TABLE.local : TABLE.main);
  rtmsg(writer, {
    family: addressFamily(dst.family),
    dstLength: dst.prefixLength,
    table,
    protocol,
    scope: dst.family === 4 ? scope : 0,
    type,
    flags: spec.onlink ? RTNH_F_ONLINK : 0,
  });
  if (dst.prefixLength > 0) writer.attrBytes(RTA.DST, dst.bytes);
  if (table > 255) writer.attrU32(RTA.TABLE, table);
  if (spec.metric !== undefined) writer.attrU32(RTA.PRIORITY, spec.metric);
  if (spec.source !== undefined) writer.attrBytes(RTA.PREFSRC, encodeIp(spec.source).bytes);
  const { mtuBytes, advertisedMssBytes } = spec;
  if (mtuBytes !== undefined || advertisedMssBytes !== undefined) {
    writer.attrNested(RTA.METRICS, () => {
      if (mtuBytes !== undefined) writer.attrU32(RTAX.MTU, mtuBytes);
      if (advertisedMssBytes !== undefined) writer.attrU32(RTAX.ADVMSS, advertisedMssBytes);
    });
  }
  if (spec.link !== undefined) writer.attrU32(RTA.OIF, resolve(spec.link));
  if (spec.gateway !== undefined) encodeGateway(writer, spec.gateway, dst.family);
  const { nextHops } = spec;
  if (nextHops) {
    writer.attrNested(RTA.MULTIPATH, () => {
      for (const hop of nextHops) encodeNextHop(writer, hop, dst.family, resolve);
    });
  }
}

/** A gateway of the other family goes as struct rtvia: family, address. */
function encodeGateway(writer: MessageWriter, gateway: string, family: IpFamily): void {
  const ip = encodeIp(gateway);
  if (ip.family === family) {
    writer.attrBytes(RTA.GATEWAY, ip.bytes);
    return;
  }
  writer.attrBytes(RTA.VIA, Buffer.concat([Buffer.from([addressFamily(ip.family), 0]), ip.bytes]));
}

/** struct rtnexthop: length, flags, weight less one, link, then attributes. */
function encodeNextHop(writer: MessageWriter, hop: NextHop, family: IpFamily, resolve: ResolveLink): void {
  const inner = new MessageWriter(0, 0, 64);
  const start = inner.length;
  if (hop.gateway !== undefined) encodeGateway(inner, hop.gateway, family);
  const attributes = inner.finish('').bytes.subarray(start);
  writer
    .u16(8 + attributes.length)
    .u8(hop.onlink ? RTNH_F_ONLINK : 0)
    .u8((hop.weight ?? 1) - 1);
  writer.i32(hop.link === undefined ? 0 : resolve(hop.link)).bytes(attributes);
}

export function encodeListRoutes(family: IpFamily, table: number | 'all'): NetlinkMessage {
  const writer = new MessageWriter(RTM_ROUTE.GET, 0);
  rtmsg(writer, { family: addressFamily(family) });
  if (table !== 'all') writer.attrU32(RTA.TABLE, table);
  return writer.finish(`list routes of table ${table}`);
}

export function encodeGetRoute(destination: string, query: RouteQuery, resolve: ResolveLink): NetlinkMessage {
  const dst = encodeIp(destination);
  const length = bits(dst.family);
  const { from, inputInterface, outputInterface, mark, match } = query;
  const writer = new MessageWriter(RTM_ROUTE.GET, 0);
  rtmsg(writer, {
    family: addressFamily(dst.family),
    dstLength: length,
    sourceLength: from === undefined ? 0 : length,
    flags: RTM_F.LOOKUP_TABLE | (match ? RTM_F.FIB_MATCH : 0),
  });
  writer.attrBytes(RTA.DST, dst.bytes);
  if (from !== undefined) writer.attrBytes(RTA.SRC, encodeIp(from).bytes);
  if (inputInterface !== undefined) writer.attrU32(RTA.IIF, resolve(inputInterface));
  if (outputInterface !== undefined) writer.attrU32(RTA.OIF, resolve(outputInterface));
  if (mark !== undefined) writer.attrU32(RTA.MARK, mark);
  return writer.finish(() => `get route ${destination}${from === undefined ? '' : ` from ${from}`}`);
}

/** Undefined for families that are not IP. */
export function decodeRoute(payload: Buffer): Route | undefined {
  const family = ipFamily(payload.readUInt8(0));
  if (family === undefined) return undefined;
  const attributes = new Attributes(payload, 12);
  const dst = attributes.get(RTA.DST);
  const source = attributes.get(RTA.PREFSRC);
  const multipath = attributes.get(RTA.MULTIPATH);
  const metrics = attributes.nested(RTA.METRICS);
  return {
    family,
    type: routeTypeName(payload.readUInt8(7)),
    dst: `${dst ? decodeIp(dst) : unspecified(family)}/${payload.readUInt8(1)}`,
    gateway: decodeGateway(attributes),
    link: attributes.u32(RTA.OIF),
    source: source && decodeIp(source),
    scope: scopeName(payload.readUInt8(6)),
    table: attributes.u32(RTA.TABLE) ?? payload.readUInt8(4),
    protocol: payload.readUInt8(5),
    metric: attributes.u32(RTA.PRIORITY) ?? 0,
    onlink: (payload.readUInt32LE(8) & RTNH_F_ONLINK) !== 0,
    mtuBytes: metrics?.u32(RTAX.MTU),
    advertisedMssBytes: metrics?.u32(RTAX.ADVMSS),
    nextHops: multipath ? decodeNextHops(multipath) : [],
  };
}

function unspecified(family: IpFamily): string {
  return family === 4 ? '0.0.0.0' : '::';
}

function decodeGateway(attributes: Attributes): string | undefined {
  const gateway = attributes.get(RTA.GATEWAY) ?? attributes.get(RTA.VIA)?.subarray(2);
  return gateway && decodeIp(gateway);
}

function decodeNextHops(bytes: Buffer): Route['nextHops'] {
  const hops: Route['nextHops'][number][] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt16LE(at);
    if (length < 8 || at + length > bytes.length) break;
    const gateway = decodeGateway(new Attributes(bytes.subarray(at + 8, at + length)));
    hops.push({
      link: bytes.readInt32LE(at + 4),
      weight: bytes.readUInt8(at + 3) + 1,
      onlink: (bytes.readUInt8(at + 2) & RTNH_F_ONLINK) !== 0,
      ...(gateway !== undefined && { gateway }),
    });
    at += (length + 3) & ~3;
  }
  return hops;
}

/** As ip-route(8) writes it. */
export function describeRoute(spec: RouteSpec): string {
  const words = [spec.type && spec.type !== 'unicast' ? `${spec.type} ${spec.dst}` : spec.dst];
  if (spec.gateway !== undefined) words.push(`via ${spec.gateway}`);
  if (spec.link !== undefined) words.push(`dev ${spec.link}`);
  for (const hop of spec.nextHops ?? []) {
    words.push(`nexthop${hop.gateway ? ` via ${hop.gateway}` : ''}${hop.link ? ` dev ${hop.link}` : ''}`);
  }
  if (spec.source !== undefined) words.push(`src ${spec.source}`);
  if (spec.table !== undefined) words.push(`table ${spec.table}`);
  if (spec.metric !== undefined) words.push(`metric ${spec.metric}`);
  if (spec.onlink) words.push('onlink');
  return words.join(' ');
}
