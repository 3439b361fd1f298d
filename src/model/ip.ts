/** IP addresses and prefixes, read strictly (RFC 4291, RFC 4632) and written canonically (RFC 5952). */

export type IpFamily = 4 | 6;

/** An address as one unsigned number of 32 or 128 bits. */
export interface Ip {
  readonly family: IpFamily;
  readonly value: bigint;
}

/** A network: `value` has no bit set below the prefix. */
export interface Cidr extends Ip {
  readonly prefixLength: number;
}

/** `/^10\.244/`-like input never passes: four decimal octets without leading zeros, or RFC 4291 text without a zone. */
export function tryParseIp(text: string): Ip | undefined {
  const value = text.includes(':') ? parseV6(text) : parseV4(text);
  if (value === undefined) return undefined;
  return { family: text.includes(':') ? 6 : 4, value };
}

/** As `tryParseIp`. @throws RangeError */
export function parseIp(text: string): Ip {
  const ip = tryParseIp(text);
  if (ip === undefined) throw new RangeError(`Cannot parse address ${JSON.stringify(text)}`);
  return ip;
}

/** `ADDRESS/LENGTH`; host bits may be set and are returned in `address`. */
export function tryParseCidr(text: string): { readonly network: Cidr; readonly address: Ip } | undefined {
  const slash = text.indexOf('/');
  const digits = text.slice(slash + 1);
  const address = slash < 0 ? undefined : tryParseIp(text.slice(0, slash));
  if (address === undefined || !/^(?:0|[1-9]\d{0,2})$/u.test(digits)) return undefined;
  const prefixLength = Number(digits);
  if (prefixLength > bits(address.family)) return undefined;
  return { network: network(address, prefixLength), address };
}

/** The network of `ADDRESS/LENGTH`, host bits cleared. @throws RangeError */
export function parseCidr(text: string): Cidr {
  const parsed = tryParseCidr(text);
  if (parsed === undefined) throw new RangeError(`Cannot parse CIDR ${JSON.stringify(text)}`);
  return parsed.network;
}

/** 32 or 128. */
export function bits(family: IpFamily): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** The network of the given length that holds `ip`. */
export function network(ip: Ip, prefixLength: number): Cidr {
  const host = BigInt(bits(ip.family) - prefixLength);
  return { family: ip.family, value: (ip.value >> host) << host, prefixLength };
}

/** How many addresses the prefix has, the first and the last included. */
export function cidrSize({ family, prefixLength }: Cidr): bigint {
  return 1n << BigInt(bits(family) - prefixLength);
}

/** The address `index` places after the first. @throws RangeError outside the prefix */
export function cidrAddress(cidr: Cidr, index: bigint | number): Ip {
  const offset = BigInt(index);
  if (offset < 0n || offset >= cidrSize(cidr)) {
    throw new RangeError(`Address ${offset} is outside ${formatCidr(cidr)}`);
  }
  return { family: cidr.family, value: cidr.value + offset };
}

export function cidrContains(cidr: Cidr, ip: Ip): boolean {
  return ip.family === cidr.family && network(ip, cidr.prefixLength).value === cidr.value;
}

export function cidrsOverlap(a: Cidr, b: Cidr): boolean {
  return a.prefixLength <= b.prefixLength ? cidrContains(a, b) : cidrContains(b, a);
}

/** The `index`-th subnet of the given length. @throws RangeError when there are not so many */
export function subnet(cidr: Cidr, prefixLength: number, index: number): Cidr {
  const count = 1n << BigInt(Math.max(0, prefixLength - cidr.prefixLength));
  if (
    prefixLength < cidr.prefixLength ||
    prefixLength > bits(cidr.family) ||
    index < 0 ||
    BigInt(index) >= count
  ) {
    throw new RangeError(`${formatCidr(cidr)} has no subnet /${prefixLength} number ${index}`);
  }
  const value = cidr.value + (BigInt(index) << BigInt(bits(cidr.family) - prefixLength));
  return { family: cidr.family, value, prefixLength };
}

/** @throws RangeError when the sum leaves the family's range */
export function addToIp(ip: Ip, count: bigint | number): Ip {
  const value = ip.value + BigInt(count);
  if (value < 0n || value >> BigInt(bits(ip.family)) !== 0n) {
    throw new RangeError(`${formatIp(ip)} plus ${count} is no address`);
  }
  return { family: ip.family, value };
}

/** Orders IPv4 before IPv6, then by number. */
export function compareIp(a: Ip, b: Ip): number {
  if (a.family !== b.family) return a.family - b.family;
  return a.value < b.value ? -1 : Number(a.value > b.value);
}

/** Dotted decimal, or RFC 5952: lower case, the longest run of two or more zero groups as `::`. */
export function formatIp({ family, value }: Ip): string {
  if (family === 4) {
    const number = Number(value);
    return `${number >>> 24}.${(number >>> 16) & 0xff}.${(number >>> 8) & 0xff}.${number & 0xff}`;
  }
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number((value >> BigInt(112 - 16 * index)) & 0xffffn),
  );
  // IPv4-mapped addresses end in dotted decimal (RFC 5952, section 5).
  if (value >> 32n === 0xffffn) return `::ffff:${formatIp({ family: 4, value: value & 0xffffffffn })}`;
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(cidr)}/${cidr.prefixLength}`;
}

/** The address in network byte order: 4 or 16 bytes. */
export function ipToBytes({ family, value }: Ip): Uint8Array {
  const bytes = new Uint8Array(bits(family) / 8);
  let rest = value;
  for (let index = bytes.length - 1; index >= 0; index -= 1) {
    bytes[index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

/** From 4 or 16 bytes in network order. @throws RangeError for any other count */
export function ipFromBytes(bytes: Uint8Array): Ip {
  if (bytes.length !== 4 && bytes.length !== 16) throw new RangeError(`No address has ${bytes.length} bytes`);
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return { family: bytes.length === 4 ? 4 : 6, value };
}

/** The one canonical form of an address's text, so that texts compare as addresses do. @throws RangeError */
export function canonicalIp(text: string): string {
  return formatIp(parseIp(text));
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  let value = 0;
  for (const part of parts) {
    if (!/^(?:0|[1-9]\d{0,2})$/u.test(part)) return undefined;
    const octet = Number(part);
    if (octet > 255) return undefined;
    value = value * 256 + octet;
  }
  return BigInt(value);
}

function parseV6(text: string): bigint | undefined {
  const gap = text.indexOf('::');
  if (gap < 0) return joinGroups(groupsOf(text), 8);
  const head = groupsOf(text.slice(0, gap), { allowV4: false });
  const tail = groupsOf(text.slice(gap + 2));
  if (head === undefined || tail === undefined || head.length + tail.length > 7) return undefined;
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0);
  return joinGroups([...head, ...zeros, ...tail], 8);
}

/** 16-bit groups of colon-separated hex; the last may be dotted decimal and counts as two. */
function groupsOf(text: string, { allowV4 = true } = {}): number[] | undefined {
  if (text === '') return [];
  const parts = text.split(':');
  const groups: number[] = [];
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/iu.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else {
      const v4 = allowV4 && index === parts.length - 1 ? parseV4(part) : undefined;
      if (v4 === undefined) return undefined;
      groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn));
    }
  }
  return groups;
}

function joinGroups(groups: readonly number[] | undefined, count: number): bigint | undefined {
  if (groups?.length !== count) return undefined;
  let value = 0n;
  for (const group of groups) value = (value << 16n) | BigInt(group);
  return value;
}

/** The first of the longest runs of zero groups (RFC 5952, 4.2.3). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let index = 0; index <= groups.length; index += 1) {
    if (groups[index] === 0) continue;
    if (index - start > best.length) best = { start, length: index - start };
    start = index + 1;
  }
  return best;
}
