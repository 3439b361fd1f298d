import { PodnetError } from '../model/errors.ts';
import { type Cidr, type Ip, cidrContains, cidrSize, formatCidr, parseCidr, parseIp } from '../model/ip.ts';

/** The usable part of a pod CIDR. Its first two addresses (network, a bridge's gateway) and its last stay free. */
export interface AddressRange {
  readonly cidr: Cidr;
  /** As written in canonical form. */
  readonly text: string;
  readonly first: bigint;
  readonly last: bigint;
}

/** One range of each IP family. @throws PodnetError for a CIDR that is malformed, too small, or one too many */
export function addressRanges(podCidrs: readonly string[], nodeName?: string): readonly AddressRange[] {
  const ranges = podCidrs.map((text) => readRange(text, nodeName));
  const families = new Set(ranges.map(({ cidr }) => cidr.family));
  if (ranges.length > 0 && families.size === ranges.length) return ranges;
  throw new PodnetError('A node needs one pod CIDR for each IP family', {
    code: 'bad-pod-cidr',
    where: whereOf(podCidrs.join(', ') || 'none', nodeName),
    fix: NODE_CIDR_FIX,
  });
}

/** For error messages: the field of the node that names the range. */
export function whereOf(cidr: string, nodeName: string | undefined): string {
  return `${nodeName ? `node ${nodeName} spec.podCIDRs` : 'podCIDR'}: ${cidr}`;
}

export function rangeContains({ cidr }: AddressRange, address: string): boolean {
  return cidrContains(cidr, parseIp(address));
}

/** Whether the range gives the address out, and does not keep it for itself. */
export function isUsable({ cidr, first, last }: AddressRange, ip: Ip): boolean {
  return ip.family === cidr.family && ip.value >= first && ip.value <= last;
}

const NODE_CIDR_FIX =
  'Check the controller that gives nodes their pod CIDRs; a node’s cannot be changed once it is set.';

function readRange(text: string, nodeName: string | undefined): AddressRange {
  const where = whereOf(text, nodeName);
  let cidr: Cidr;
  try {
    cidr = parseCidr(text);
  } catch (cause) {
    throw new PodnetError(`${text} is no CIDR`, { code: 'bad-pod-cidr', where, fix: NODE_CIDR_FIX, cause });
  }
  const size = cidrSize(cidr);
  if (size < 4n) {
    throw new PodnetError(`The pod CIDR ${text} has no room for pods`, {
      code: 'pod-cidr-too-small',
      where,
      fix: 'Give nodes a /30 at the very least; /24 is usual.',
    });
  }
  return { cidr, text: formatCidr(cidr), first: cidr.value + 2n, last: cidr.value + size - 2n };
}
