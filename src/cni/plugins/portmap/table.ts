import { concat, ct, fib, ip, ip6, lookup, meta, th } from '../../../kernel/nftables/expressions.ts';
import {
  type Chain,
  type NftMap,
  type NftSet,
  type Rule,
  chain,
  map,
  priorities,
  rule,
  set,
  table,
} from '../../../kernel/nftables/objects.ts';
import {
  dnat,
  drop,
  goto,
  jump,
  match,
  masquerade,
  returnVerdict,
} from '../../../kernel/nftables/statements.ts';
import type { IpFamily } from '../../../model/ip.ts';
import type { TableLayout } from '../../attachment/owned-table.ts';

/**
 * The one table of all host ports of a network namespace. A packet costs the same however many there are:
 *
 *     to an address of the node ─▶ chain ports: conditional (rules of containers with conditions)
 *                                   at-N   {address . protocol . port}  ─▶ dnat address . port
 *                                   any-N  {protocol . port}            ─▶ dnat address . port
 *     on its way to a container ─▶ chain postrouting: masquerade when
 *                                   hairpin-N  has {source's prefix . container}: answers would not come back this way
 *                                   the source is 127.0.0.0/8, and hairpin-4 has the container
 *                                   everyone-N has {container . protocol . port . host port}
 *
 * N is the IP family.
 */
export interface PortmapFamily {
  readonly at: NftMap;
  readonly any: NftMap;
  readonly hairpin: NftSet;
  readonly everyone: NftSet;
}

const TABLE = table('inet', 'podnet-portmap', {
  comment: 'podnet: ports of the node that lead to containers',
});

/** After Services, whose node ports go first. */
const DNAT_PRIORITY = priorities.dstnat + 5;

function family(of: IpFamily): PortmapFamily {
  const address = of === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const data = [address, 'inet_service'] as const;
  const front = ['inet_proto', 'inet_service'] as const;
  return {
    at: map(TABLE, `at-${of}`, { key: [address, ...front], data }),
    any: map(TABLE, `any-${of}`, { key: front, data }),
    hairpin: set(TABLE, `hairpin-${of}`, { key: [address, address], flags: ['interval'] }),
    everyone: set(TABLE, `everyone-${of}`, { key: [address, ...front, 'inet_service'] }),
  };
}

export const portmapFamilies: Readonly<Record<IpFamily, PortmapFamily>> = { 4: family(4), 6: family(6) };

/** Rules of containers whose mappings have conditions. */
export const conditional: Chain = chain(TABLE, 'conditional', { comment: 'mappings with conditions' });

const LOOPBACK = '127.0.0.0/8';
const ports = chain(TABLE, 'ports');
const prerouting = chain(TABLE, 'prerouting', {
  base: { type: 'nat', hook: 'prerouting', priority: DNAT_PRIORITY },
});
const output = chain(TABLE, 'output', { base: { type: 'nat', hook: 'output', priority: DNAT_PRIORITY } });
const postrouting = chain(TABLE, 'postrouting', {
  base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat },
});
const loopback = chain(TABLE, 'loopback', {
  base: { type: 'filter', hook: 'prerouting', priority: priorities.raw },
  comment: 'route_localnet lets loopback addresses cross links; only answers to the node itself may',
});

const toNode = match(fib(['daddr'], 'type'), '==', 'local');

function familyRules(of: IpFamily): Rule[] {
  const { at, any, hairpin, everyone } = portmapFamilies[of];
  const header = of === 4 ? ip : ip6;
  const network = of === 4 ? 'ip' : 'ip6';
  const isFamily = match(meta.nfproto, '==', of === 4 ? 'ipv4' : 'ipv6');
  const mapped = match(ct.status, 'any', ['dnat']);
  const to = (key: Parameters<typeof lookup>[0], from: NftMap): ReturnType<typeof dnat> =>
    dnat({ family: network, to: lookup(key, from) });
  return [
    rule(ports, [isFamily, to(concat(header.daddr, meta.l4proto, th.dport), at)], {
      comment: `on one address, IPv${of}`,
    }),
    rule(ports, [isFamily, to(concat(meta.l4proto, th.dport), any)], { comment: `on all, IPv${of}` }),
    rule(
      postrouting,
      [
        isFamily,
        mapped,
        match(concat(header.saddr, header.daddr), 'in', hairpin),
        masquerade({ fullyRandom: true }),
      ],
      { comment: `from the container or its neighbours, IPv${of}` },
    ),
    rule(
      postrouting,
      [
        isFamily,
        mapped,
        match(concat(header.daddr, meta.l4proto, th.dport, ct.originalProtoDst), 'in', everyone),
        masquerade({ fullyRandom: true }),
      ],
      { comment: `masqAll, IPv${of}` },
    ),
  ];
}

/**
 * IPv4 only: the kernel sends nothing from ::1 by a link, so there a connection to a host port by loopback is refused
 * (as it is with the standard plugin).
 */
const loopbackRules: readonly Rule[] = [
  rule(output, [match(ip6.daddr, '==', '::1'), returnVerdict], { comment: 'cannot leave the node' }),
  rule(
    postrouting,
    [
      match(ct.status, 'any', ['dnat']),
      match(ip.saddr, '==', LOOPBACK),
      match(concat(ip.daddr, ip.daddr), 'in', portmapFamilies[4].hairpin),
      masquerade({ fullyRandom: true }),
    ],
    { comment: 'from the node by a loopback address' },
  ),
  rule(loopback, [match(meta.iifname, '!=', 'lo'), match(ip.saddr, '==', LOOPBACK), drop], {
    comment: 'from a loopback address',
  }),
  rule(loopback, [match(meta.iifname, '!=', 'lo'), match(ip.daddr, '==', LOOPBACK), drop], {
    comment: 'to a loopback address',
  }),
];

export const portmapLayout: TableLayout = {
  table: TABLE,
  sets: Object.values(portmapFamilies).flatMap(({ at, any, hairpin, everyone }) => [
    at,
    any,
    hairpin,
    everyone,
  ]),
  chains: [conditional, ports, prerouting, output, postrouting, loopback],
  rules: [
    ...loopbackRules,
    rule(prerouting, [toNode, goto(ports)], { comment: 'to the node' }),
    rule(output, [toNode, goto(ports)], { comment: 'to the node from itself' }),
    rule(ports, [jump(conditional)], { comment: 'with conditions' }),
    ...familyRules(4),
    ...familyRules(6),
  ],
  ownedChains: [conditional],
};
