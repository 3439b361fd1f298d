import type { DataTypeName } from './datatypes.ts';
import type { NftMap } from './objects.ts';

/**
 * Where a value comes from, as a value of our own. Every expression has a type (how to read the value) and a
 * length; `typeof` an expression can type a set's key.
 */
export type Expression = Payload | Meta | Conntrack | Numgen | Fib | Hash | Masked | Concat | MapLookup;

interface Typed {
  readonly type: DataTypeName;
}

export type HeaderBase = 'link' | 'network' | 'transport';

/** Bytes of a header: `ip saddr`, `tcp dport`, `th dport` … */
export interface Payload extends Typed {
  readonly kind: 'payload';
  readonly protocol: HeaderProtocol;
  readonly field: string;
  readonly base: HeaderBase;
  /** In bytes. */
  readonly offset: number;
  /** In bytes. */
  readonly length: number;
}

export type HeaderProtocol = 'ether' | 'ip' | 'ip6' | 'tcp' | 'udp' | 'sctp' | 'th' | 'icmp' | 'icmpv6';

export interface Meta extends Typed {
  readonly kind: 'meta';
  readonly key: keyof typeof meta;
}

export interface Conntrack extends Typed {
  readonly kind: 'ct';
  readonly key: string;
  readonly direction?: 'original' | 'reply';
}

/** A number below `modulus`, random or counting up; in the host's byte order. */
export interface Numgen extends Typed {
  readonly kind: 'numgen';
  readonly mode: 'random' | 'inc';
  readonly modulus: number;
  readonly offset: number;
}

/** A question to the routing table about this packet. */
export interface Fib extends Typed {
  readonly kind: 'fib';
  readonly flags: readonly FibFlag[];
  readonly result: 'type' | 'oif' | 'oifname';
}

export type FibFlag = 'saddr' | 'daddr' | 'mark' | 'iif' | 'oif';

/** Jenkins' hash of an expression, below `modulus`: the same flow gets the same number. */
export interface Hash extends Typed {
  readonly kind: 'jhash';
  readonly of: Expression;
  readonly modulus: number;
  readonly seed?: number;
  readonly offset: number;
}

/** The bits of an expression that `mask` has. */
export interface Masked extends Typed {
  readonly kind: 'masked';
  readonly of: Expression;
  readonly mask: number;
}

/** Several expressions side by side: the key of a concatenated set. */
export interface Concat {
  readonly kind: 'concat';
  readonly parts: readonly Expression[];
}

/** What a map says of a key. */
export interface MapLookup {
  readonly kind: 'map';
  readonly key: Expression;
  readonly map: NftMap;
}

function payload(
  protocol: HeaderProtocol,
  field: string,
  [base, offset, length]: readonly [HeaderBase, number, number],
  type: DataTypeName,
): Payload {
  return { kind: 'payload', protocol, field, base, offset, length, type };
}

/** RFC 791. */
export const ip = {
  length: payload('ip', 'length', ['network', 2, 2], 'integer'),
  ttl: payload('ip', 'ttl', ['network', 8, 1], 'integer'),
  protocol: payload('ip', 'protocol', ['network', 9, 1], 'inet_proto'),
  saddr: payload('ip', 'saddr', ['network', 12, 4], 'ipv4_addr'),
  daddr: payload('ip', 'daddr', ['network', 16, 4], 'ipv4_addr'),
} as const;

/** RFC 8200. */
export const ip6 = {
  nexthdr: payload('ip6', 'nexthdr', ['network', 6, 1], 'inet_proto'),
  hoplimit: payload('ip6', 'hoplimit', ['network', 7, 1], 'integer'),
  saddr: payload('ip6', 'saddr', ['network', 8, 16], 'ipv6_addr'),
  daddr: payload('ip6', 'daddr', ['network', 24, 16], 'ipv6_addr'),
} as const;

export const ether = {
  daddr: payload('ether', 'daddr', ['link', 0, 6], 'ether_addr'),
  saddr: payload('ether', 'saddr', ['link', 6, 6], 'ether_addr'),
  type: payload('ether', 'type', ['link', 12, 2], 'ether_type'),
} as const;

function ports(protocol: 'tcp' | 'udp' | 'sctp' | 'th'): {
  readonly sport: Payload;
  readonly dport: Payload;
} {
  return {
    sport: payload(protocol, 'sport', ['transport', 0, 2], 'inet_service'),
    dport: payload(protocol, 'dport', ['transport', 2, 2], 'inet_service'),
  };
}

export const tcp = {
  ...ports('tcp'),
  flags: payload('tcp', 'flags', ['transport', 13, 1], 'tcp_flag'),
} as const;
export const udp = ports('udp');
export const sctp = ports('sctp');
/** Ports of whatever transport the packet has: TCP, UDP and SCTP keep them in the same place. */
export const th = ports('th');
export const icmp = { type: payload('icmp', 'type', ['transport', 0, 1], 'icmp_type') } as const;
export const icmpv6 = { type: payload('icmpv6', 'type', ['transport', 0, 1], 'icmpv6_type') } as const;

/** What the kernel knows of a packet beside its bytes. */
export const meta = {
  length: { kind: 'meta', key: 'length', type: 'integer' },
  protocol: { kind: 'meta', key: 'protocol', type: 'ether_type' },
  priority: { kind: 'meta', key: 'priority', type: 'classid' },
  mark: { kind: 'meta', key: 'mark', type: 'mark' },
  iif: { kind: 'meta', key: 'iif', type: 'iface_index' },
  oif: { kind: 'meta', key: 'oif', type: 'iface_index' },
  iifname: { kind: 'meta', key: 'iifname', type: 'ifname' },
  oifname: { kind: 'meta', key: 'oifname', type: 'ifname' },
  iifgroup: { kind: 'meta', key: 'iifgroup', type: 'devgroup' },
  oifgroup: { kind: 'meta', key: 'oifgroup', type: 'devgroup' },
  skuid: { kind: 'meta', key: 'skuid', type: 'uid' },
  nftrace: { kind: 'meta', key: 'nftrace', type: 'boolean' },
  nfproto: { kind: 'meta', key: 'nfproto', type: 'nf_proto' },
  l4proto: { kind: 'meta', key: 'l4proto', type: 'inet_proto' },
  pkttype: { kind: 'meta', key: 'pkttype', type: 'pkt_type' },
} as const satisfies Record<string, { kind: 'meta'; key: string; type: DataTypeName }>;

/** What connection tracking knows of a packet's flow. Addresses and ports are those before any translation. */
export const ct = {
  state: { kind: 'ct', key: 'state', type: 'ct_state' },
  direction: { kind: 'ct', key: 'direction', type: 'ct_dir' },
  status: { kind: 'ct', key: 'status', type: 'ct_status' },
  mark: { kind: 'ct', key: 'mark', type: 'mark' },
  l3proto: { kind: 'ct', key: 'l3proto', type: 'nf_proto' },
  protocol: { kind: 'ct', key: 'protocol', type: 'inet_proto', direction: 'original' },
  originalIpSaddr: { kind: 'ct', key: 'ip saddr', type: 'ipv4_addr', direction: 'original' },
  originalIpDaddr: { kind: 'ct', key: 'ip daddr', type: 'ipv4_addr', direction: 'original' },
  replyIpSaddr: { kind: 'ct', key: 'ip saddr', type: 'ipv4_addr', direction: 'reply' },
  replyIpDaddr: { kind: 'ct', key: 'ip daddr', type: 'ipv4_addr', direction: 'reply' },
  originalIp6Saddr: { kind: 'ct', key: 'ip6 saddr', type: 'ipv6_addr', direction: 'original' },
  originalIp6Daddr: { kind: 'ct', key: 'ip6 daddr', type: 'ipv6_addr', direction: 'original' },
  replyIp6Saddr: { kind: 'ct', key: 'ip6 saddr', type: 'ipv6_addr', direction: 'reply' },
  replyIp6Daddr: { kind: 'ct', key: 'ip6 daddr', type: 'ipv6_addr', direction: 'reply' },
  originalProtoSrc: { kind: 'ct', key: 'proto-src', type: 'inet_service', direction: 'original' },
  originalProtoDst: { kind: 'ct', key: 'proto-dst', type: 'inet_service', direction: 'original' },
} as const satisfies Record<string, Conntrack>;

export function numgen(mode: 'random' | 'inc', modulus: number, offset = 0): Numgen {
  return { kind: 'numgen', mode, modulus, offset, type: 'integer' };
}

export function fib(flags: readonly FibFlag[], result: Fib['result']): Fib {
  const type = result === 'type' ? 'fib_addrtype' : result === 'oif' ? 'iface_index' : 'ifname';
  return { kind: 'fib', flags, result, type };
}

export function jhash(
  of: Expression,
  modulus: number,
  options: { seed?: number; offset?: number } = {},
): Hash {
  const seed = options.seed === undefined ? {} : { seed: options.seed };
  return { kind: 'jhash', of, modulus, offset: options.offset ?? 0, type: 'integer', ...seed };
}

export function masked(of: Payload | Meta | Conntrack, mask: number): Masked {
  return { kind: 'masked', of, mask, type: of.type };
}

export function concat(...parts: readonly Expression[]): Concat {
  return { kind: 'concat', parts };
}

/** The data a map holds for `key`. */
export function lookup(key: Expression, map: NftMap): MapLookup {
  return { kind: 'map', key, map };
}
