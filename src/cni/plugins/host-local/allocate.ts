/** Which addresses an attachment gets: decided from what is reserved, without touching anything. */
import { type Ip, compareIp, formatIp } from '../../../model/ip.ts';
import { CniError } from '../../spec/error.ts';
import { type Candidate, type RangeSet, candidates, printRangeSet, rangeOf } from './ranges.ts';

/** The code of errors for what another attachment has already, and for sets that are full. */
export const NO_ADDRESS = 110;

export interface AllocationRequest {
  readonly rangeSets: readonly RangeSet[];
  /** Addresses the attachment must get. */
  readonly wanted: readonly Ip[];
  /** Canonical text of what is reserved. */
  readonly reserved: ReadonlySet<string>;
  /** The address given last of the set with that index. */
  readonly last: (setIndex: number) => Ip | undefined;
}

/** One address of each set. @throws CniError when a set is full or a wanted address cannot be given */
export function chooseAddresses({
  rangeSets,
  wanted,
  reserved,
  last,
}: AllocationRequest): readonly Candidate[] {
  const open = [...wanted];
  const chosen = rangeSets.map((set, index) => {
    const at = open.findIndex((ip) => rangeOf(set, ip));
    const [ip] = at < 0 ? [] : open.splice(at, 1);
    return ip ? takeWanted(set, ip, reserved) : takeNext(set, last(index), reserved);
  });
  if (open.length > 0)
    throw new CniError(`Wanted addresses are in no range: ${open.map(formatIp).join(', ')}`, {
      code: NO_ADDRESS,
      details: `The range sets are ${rangeSets.map(printRangeSet).join(' and ')}; each gives one address.`,
    });
  return chosen;
}

function takeWanted(set: RangeSet, ip: Ip, reserved: ReadonlySet<string>): Candidate {
  const range = rangeOf(set, ip);
  if (!range || compareIp(ip, range.gateway) === 0)
    throw new CniError(`Wanted address ${formatIp(ip)} is its subnet's gateway`, { code: NO_ADDRESS });
  if (reserved.has(formatIp(ip)))
    throw new CniError(`Wanted address ${formatIp(ip)} is in use`, { code: NO_ADDRESS });
  return { ip, range };
}

function takeNext(set: RangeSet, last: Ip | undefined, reserved: ReadonlySet<string>): Candidate {
  for (const candidate of candidates(set, last)) if (!reserved.has(formatIp(candidate.ip))) return candidate;
  throw new CniError(`No address is left in the range ${printRangeSet(set)}: all are in use`, {
    code: NO_ADDRESS,
    details: 'Delete containers of the network, run its GC, or give it a larger range.',
  });
}
