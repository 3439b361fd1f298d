import { type NftCommand, add, destroy, flush } from '../../kernel/nftables/commands.ts';
import {
  type Expression,
  type Payload,
  concat,
  ct,
  fib,
  ip,
  ip6,
  meta,
  th,
} from '../../kernel/nftables/expressions.ts';
import {
  type Chain,
  type NftSet,
  type Rule,
  type Table,
  chain,
  priorities,
  rule,
  set,
  table,
} from '../../kernel/nftables/objects.ts';
import { drop, goto, match, masquerade, returnVerdict } from '../../kernel/nftables/statements.ts';
import type { IpFamily } from '../../model/ip.ts';
import type { NodeFacts } from '../plan.ts';

/** The fields of one family's packets. */
export interface Header {
  readonly table: Table;
  readonly address: 'ipv4_addr' | 'ipv6_addr';
  readonly saddr: Payload;
  readonly daddr: Payload;
  /** Destination address, protocol, destination port: what names a Service's port. */
  readonly front: readonly Expression[];
  /** Protocol, destination port: the same of a node port. */
  readonly nodePort: readonly Expression[];
  /** The front as it was before translation. */
  readonly originalFront: readonly Expression[];
  readonly originalNodePort: readonly Expression[];
  readonly originalDaddr: Expression;
  /** Address and port of an endpoint. */
  readonly endpoint: readonly Expression[];
}

const NAME = 'podnet-services';
const COMMENT = 'podnet: connections to the addresses of Services';

export function headerOf(family: IpFamily): Header {
  const { saddr, daddr } = family === 4 ? ip : ip6;
  const originalDaddr = family === 4 ? ct.originalIpDaddr : ct.originalIp6Daddr;
  const original = [ct.protocol, ct.originalProtoDst] as const;
  return {
    table: table(family === 4 ? 'ip' : 'ip6', NAME, { comment: COMMENT }),
    address: family === 4 ? 'ipv4_addr' : 'ipv6_addr',
    saddr,
    daddr,
    front: [daddr, meta.l4proto, th.dport],
    nodePort: [meta.l4proto, th.dport],
    originalFront: [originalDaddr, ...original],
    originalNodePort: original,
    originalDaddr,
    endpoint: [daddr, th.dport],
  };
}

/** The chains that choose, which the table's other rules lead to. */
export interface ChoosingChains {
  readonly services: Chain;
  readonly servicesOutside: Chain;
  readonly nodePorts: Chain;
  readonly nodePortsOutside: Chain;
}

/**
 * The parts of one family's table that are not about choosing:
 *
 *     new connection ─▶ cluster-ips {address} ────────────────────────────▶ services
 *                       external {address . protocol . port} ─▶ external  ─▶ services, or services-outside
 *                       node-ports {protocol . port}, to an address of    ─▶ node-ports, or node-ports-outside
 *                                                    the node's own
 *
 *     translated     ─▶ hairpin {address . address}                       ─▶ masquerade
 *                       by where it was sent to first                     ─▶ masquerade
 *
 * No mark is set: what a packet needs at its end can be told from its first destination, which conntrack knows.
 */
export interface ServicesTable {
  readonly header: Header;
  /** The addresses of all Services. What is sent to them and no endpoint takes is rejected. */
  readonly clusterIps: NftSet;
  /** External and load balancer addresses with their ports: other ports there are none of our business. */
  readonly external: NftSet;
  /** Those and node ports whose outside clients get other endpoints, and are not masqueraded. */
  readonly externalLocal: NftSet;
  readonly nodePorts: NftSet;
  readonly nodePortsLocal: NftSet;
  /** Fronts that only some clients may reach, and these clients. */
  readonly limited: NftSet;
  readonly sourceRanges: NftSet;
  /** Pairs of the same address: the endpoints on this node, as they appear when a pod reaches itself. */
  readonly hairpin: NftSet;
  /** CIDRs of the node's pods. */
  readonly pods: NftSet;
  /** CIDRs of the addresses that serve node ports. */
  readonly nodePortAddresses: NftSet;
  readonly sets: readonly NftSet[];
  readonly chains: readonly Chain[];
  readonly baseChains: readonly Chain[];
  readonly masquerade: Chain;
}

export function servicesTable(family: IpFamily): ServicesTable {
  const header = headerOf(family);
  const { table: of, address, front, nodePort, saddr } = header;
  const sets = {
    clusterIps: set(of, 'cluster-ips', { key: [address] }),
    external: set(of, 'external', { key: front }),
    externalLocal: set(of, 'external-local', { key: front }),
    nodePorts: set(of, 'node-ports', { key: nodePort }),
    nodePortsLocal: set(of, 'node-ports-local', { key: nodePort }),
    limited: set(of, 'limited', { key: front }),
    sourceRanges: set(of, 'source-ranges', { key: [...front, saddr], flags: ['interval'] }),
    hairpin: set(of, 'hairpin', { key: [address, address] }),
    pods: set(of, 'pods', { key: [address], flags: ['interval'] }),
    nodePortAddresses: set(of, 'node-port-addresses', { key: [address], flags: ['interval'] }),
  };
  const base = (hook: 'prerouting' | 'output' | 'postrouting', comment: string): Chain => {
    const priority = hook === 'postrouting' ? priorities.srcnat : priorities.dstnat;
    return chain(of, hook, { base: { type: 'nat', hook, priority }, comment });
  };
  return {
    header,
    ...sets,
    sets: Object.values(sets),
    chains: ['external', 'external-from-node', 'node-ports-from-any', 'masquerade'].map((name) =>
      chain(of, name),
    ),
    baseChains: [
      base('prerouting', 'from pods and from outside'),
      base('output', "from the node's own processes"),
      base('postrouting', 'whose answers must come back through this node'),
    ],
    masquerade: chain(of, 'masquerade'),
  };
}

/** All rules but those that choose and those of the chain `masquerade`. */
export function entryRules(of: ServicesTable, to: ChoosingChains): Rule[] {
  const { front, nodePort, saddr, daddr } = of.header;
  const [external, externalFromNode, nodePortsFromAny] = of.chains as [Chain, Chain, Chain];
  const [prerouting, output, postrouting] = of.baseChains as [Chain, Chain, Chain];
  const outside = match(saddr, 'not in', of.pods);
  const closed = [
    match(concat(...front), 'in', of.limited),
    match(concat(...front, saddr), 'not in', of.sourceRanges),
    drop,
  ];
  const comment = 'not from its source ranges';
  const isNodePort = [
    // What comes from a loopback address can go nowhere else.
    match(daddr, '!=', of.header.address === 'ipv4_addr' ? '127.0.0.0/8' : '::1'),
    match(daddr, 'in', of.nodePortAddresses),
    match(concat(...nodePort), 'in', of.nodePorts),
    match(fib(['daddr'], 'type'), '==', 'local'),
  ];
  const entry = (from: Chain, toExternal: Chain, toNodePorts: Chain): Rule[] => [
    rule(from, [match(daddr, 'in', of.clusterIps), goto(to.services)]),
    rule(from, [match(concat(...front), 'in', of.external), goto(toExternal)]),
    rule(from, [...isNodePort, goto(toNodePorts)]),
  ];
  return [
    rule(external, closed, { comment }),
    rule(external, [match(concat(...front), 'in', of.externalLocal), outside, goto(to.servicesOutside)]),
    rule(external, [goto(to.services)]),
    rule(externalFromNode, closed, { comment }),
    rule(externalFromNode, [goto(to.services)]),
    rule(nodePortsFromAny, [
      match(concat(...nodePort), 'in', of.nodePortsLocal),
      outside,
      goto(to.nodePortsOutside),
    ]),
    rule(nodePortsFromAny, [goto(to.nodePorts)]),
    ...entry(prerouting, external, nodePortsFromAny),
    ...entry(output, externalFromNode, to.nodePorts),
    rule(postrouting, [match(ct.status, 'any', ['dnat']), goto(of.masquerade)]),
  ];
}

/**
 * The chain `masquerade`. Without known pods, nobody is known to come to a cluster IP from elsewhere. Source ports are
 * drawn at random: of two clients that came from one port at the same moment, both would else get it, and one would
 * lose its packet when the kernel notices.
 */
export function masqueradeRules(of: ServicesTable, node: NodeFacts): Rule[] {
  const { originalFront, originalNodePort, originalDaddr, saddr, daddr } = of.header;
  const chainOf = of.masquerade;
  const isNode = match(fib(['saddr'], 'type'), '==', 'local');
  const isOther = match(fib(['saddr'], 'type'), '!=', 'local');
  const toFront = match(concat(...originalFront), 'in', of.external);
  const toNodePort = [
    match(originalDaddr, 'in', of.nodePortAddresses),
    match(concat(...originalNodePort), 'in', of.nodePorts),
  ];
  return [
    rule(chainOf, [match(concat(saddr, daddr), 'in', of.hairpin), masquerade({ fullyRandom: true })], {
      comment: 'a pod that reached itself',
    }),
    rule(chainOf, [match(saddr, 'in', of.pods), returnVerdict]),
    ...(node.podCidrs.length === 0
      ? []
      : [
          rule(
            chainOf,
            [match(originalDaddr, 'in', of.clusterIps), isOther, masquerade({ fullyRandom: true })],
            {
              comment: 'to a cluster IP from outside',
            },
          ),
        ]),
    rule(chainOf, [toFront, isNode, masquerade({ fullyRandom: true })]),
    rule(chainOf, [
      toFront,
      match(concat(...originalFront), 'not in', of.externalLocal),
      masquerade({ fullyRandom: true }),
    ]),
    rule(chainOf, [...toNodePort, isNode, masquerade({ fullyRandom: true })]),
    rule(chainOf, [
      ...toNodePort,
      match(concat(...originalNodePort), 'not in', of.nodePortsLocal),
      masquerade({ fullyRandom: true }),
    ]),
  ];
}

/** What replaces any table of that name, but without elements, rules and base chains. */
export function createTable(of: ServicesTable): NftCommand[] {
  return [destroy(of.header.table), ...[of.header.table, ...of.sets, ...of.chains].map(add)];
}

export function replaceMasqueradeRules(of: ServicesTable, node: NodeFacts): NftCommand[] {
  return [flush(of.masquerade), ...masqueradeRules(of, node).map(add)];
}
