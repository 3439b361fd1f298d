/** Names of rtnetlink's numbers, as ip(8) writes them, and the small values its messages carry. */
import { ipFromBytes, ipToBytes, formatIp, parseIp, tryParseCidr, formatCidr } from '../../model/ip.ts';
import type { IpFamily } from '../../model/ip.ts';
import { AF } from '../ffi-sockets.ts';
import type { NeighbourState, RouteType, Scope } from './rtnl.ts';

/** rtm_table */
export const TABLE = { default: 253, main: 254, local: 255 } as const;
/** rtm_protocol; podnet's own start at 90. */
export const PROTOCOL = { kernel: 2, boot: 3, static: 4 } as const;

const SCOPES = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const satisfies Record<
  Scope,
  number
>;
const ROUTE_TYPES = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
} as const satisfies Record<RouteType, number>;
const NEIGHBOUR_STATES = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const satisfies Record<NeighbourState, number>;
const OPER_STATES = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'] as const;

function nameOf<T extends string>(table: Record<T, number>, value: number, fallback: T): T {
  for (const name in table) if (table[name] === value) return name;
  return fallback;
}

export const scopeNumber = (scope: Scope): number => SCOPES[scope];
export const scopeName = (value: number): Scope => nameOf(SCOPES, value, 'universe');
export const routeTypeNumber = (type: RouteType): number => ROUTE_TYPES[type];
export const routeTypeName = (value: number): RouteType => nameOf(ROUTE_TYPES, value, 'unicast');
export const neighbourStateNumber = (state: NeighbourState): number => NEIGHBOUR_STATES[state];
export const neighbourStateName = (value: number): NeighbourState => nameOf(NEIGHBOUR_STATES, value, 'none');
export const operStateName = (value: number): string => OPER_STATES[value] ?? 'unknown';

/** The socket address family of an IP family. */
export function addressFamily(family: IpFamily): number {
  return family === 4 ? AF.INET : AF.INET6;
}

/** Undefined for families that are not IP. */
export function ipFamily(family: number): IpFamily | undefined {
  if (family === AF.INET) return 4;
  return family === AF.INET6 ? 6 : undefined;
}

export interface EncodedIp {
  readonly family: IpFamily;
  readonly bytes: Uint8Array;
}

/** @throws RangeError */
export function encodeIp(text: string): EncodedIp {
  const ip = parseIp(text);
  return { family: ip.family, bytes: ipToBytes(ip) };
}

export function decodeIp(bytes: Buffer): string {
  return bytes.length === 4 ? bytes.join('.') : formatIp(ipFromBytes(bytes));
}

/** A prefix whose host bits are zero. @throws RangeError */
export function encodePrefix(text: string): EncodedIp & { readonly prefixLength: number } {
  const parsed = tryParseCidr(text);
  if (!parsed) throw new RangeError(`Cannot parse prefix ${JSON.stringify(text)}`);
  const { network, address } = parsed;
  if (network.value !== address.value) {
    throw new RangeError(`Prefix ${text} has host bits set; its network is ${formatCidr(network)}`);
  }
  return { family: network.family, bytes: ipToBytes(network), prefixLength: network.prefixLength };
}

/** @throws RangeError unless it is six colon-separated octets */
export function encodeMac(text: string): Buffer {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw new RangeError(`Cannot parse MAC address ${JSON.stringify(text)}`);
  }
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

/** Undefined for addresses of another length than Ethernet's. */
export function decodeMac(bytes: Buffer | undefined): string | undefined {
  if (bytes?.length !== 6) return undefined;
  return bytes.toString('hex').replaceAll(/..(?!$)/g, '$&:');
}

/** Interface names as the kernel's dev_valid_name() takes them. @throws RangeError */
export function checkLinkName(name: string): string {
  const length = Buffer.byteLength(name);
  if (length === 0 || length > 15 || name === '.' || name === '..' || /[\s/:\0]/.test(name)) {
    throw new RangeError(
      `${JSON.stringify(name)} is no interface name: 1 to 15 bytes without space, slash or colon`,
    );
  }
  return name;
}
