import type { ServicePort } from '../model/objects.ts';
import { type ListedEndpoint, type ReadSlice, targetPort } from './endpoints.ts';
import {
  type EndpointChoice,
  type NodeFacts,
  type PlannedEndpoint,
  type SkippedEndpoint,
  hostPort,
} from './plan.ts';

/** What a Service says of how its endpoints are chosen. */
export interface ChoicePolicy {
  /** Whether anybody gets endpoints of the whole cluster. */
  readonly cluster: boolean;
  /** The field that asks for endpoints of this node only, if anybody gets those. */
  readonly localField: string | undefined;
  readonly publishNotReady: boolean;
}

/** The two ways to choose; undefined when the policy has no use for it. */
export interface Choices {
  readonly cluster: EndpointChoice | undefined;
  readonly local: EndpointChoice | undefined;
}

interface Candidate {
  readonly endpoint: PlannedEndpoint;
  readonly listed: ListedEndpoint;
}

type Scope = Pick<EndpointChoice, 'scope' | 'scopeField'>;

const CLUSTER: Scope = { scope: 'cluster', scopeField: '' };
const NOBODY: readonly never[] = [];
const LAST = 'serving while terminating' as const;

/**
 * The endpoints that share the connections to one port of a Service, over all its slices of one family.
 *
 * - Cluster: the ready ones, or only those that hints give to this node or its zone. When none is ready, those that
 *   still serve while they terminate (KEP-1669).
 * - Local: the same of this node, without hints.
 * - `publishNotReadyAddresses` has every endpoint count as ready.
 */
export function chooseEndpoints(
  { port, policy, node }: { port: ServicePort; policy: ChoicePolicy; node: NodeFacts },
  slices: readonly ReadSlice[],
): Choices {
  const { candidates, skipped } = gather(port, slices);
  const isReady = ({ listed }: Candidate): boolean => policy.publishNotReady || listed.ready;
  const isLast = ({ listed }: Candidate): boolean => listed.serving && listed.terminating;
  const chosenBy = policy.publishNotReady ? 'publishNotReadyAddresses' : 'ready';
  const ready = candidates.every(isReady) ? candidates : candidates.filter(isReady);
  const last = ready === candidates ? NOBODY : candidates.filter((each) => !isReady(each) && isLast(each));

  const cluster = (): EndpointChoice => {
    const hints = hintsFor(ready, node);
    const near = hints.isFor === undefined ? ready : ready.filter(hints.isFor);
    if (near.length > 0) {
      const why = ({ listed }: Candidate): string =>
        isReadyState(listed, policy) ? hints.reason : stateOf(listed, true);
      return choice(candidates, near, { ...hints.scope, chosenBy, whenNone: 'reject', skipped, why });
    }
    const why = ({ listed }: Candidate): string => stateOf(listed, false);
    return choice(candidates, last, { ...CLUSTER, chosenBy: LAST, whenNone: 'reject', skipped, why });
  };

  const local = (scopeField: string): EndpointChoice => {
    const here = ({ endpoint }: Candidate): boolean => endpoint.source.nodeName === node.name;
    const readyHere = ready.filter(here);
    const chosen = readyHere.length > 0 ? readyHere : last.filter(here);
    const why = (candidate: Candidate): string => {
      if (here(candidate)) return stateOf(candidate.listed, readyHere.length > 0);
      return `nodeName is ${candidate.endpoint.source.nodeName ?? 'absent'} and ${scopeField} is Local`;
    };
    return choice(candidates, chosen, {
      scope: 'node',
      scopeField,
      chosenBy: readyHere.length > 0 ? chosenBy : LAST,
      // Others have endpoints: whoever balances over the nodes shall try there, not take it for a refusal.
      whenNone: ready.length + last.length > 0 ? 'drop' : 'reject',
      skipped,
      why,
    });
  };

  return {
    cluster: policy.cluster ? cluster() : undefined,
    local: policy.localField === undefined ? undefined : local(policy.localField),
  };
}

function isReadyState({ ready }: ListedEndpoint, { publishNotReady }: ChoicePolicy): boolean {
  return ready || publishNotReady;
}

interface ChoiceOptions extends Scope, Pick<EndpointChoice, 'chosenBy' | 'whenNone' | 'skipped'> {
  /** Of a candidate that was not chosen. */
  readonly why: (candidate: Candidate) => string;
}

function choice(
  candidates: readonly Candidate[],
  chosen: readonly Candidate[],
  { why, skipped, chosenBy, ...options }: ChoiceOptions,
): EndpointChoice {
  const endpoints = chosen.map(({ endpoint }) => endpoint);
  const by = endpoints.length === 0 ? 'nothing' : chosenBy;
  if (chosen.length === candidates.length) return { ...options, endpoints, chosenBy: by, skipped };
  const taken = new Set(chosen);
  const left = candidates
    .filter((candidate) => !taken.has(candidate))
    .map((candidate) => {
      const { address, port, source } = candidate.endpoint;
      const { ready, serving } = candidate.listed;
      return { address, source, reason: why(candidate), ...((ready || serving) && { servesOn: port }) };
    });
  return { ...options, endpoints, chosenBy: by, skipped: [...skipped, ...left] };
}

function stateOf({ ready, serving, terminating }: ListedEndpoint, othersAreReady: boolean): string {
  if (!terminating) return ready ? 'others were chosen' : 'conditions.ready is false';
  return serving && othersAreReady
    ? 'conditions.terminating is true and others are ready'
    : 'conditions.terminating is true';
}

interface Hints {
  readonly scope: Scope;
  /** Undefined: every endpoint will do. */
  readonly isFor: ((candidate: Candidate) => boolean) | undefined;
  readonly reason: string;
}

const NO_HINTS: Hints = { scope: CLUSTER, isFor: undefined, reason: '' };

/**
 * Hints count only if every ready endpoint has one and one of them is for this node, or else its zone: otherwise
 * slices are half-way through an update, or this node is one that nobody planned for (KEP-2433, KEP-3015).
 */
function hintsFor(ready: readonly Candidate[], node: NodeFacts): Hints {
  if (ready.length === 0) return NO_HINTS;
  if (ready.every(({ listed }) => listed.nodes.length > 0)) {
    const isFor = ({ listed }: Candidate): boolean => listed.nodes.includes(node.name);
    const scope = { scope: 'same node', scopeField: 'hints.forNodes' } as const;
    if (ready.some(isFor)) return { scope, isFor, reason: `hints.forNodes has no ${node.name}` };
  }
  const { zone } = node;
  if (zone !== undefined && ready.every(({ listed }) => listed.zones.length > 0)) {
    const isFor = ({ listed }: Candidate): boolean => listed.zones.includes(zone);
    const scope = { scope: 'same zone', scopeField: 'hints.forZones' } as const;
    if (ready.some(isFor)) return { scope, isFor, reason: `hints.forZones has no ${zone}` };
  }
  return NO_HINTS;
}

/** Every endpoint that offers the port, once, in the order of slices' names and places in them. */
function gather(
  port: ServicePort,
  slices: readonly ReadSlice[],
): { candidates: readonly Candidate[]; skipped: readonly SkippedEndpoint[] } {
  const candidates = new Map<string, Candidate>();
  const isAlone = slices.length === 1; // and so has one number for the port
  let skipped: SkippedEndpoint[] | undefined;
  for (const { slice, endpoints, unfit } of slices) {
    if (unfit.length > 0) (skipped ??= []).push(...unfit);
    const number = targetPort(slice, port);
    for (const listed of endpoints) {
      const { address, source } = listed;
      if (number === undefined) {
        (skipped ??= []).push({ address, source, reason: `ports has no ${wantedPort(port)}` });
        continue;
      }
      const at = isAlone ? address : hostPort(address, number);
      const known = candidates.get(at);
      // The same address in two slices, as while an endpoint moves from one to the other: the better state counts.
      if (known === undefined || rank(listed) > rank(known.listed)) {
        candidates.set(at, { endpoint: { address, port: number, source }, listed });
      }
    }
  }
  return { candidates: [...candidates.values()], skipped: skipped ?? NOBODY };
}

function rank({ ready, serving }: ListedEndpoint): number {
  if (ready) return 2;
  return serving ? 1 : 0;
}

function wantedPort({ name, protocol = 'TCP' }: ServicePort): string {
  return name === undefined || name === ''
    ? `unnamed ${protocol} port`
    : `${protocol} port ${JSON.stringify(name)}`;
}
