/** Ranges of addresses, as host-local has them: pure arithmetic. */
import {
  type Cidr,
  type Ip,
  addToIp,
  cidrContains,
  cidrSize,
  cidrsOverlap,
  formatCidr,
  formatIp,
  parseCidr,
  parseIp,
} from '../../../model/ip.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import type { IpRange } from '../../spec/runtime-config.ts';

/** One range of addresses to give away, and the subnet they lie in. */
export interface AddressRange {
  readonly subnet: Cidr;
  /** Both ends are given away too. */
  readonly first: Ip;
  readonly last: Ip;
  /** Never given away. */
  readonly gateway: Ip;
}

/** Ranges of one family, used one after another: each attachment gets one address of each set. */
export type RangeSet = readonly AddressRange[];

/**
 * From the second address of the subnet to the last but the broadcast address, the gateway being the second, unless
 * told.
 *
 * @throws CniError (invalid configuration)
 */
export function addressRange({ subnet: text, rangeStart, rangeEnd, gateway }: IpRange): AddressRange {
  const subnet = parseCidr(text);
  const size = cidrSize(subnet);
  if (size < 4n) throw invalid(`Subnet ${text} is too small to give addresses from`);
  const second = addToIp(subnet, 1n);
  const range = {
    subnet,
    first: rangeStart === undefined ? second : parseIp(rangeStart),
    last:
      rangeEnd === undefined ? addToIp(subnet, size - (subnet.family === 4 ? 2n : 1n)) : parseIp(rangeEnd),
    gateway: gateway === undefined ? second : parseIp(gateway),
  };
  for (const [key, ip] of [
    ['rangeStart', range.first],
    ['rangeEnd', range.last],
  ] as const) {
    if (!cidrContains(subnet, ip)) throw invalid(`${key}: ${formatIp(ip)} is not in ${formatCidr(subnet)}`);
  }
  if (range.first.value > range.last.value)
    throw invalid(`rangeStart: ${formatIp(range.first)} comes after rangeEnd ${formatIp(range.last)}`);
  return range;
}

/** @throws CniError (invalid configuration) for families that mix and ranges that overlap */
export function checkRangeSets(sets: readonly RangeSet[]): void {
  const all = sets.flatMap((set) => [...set]);
  if (all.length === 0) throw invalid('ipam: no address range: give ranges or subnet');
  for (const set of sets) {
    if (new Set(set.map(({ subnet }) => subnet.family)).size > 1)
      throw invalid(`ipam.ranges: ${printRangeSet(set)} mixes IPv4 and IPv6; give each a set of its own`);
  }
  for (const [index, range] of all.entries()) {
    const other = all.slice(index + 1).find((each) => rangesOverlap(range, each));
    if (other) throw invalid(`ipam.ranges: ${printRange(range)} and ${printRange(other)} overlap`);
  }
}

function rangesOverlap(a: AddressRange, b: AddressRange): boolean {
  if (!cidrsOverlap(a.subnet, b.subnet)) return false;
  return a.first.value <= b.last.value && b.first.value <= a.last.value;
}

export function rangeOf(set: RangeSet, ip: Ip): AddressRange | undefined {
  return set.find(
    ({ subnet, first, last }) =>
      subnet.family === ip.family && first.value <= ip.value && ip.value <= last.value,
  );
}

/** An address, and the range it is of. */
export interface Candidate {
  readonly ip: Ip;
  readonly range: AddressRange;
}

/** Every address of the set once, gateways left out, beginning after `last` and going round. */
export function* candidates(set: RangeSet, last: Ip | undefined): Generator<Candidate> {
  const start = last && rangeOf(set, last);
  const index = start ? set.indexOf(start) : 0;
  if (start && last) yield* within(start, last.value + 1n, start.last.value);
  for (const range of start ? [...set.slice(index + 1), ...set.slice(0, index)] : set)
    yield* within(range, range.first.value, range.last.value);
  if (start && last) yield* within(start, start.first.value, last.value);
}

function* within(range: AddressRange, from: bigint, to: bigint): Generator<Candidate> {
  const { family } = range.subnet;
  for (let value = from; value <= to; value++)
    if (value !== range.gateway.value) yield { ip: { family, value }, range };
}

function printRange({ first, last }: AddressRange): string {
  return `${formatIp(first)}-${formatIp(last)}`;
}

export function printRangeSet(set: RangeSet): string {
  return set.map((range) => printRange(range)).join(',');
}

/** An address with the prefix length of its subnet. */
export function formatAddress({ ip, range }: Candidate): string {
  return `${formatIp(ip)}/${range.subnet.prefixLength}`;
}

/** The address of `ADDRESS` or `ADDRESS/LENGTH`. */
export function withoutPrefixLength(text: string): string {
  return text.split('/', 1)[0] ?? text;
}

function invalid(message: string): CniError {
  return new CniError(message, { code: cniErrorCodes.invalidConfig });
}
