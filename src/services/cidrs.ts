import { cidrContains, parseCidr } from '../model/ip.ts';

/** The CIDRs that no other of the list contains, each once: the kernel refuses intervals that overlap. */
export function withoutNested(cidrs: readonly string[]): readonly string[] {
  if (cidrs.length < 2) return cidrs;
  const parsed = [...new Set(cidrs)].map((text) => ({ text, cidr: parseCidr(text) }));
  return parsed
    .filter(
      ({ text, cidr }) =>
        !parsed.some(
          (other) =>
            other.text !== text &&
            other.cidr.prefixLength < cidr.prefixLength &&
            cidrContains(other.cidr, cidr),
        ),
    )
    .map(({ text }) => text);
}
