import { type RuleText, comment } from '../../../kernel/iptables/rule-text.ts';
import {
  type EndpointChoice,
  type NodeFacts,
  type PlannedEndpoint,
  type PlannedPort,
  hostPort,
  servesNodePorts,
} from '../../plan.ts';
import { CHAINS, chainName, servicePortName } from './chain-names.ts';

/** What one port of one Service adds in one family: chains of its own, and rules in the chains that all share. */
export interface PortChains {
  /** In table nat. */
  readonly own: ReadonlyMap<string, readonly RuleText[]>;
  /** In shared chains of table nat. */
  readonly services: readonly RuleText[];
  readonly nodePorts: readonly RuleText[];
  /** In shared chains of table filter. */
  readonly clusterRefusals: readonly RuleText[];
  readonly externalRefusals: readonly RuleText[];
  readonly firewall: readonly RuleText[];
}

/** All fronts of one port of one Service in one family, in the plan's order. */
export function portChains(fronts: readonly PlannedPort[], node: NodeFacts): PortChains {
  const [first] = fronts;
  const parts: Parts = {
    own: new Map(),
    services: [],
    nodePorts: [],
    clusterRefusals: [],
    externalRefusals: [],
    firewall: [],
  };
  if (first === undefined) return parts;
  const from = clients(node, first.family);
  for (const front of fronts) addFront(front, { parts, from, node });
  return parts;
}

type Parts = {
  readonly [Part in keyof PortChains]: Part extends 'own' ? Map<string, RuleText[]> : RuleText[];
};

interface Context {
  readonly parts: Parts;
  readonly from: Clients;
  readonly node: NodeFacts;
}

/** Matches of a rule that tell clients apart. iptables takes one source a rule. */
interface Clients {
  /** `-s CIDR`, one for each pod CIDR. */
  readonly pods: readonly string[];
  /** Anybody but pods: `! -s CIDR` of the first pod CIDR; what the others send is unmarked again. */
  readonly notPods: string;
  readonly otherPods: readonly string[];
}

const LOCAL = '-m addrtype --src-type LOCAL';
const NOT_LOCAL = '-m addrtype ! --src-type LOCAL';

function clients({ podCidrs }: NodeFacts, family: 4 | 6): Clients {
  const own = podCidrs.filter((cidr) => cidr.includes(':') === (family === 6));
  const pods = own.map((cidr) => `-s ${cidr}`);
  const [first, ...otherPods] = pods;
  return { pods, notPods: first === undefined ? '' : `! ${first}`, otherPods };
}

/** A rule of its parts, in the order iptables-save has: source, destination, protocol, matches, target. */
function join(...parts: readonly string[]): RuleText {
  return parts.filter((part) => part !== '').join(' ');
}

function addFront(front: PlannedPort, context: Context): void {
  const { parts, node } = context;
  const hasEndpoints = [front.inside, front.outside].some(({ endpoints }) => endpoints.length > 0);
  for (const address of frontAddresses(front, node)) refuse(front, address, context);
  if (!hasEndpoints) return;
  const target = targetOf(front, context);
  if (front.kind === 'nodePort') {
    parts.nodePorts.push(toPort(front, { text: servicePortName(front), target }));
    return;
  }
  const text = `${servicePortName(front)} ${KIND_WORDS[front.kind]}`;
  parts.services.push(toPort(front, { address: front.address, text, target }));
}

const KIND_WORDS = {
  clusterIP: 'cluster IP',
  externalIP: 'external IP',
  loadBalancerIP: 'loadbalancer IP',
} as const;

/** The addresses a front's packets are sent to. */
function frontAddresses({ kind, address, family }: PlannedPort, node: NodeFacts): readonly string[] {
  return kind === 'nodePort' ? nodePortAddresses(node, family) : [address];
}

export function nodePortAddresses(node: NodeFacts, family: 4 | 6): readonly string[] {
  const own = node.addresses.filter((address) => address.includes(':') === (family === 6));
  return own.filter((address) => servesNodePorts(node, address));
}

/** `10.0.0.1/32`, as iptables-save prints a single address. */
export function single(address: string): string {
  return `${address}/${address.includes(':') ? 128 : 32}`;
}

/** From everywhere is no condition, in iptables-save's words. */
function fromRange(cidr: string): string {
  return cidr.endsWith('/0') ? '' : `-s ${cidr}`;
}

interface ToPort {
  readonly source?: string;
  readonly address?: string;
  readonly text: string;
  /** After the comment. */
  readonly matches?: string;
  readonly target: string;
}

function toPort(
  { protocol, port }: PlannedPort,
  { source, address, text, matches, target }: ToPort,
): RuleText {
  return join(
    source ?? '',
    address === undefined ? '' : `-d ${single(address)}`,
    `-p ${protocol}`,
    comment(text),
    matches ?? '',
    `-m ${protocol} --dport ${port}`,
    `-j ${target}`,
  );
}

/** The chain that a front's packets go to, with everything below it. */
function targetOf(front: PlannedPort, context: Context): string {
  if (front.kind !== 'clusterIP') {
    return front.sourceRanges === undefined ? externalChain(front, context) : firewallChain(front, context);
  }
  const name = choiceChain(front, front.inside, context);
  const chain = context.parts.own.get(name) ?? [];
  const text = `${servicePortName(front)} cluster IP`;
  // kube-proxy, too, lets the first rule of the chain see to the clients from outside.
  chain.unshift(...masqueradeRules(front, { text, address: front.address, ...context }));
  return name;
}

function masqueradeRules(
  front: PlannedPort,
  { text, address, from }: { text: string; address?: string; from: Clients },
): RuleText[] {
  const marked = new Set(front.masquerade);
  const rule = (source: string, matches: string, target: string): RuleText =>
    address === undefined
      ? join(source, comment(text), matches, `-j ${target}`)
      : toPort(front, { source, address, text, matches, target });
  if (!marked.has('outside')) {
    return [
      ...(marked.has('node') ? [rule('', LOCAL, CHAINS.markMasquerade)] : []),
      ...(marked.has('pod') ? from.pods.map((pods) => rule(pods, '', CHAINS.markMasquerade)) : []),
    ];
  }
  const source = marked.has('pod') ? '' : from.notPods;
  const unmark = marked.has('pod') ? [] : from.otherPods.map((pods) => rule(pods, '', UNMARK));
  return [rule(source, marked.has('node') ? '' : NOT_LOCAL, CHAINS.markMasquerade), ...unmark];
}

const UNMARK = 'MARK --set-xmark 0x0/0x4000';

/** KUBE-EXT: what comes to addresses other than the cluster IP. */
function externalChain(front: PlannedPort, context: Context): string {
  const { parts, from } = context;
  const { inside, outside } = front;
  const name = chainName('KUBE-EXT-', front);
  if (parts.own.has(name)) return name;
  const port = servicePortName(front);
  if (inside === outside) {
    const masquerade = masqueradeRules(front, {
      text: `masquerade traffic for ${port} external destinations`,
      from,
    });
    parts.own.set(name, [...masquerade, `-j ${choiceChain(front, inside, context)}`]);
    return name;
  }
  const masquerade = masqueradeRules(front, {
    text: `masquerade LOCAL traffic for ${port} external destinations`,
    from,
  });
  const forInside = inside.endpoints.length === 0 ? 'RETURN' : choiceChain(front, inside, context);
  const pods = comment(`pod traffic for ${port} external destinations`);
  const local = comment(`route LOCAL traffic for ${port} external destinations`);
  parts.own.set(name, [
    ...masquerade,
    ...from.pods.map((source) => join(source, pods, `-j ${forInside}`)),
    join(local, LOCAL, `-j ${forInside}`),
    ...(outside.endpoints.length === 0 ? [] : [`-j ${choiceChain(front, outside, context)}`]),
  ]);
  return name;
}

/** KUBE-FW: who may come to a load balancer's address. What it leaves over is dropped in table filter. */
function firewallChain(front: PlannedPort, context: Context): string {
  const { parts } = context;
  const name = chainName('KUBE-FW-', front);
  const target = externalChain(front, context);
  if (parts.own.has(name)) return name;
  const port = servicePortName(front);
  parts.own.set(name, [
    ...(front.sourceRanges ?? []).map((range) =>
      join(fromRange(range), comment(`${port} loadbalancer IP`), `-j ${target}`),
    ),
    join(comment(`other traffic to ${port} will be dropped by ${CHAINS.firewall}`), '-j RETURN'),
  ]);
  return name;
}

/** KUBE-SVC or, of this node's endpoints only, KUBE-SVL: one of them at random, or the one the client had. */
function choiceChain(front: PlannedPort, choice: EndpointChoice, { parts }: Context): string {
  const name = chainName(choice.scope === 'node' ? 'KUBE-SVL-' : 'KUBE-SVC-', front);
  if (parts.own.has(name)) return name;
  const port = servicePortName(front);
  const { endpoints } = choice;
  const arrow = (endpoint: PlannedEndpoint): string =>
    comment(`${port} -> ${hostPort(endpoint.address, endpoint.port)}`);
  const rules: RuleText[] = [];
  if (front.affinitySeconds !== undefined) {
    for (const endpoint of endpoints) {
      const to = chainName('KUBE-SEP-', front, endpoint);
      const recent = recentMatch(`--rcheck --seconds ${front.affinitySeconds} --reap`, to, front);
      rules.push(join(arrow(endpoint), recent, `-j ${to}`));
    }
  }
  for (const [index, endpoint] of endpoints.entries()) {
    const to = chainName('KUBE-SEP-', front, endpoint);
    const share = shareOf(endpoints.length - index);
    rules.push(join(arrow(endpoint), share, `-j ${to}`));
    parts.own.set(to, endpointRules(front, endpoint, to));
  }
  parts.own.set(name, rules);
  return name;
}

function endpointRules(front: PlannedPort, { address, port }: PlannedEndpoint, name: string): RuleText[] {
  const text = comment(servicePortName(front));
  const recent = front.affinitySeconds === undefined ? '' : recentMatch('--set', name, front);
  const { protocol } = front;
  return [
    join(`-s ${single(address)}`, text, `-j ${CHAINS.markMasquerade}`),
    join(
      `-p ${protocol}`,
      text,
      recent,
      `-m ${protocol} -j DNAT --to-destination ${hostPort(address, port)}`,
    ),
  ];
}

function recentMatch(what: string, name: string, { family }: PlannedPort): string {
  const mask = family === 4 ? '255.255.255.255' : 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
  return `-m recent ${what} --name ${name} --mask ${mask} --rsource`;
}

/** The first of `left` endpoints takes its share of what comes this far; the kernel counts in 2^31 parts. */
function shareOf(left: number): string {
  if (left === 1) return '';
  const parts = 0x8000_0000;
  return `-m statistic --mode random --probability ${(Math.round(parts / left) / parts).toFixed(11)}`;
}

/** In table filter, what was not translated to any endpoint: what source ranges keep out, and what nobody answers. */
function refuse(front: PlannedPort, address: string, { parts, from }: Context): void {
  const { inside, outside, sourceRanges } = front;
  const port = servicePortName(front);
  if (sourceRanges !== undefined) {
    const text = `${port} traffic not accepted by ${chainName('KUBE-FW-', front)}`;
    for (const range of sourceRanges)
      parts.firewall.push(toPort(front, { source: fromRange(range), address, text, target: 'RETURN' }));
    parts.firewall.push(toPort(front, { address, text, target: 'DROP' }));
  }
  const rules = front.kind === 'clusterIP' ? parts.clusterRefusals : parts.externalRefusals;
  const none = ({ endpoints }: EndpointChoice): boolean => endpoints.length === 0;
  const rule = (choice: EndpointChoice, source: string, matches: string): RuleText => {
    const local = choice.whenNone === 'drop' ? 'local ' : '';
    const text = `${port} has no ${local}endpoints`;
    return toPort(front, { source, address, text, matches, target: refusalTarget(front, choice) });
  };
  // Whoever else has endpoints was translated, and does not come by here.
  if (none(inside) && none(outside) && inside.whenNone !== outside.whenNone) {
    for (const pods of from.pods) rules.push(rule(inside, pods, ''));
    rules.push(rule(inside, '', LOCAL), rule(outside, '', ''));
  } else if (none(outside)) rules.push(rule(outside, '', ''));
  else if (none(inside)) rules.push(rule(inside, '', ''));
}

function refusalTarget({ protocol, family }: PlannedPort, { whenNone }: EndpointChoice): string {
  return whenNone === 'drop' ? 'DROP' : rejectTarget(protocol, family);
}

/** TCP clients hear a reset, which no rate limit holds back; the rest an ICMP error. */
export function rejectTarget(protocol: string, family: 4 | 6): string {
  if (protocol === 'tcp') return 'REJECT --reject-with tcp-reset';
  return `REJECT --reject-with ${family === 4 ? 'icmp' : 'icmp6'}-port-unreachable`;
}
