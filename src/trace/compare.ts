import { hostPort } from '../services/plan.ts';
import type { FlowReply } from './flow.ts';
import type { Observation, ObservedPlace } from './observe.ts';
import type { Hop, HopPacket, Place, Trace } from './trace.ts';
import { UNKNOWN_HOST_INTERFACE } from './view.ts';

/** One predicted hop beside what the kernel did there. */
export interface ComparedHop {
  readonly hop: Hop;
  /** Undefined where nothing can be observed: a DNS question, the outside. */
  readonly observed?: ObservedPlace;
  /** Each a sentence; none means that they agree. */
  readonly differences: readonly string[];
}

export interface Comparison {
  readonly hops: readonly ComparedHop[];
  /** Places the packet came to that were not predicted. */
  readonly unexpected: readonly ObservedPlace[];
  /** About the packet's fate as a whole. */
  readonly differences: readonly string[];
  /** What the sender heard. */
  readonly reply: FlowReply;
  readonly agrees: boolean;
}

/**
 * Lays an observation beside a prediction. Of a Service the prediction must follow the endpoint that the kernel
 * chose: predict again with `endpoint: observation.endpoint` first.
 */
export function compare(trace: Trace, observation: Observation): Comparison {
  const used = new Set<ObservedPlace>();
  let last: readonly ObservedPlace[] = [];
  const hops = trace.hops.map((hop): ComparedHop => {
    if (hop.action === 'resolve' || hop.place.kind === 'outside') return { hop, differences: [] };
    // Hops in a row at one place are one pass of the packet; one that comes back later is another.
    const goesOn = last.length > 0 && last.every((seen) => isWhere(hop, seen));
    const passes = goesOn
      ? last
      : observation.places
          .filter((seen) => !used.has(seen) && isWhere(hop, seen))
          .slice(0, staysInside(hop) ? 2 : 1);
    last = passes;
    const observed = joinPasses(passes);
    if (observed === undefined) return { hop, differences: ['the packet was not seen here'] };
    for (const pass of passes) used.add(pass);
    return { hop, observed, differences: differencesOf(hop, observed) };
  });
  const unexpected = observation.places.filter((place) => !used.has(place));
  const differences = fateDifferences(trace, observation);
  const agrees =
    unexpected.length === 0 && differences.length === 0 && hops.every((hop) => hop.differences.length === 0);
  return { hops, unexpected, differences, reply: observation.reply, agrees };
}

/** A host that sends to itself by `lo` passes the packet twice, out and in again, which is one hop. */
function staysInside({ inputInterface, outputInterface }: Hop): boolean {
  return inputInterface === 'lo' && outputInterface === 'lo';
}

/** The way in of the first, the way out of the last. */
function joinPasses(passes: readonly ObservedPlace[]): ObservedPlace | undefined {
  const [first, second] = passes;
  if (first === undefined || second === undefined) return first;
  const { outputInterface } = first;
  return Object.assign(
    { ...second, before: first.before, verdicts: [...first.verdicts, ...second.verdicts] },
    outputInterface === undefined ? {} : { outputInterface },
  );
}

/** A pod that reaches itself through a Service is passed twice: once sending, once receiving. */
function isWhere(hop: Hop, seen: ObservedPlace): boolean {
  const { place, action } = hop;
  if (!isSamePlace(place, seen.place)) return false;
  if (staysInside(hop)) return seen.inputInterface === 'lo' || seen.outputInterface === 'lo';
  if (place.kind !== 'pod') return true;
  return (action === 'deliver') === (seen.inputInterface !== undefined);
}

function isSamePlace(a: Place, b: Place): boolean {
  return a.kind === b.kind && a.name === b.name && (a.namespace ?? '') === (b.namespace ?? '');
}

function differencesOf(hop: Hop, observed: ObservedPlace): string[] {
  const differences: string[] = [];
  const check = (what: string, predicted: string | undefined, found: string | undefined): void => {
    if (predicted === undefined || predicted === UNKNOWN_HOST_INTERFACE || predicted === found) return;
    differences.push(`${what} is ${found ?? 'none'}, not ${predicted}`);
  };
  check('the incoming interface', hop.inputInterface, observed.inputInterface);
  if (hop.action === 'reject' || hop.action === 'drop') {
    if (observed.after !== undefined)
      differences.push(`the packet went on to ${destinationOf(observed.after)}`);
    return differences;
  }
  check(
    'the outgoing interface',
    hop.outputInterface === 'lo' && !staysInside(hop) ? undefined : hop.outputInterface,
    observed.outputInterface,
  );
  const { after } = observed;
  if (after === undefined) return [...differences, 'the packet went no further'];
  const isSource = hop.action === 'masquerade' || hop.action === 'deliver' || hop.action === 'send';
  if (isSource) check('the source', hop.packet.source, after.source);
  check('the destination', destinationOf(hop.packet), destinationOf(after));
  return differences;
}

function fateDifferences({ outcome, hops }: Trace, { reply, places }: Observation): string[] {
  if (outcome === 'rejected') {
    if (reply === 'refused' || reply === 'unreachable') return [];
    // The kernel sends a host only so many ICMP errors (icmp(7)); that the packet ended here was seen at its hop.
    const isLimited = hops.at(-1)?.decidedBy?.kind !== 'Service';
    return reply === 'silence' && isLimited ? [] : [`the sender was to be refused, but: ${reply}`];
  }
  if (outcome === 'dropped' && reply !== 'silence') return [`nobody was to answer, but: ${reply}`];
  if (reply !== 'unreachable') return [];
  const last = places.at(-1);
  return [
    `the sender was told that the destination is unreachable, last seen at ${last?.place.name ?? 'no place'}`,
  ];
}

function destinationOf({ destination, destinationPort }: HopPacket): string {
  return hostPort(destination, destinationPort);
}
