import { type NftCommand, add, destroy, flush } from '../../kernel/nftables/commands.ts';
import { concat, ct, ip, ip6, lookup, meta, numgen, th } from '../../kernel/nftables/expressions.ts';
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
import { dnat, goto, match, masquerade, reject } from '../../kernel/nftables/statements.ts';
import type { IpFamily } from '../../model/ip.ts';

/**
 * The table of one family, for as many Services as there may be:
 *
 *     packet ─▶ cluster-ips {address} ─▶ chain services, one rule for each number of endpoints that some Service has:
 *                 services-3 {address . protocol . port}         has it ─▶ dnat to what the map says of a number
 *                 endpoints  {address . protocol . port . 0…2}   ─▶ address . port          drawn at random below 3
 *               at its end: reject
 *
 * What comes and goes with Services and endpoints is elements. A verdict map in the place of the rules would save
 * looking in several sets, but the kernel walks a whole verdict map for each base chain whenever one element is
 * added (nft_table_validate): a millisecond at 10,000 Services.
 */
export interface ServicesTable {
  readonly table: Table;
  readonly endpoints: NftMap;
  /** The addresses of all Services. What is sent to them and no endpoint takes is rejected. */
  readonly clusterIps: NftSet;
  /** Pairs of the same address: the endpoints on this node, as they appear when a pod reaches itself. */
  readonly hairpin: NftSet;
  /** What replaces any table of that name, but without elements; the base chains, which put it to work, apart. */
  readonly create: readonly NftCommand[];
  readonly activate: readonly NftCommand[];
  readonly services: Chain;
  readonly baseChains: readonly Chain[];
  /** All rules but those of the chain `services`. */
  readonly baseRules: readonly Rule[];
}

const NAME = 'podnet-services';
const COMMENT = 'podnet: connections to the addresses of Services';

/** The fields that name a Service's port: destination address, protocol, destination port. */
function front({ family }: Table): readonly [typeof ip.daddr, typeof meta.l4proto, typeof th.dport] {
  return [family === 'ip' ? ip.daddr : ip6.daddr, meta.l4proto, th.dport];
}

export function servicesTable(family: IpFamily): ServicesTable {
  const header = family === 4 ? ip : ip6;
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const of = table(family === 4 ? 'ip' : 'ip6', NAME, { comment: COMMENT });
  const endpoints = map(of, 'endpoints', {
    key: [...front(of), numgen('random', 65_536)],
    data: [header.daddr, th.dport],
  });
  const clusterIps = set(of, 'cluster-ips', { key: [address] });
  const hairpin = set(of, 'hairpin', { key: [address, address] });
  const services = chain(of, 'services');
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
  const toServices = [match(header.daddr, 'in', clusterIps), goto(services)];
  const reachedItself = match(concat(header.saddr, header.daddr), 'in', hairpin);
  const baseRules = [
    rule(prerouting, toServices),
    rule(output, toServices),
    rule(postrouting, [match(ct.status, 'any', ['dnat']), reachedItself, masquerade()]),
  ];
  return {
    table: of,
    endpoints,
    clusterIps,
    hairpin,
    services,
    create: [destroy(of), ...[of, endpoints, clusterIps, hairpin, services].map(add)],
    activate: [prerouting, output, postrouting, ...baseRules].map(add),
    baseChains: [prerouting, output, postrouting],
    baseRules,
  };
}

/** Which ports of Services have `count` endpoints. */
export function servicesSet({ table: of }: ServicesTable, count: number): NftSet {
  return set(of, `services-${count}`, { key: front(of) });
}

/** The rules of the chain `services`, for the numbers of endpoints that there are. */
export function servicesRules(of: ServicesTable, counts: readonly number[]): Rule[] {
  const { services, endpoints, table: tableOf } = of;
  const choices = counts
    .toSorted((a, b) => a - b)
    .map((count) => {
      const key = concat(...front(tableOf), numgen('random', count));
      const has = match(concat(...front(tableOf)), 'in', servicesSet(of, count));
      return rule(services, [has, dnat({ to: lookup(key, endpoints) })]);
    });
  const comment = 'nothing answers';
  return [
    ...choices,
    rule(services, [match(meta.l4proto, '==', 'tcp'), reject('tcp reset')], { comment }),
    rule(services, [reject('port-unreachable')], { comment }),
  ];
}

export function replaceServicesRules(of: ServicesTable, counts: readonly number[]): NftCommand[] {
  return [flush(of.services), ...servicesRules(of, counts).map(add)];
}
