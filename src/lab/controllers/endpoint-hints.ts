/** Which nodes or zones an endpoint is meant for, as a Service's `trafficDistribution` or annotation asks. */
import { type Endpoint, type Service, objectKey } from '../../model/objects.ts';
import type { EndpointHints } from '../../model/endpoint-slices.ts';
import type { Backend } from './service-endpoints.ts';

/** What the hints are made from: where nodes are, and what zones can do. */
export interface Topology {
  readonly zoneOf: (nodeName: string) => string | undefined;
  /** Processors of the ready nodes of every zone; undefined unless every node has a zone. */
  readonly cpusByZone?: () => ReadonlyMap<string, number> | undefined;
}

export type HintsOf = (backend: Backend) => Endpoint['hints'] | undefined;

const NONE: HintsOf = () => undefined;
const MODE_ANNOTATIONS = [
  'service.kubernetes.io/topology-mode',
  'service.kubernetes.io/topology-aware-hints',
] as const;
/** How much more than its share an endpoint may get (KEP-2433). */
const OVERLOAD = 0.2;

/** The annotation comes before the field, as it is older (KEP-2433, KEP-4444, KEP-3015). */
export function hintsFor(service: Service, backends: readonly Backend[], topology: Topology): HintsOf {
  const { annotations } = service.metadata ?? {};
  const mode = MODE_ANNOTATIONS.map((name) => annotations?.[name]).find((value) => value !== undefined);
  if (mode === 'Auto' || mode === 'auto') return autoHints(backends, topology);
  const { trafficDistribution } = service.spec ?? {};
  if (trafficDistribution === 'PreferClose' || trafficDistribution === 'PreferSameZone')
    return (backend) => zoneHints(zoneOfBackend(backend, topology));
  if (trafficDistribution === 'PreferSameNode') return (backend) => nodeHints(backend, topology);
  return NONE;
}

function zoneOfBackend({ pod }: Backend, { zoneOf }: Topology): string | undefined {
  return pod.spec?.nodeName === undefined ? undefined : zoneOf(pod.spec.nodeName);
}

function zoneHints(zone: string | undefined): Endpoint['hints'] | undefined {
  return zone === undefined ? undefined : { forZones: [{ name: zone }] };
}

function nodeHints(backend: Backend, topology: Topology): Endpoint['hints'] | undefined {
  const { nodeName } = backend.pod.spec ?? {};
  if (nodeName === undefined) return undefined;
  const hints: EndpointHints = {
    ...zoneHints(zoneOfBackend(backend, topology)),
    forNodes: [{ name: nodeName }],
  };
  return hints;
}

/**
 * Gives every zone endpoints in proportion to its processors: its own first, and from zones that have more than
 * enough. No hints at all when that cannot be done without overloading some endpoints.
 */
function autoHints(backends: readonly Backend[], topology: Topology): HintsOf {
  const ready = backends.filter(({ ready: isReady }) => isReady);
  const cpus = topology.cpusByZone?.();
  const allocations = cpus && allocate(cpus, ready.length);
  if (allocations === undefined) return NONE;
  const byZone = new Map<string, Backend[]>();
  for (const backend of ready) {
    const zone = zoneOfBackend(backend, topology);
    if (zone === undefined) return NONE;
    byZone.set(zone, [...(byZone.get(zone) ?? []), backend]);
  }
  const hints = new Map<string, string>();
  const spare: Backend[] = [];
  for (const [zone, own] of byZone) {
    const most = allocations.get(zone)?.maximum ?? 0;
    for (const backend of own.slice(0, most)) hints.set(objectKey(backend.pod), zone);
    spare.push(...own.slice(most));
  }
  const missing = (zone: string): number =>
    (allocations.get(zone)?.minimum ?? 0) - [...hints.values()].filter((each) => each === zone).length;
  const zones = [...allocations.keys()];
  for (const backend of spare) {
    const neediest = zones.toSorted((a, b) => missing(b) - missing(a))[0] ?? '';
    hints.set(objectKey(backend.pod), neediest);
  }
  // A zone still short of endpoints would send them more than they can bear.
  if (zones.some((zone) => missing(zone) > 0)) return NONE;
  return ({ pod }) => zoneHints(hints.get(objectKey(pod)));
}

interface Allocation {
  readonly minimum: number;
  readonly maximum: number;
}

function allocate(
  cpus: ReadonlyMap<string, number>,
  endpoints: number,
): ReadonlyMap<string, Allocation> | undefined {
  const total = [...cpus.values()].reduce((sum, each) => sum + each, 0);
  if (cpus.size < 2 || cpus.size > endpoints || total <= 0) return undefined;
  const minimums = [...cpus].map(
    ([zone, count]) => [zone, Math.ceil((endpoints * count) / total / (1 + OVERLOAD))] as const,
  );
  const rest = endpoints - minimums.reduce((sum, [, minimum]) => sum + minimum, 0);
  if (rest < 0) return undefined;
  return new Map(minimums.map(([zone, minimum]) => [zone, { minimum, maximum: minimum + rest }]));
}
