import type { Netns } from '../kernel/netns.ts';
import { PodnetError, errorMessage } from '../model/errors.ts';
import { hostPort } from '../services/plan.ts';
import { openFlow, type FlowReply } from './flow.ts';
import { openTap, type SeenPacket, type Tap, type TapOptions } from './tap.ts';
import type { HopPacket, Place, Protocol, Trace } from './trace.ts';

/** One pass of the packet through a namespace, as its kernel saw it. */
export interface ObservedPlace {
  readonly place: Place;
  readonly inputInterface?: string;
  /** Undefined for a packet that went no further. */
  readonly outputInterface?: string;
  /** As it came in, or was made. */
  readonly before: HopPacket;
  /** As it left or was delivered; undefined for a packet that did neither. */
  readonly after?: HopPacket;
  /** What the rules of other tables did on the way: `podnet-services services: dnat`. */
  readonly verdicts: readonly string[];
}

/** What the kernel did with one real packet. Plain data. */
export interface Observation {
  readonly protocol: Protocol;
  /** In the order of the packet's way. */
  readonly places: readonly ObservedPlace[];
  /** Which endpoint the Service's rules chose, `ADDRESS:PORT`. */
  readonly endpoint?: string;
  /** What the sender heard: for TCP whether a connection came about. */
  readonly reply: FlowReply;
  readonly milliseconds: number;
}

export interface ObserveOptions {
  readonly trace: Trace;
  /** By name: all of the cluster's, so that a packet that goes astray is seen. */
  readonly nodes: ReadonlyMap<string, Netns>;
  /** By `namespace/name`: the source, and what of the destinations is at hand. */
  readonly pods: ReadonlyMap<string, Netns>;
  /** Of a machine beside the cluster. */
  readonly world?: Netns;
  /** To wait for an answer. 2000 unless told. */
  readonly timeoutMs?: number;
}

/** Destinations that are watched from inside; a Service may have thousands. */
const MAX_WATCHED_PODS = 16;

/**
 * Sends one real packet along a predicted trace (a TCP connection that is closed again, or one UDP datagram) and
 * tells what every namespace on the way did with it. Each of them has a table `podnet-trace` meanwhile, which marks
 * the flow by its source port and reports it; the tables are gone when this returns or throws, or when the process
 * ends with its namespaces.
 */
export async function observe({
  trace,
  nodes,
  pods,
  world,
  timeoutMs = 2000,
}: ObserveOptions): Promise<Observation> {
  const { source, protocol } = trace;
  const sourcePod = `${source.namespace}/${source.name}`;
  const sender = trace.hops.find(({ action }) => action !== 'resolve');
  const sourceNetns =
    source.kind === 'world'
      ? world
      : (pods.get(sourcePod) ?? (sender?.place.kind === 'node' ? nodes.get(source.node) : undefined));
  if (sourceNetns === undefined || sender === undefined) {
    throw new PodnetError(
      `The network namespace of ${source.kind} ${source.kind === 'pod' ? sourcePod : source.name} is not at hand`,
      {
        code: 'trace-not-observable',
        where: `pod ${sourcePod}`,
        fix: 'Only what is in a lab cluster can send real packets for a trace.',
      },
    );
  }
  const taps: Tap[] = [];
  const flow = openFlow(sourceNetns, { protocol, source: sender.packet.source });
  try {
    for (const [place, netns] of placesToWatch(trace, { nodes, pods })) {
      taps.push(openTap(place, netns, { protocol, sourcePort: flow.sourcePort, ...masqueradeOf(trace) }));
    }
    const started = performance.now();
    const reply = await flow.send(trace.aim, timeoutMs);
    const milliseconds = performance.now() - started;
    await settle(taps, trace);
    const places = inOrder(taps);
    const translated = places.find(
      ({ before, after }) => after && destinationOf(before) !== destinationOf(after),
    );
    const endpoint = translated?.after && destinationOf(translated.after);
    return { protocol, places, ...(endpoint !== undefined && { endpoint }), reply, milliseconds };
  } catch (error) {
    if (error instanceof PodnetError) throw error;
    throw new PodnetError(`The packet could not be observed: ${errorMessage(error)}`, {
      code: 'trace-not-observable',
      where: `pod ${sourcePod}`,
      fix: 'Look whether the pods and nodes on the way still run, and trace again.',
      cause: error,
    });
  } finally {
    flow.close();
    closeAll(taps);
  }
}

/** Closes every tap, whatever happens to one of them: its namespace may be gone with its pod. */
function closeAll(taps: readonly Tap[]): void {
  for (const tap of taps) {
    try {
      tap.close();
    } catch {
      // The table went with its namespace.
    }
  }
}

/** What a masquerade on the way leaves to know the flow by: iptables' takes a random source port. */
function masqueradeOf({ hops, endpoints }: Trace): Pick<TapOptions, 'masqueraded'> {
  const [first, ...rest] = new Set(hops.map(({ packet }) => packet.source));
  if (first === undefined || rest.length === 0) return {};
  return { masqueraded: { sources: rest, ports: [...new Set(endpoints.map(({ port }) => port))] } };
}

function placesToWatch(
  trace: Trace,
  { nodes, pods }: Pick<ObserveOptions, 'nodes' | 'pods'>,
): Map<Place, Netns> {
  const wanted = new Set([
    `${trace.source.namespace}/${trace.source.name}`,
    ...trace.hops.flatMap(({ place }) => (place.kind === 'pod' ? [`${place.namespace}/${place.name}`] : [])),
    ...trace.endpoints.flatMap(({ pod }) => (pod === undefined ? [] : [pod])),
  ]);
  const watched = new Map<Place, Netns>();
  for (const [name, netns] of nodes) watched.set({ kind: 'node', name }, netns);
  for (const key of [...wanted].slice(0, MAX_WATCHED_PODS)) {
    const netns = pods.get(key);
    const [namespace = '', name = ''] = key.split('/');
    if (netns !== undefined) watched.set({ kind: 'pod', namespace, name }, netns);
  }
  return watched;
}

const SETTLE_LIMIT_MS = 1000;
const LOOK_AGAIN_MS = 5;
/** Looks without anything new before the rest is believed to be missing. */
const QUIET_LOOKS = 20;

/** Waits for the kernels' reports, which come over the event loop: until every predicted place has reported, or none does. */
async function settle(taps: readonly Tap[], trace: Trace): Promise<void> {
  const predicted = new Set(
    trace.hops.flatMap(({ place, action }) => (action === 'resolve' ? [] : [keyOf(place)])),
  );
  const expected = taps.filter(({ place }) => predicted.has(keyOf(place)));
  const deadline = performance.now() + SETTLE_LIMIT_MS;
  let before = -1;
  for (let quiet = 0; quiet < QUIET_LOOKS && performance.now() < deadline; quiet++) {
    if (expected.every((tap) => tap.packets().some(({ hook }) => LAST_HOOKS.has(hook)))) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    const count = taps.reduce((sum, tap) => sum + tap.packets().length, 0);
    if (count !== before) quiet = 0;
    before = count;
  }
}

const LAST_HOOKS: ReadonlySet<string> = new Set(['input', 'postrouting']);

function keyOf({ kind, namespace = '', name }: Place): string {
  return `${kind} ${namespace}/${name}`;
}

/** The source first, then the nodes, then pods that received it; of each kind by how often it had been forwarded. */
function inOrder(taps: readonly Tap[]): ObservedPlace[] {
  const seen = taps.flatMap(({ packets }) => packets());
  const portsOfFlow = new Set(
    seen.filter(({ hasOtherPort }) => hasOtherPort !== true).map(({ packet }) => packet.sourcePort),
  );
  return taps
    .flatMap(({ place, packets }) =>
      visits(packets().filter(({ packet }) => portsOfFlow.has(packet.sourcePort))).map((visit) => ({
        visit,
        observed: summarize(place, visit),
      })),
    )
    .toSorted((a, b) => rankOf(a.observed) - rankOf(b.observed) || ttlOf(b.visit) - ttlOf(a.visit))
    .map(({ observed }) => observed);
}

function rankOf({ place, inputInterface }: ObservedPlace): number {
  if (place.kind === 'node') return 1;
  return inputInterface === undefined ? 0 : 2;
}

/** Every router on the way takes one off, so the order needs no clock. */
function ttlOf([first]: readonly SeenPacket[]): number {
  return first?.timeToLive ?? 0;
}

/** One way in and out each: a pod that reaches itself sees the packet twice. One that is sent again counts once. */
function visits(packets: readonly SeenPacket[]): SeenPacket[][] {
  const found: SeenPacket[][] = [];
  for (const packet of packets) {
    const enters = packet.hook === 'prerouting' || packet.hook === 'output';
    if (enters || found.length === 0) found.push([]);
    found.at(-1)?.push(packet);
  }
  const known = new Set<string>();
  return found.filter(([first]) => {
    const identity = JSON.stringify([first?.hook, first?.inputInterface, first?.packet]);
    return !known.has(identity) && known.add(identity);
  });
}

function summarize(place: Place, visit: readonly SeenPacket[]): ObservedPlace {
  const [first] = visit;
  const last = visit.find(({ hook }) => hook === 'postrouting' || hook === 'input');
  return {
    place,
    ...(first?.inputInterface !== undefined && { inputInterface: first.inputInterface }),
    ...(last?.outputInterface !== undefined && { outputInterface: last.outputInterface }),
    before: first?.packet ?? { source: '', destination: '', destinationPort: 0 },
    ...(last && { after: last.packet }),
    verdicts: [...new Set(visit.flatMap(({ verdicts }) => verdicts))],
  };
}

function destinationOf({ destination, destinationPort }: HopPacket): string {
  return hostPort(destination, destinationPort);
}
