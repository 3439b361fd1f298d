/**
 * Acceptance in iptables. A verdict of one nf_tables chain does not bind another, so where iptables has the say over
 * FORWARD (Docker, ufw and others set its policy to DROP) the container must be accepted there too: in the standard
 * plugin's own chain and words, so that either plugin finds what the other did.
 */
import type { Iptables, Jump } from '../../../kernel/iptables/iptables.ts';
import { comment, type RuleText } from '../../../kernel/iptables/rule-text.ts';
import { type Ip, type IpFamily, bits, formatIp } from '../../../model/ip.ts';

const CHAIN = 'CNI-FORWARD';
const FORWARD: RuleText = `${comment('CNI firewall plugin rules')} -j ${CHAIN}`;

function adminJump(adminChain: string): RuleText {
  return `${comment('CNI firewall plugin admin overrides')} -j ${adminChain}`;
}

/** What iptables-save prints of a container's rules. */
export function containerRules(address: Ip): RuleText[] {
  const prefix = `${formatIp(address)}/${bits(address.family)}`;
  return [`-d ${prefix} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`, `-s ${prefix} -j ACCEPT`];
}

export function acceptInIptables(
  iptables: Iptables,
  family: IpFamily,
  { addresses, adminChain }: { readonly addresses: readonly Ip[]; readonly adminChain: string },
): void {
  const filter = iptables.tables(family).get('filter');
  const present = filter?.get(CHAIN);
  const missing = addresses.flatMap(containerRules).filter((each) => !present?.includes(each));
  const hasJump = filter?.get('FORWARD')?.includes(FORWARD) ?? false;
  const hasAdmin = present?.includes(adminJump(adminChain)) ?? false;
  const empty: ReadonlyMap<string, readonly RuleText[]> = new Map(
    [CHAIN, adminChain].filter((name) => !filter?.has(name)).map((name) => [name, []]),
  );
  const insert = (chain: string, rule: RuleText): Jump => ({ verb: 'insert', chain, rule });
  iptables.edit(family, [
    {
      table: 'filter',
      chains: empty,
      deleted: [],
      jumps: [
        ...(hasJump ? [] : [insert('FORWARD', FORWARD)]),
        ...missing.map((each) => insert(CHAIN, each)),
        // Last, for what is inserted last comes first.
        ...(hasAdmin
          ? moveFirst(missing.length, adminJump(adminChain))
          : [insert(CHAIN, adminJump(adminChain))]),
      ],
    },
  ]);
}

/** The administrator's chain stays in front of what was put there. */
function moveFirst(before: number, rule: RuleText): Jump[] {
  if (before === 0) return [];
  return [
    { verb: 'delete', chain: CHAIN, rule },
    { verb: 'insert', chain: CHAIN, rule },
  ];
}

export function forgetInIptables(iptables: Iptables, family: IpFamily, addresses: readonly Ip[]): void {
  const present = iptables.tables(family).get('filter')?.get(CHAIN) ?? [];
  const jumps = addresses
    .flatMap(containerRules)
    .filter((each) => present.includes(each))
    .map((rule): Jump => ({ verb: 'delete', chain: CHAIN, rule }));
  if (jumps.length > 0) iptables.edit(family, [{ table: 'filter', chains: new Map(), deleted: [], jumps }]);
}

/** The first of the rules that is not there; undefined when all are. */
export function missingInIptables(
  iptables: Iptables,
  family: IpFamily,
  addresses: readonly Ip[],
): RuleText | undefined {
  const filter = iptables.tables(family).get('filter');
  if (!filter?.get('FORWARD')?.includes(FORWARD)) return `FORWARD ${FORWARD}`;
  return addresses.flatMap(containerRules).find((each) => !filter.get(CHAIN)?.includes(each));
}
