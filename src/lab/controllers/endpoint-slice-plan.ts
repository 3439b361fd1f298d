import { isDeepStrictEqual } from 'node:util';
import { services } from '../../cluster/resources.ts';
import { objectKey, type Endpoint, type EndpointSlice, type Service } from '../../model/objects.ts';
import { type HintsOf, type Topology, hintsFor } from './endpoint-hints.ts';
import { serviceNameLabel } from './informers.ts';
import { controllerReference } from './owner.ts';
import {
  familiesOf,
  headlessLabel,
  isHeadless,
  podAddress,
  podReference,
  type Backend,
  type ResolvedPort,
} from './service-endpoints.ts';

export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
export const managedBy = 'endpointslice-controller.k8s.io';
export const maxEndpointsPerSlice = 100;

/** What to write so that a Service's slices say what its pods are. Slices that are right are not mentioned. */
export interface SlicePlan {
  readonly create: readonly EndpointSlice[];
  readonly update: readonly EndpointSlice[];
  readonly delete: readonly EndpointSlice[];
}

export interface SliceInput extends Topology {
  readonly service: Service;
  readonly backends: readonly Backend[];
  /** Those of this Service that the controller manages. */
  readonly slices: readonly EndpointSlice[];
}

/** Endpoints stay in the slice they are in: a change of one pod touches one slice. */
export function planEndpointSlices(input: SliceInput): SlicePlan {
  const { service, backends, slices, zoneOf } = input;
  const hintsOf = hintsFor(service, backends, input);
  const plan: DraftPlan = { create: [], update: [], delete: [] };
  const groups = new Map<string, Group>();
  for (const family of familiesOf(service))
    for (const backend of backends) addEndpoint(groups, { backend, family, zoneOf, hintsOf });
  for (const family of familiesOf(service))
    if (![...groups.values()].some((group) => group.family === family)) {
      // A Service without pods still shows that it was seen: in the slice it has, or in an empty one.
      const last = slices.find((slice) => familyOf(slice) === family);
      groups.set(groupKey(family, last?.ports ?? []), { family, ports: [], endpoints: new Map() });
    }

  const existing = Map.groupBy(slices, (slice) => groupKey(familyOf(slice), slice.ports ?? []));
  for (const [key, ofGroup] of existing) if (!groups.has(key)) plan.delete.push(...ofGroup);
  for (const [key, group] of groups) planGroup(plan, { group, service, slices: existing.get(key) ?? [] });
  return plan;
}

function familyOf({ addressType }: EndpointSlice): 4 | 6 {
  return addressType === 'IPv6' ? 6 : 4;
}

interface DraftPlan {
  readonly create: EndpointSlice[];
  readonly update: EndpointSlice[];
  readonly delete: EndpointSlice[];
}

interface Group {
  readonly family: 4 | 6;
  readonly ports: readonly ResolvedPort[];
  /** By pod. */
  readonly endpoints: Map<string, Endpoint>;
}

interface PortLike {
  readonly name?: string;
  readonly protocol?: string;
  readonly port?: number;
  readonly appProtocol?: string;
}

/** Endpoints with the same family and ports share slices. */
function groupKey(family: 4 | 6, ports: readonly PortLike[]): string {
  const texts = ports.map(
    ({ name = '', protocol = 'TCP', port = 0, appProtocol = '' }) =>
      `${name}/${protocol}/${port}/${appProtocol}`,
  );
  return `IPv${family} ${texts.sort().join(' ')}`;
}

interface Placing {
  readonly zoneOf: Topology['zoneOf'];
  readonly hintsOf: HintsOf;
}

function addEndpoint(
  groups: Map<string, Group>,
  { backend, family, ...place }: { backend: Backend; family: 4 | 6 } & Placing,
): void {
  const address = podAddress(backend.pod, family);
  if (address === undefined) return;
  const key = groupKey(family, backend.ports);
  const group = groups.get(key) ?? { family, ports: backend.ports, endpoints: new Map<string, Endpoint>() };
  groups.set(key, group);
  group.endpoints.set(objectKey(backend.pod), endpointOf(backend, { address, ...place }));
}

function endpointOf(backend: Backend, { address, zoneOf, hintsOf }: { address: string } & Placing): Endpoint {
  const { pod, ready, serving, terminating, hostname } = backend;
  const hints = ready ? hintsOf(backend) : undefined;
  const nodeName = pod.spec?.nodeName;
  const zone = nodeName === undefined ? undefined : zoneOf(nodeName);
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname && { hostname }),
    targetRef: podReference(pod),
    ...(nodeName && { nodeName }),
    ...(zone && { zone }),
    ...(hints && { hints }),
  };
}

function planGroup(
  plan: DraftPlan,
  { group, service, slices }: { group: Group; service: Service; slices: readonly EndpointSlice[] },
): void {
  const labels = sliceLabels(service);
  const missing = new Map(group.endpoints);
  const drafts = slices.map((slice) => {
    const endpoints: Endpoint[] = [];
    for (const current of slice.endpoints ?? []) {
      const key = `${current.targetRef?.namespace ?? ''}/${current.targetRef?.name ?? ''}`;
      const wanted = missing.get(key);
      if (!wanted || endpoints.length >= maxEndpointsPerSlice) continue;
      endpoints.push(isDeepStrictEqual(wanted, current) ? current : wanted);
      missing.delete(key);
    }
    const before = slice.endpoints ?? [];
    const isChanged =
      endpoints.length !== before.length || endpoints.some((endpoint, index) => endpoint !== before[index]);
    return { slice, endpoints, isChanged: isChanged || !hasLabels(slice, labels) };
  });

  // New endpoints go first into slices that must be written anyway, then into the fullest that has room for all.
  const byNeed = drafts.toSorted(
    (a, b) => Number(b.isChanged) - Number(a.isChanged) || b.endpoints.length - a.endpoints.length,
  );
  for (const draft of byNeed) {
    const room = maxEndpointsPerSlice - draft.endpoints.length;
    if (missing.size === 0 || room === 0 || (!draft.isChanged && room < missing.size)) continue;
    draft.endpoints.push(...take(missing, room));
    draft.isChanged = true;
  }
  const isNew = slices.length === 0 && group.endpoints.size === 0;
  if (missing.size > 0 || isNew)
    do {
      const fresh = newSlice(service, { group, endpoints: take(missing, maxEndpointsPerSlice) });
      const reused = emptySlice(plan, group.family);
      if (reused) plan.update.push({ ...reused, ...fresh, metadata: { ...reused.metadata, labels } });
      else plan.create.push(fresh);
    } while (missing.size > 0);

  let kept = drafts.filter(({ endpoints }) => endpoints.length > 0).length;
  for (const { slice, endpoints, isChanged } of drafts)
    if (endpoints.length === 0 && (group.endpoints.size > 0 || kept++ > 0)) plan.delete.push(slice);
    else if (isChanged)
      plan.update.push({ ...slice, metadata: { ...slice.metadata, labels: { ...labels } }, endpoints });
}

/** A slice that would be deleted and holds nothing can as well be filled. */
function emptySlice(plan: DraftPlan, family: 4 | 6): EndpointSlice | undefined {
  const index = plan.delete.findIndex(
    (slice) => familyOf(slice) === family && (slice.endpoints ?? []).length === 0,
  );
  return index < 0 ? undefined : plan.delete.splice(index, 1)[0];
}

function take(missing: Map<string, Endpoint>, count: number): Endpoint[] {
  const taken = [...missing].slice(0, count);
  for (const [key] of taken) missing.delete(key);
  return taken.map(([, endpoint]) => endpoint);
}

/** The Service's own labels, and those by which slices are found. */
function sliceLabels(service: Service): Record<string, string> {
  const { [headlessLabel]: _, ...own } = service.metadata?.labels ?? {};
  return {
    ...own,
    [serviceNameLabel]: service.metadata?.name ?? '',
    [managedByLabel]: managedBy,
    ...(isHeadless(service) && { [headlessLabel]: '' }),
  };
}

function hasLabels({ metadata }: EndpointSlice, labels: Record<string, string>): boolean {
  return isDeepStrictEqual({ ...metadata?.labels }, labels);
}

function newSlice(
  service: Service,
  { group, endpoints }: { group: Group; endpoints: Endpoint[] },
): EndpointSlice {
  return {
    metadata: {
      generateName: `${service.metadata?.name ?? ''}-`,
      namespace: service.metadata?.namespace ?? '',
      labels: sliceLabels(service),
      ownerReferences: [controllerReference(services, service)],
    },
    addressType: group.family === 6 ? 'IPv6' : 'IPv4',
    endpoints,
    ports: group.ports.map((port) => ({ ...port })),
  };
}
