import { isIPv6 } from 'node:net';

/**
 * One field of a key or of data. Text is read by the field's type: an address or prefix, a protocol's or an
 * interface's name, a flag's name. Bytes are taken as they are.
 */
export type FieldValue = string | number | Uint8Array | FieldRange;

/** Both ends included. */
export interface FieldRange {
  readonly from: string | number;
  readonly to: string | number;
}

/** A type of nft's: its number in set descriptions (nft's `enum datatypes`), its length and byte order. */
export interface DataType {
  readonly id: number;
  /** In bytes. */
  readonly length: number;
  readonly order: 'big' | 'host';
  /** Names of values; of a bit mask, of its bits. */
  readonly names?: Readonly<Record<string, number>>;
  readonly bitmask?: true;
}

const protocolNumbers = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  gre: 47,
  esp: 50,
  ah: 51,
  'ipv6-icmp': 58,
  sctp: 132,
} as const;

const icmpTypes = { 'echo-reply': 0, 'destination-unreachable': 3, 'echo-request': 8, 'time-exceeded': 11 };
const icmpv6Types = {
  'destination-unreachable': 1,
  'packet-too-big': 2,
  'time-exceeded': 3,
  'echo-request': 128,
  'echo-reply': 129,
  'nd-router-solicit': 133,
  'nd-router-advert': 134,
  'nd-neighbor-solicit': 135,
  'nd-neighbor-advert': 136,
};
const addressTypes = { unspec: 0, unicast: 1, local: 2, broadcast: 3, anycast: 4, multicast: 5, blackhole: 6 };
const ctStatus = { expected: 1, 'seen-reply': 2, assured: 4, confirmed: 8, snat: 16, dnat: 32, dying: 512 };

/** The named types, with nft's own names. `integer` without a size is four bytes in the host's order, as numgen. */
export const dataTypes = {
  nf_proto: { id: 2, length: 1, order: 'host', names: { ipv4: 2, ipv6: 10 } },
  integer: { id: 4, length: 4, order: 'host' },
  ipv4_addr: { id: 7, length: 4, order: 'big' },
  ipv6_addr: { id: 8, length: 16, order: 'big' },
  ether_addr: { id: 9, length: 6, order: 'big' },
  ether_type: { id: 10, length: 2, order: 'big', names: { ip: 0x0800, arp: 0x0806, ip6: 0x86dd, vlan: 0x8100 } },
  inet_proto: { id: 12, length: 1, order: 'big', names: protocolNumbers },
  inet_service: { id: 13, length: 2, order: 'big' },
  icmp_type: { id: 14, length: 1, order: 'big', names: icmpTypes },
  tcp_flag: {
    id: 15,
    length: 1,
    order: 'big',
    bitmask: true,
    names: { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ecn: 64, cwr: 128 },
  },
  mark: { id: 19, length: 4, order: 'host' },
  iface_index: { id: 20, length: 4, order: 'host' },
  classid: { id: 23, length: 4, order: 'host' },
  uid: { id: 24, length: 4, order: 'host' },
  ct_state: {
    id: 26,
    length: 4,
    order: 'host',
    bitmask: true,
    names: { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 },
  },
  ct_dir: { id: 27, length: 1, order: 'host', names: { original: 0, reply: 1 } },
  ct_status: { id: 28, length: 4, order: 'host', bitmask: true, names: ctStatus },
  icmpv6_type: { id: 29, length: 1, order: 'big', names: icmpv6Types },
  pkt_type: { id: 31, length: 1, order: 'host', names: { host: 0, broadcast: 1, multicast: 2, other: 3 } },
  devgroup: { id: 35, length: 4, order: 'host', names: { default: 0 } },
  fib_addrtype: { id: 38, length: 4, order: 'host', names: addressTypes },
  boolean: { id: 39, length: 1, order: 'host', names: { missing: 0, exists: 1 } },
  ifname: { id: 41, length: 16, order: 'host' },
} as const satisfies Record<string, DataType>;

export type DataTypeName = keyof typeof dataTypes;

/** The type of a name, in the wide form that code which handles all types alike needs. */
export function dataType(name: DataTypeName): DataType {
  return dataTypes[name];
}

const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * Writes one value of `length` bytes at `offset` of `target` (which holds zeros).
 * Throws RangeError when the value is not one of the type's.
 */
export function writeField(
  target: Uint8Array,
  offset: number,
  value: string | number | Uint8Array,
  name: DataTypeName,
  length = dataType(name).length,
): void {
  if (typeof value === 'number') return writeNumber(target, offset, value, name, length);
  if (typeof value !== 'string') {
    if (value.length !== length) throw unreadable(value.toString(), name);
    target.set(value, offset);
    return;
  }
  switch (name) {
    case 'ipv4_addr':
      return writeIpv4(target, offset, value);
    case 'ipv6_addr':
      return writeIpv6(target, offset, value);
    case 'ether_addr':
      return writeEther(target, offset, value);
    case 'ifname':
      return writeName(target, offset, value);
    default:
      return writeNumber(target, offset, namedNumber(value, name), name, length);
  }
}

function writeNumber(target: Uint8Array, offset: number, value: number, name: DataTypeName, length: number): void {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * Math.min(length, 6))) {
    throw unreadable(String(value), name);
  }
  const swap = dataType(name).order === 'host' && littleEndian;
  let rest = value;
  for (let index = length - 1; index >= 0; index--) {
    target[offset + (swap ? length - 1 - index : index)] = rest & 0xff;
    rest = Math.floor(rest / 256);
  }
}

function namedNumber(value: string, name: DataTypeName): number {
  const { names } = dataType(name);
  const named = names !== undefined && Object.hasOwn(names, value) ? names[value] : undefined;
  if (named !== undefined) return named;
  if (/^\d{1,10}$/.test(value)) return Number(value);
  throw unreadable(value, name);
}

function writeIpv4(target: Uint8Array, offset: number, text: string): void {
  let octet = 0;
  let digits = 0;
  let at = offset;
  for (let index = 0; index <= text.length; index++) {
    const code = index === text.length ? 0x2e : text.charCodeAt(index);
    if (code === 0x2e) {
      if (digits === 0 || at - offset > 3) throw unreadable(text, 'ipv4_addr');
      target[at++] = octet;
      octet = 0;
      digits = 0;
    } else {
      if (code < 0x30 || code > 0x39 || (digits > 0 && octet === 0)) throw unreadable(text, 'ipv4_addr');
      octet = octet * 10 + code - 0x30;
      digits++;
      if (octet > 255) throw unreadable(text, 'ipv4_addr');
    }
  }
  if (at - offset !== 4) throw unreadable(text, 'ipv4_addr');
}

function writeIpv6(target: Uint8Array, offset: number, text: string): void {
  if (!isIPv6(text) || text.includes('%')) throw unreadable(text, 'ipv6_addr');
  let groups = text;
  const dotted = text.lastIndexOf('.') === -1 ? '' : text.slice(text.lastIndexOf(':') + 1);
  if (dotted !== '') {
    const octets = new Uint8Array(4);
    writeIpv4(octets, 0, dotted);
    const [a = 0, b = 0, c = 0, d = 0] = octets;
    groups = `${text.slice(0, -dotted.length)}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  }
  const [head = '', tail] = groups.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const all = tail === undefined ? left : [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right];
  for (const [index, group] of all.entries()) {
    const number = Number.parseInt(group, 16);
    target[offset + 2 * index] = number >> 8;
    target[offset + 2 * index + 1] = number & 0xff;
  }
}

function writeEther(target: Uint8Array, offset: number, text: string): void {
  if (!/^[\da-f]{2}(:[\da-f]{2}){5}$/i.test(text)) throw unreadable(text, 'ether_addr');
  for (const [index, octet] of text.split(':').entries()) target[offset + index] = Number.parseInt(octet, 16);
}

/** Interface names are at most 15 bytes (IFNAMSIZ with its NUL). */
function writeName(target: Uint8Array, offset: number, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length === 0 || bytes.length > 15 || bytes.includes(0)) throw unreadable(text, 'ifname');
  target.set(bytes, offset);
}

function unreadable(value: string, name: DataTypeName): RangeError {
  return new RangeError(`Cannot read ${JSON.stringify(value)} as ${name}`);
}

/** The inverse of `writeField`: text for addresses, names and named values, numbers for the rest. */
export function readField(bytes: Uint8Array, name: DataTypeName): string | number {
  switch (name) {
    case 'ipv4_addr':
      return `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`;
    case 'ipv6_addr':
      return formatIpv6(bytes);
    case 'ether_addr':
      return [...bytes].map((octet) => octet.toString(16).padStart(2, '0')).join(':');
    case 'ifname': {
      const end = bytes.indexOf(0);
      return Buffer.from(bytes.subarray(0, end === -1 ? bytes.length : end)).toString('utf8');
    }
    default:
      return nameOf(readNumber(bytes, dataType(name).order), name);
  }
}

function readNumber(bytes: Uint8Array, order: DataType['order']): number {
  let number = 0;
  const swap = order === 'host' && littleEndian;
  for (let index = 0; index < bytes.length; index++) {
    number = number * 256 + (bytes[swap ? bytes.length - 1 - index : index] ?? 0);
  }
  return number;
}

function nameOf(value: number, name: DataTypeName): string | number {
  const { names, bitmask } = dataType(name);
  if (names === undefined || bitmask === true) return value;
  return Object.keys(names).find((key) => names[key] === value) ?? value;
}

/** RFC 5952: lower case, the longest run of two or more zero groups shortened. */
function formatIpv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, index) => (bytes[2 * index] ?? 0) * 256 + (bytes[2 * index + 1] ?? 0));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.start === -1) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}

/** A field as nft writes it. */
export function printField(value: FieldValue, name: DataTypeName): string {
  if (value instanceof Uint8Array) return printField(readField(value, name), name);
  if (typeof value === 'object') return `${printField(value.from, name)}-${printField(value.to, name)}`;
  if (name === 'ifname') return quote(String(value));
  if (typeof value === 'number') return String(nameOf(value, name));
  return value;
}

/** A string of nft's grammar, which has no escapes: what would end it is refused. */
export function quote(text: string): string {
  if (/["\n\0]/.test(text)) throw new RangeError(`Cannot write ${JSON.stringify(text)} in nft: it has no escapes`);
  return `"${text}"`;
}
