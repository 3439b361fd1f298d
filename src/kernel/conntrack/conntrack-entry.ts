import type { IpFamily } from '../../model/ip.ts';

/** IP protocol numbers of the flows podnet speaks of (IANA). */
export const IP_PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 } as const;

/** One direction of a flow, as its packets are addressed. */
export interface ConntrackTuple {
  /** Canonical text. */
  readonly source: string;
  readonly destination: string;
  /** An IP protocol number. */
  readonly protocol: number;
  /** Of protocols that have ports; 0 otherwise. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Of ICMP and ICMPv6 echoes and the like. */
  readonly icmp?: { readonly id: number; readonly type: number; readonly code: number } | undefined;
}

/** IPS_* of linux/netfilter/nf_conntrack_common.h. */
export const CONNTRACK_STATUS = {
  expected: 1 << 0,
  seenReply: 1 << 1,
  assured: 1 << 2,
  confirmed: 1 << 3,
  sourceNat: 1 << 4,
  destinationNat: 1 << 5,
  dying: 1 << 9,
  offload: 1 << 14,
} as const;

/**
 * One flow the kernel remembers. Without NAT `reply` is `original` turned round; with destination NAT `reply.source`
 * is where the packets really go, with source NAT `reply.destination` is whom they seem to come from.
 */
export interface ConntrackEntry {
  readonly family: IpFamily;
  readonly original: ConntrackTuple;
  readonly reply: ConntrackTuple;
  /** Bits of `CONNTRACK_STATUS`. */
  readonly status: number;
  readonly mark: number;
  readonly zone: number;
  /** The kernel's number of this entry: one that took its place mostly has another. 0 when not known. */
  readonly id: number;
  /** How long it is remembered when no packet comes; 0 when not known. */
  readonly timeoutSeconds: number;
  /** TCP_CONNTRACK_* of TCP flows: 3 is established. */
  readonly tcpState?: number | undefined;
}

/** What is absent matches all. */
export interface ConntrackFilter {
  readonly family?: IpFamily;
  readonly protocol?: number;
  readonly original?: Partial<ConntrackTuple>;
  readonly reply?: Partial<ConntrackTuple>;
  readonly zone?: number;
  readonly mark?: number;
  /** All these bits are set. */
  readonly status?: number;
}

/** Whether the entry is one the filter speaks of. */
export function matchesConntrack(entry: ConntrackEntry, filter: ConntrackFilter): boolean {
  const { family, protocol, original, reply, zone, mark, status = 0 } = filter;
  return (
    (family === undefined || entry.family === family) &&
    (protocol === undefined || entry.original.protocol === protocol) &&
    (zone === undefined || entry.zone === zone) &&
    (mark === undefined || entry.mark === mark) &&
    (entry.status & status) === status &&
    (original === undefined || matchesTuple(entry.original, original)) &&
    (reply === undefined || matchesTuple(entry.reply, reply))
  );
}

function matchesTuple(tuple: ConntrackTuple, wanted: Partial<ConntrackTuple>): boolean {
  return (
    (wanted.source === undefined || tuple.source === wanted.source) &&
    (wanted.destination === undefined || tuple.destination === wanted.destination) &&
    (wanted.protocol === undefined || tuple.protocol === wanted.protocol) &&
    (wanted.sourcePort === undefined || tuple.sourcePort === wanted.sourcePort) &&
    (wanted.destinationPort === undefined || tuple.destinationPort === wanted.destinationPort)
  );
}

/** `udp 10.244.0.2:5353 > 10.96.0.10:53`. */
export function printTuple({ protocol, source, destination, ...ports }: ConntrackTuple): string {
  const name = Object.entries(IP_PROTOCOL).find(([, number]) => number === protocol)?.[0] ?? String(protocol);
  const at = (address: string, port: number): string =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  return `${name} ${at(source, ports.sourcePort)} > ${at(destination, ports.destinationPort)}`;
}
