/** Numbers of the DNS protocol (IANA "Domain Name System Parameters"; RFC 1035, 2782, 3596, 6891). */

export const TYPE = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  NAPTR: 35,
  DNAME: 39,
  OPT: 41,
  DS: 43,
  SSHFP: 44,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  TLSA: 52,
  SVCB: 64,
  HTTPS: 65,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  CAA: 257,
} as const;

export type TypeName = keyof typeof TYPE;

const typeNames = new Map<number, string>(Object.entries(TYPE).map(([name, number]) => [number, name]));

/** `SRV` for 33; `TYPE65` for a type without a name here (RFC 3597). */
export function typeName(type: number): string {
  return typeNames.get(type) ?? `TYPE${type}`;
}

/** The number of a type as `typeName` writes it, in any case; undefined for what is none. */
export function typeNumber(text: string): number | undefined {
  const upper = text.toUpperCase();
  if (Object.hasOwn(TYPE, upper)) return TYPE[upper as TypeName];
  const number = Number(/^TYPE(\d{1,5})$/.exec(upper)?.[1]);
  return number <= 0xffff ? number : undefined;
}

export const CLASS = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const;

const classNames = new Map<number, string>(Object.entries(CLASS).map(([name, number]) => [number, name]));

/** `IN` for 1; `CLASS9` for one without a name here (RFC 3597). */
export function className(of: number): string {
  return classNames.get(of) ?? `CLASS${of}`;
}

export const OPCODE = { QUERY: 0, NOTIFY: 4, UPDATE: 5 } as const;

export const RCODE = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  /** Extended: its upper eight bits travel in the OPT record. */
  BADVERS: 16,
} as const;

const rcodeNames = new Map<number, string>(Object.entries(RCODE).map(([name, number]) => [number, name]));

/** `NXDOMAIN` for 3; `RCODE9` for one without a name here. */
export function rcodeName(rcode: number): string {
  return rcodeNames.get(rcode) ?? `RCODE${rcode}`;
}

/** Bits of the header's second 16-bit word. */
export const FLAG = {
  QR: 0x8000,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  AD: 0x0020,
  CD: 0x0010,
} as const;

/** Bytes of the header before the first question. */
export const HEADER_BYTES = 12;
/** An OPT record without options. */
export const OPT_BYTES = 11;
/** Largest UDP message of a client that did not send EDNS (RFC 1035 section 2.3.4). */
export const UDP_BYTES = 512;
/** Largest UDP message we send or invite: fits the smallest IPv6 path without fragments. */
export const EDNS_BYTES = 1232;
/** Largest message over TCP. */
export const MAX_BYTES = 65_535;
