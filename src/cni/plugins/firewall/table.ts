import { ct, concat, ip, ip6, meta } from '../../../kernel/nftables/expressions.ts';
import {
  type NftSet,
  type Rule,
  chain,
  priorities,
  rule,
  set,
  table,
} from '../../../kernel/nftables/objects.ts';
import { accept, drop, match } from '../../../kernel/nftables/statements.ts';
import type { IpFamily } from '../../../model/ip.ts';
import type { TableLayout } from '../../attachment/owned-table.ts';

/**
 * The table of all containers whose traffic the node forwards:
 *
 *     forward ─▶ within one bridge of inside             ─▶ accept
 *                from one bridge of isolated to another  ─▶ drop
 *                from containers-N, answers to them      ─▶ accept
 */
const TABLE = table('inet', 'podnet-firewall', { comment: 'podnet: forwarding for containers' });

const address = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const;

export const containerSets: Readonly<Record<IpFamily, NftSet>> = {
  4: set(TABLE, 'containers-4', { key: [address[4]] }),
  6: set(TABLE, 'containers-6', { key: [address[6]] }),
};

/** Bridges that take no new connections from one another. */
export const isolated: NftSet = set(TABLE, 'isolated', { key: ['ifname'] });
/** Those of them whose containers may connect to one another: the bridge, twice. */
export const inside: NftSet = set(TABLE, 'inside', { key: ['ifname', 'ifname'] });

const forward = chain(TABLE, 'forward', {
  base: { type: 'filter', hook: 'forward', priority: priorities.filter },
});

const isAnswer = match(ct.state, 'any', ['established', 'related']);

function acceptRules(family: IpFamily): Rule[] {
  const header = family === 4 ? ip : ip6;
  return [
    rule(forward, [match(header.saddr, 'in', containerSets[family]), accept], {
      comment: `from containers, IPv${family}`,
    }),
    rule(forward, [match(header.daddr, 'in', containerSets[family]), isAnswer, accept], {
      comment: `answers to containers, IPv${family}`,
    }),
  ];
}

export const firewallLayout: TableLayout = {
  table: TABLE,
  sets: [containerSets[4], containerSets[6], isolated, inside],
  chains: [forward],
  rules: [
    rule(forward, [match(concat(meta.iifname, meta.oifname), 'in', inside), accept], {
      comment: 'within one bridge',
    }),
    rule(forward, [match(meta.iifname, 'in', isolated), match(meta.oifname, 'in', isolated), drop], {
      comment: 'between isolated bridges',
    }),
    ...acceptRules(4),
    ...acceptRules(6),
  ],
  ownedChains: [],
};
