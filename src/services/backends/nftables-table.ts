import { type NftCommand, add, destroy } from '../../kernel/nftables/commands.ts';
import {
  type Concat,
  ct,
  concat,
  ip,
  ip6,
  lookup,
  meta,
  numgen,
  th,
} from '../../kernel/nftables/expressions.ts';
import {
  type Chain,
  type NftMap,
  type NftSet,
  type Rule,
  type Table,
  chain,
  map,
  priorities,
  rule,
  set,
  table,
} from '../../kernel/nftables/objects.ts';
import { dnat, goto, match, masquerade, reject, vmap } from '../../kernel/nftables/statements.ts';
import type { IpFamily } from '../../model/ip.ts';

/**
 * The table of one family. Two look-ups choose, however many Services there are:
 *
 *     packet ─▶ services   {address . protocol . port}          ─▶ goto endpoints-3  (or no-endpoints)
 *               endpoints-3: dnat to
 *               endpoints  {address . protocol . port . 0 to 2}  ─▶ address . port
 *
 * The only things that come and go are elements of four sets, and one chain of one rule for every number of
 * endpoints that some Service has.
 */
export interface ServicesTable {
  readonly table: Table;
  readonly services: NftMap;
  readonly endpoints: NftMap;
  /** The addresses of all Services: what is sent to other ports of them is rejected. */
  readonly clusterIps: NftSet;
  /** Pairs of the same address: the endpoints on this node, as they appear when a pod reaches itself. */
  readonly hairpin: NftSet;
  readonly noEndpoints: Chain;
  /** What replaces any table of that name, but without elements; the base chains, which put it to work, apart. */
  readonly create: readonly NftCommand[];
  readonly activate: readonly NftCommand[];
  readonly chains: readonly Chain[];
  readonly rules: readonly Rule[];
}

const NAME = 'podnet-services';
const COMMENT = 'podnet: connections to the addresses of Services';

export function servicesTable(family: IpFamily): ServicesTable {
  const header = family === 4 ? ip : ip6;
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const of = table(family === 4 ? 'ip' : 'ip6', NAME, { comment: COMMENT });
  const services = map(of, 'services', { key: [address, 'inet_proto', 'inet_service'], data: 'verdict' });
  const endpoints = endpointsMap(of, family);
  const clusterIps = set(of, 'cluster-ips', { key: [address] });
  const hairpin = set(of, 'hairpin', { key: [address, address] });
  const noEndpoints = chain(of, 'no-endpoints', { comment: 'Services that nothing answers' });
  const prerouting = chain(of, 'prerouting', {
    base: { type: 'nat', hook: 'prerouting', priority: priorities.dstnat },
    comment: 'from pods and from outside',
  });
  const output = chain(of, 'output', {
    base: { type: 'nat', hook: 'output', priority: priorities.dstnat },
    comment: "from the node's own processes",
  });
  const postrouting = chain(of, 'postrouting', {
    base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat },
    comment: 'a pod that reached itself must get the answer from the node',
  });
  const front = concat(header.daddr, meta.l4proto, th.dport);
  const rejections = [
    rule(noEndpoints, [match(meta.l4proto, '==', 'tcp'), reject('tcp reset')]),
    rule(noEndpoints, [reject('port-unreachable')]),
  ];
  const choices = [prerouting, output].flatMap((base) => [
    rule(base, [vmap(front, services)]),
    rule(base, [match(header.daddr, 'in', clusterIps), goto(noEndpoints)]),
  ]);
  const pair = concat(header.saddr, header.daddr);
  const masquerades = [
    rule(postrouting, [match(ct.status, 'any', ['dnat']), match(pair, 'in', hairpin), masquerade()]),
  ];
  return {
    table: of,
    services,
    endpoints,
    clusterIps,
    hairpin,
    noEndpoints,
    create: [
      destroy(of),
      ...[of, services, endpoints, clusterIps, hairpin, noEndpoints, ...rejections].map(add),
    ],
    activate: [prerouting, output, postrouting, ...choices, ...masquerades].map(add),
    chains: [noEndpoints, prerouting, output, postrouting],
    rules: [...rejections, ...choices, ...masquerades],
  };
}

function endpointsMap(of: Table, family: IpFamily): NftMap {
  const { daddr } = family === 4 ? ip : ip6;
  return map(of, 'endpoints', {
    key: [daddr, meta.l4proto, th.dport, numgen('random', 65_536)],
    data: [daddr, th.dport],
  });
}

/** The chain that all Services with `count` endpoints share. */
export function spreadChain(
  { table: of, endpoints }: ServicesTable,
  count: number,
): { chain: Chain; rule: Rule } {
  const { daddr } = of.family === 'ip' ? ip : ip6;
  const key: Concat = concat(daddr, meta.l4proto, th.dport, numgen('random', count));
  const spread = chain(of, spreadName(count));
  return { chain: spread, rule: rule(spread, [dnat({ to: lookup(key, endpoints) })]) };
}

export function spreadName(count: number): string {
  return `endpoints-${count}`;
}
