/**
 * Which UDP flows the kernel must forget so that their next packet meets the rules of today. A flow keeps the endpoint
 * its first packet got for as long as packets come, which over UDP can be for ever: a resolver that always asks from
 * one port would talk to a pod that is gone. TCP needs no help, for a connection ends with its endpoint.
 */
import type { ConntrackEntry } from '../kernel/conntrack/conntrack-entry.ts';
import {
  type PlanChange,
  type PlannedPort,
  type ServicePlan,
  anyAddress,
  frontKey,
  hostPort,
  servesNodePorts,
} from './plan.ts';

/** What is to happen to the flows of one front. */
export type FlowRule =
  /** Flows to anywhere else are forgotten, those too that began before the Service was there. */
  | { readonly keep: ReadonlySet<string> }
  /** The front is no Service's any more: flows to these endpoints are forgotten. */
  | { readonly forget: ReadonlySet<string> };

/** By `frontKey`. Fronts that are not in it keep all their flows. */
export type FlowRules = ReadonlyMap<string, FlowRule>;

/** Every UDP front: for the start, when nobody knows what has changed since the last agent. */
export function flowRulesOfPlan({ ports }: ServicePlan): FlowRules {
  const rules = new Map<string, FlowRule>();
  for (const [front, port] of ports)
    if (port.protocol === 'udp') rules.set(front, { keep: liveEndpoints(port) });
  return rules;
}

/** The UDP fronts that lost an endpoint, gained their first, or came or went themselves. */
export function flowRulesOfChange({ set, removed, before }: PlanChange): FlowRules {
  const rules = new Map<string, FlowRule>();
  for (const port of set) {
    if (port.protocol !== 'udp') continue;
    const front = frontKey(port);
    const previous = before.get(front);
    const keep = liveEndpoints(port);
    if (previous === undefined || mayBeStale(liveEndpoints(previous), keep)) rules.set(front, { keep });
  }
  for (const port of removed)
    if (port.protocol === 'udp') rules.set(frontKey(port), { forget: liveEndpoints(port) });
  return rules;
}

/** Both, one after the other: the front is as the later rule says, and what went with the earlier one is gone. */
export function mergeFlowRules(earlier: FlowRules, later: FlowRules): FlowRules {
  if (earlier.size === 0) return later;
  const rules = new Map(earlier);
  for (const [front, rule] of later) {
    const known = earlier.get(front);
    const forgets = known !== undefined && 'forget' in known && 'forget' in rule;
    // A front that went and came back within one step is a new one: only what it keeps is right.
    rules.set(front, forgets ? { forget: known.forget.union(rule.forget) } : rule);
  }
  return rules;
}

/** The flows to forget among `entries`, which are UDP. `plan` is the one that is in the kernel now. */
export function staleFlows(
  entries: readonly ConntrackEntry[],
  rules: FlowRules,
  plan: ServicePlan,
): readonly ConntrackEntry[] {
  if (rules.size === 0) return [];
  return entries.filter((entry) => {
    const { destination: address, destinationPort: port } = entry.original;
    const rule = ruleFor({ address, port }, rules, plan);
    if (rule === undefined) return false;
    const endpoint = hostPort(entry.reply.source, entry.reply.sourcePort);
    return 'keep' in rule ? !rule.keep.has(endpoint) : rule.forget.has(endpoint);
  });
}

/** An address's own front comes before the node port's, as in `findPort`. */
function ruleFor(
  { address, port }: { address: string; port: number },
  rules: FlowRules,
  plan: ServicePlan,
): FlowRule | undefined {
  const front = frontKey({ address, port, protocol: 'udp' });
  const exact = rules.get(front);
  if (exact !== undefined || plan.ports.has(front)) return exact;
  const any = frontKey({ address: anyAddress(address.includes(':') ? 6 : 4), port, protocol: 'udp' });
  const rule = rules.get(any);
  return rule !== undefined && servesNodePorts(plan.node, address) ? rule : undefined;
}

/** Whom flows may go on to: those that get new ones, and those that still serve what they have. */
function liveEndpoints({ inside, outside }: PlannedPort): ReadonlySet<string> {
  const live = new Set<string>();
  for (const choice of inside === outside ? [inside] : [inside, outside]) {
    for (const { address, port } of choice.endpoints) live.add(hostPort(address, port));
    for (const { address, servesOn } of choice.skipped)
      if (servesOn !== undefined) live.add(hostPort(address, servesOn));
  }
  return live;
}

function mayBeStale(before: ReadonlySet<string>, now: ReadonlySet<string>): boolean {
  return before.size === 0 ? now.size > 0 : !before.isSubsetOf(now);
}
