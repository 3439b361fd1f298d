/** RTM_*NEIGH: struct ndmsg and NDA_* attributes (linux/neighbour.h), for ARP, neighbour discovery and bridges. */
import type { IpFamily } from '../../model/ip.ts';
import { AF } from '../ffi-sockets.ts';
import { Attributes } from '../netlink/attributes.ts';
import { MessageWriter, NLM_F, type NetlinkMessage } from '../netlink/message.ts';
import type { ResolveLink } from './link-codec.ts';
import {
  addressFamily,
  decodeIp,
  decodeMac,
  encodeIp,
  encodeMac,
  ipFamily,
  neighbourStateName,
  neighbourStateNumber,
} from './names.ts';
import type { ForwardingEntry, ForwardingEntrySpec, Neighbour, NeighbourSpec } from './rtnl.ts';

export const RTM_NEIGH = { NEW: 28, DEL: 29, GET: 30 } as const;

const NDA = { DST: 1, LLADDR: 2, IFINDEX: 8 } as const;
const NTF = { SELF: 0x02, MASTER: 0x04 } as const;

/** struct ndmsg */
function ndmsg(
  writer: MessageWriter,
  {
    family,
    index = 0,
    state = 0,
    flags = 0,
  }: { family: number; index?: number; state?: number; flags?: number },
): MessageWriter {
  return writer.u8(family).u8(0).u16(0).i32(index).u16(state).u8(flags).u8(0);
}

export function encodeReplaceNeighbour(spec: NeighbourSpec, resolve: ResolveLink): NetlinkMessage {
  const { family, bytes } = encodeIp(spec.address);
  const writer = new MessageWriter(RTM_NEIGH.NEW, NLM_F.CREATE | NLM_F.REPLACE);
  ndmsg(writer, {
    family: addressFamily(family),
    index: resolve(spec.link),
    state: neighbourStateNumber(spec.state ?? 'permanent'),
  });
  writer.attrBytes(NDA.DST, bytes).attrBytes(NDA.LLADDR, encodeMac(spec.mac));
  return writer.finish(() => `replace neighbour ${spec.address} lladdr ${spec.mac} dev ${spec.link}`);
}

export function encodeDeleteNeighbour(
  { link, address }: Pick<NeighbourSpec, 'link' | 'address'>,
  resolve: ResolveLink,
): NetlinkMessage {
  const { family, bytes } = encodeIp(address);
  const writer = new MessageWriter(RTM_NEIGH.DEL, 0);
  ndmsg(writer, { family: addressFamily(family), index: resolve(link) }).attrBytes(NDA.DST, bytes);
  return writer.finish(() => `delete neighbour ${address} dev ${link}`);
}

export function encodeListNeighbours(family: IpFamily | undefined, index: number): NetlinkMessage {
  const writer = new MessageWriter(RTM_NEIGH.GET, 0);
  ndmsg(writer, { family: family === undefined ? 0 : addressFamily(family) });
  if (index) writer.attrU32(NDA.IFINDEX, index);
  return writer.finish('list neighbours');
}

/** Undefined for families that are not IP. */
export function decodeNeighbour(payload: Buffer): Neighbour | undefined {
  const family = ipFamily(payload.readUInt8(0));
  const attributes = new Attributes(payload, 12);
  const address = attributes.get(NDA.DST);
  if (family === undefined || !address) return undefined;
  return {
    family,
    link: payload.readInt32LE(4),
    address: decodeIp(address),
    mac: decodeMac(attributes.get(NDA.LLADDR)),
    state: neighbourStateName(payload.readUInt16LE(8)),
  };
}

export function encodeReplaceForwardingEntry(
  spec: ForwardingEntrySpec,
  resolve: ResolveLink,
): NetlinkMessage {
  const writer = new MessageWriter(RTM_NEIGH.NEW, NLM_F.CREATE | forwardingMode(spec));
  encodeForwardingEntry(writer, spec, resolve);
  return writer.finish(() => `replace forwarding entry ${describeEntry(spec)}`);
}

/** Unknown and broadcast frames go to every destination of the zero address: there entries add up. */
function forwardingMode({ mac }: ForwardingEntrySpec): number {
  return mac === '00:00:00:00:00:00' ? NLM_F.APPEND : NLM_F.REPLACE;
}

export function encodeDeleteForwardingEntry(spec: ForwardingEntrySpec, resolve: ResolveLink): NetlinkMessage {
  const writer = new MessageWriter(RTM_NEIGH.DEL, 0);
  encodeForwardingEntry(writer, spec, resolve);
  return writer.finish(() => `delete forwarding entry ${describeEntry(spec)}`);
}

function encodeForwardingEntry(writer: MessageWriter, spec: ForwardingEntrySpec, resolve: ResolveLink): void {
  ndmsg(writer, {
    family: AF.BRIDGE,
    index: resolve(spec.link),
    state: neighbourStateNumber('permanent'),
    flags: spec.destination === undefined ? NTF.MASTER : NTF.SELF,
  });
  writer.attrBytes(NDA.LLADDR, encodeMac(spec.mac));
  if (spec.destination !== undefined) writer.attrBytes(NDA.DST, encodeIp(spec.destination).bytes);
}

function describeEntry({ mac, link, destination }: ForwardingEntrySpec): string {
  return `${mac} dev ${link}${destination === undefined ? '' : ` dst ${destination}`}`;
}

export function encodeListForwardingEntries(index: number): NetlinkMessage {
  const writer = new MessageWriter(RTM_NEIGH.GET, 0);
  return ndmsg(writer, { family: AF.BRIDGE, index }).finish('list forwarding entries');
}

export function decodeForwardingEntry(payload: Buffer): ForwardingEntry | undefined {
  const attributes = new Attributes(payload, 12);
  const mac = decodeMac(attributes.get(NDA.LLADDR));
  if (payload.readUInt8(0) !== AF.BRIDGE || mac === undefined) return undefined;
  const destination = attributes.get(NDA.DST);
  return {
    link: payload.readInt32LE(4),
    mac,
    destination: destination && decodeIp(destination),
    state: neighbourStateName(payload.readUInt16LE(8)),
    self: (payload.readUInt8(10) & NTF.SELF) !== 0,
  };
}
