/** Messages of the generic netlink family IPVS (linux/ip_vs.h). */
import { formatIp, ipFromBytes, ipToBytes, parseIp } from '../../model/ip.ts';
import { AF } from '../ffi-sockets.ts';
import type { Attributes } from '../netlink/attributes.ts';
import type { MessageWriter } from '../netlink/message.ts';
import type {
  IpvsCommand,
  IpvsProtocol,
  ListedRealServer,
  RealServer,
  VirtualServer,
  VirtualServerKey,
} from './ipvs.ts';

export const IPVS_FAMILY = { name: 'IPVS', version: 1, module: 'ip_vs' } as const;

/** IPVS_CMD_* */
export const CMD = {
  NEW_SERVICE: 1,
  SET_SERVICE: 2,
  DEL_SERVICE: 3,
  GET_SERVICE: 4,
  NEW_DEST: 5,
  SET_DEST: 6,
  DEL_DEST: 7,
  GET_DEST: 8,
} as const;

/** IPVS_CMD_ATTR_* */
const ATTR = { SERVICE: 1, DEST: 2 } as const;
/** IPVS_SVC_ATTR_* */
const SERVICE = {
  AF: 1,
  PROTOCOL: 2,
  ADDR: 3,
  PORT: 4,
  FWMARK: 5,
  SCHED_NAME: 6,
  FLAGS: 7,
  TIMEOUT: 8,
  NETMASK: 9,
} as const;
/** IPVS_DEST_ATTR_* */
const DEST = {
  ADDR: 1,
  PORT: 2,
  FWD_METHOD: 3,
  WEIGHT: 4,
  U_THRESH: 5,
  L_THRESH: 6,
  ACTIVE_CONNS: 7,
  INACT_CONNS: 8,
  ADDR_FAMILY: 11,
} as const;

const PERSISTENT = 1;
/** IP_VS_CONN_F_MASQ: the destination is translated, and the answers come back this way. */
const MASQUERADING = 0;
const PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const satisfies Record<IpvsProtocol, number>;
/** union nf_inet_addr */
const ADDRESS_LENGTH = 16;

/** The number of the command that carries out `command`. */
export function commandNumber(command: IpvsCommand): number {
  const isReal = 'real' in command;
  switch (command.verb) {
    case 'add':
      return isReal ? CMD.NEW_DEST : CMD.NEW_SERVICE;
    case 'set':
      return isReal ? CMD.SET_DEST : CMD.SET_SERVICE;
    case 'delete':
      return isReal ? CMD.DEL_DEST : CMD.DEL_SERVICE;
  }
}

/** Writes a command's attributes after the family's header. */
export function writeCommand(out: MessageWriter, command: IpvsCommand): void {
  const key = 'server' in command ? command.server.key : command.key;
  out.attrNested(ATTR.SERVICE, () => {
    writeKey(out, key);
    if ('server' in command) writeProperties(out, command.server);
  });
  if (!('real' in command)) return;
  const { real } = command;
  out.attrNested(ATTR.DEST, () => {
    const { family, bytes } = encodeAddress(real.address);
    out.attrBytes(DEST.ADDR, bytes).attrU16be(DEST.PORT, real.port).attrU16(DEST.ADDR_FAMILY, family);
    if (command.verb === 'delete') return;
    out.attrU32(DEST.FWD_METHOD, MASQUERADING).attrU32(DEST.WEIGHT, command.real.weight);
    out.attrU32(DEST.U_THRESH, 0).attrU32(DEST.L_THRESH, 0);
  });
}

/** Asks for the real servers of one virtual server. */
export function writeServiceKey(out: MessageWriter, key: VirtualServerKey): void {
  out.attrNested(ATTR.SERVICE, () => writeKey(out, key));
}

function writeKey(out: MessageWriter, key: VirtualServerKey): void {
  if ('mark' in key) {
    out.attrU16(SERVICE.AF, key.family === 4 ? AF.INET : AF.INET6).attrU32(SERVICE.FWMARK, key.mark);
    return;
  }
  const { family, bytes } = encodeAddress(key.address);
  out.attrU16(SERVICE.AF, family).attrU16(SERVICE.PROTOCOL, PROTOCOLS[key.protocol]);
  out.attrBytes(SERVICE.ADDR, bytes).attrU16be(SERVICE.PORT, key.port);
}

function writeProperties(out: MessageWriter, { key, scheduler, persistenceSeconds }: VirtualServer): void {
  const isIpv4 = 'mark' in key ? key.family === 4 : !key.address.includes(':');
  const flags = Buffer.alloc(8);
  flags.writeUInt32LE(persistenceSeconds === undefined ? 0 : PERSISTENT, 0);
  flags.writeUInt32LE(0xffff_ffff, 4);
  out.attrString(SERVICE.SCHED_NAME, scheduler).attrBytes(SERVICE.FLAGS, flags);
  out.attrU32(SERVICE.TIMEOUT, persistenceSeconds ?? 0);
  // Persistence is by single addresses: an IPv4 mask, an IPv6 prefix length.
  out.attrU32(SERVICE.NETMASK, isIpv4 ? 0xffff_ffff : 128);
}

function encodeAddress(address: string): { family: number; bytes: Buffer } {
  const ip = parseIp(address);
  const bytes = Buffer.alloc(ADDRESS_LENGTH);
  bytes.set(ipToBytes(ip));
  return { family: ip.family === 4 ? AF.INET : AF.INET6, bytes };
}

function decodeAddress(bytes: Buffer | undefined, family: number): string {
  const length = family === AF.INET6 ? 16 : 4;
  return bytes === undefined ? '' : formatIp(ipFromBytes(bytes.subarray(0, length)));
}

/** Undefined for a server that is no Service's kind: of another protocol. */
export function decodeServer(attributes: Attributes): VirtualServer | undefined {
  const service = attributes.nested(ATTR.SERVICE);
  if (service === undefined) return undefined;
  const family = service.u16(SERVICE.AF) ?? 0;
  const mark = service.u32(SERVICE.FWMARK) ?? 0;
  const number = service.u16(SERVICE.PROTOCOL);
  const protocol = (Object.keys(PROTOCOLS) as IpvsProtocol[]).find((name) => PROTOCOLS[name] === number);
  const isPersistent = ((service.get(SERVICE.FLAGS)?.readUInt32LE() ?? 0) & PERSISTENT) !== 0;
  const common = {
    scheduler: service.string(SERVICE.SCHED_NAME) ?? '',
    ...(isPersistent && { persistenceSeconds: service.u32(SERVICE.TIMEOUT) ?? 0 }),
  };
  if (mark !== 0) return { key: { mark, family: family === AF.INET ? 4 : 6 }, ...common };
  if (protocol === undefined) return undefined;
  const address = decodeAddress(service.get(SERVICE.ADDR), family);
  return { key: { address, port: service.u16be(SERVICE.PORT) ?? 0, protocol }, ...common };
}

export function decodeRealServer(attributes: Attributes): ListedRealServer | undefined {
  const real = attributes.nested(ATTR.DEST);
  if (real === undefined) return undefined;
  const server: RealServer = {
    address: decodeAddress(real.get(DEST.ADDR), real.u16(DEST.ADDR_FAMILY) ?? AF.INET),
    port: real.u16be(DEST.PORT) ?? 0,
    weight: real.u32(DEST.WEIGHT) ?? 0,
  };
  return {
    ...server,
    activeConnections: real.u32(DEST.ACTIVE_CONNS) ?? 0,
    inactiveConnections: real.u32(DEST.INACT_CONNS) ?? 0,
  };
}
