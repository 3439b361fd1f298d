import {
  bits,
  type Cidr,
  formatIp,
  ipFromBytes,
  ipToBytes,
  parseIp,
  subnet,
  tryParseIp,
} from '../../model/ip.ts';
import { DnsFormatError } from './name.ts';

/** The 4 bytes of an A record or the 16 of an AAAA record. */
export function addressBytes(address: string, family: 4 | 6): Buffer {
  const ip = tryParseIp(address);
  if (ip?.family !== family)
    throw new DnsFormatError(`${JSON.stringify(address)} is not an IPv${family} address`);
  return Buffer.from(ipToBytes(ip));
}

export function printAddress(bytes: Buffer): string {
  return formatIp(ipFromBytes(bytes));
}

/** The name PTR records of an address have: `1.0.96.10.in-addr.arpa` (RFC 1035 3.5), nibbles under `ip6.arpa` (RFC 3596). */
export function reverseName(address: string): string {
  const ip = parseIp(address);
  if (ip.family === 4) return `${[...ipToBytes(ip)].toReversed().join('.')}.in-addr.arpa`;
  return `${Buffer.from(ipToBytes(ip)).toString('hex').split('').toReversed().join('.')}.ip6.arpa`;
}

/**
 * The zones that hold the reverse names of a network's addresses: one where its prefix ends between octets (nibbles in
 * IPv6), up to 128 (8) where it does not (RFC 2317 is for parts of an octet, which nobody delegates here).
 */
export function reverseZonesOf(cidr: Cidr): readonly string[] {
  const unit = cidr.family === 4 ? 8 : 4;
  const units = Math.ceil(cidr.prefixLength / unit);
  const labels = bits(cidr.family) / unit - units;
  return Array.from({ length: 2 ** (units * unit - cidr.prefixLength) }, (_, index) =>
    reverseName(formatIp(subnet(cidr, units * unit, index)))
      .split('.')
      .slice(labels)
      .join('.'),
  );
}

/** The address as one label: `10-244-1-3`, `fd00--5`. */
export function dashedAddress(address: string): string {
  return formatIp(parseIp(address)).replaceAll(/[.:]/g, '-');
}

/** The address a dashed label stands for, or undefined. */
export function parseDashedAddress(label: string): string | undefined {
  const ip = tryParseIp(label.replaceAll('-', '.')) ?? tryParseIp(label.replaceAll('-', ':'));
  return ip && formatIp(ip);
}
