import { type NftCommand, add, destroy } from '../../../kernel/nftables/commands.ts';
import { concat, ct, ip, ip6, meta, th } from '../../../kernel/nftables/expressions.ts';
import {
  type Chain,
  type NftMap,
  type NftSet,
  type Rule,
  chain,
  elements,
  map,
  priorities,
  rule,
  set,
  table,
} from '../../../kernel/nftables/objects.ts';
import {
  type Statement,
  assign,
  drop,
  goto,
  jump,
  masquerade,
  match,
  reject,
  returnVerdict,
  vmap,
} from '../../../kernel/nftables/statements.ts';
import type { IpFamily } from '../../../model/ip.ts';
import type { ClientKind, NodeFacts } from '../../plan.ts';
import type { FrontRules } from './virtual-servers.ts';

export const TABLE_NAME = 'podnet-ipvs';
const COMMENT = 'podnet: what IPVS leaves to a firewall';
/** kube-proxy's mark for connections whose source gives way. */
const MASQUERADE = 0x4000;

/**
 * The table of one family, whole, in one batch: what IPVS itself cannot do.
 *
 *     prerouting  new connections: source ranges ─▶ from pods: masquerade mark
 *                                               └▶ from outside: refuse, mark for endpoints of their own, masquerade
 *     input       what is sent to a Service's address and is none of its ports: reject
 *     output      the node's own: source ranges, refuse, masquerade mark
 *     postrouting masquerade what is marked, what uses a Service's address for its source, a pod that reached itself
 */
export function ipvsTable(
  family: IpFamily,
  fronts: readonly FrontRules[],
  { node, localEndpoints }: { node: NodeFacts; localEndpoints: readonly string[] },
): NftCommand[] {
  const header = family === 4 ? ip : ip6;
  const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
  const of = table(family === 4 ? 'ip' : 'ip6', TABLE_NAME, { comment: COMMENT });
  const key = [address, 'inet_proto', 'inet_service'] as const;
  const front = concat(header.daddr, meta.l4proto, th.dport);
  const commands: NftCommand[] = [];
  const rules: Rule[] = [];
  const frontSet = (name: string, list: readonly FrontRules[]): NftSet => {
    const made = set(of, name, { key });
    commands.push(add(made));
    if (list.length > 0)
      commands.push(
        add(
          elements(
            made,
            list.map((each) => ({ key: each.key })),
          ),
        ),
      );
    return made;
  };
  const chainOf = (name: string, options: Omit<Chain, 'kind' | 'table' | 'name'> = {}): Chain => {
    const made = chain(of, name, options);
    commands.push(add(made));
    return made;
  };
  const rulesOf = (at: Chain, ...lists: (readonly Statement[])[]): void => {
    for (const statements of lists) rules.push(rule(at, statements));
  };

  commands.push(destroy(of), add(of));
  const bound = [...new Set(fronts.filter(({ isBound }) => isBound).map(({ key: [to] }) => to))];
  const addresses = set(of, 'addresses', { key: [address] });
  commands.push(add(addresses));
  if (bound.length > 0)
    commands.push(
      add(
        elements(
          addresses,
          bound.map((to) => ({ key: [to] })),
        ),
      ),
    );
  const known = frontSet('fronts', fronts);
  const hairpin = set(of, 'hairpin', { key: [address, address] });
  commands.push(add(hairpin));
  if (localEndpoints.length > 0)
    commands.push(
      add(
        elements(
          hairpin,
          localEndpoints.map((own) => ({ key: [own, own] })),
        ),
      ),
    );

  const rejected = chainOf('rejected');
  rulesOf(rejected, [match(meta.l4proto, '==', 'tcp'), reject('tcp reset')], [reject('port-unreachable')]);

  // Jumps by front, to a chain for each list of source ranges and each mark.
  const jumps = (name: string, list: readonly (readonly [FrontRules, Chain])[]): NftMap => {
    const made = map(of, name, { key, data: 'verdict' });
    commands.push(add(made));
    const entries = list.map(([each, to]) => ({ key: each.key, value: jump(to) }));
    if (entries.length > 0) commands.push(add(elements(made, entries)));
    return made;
  };
  const chains = new Map<string, Chain>();
  const shared = (name: string, fill: (at: Chain) => void): Chain => {
    const existing = chains.get(name);
    if (existing !== undefined) return existing;
    const made = chainOf(`${name.slice(0, 5)}-${chains.size + 1}`);
    chains.set(name, made);
    fill(made);
    return made;
  };
  const restricted = fronts.flatMap((each) => {
    if (each.sourceRanges === undefined) return [];
    const ranges = each.sourceRanges;
    const to = shared(`from-${ranges.join()}`, (at) => {
      for (const range of ranges) {
        rulesOf(at, [...(range.endsWith('/0') ? [] : [match(header.saddr, '==', range)]), returnVerdict]);
      }
      rulesOf(at, [drop]);
    });
    return [[each, to] as const];
  });
  const marked = fronts.flatMap((each) => {
    const { outsideMark } = each;
    if (outsideMark === undefined) return [];
    return [
      [each, shared(`mark-${outsideMark}`, (at) => rulesOf(at, [assign(meta.mark, outsideMark)]))] as const,
    ];
  });
  const ranges = jumps('restricted', restricted);
  const marks = jumps('outside-marks', marked);

  /** What a kind of client has done to it: refused, or marked to be masqueraded. */
  const clientRules = (client: ClientKind): (readonly Statement[])[] => {
    const whenNone = ({ refuseInside, refuseOutside }: FrontRules): string | undefined =>
      client === 'outside' ? refuseOutside : refuseInside;
    const those = (list: string, wanted: (each: FrontRules) => boolean, ...then: Statement[]) => {
      const chosen = fronts.filter(wanted);
      if (chosen.length === 0) return [];
      return [[match(front, 'in', frontSet(`${client}-${list}`, chosen)), ...then]];
    };
    return [
      ...those('dropped', (each) => whenNone(each) === 'drop', drop),
      ...those('rejected', (each) => whenNone(each) === 'reject', goto(rejected)),
      ...those(
        'masqueraded',
        (each) => whenNone(each) === undefined && each.masquerade.includes(client),
        assign(meta.mark, MASQUERADE),
      ),
    ];
  };
  const isNew = match(ct.state, 'any', ['new']);
  const pods = chainOf('from-pods');
  rulesOf(pods, ...clientRules('pod'));
  const outside = chainOf('from-outside');
  rulesOf(outside, ...clientRules('outside'), [vmap(front, marks)]);

  const base = (
    name: string,
    type: 'filter' | 'nat',
    hook: 'prerouting' | 'input' | 'output' | 'postrouting',
  ) =>
    chainOf(name, {
      base: {
        type,
        hook,
        priority:
          hook === 'postrouting'
            ? priorities.srcnat
            : hook === 'input'
              ? priorities.filter
              : priorities.mangle,
      },
    });
  // Base chains come last: no packet meets a half-made table.
  const prerouting = base('prerouting', 'filter', 'prerouting');
  const ownPods = node.podCidrs.filter((cidr) => cidr.includes(':') === (family === 6));
  rulesOf(
    prerouting,
    [match(meta.iifname, '==', 'lo'), returnVerdict],
    [match(ct.state, '!=', 'new'), returnVerdict],
    [match(front, 'not in', known), returnVerdict],
    [vmap(front, ranges)],
    ...ownPods.map((cidr) => [match(header.saddr, '==', cidr), goto(pods)]),
    [goto(outside)],
  );
  const unknownPort: readonly Statement[] = [
    isNew,
    match(header.daddr, 'in', addresses),
    match(front, 'not in', known),
    goto(rejected),
  ];
  const input = base('input', 'filter', 'input');
  rulesOf(input, unknownPort);
  const output = base('output', 'filter', 'output');
  rulesOf(
    output,
    unknownPort,
    [match(ct.state, '!=', 'new'), returnVerdict],
    [vmap(front, ranges)],
    ...clientRules('node'),
  );
  const postrouting = base('postrouting', 'nat', 'postrouting');
  rulesOf(
    postrouting,
    [match(meta.oifname, '==', 'lo'), returnVerdict],
    [match(meta.mark, '==', MASQUERADE), masquerade({ fullyRandom: true })],
    [match(header.saddr, 'in', addresses), masquerade({ fullyRandom: true })],
    [match(concat(header.saddr, header.daddr), 'in', hairpin), masquerade({ fullyRandom: true })],
  );
  return [...commands, ...rules.map(add)];
}
