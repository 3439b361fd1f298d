import type { EndpointAddress, EndpointSubset } from 'kubernetes-types/core/v1.d.ts';
import { isDeepStrictEqual } from 'node:util';
import type { Endpoints, Service } from '../../model/objects.ts';
import {
  familiesOf,
  headlessLabel,
  isHeadless,
  podAddress,
  podReference,
  type Backend,
  type ResolvedPort,
} from './service-endpoints.ts';

/** Addresses in one Endpoints object; the slices have them all. */
export const maxAddresses = 1000;
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';

/** What the v1 Endpoints of a Service must be: the ready and the other pods, grouped by their ports. */
export function endpointsOf(service: Service, backends: readonly Backend[]): Endpoints {
  const { metadata } = service;
  const family = familiesOf(service)[0] ?? 4;
  const groups = new Map<
    string,
    { ports: readonly ResolvedPort[]; ready: EndpointAddress[]; others: EndpointAddress[] }
  >();
  const shown = backends.filter(
    ({ terminating }) => !terminating || service.spec?.publishNotReadyAddresses === true,
  );
  const truncated = shown.length > maxAddresses;
  // Ready ones first: if something must be left out, then those that serve nobody.
  for (const backend of shown.toSorted((a, b) => Number(b.ready) - Number(a.ready)).slice(0, maxAddresses)) {
    const ip = podAddress(backend.pod, family);
    if (ip === undefined || (backend.ports.length === 0 && (service.spec?.ports?.length ?? 0) > 0)) continue;
    const key = JSON.stringify(backend.ports);
    const group = groups.get(key) ?? { ports: backend.ports, ready: [], others: [] };
    groups.set(key, group);
    const { nodeName } = backend.pod.spec ?? {};
    (backend.ready ? group.ready : group.others).push({
      ip,
      ...(backend.hostname && { hostname: backend.hostname }),
      ...(nodeName && { nodeName }),
      targetRef: podReference(backend.pod),
    });
  }
  const labels = {
    ...metadata?.labels,
    'endpoints.kubernetes.io/managed-by': 'endpoint-controller',
    ...(isHeadless(service) && { [headlessLabel]: '' }),
  };
  return {
    metadata: {
      name: metadata?.name ?? '',
      namespace: metadata?.namespace ?? '',
      labels,
      ...(truncated && { annotations: { [overCapacityAnnotation]: 'truncated' } }),
    },
    subsets: [...groups.values()].map(subsetOf).sort((a, b) => firstIp(a).localeCompare(firstIp(b))),
  };
}

function subsetOf(group: {
  ports: readonly ResolvedPort[];
  ready: EndpointAddress[];
  others: EndpointAddress[];
}): EndpointSubset {
  const ports = group.ports.map(({ name, ...port }) => ({ ...(name && { name }), ...port }));
  return {
    ...(group.ready.length > 0 && { addresses: group.ready.sort(byIp) }),
    ...(group.others.length > 0 && { notReadyAddresses: group.others.sort(byIp) }),
    ...(ports.length > 0 && { ports }),
  };
}

const byIp = (a: EndpointAddress, b: EndpointAddress): number => (a.ip < b.ip ? -1 : 1);

const firstIp = ({ addresses, notReadyAddresses }: EndpointSubset): string =>
  (addresses ?? notReadyAddresses)?.[0]?.ip ?? '';

/** Nothing would change by writing `wanted`. */
export function isSameEndpoints(current: Endpoints, wanted: Endpoints): boolean {
  return (
    isDeepStrictEqual(current.subsets ?? [], wanted.subsets ?? []) &&
    isDeepStrictEqual(current.metadata?.labels ?? {}, wanted.metadata?.labels ?? {}) &&
    current.metadata?.annotations?.[overCapacityAnnotation] ===
      wanted.metadata?.annotations?.[overCapacityAnnotation]
  );
}
