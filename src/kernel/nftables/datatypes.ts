/**
 * One field of a key or of data. Text is read by the field's type: an address or prefix, a protocol's or an
 * interface's name, a flag's name. Bytes are taken as they are.
 */
export type FieldValue = DataValue | FieldRange;

/** As a field of a key, but one value only: no prefix and no range. */
export type DataValue = string | number | Uint8Array;

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
const addressTypes = {
  unspec: 0,
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
};
const ctStatus = { expected: 1, 'seen-reply': 2, assured: 4, confirmed: 8, snat: 16, dnat: 32, dying: 512 };

/** The named types, with nft's own names. `integer` without a size is four bytes in the host's order, as numgen. */
export const dataTypes = {
  nf_proto: { id: 2, length: 1, order: 'host', names: { ipv4: 2, ipv6: 10 } },
  integer: { id: 4, length: 4, order: 'host' },
  ipv4_addr: { id: 7, length: 4, order: 'big' },
  ipv6_addr: { id: 8, length: 16, order: 'big' },
  ether_addr: { id: 9, length: 6, order: 'big' },
  ether_type: {
    id: 10,
    length: 2,
    order: 'big',
    names: { ip: 0x0800, arp: 0x0806, ip6: 0x86dd, vlan: 0x8100 },
  },
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
  boolean: { id: 39, length: 1, order: 'host' },
  ifname: { id: 41, length: 16, order: 'host' },
} as const satisfies Record<string, DataType>;

export type DataTypeName = keyof typeof dataTypes;

/** The type of a name, in the wide form that code which handles all types alike needs. */
export function dataType(name: DataTypeName): DataType {
  return dataTypes[name];
}
