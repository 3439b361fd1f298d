/**
 * Services and EndpointSlices without what no node reads: it is these that a node keeps tens of thousands of. The
 * fields here are those that Services and DNS are compiled from, in one copy for both.
 */
import { SERVICE_NAME_LABEL } from '../model/endpoint-slices.ts';
import type { Endpoint, EndpointSlice, ObjectMeta, Service } from '../model/objects.ts';

/** Labels by which others claim a Service, and by which it asks not to have its cluster IP served. */
export const SERVICE_LABELS = {
  proxyName: 'service.kubernetes.io/service-proxy-name',
  headless: 'service.kubernetes.io/headless',
} as const;

/** Older than the fields that took their place, and still obeyed. */
export const SERVICE_ANNOTATIONS = {
  sourceRanges: 'service.beta.kubernetes.io/load-balancer-source-ranges',
} as const;

/** Fields that most Services leave at what no one has to write down. */
const RARE_FIELDS = [
  'externalIPs',
  'externalTrafficPolicy',
  'healthCheckNodePort',
  'internalTrafficPolicy',
  'loadBalancerSourceRanges',
  'sessionAffinity',
  'sessionAffinityConfig',
] as const;
const DEFAULTS = new Set<unknown>(['Cluster', 'None', 0, undefined, null]);

export function leanService({ metadata, spec, status }: Service): Service {
  const { type, clusterIP, clusterIPs, externalName, ports = [], publishNotReadyAddresses } = spec ?? {};
  const rare = RARE_FIELDS.flatMap((field) => {
    const value = spec?.[field];
    return DEFAULTS.has(value) ? [] : [[field, value] as const];
  });
  const ingress = status?.loadBalancer?.ingress;
  const annotation = metadata?.annotations?.[SERVICE_ANNOTATIONS.sourceRanges];
  const lean = leanMetadata(metadata, Object.values(SERVICE_LABELS));
  return {
    metadata:
      annotation === undefined
        ? lean
        : { ...lean, annotations: { [SERVICE_ANNOTATIONS.sourceRanges]: annotation } },
    ...(ingress && { status: { loadBalancer: { ingress } } }),
    spec: {
      ports: ports.map(({ name, port, protocol, nodePort }) => ({
        port,
        ...(name !== undefined && { name }),
        ...(protocol !== undefined && { protocol }),
        ...(nodePort !== undefined && { nodePort }),
      })),
      ...Object.fromEntries(rare),
      ...(type !== undefined && { type }),
      ...(clusterIP !== undefined && { clusterIP }),
      ...(clusterIPs !== undefined && { clusterIPs }),
      ...(externalName !== undefined && { externalName }),
      ...(publishNotReadyAddresses !== undefined && { publishNotReadyAddresses }),
    },
  };
}

export function leanEndpointSlice({ metadata, addressType, endpoints, ports }: EndpointSlice): EndpointSlice {
  return {
    metadata: leanMetadata(metadata, [SERVICE_NAME_LABEL]),
    addressType,
    endpoints: (endpoints ?? []).map(leanEndpoint),
    ...(ports && { ports }),
  };
}

function leanEndpoint({ addresses, conditions, hints, hostname, nodeName, targetRef }: Endpoint): Endpoint {
  return {
    addresses: addresses ?? [], // a server may send null for none
    ...(conditions !== undefined && !isReady(conditions) && { conditions }),
    ...(hints && { hints }),
    ...(hostname !== undefined && { hostname }),
    ...(nodeName !== undefined && { nodeName }),
    ...(targetRef !== undefined && { targetRef: leanReference(targetRef) }),
  };
}

/** What conditions mean when they are absent (discovery.k8s.io/v1), as they are of nearly every endpoint. */
function isReady({ ready, serving, terminating }: NonNullable<Endpoint['conditions']>): boolean {
  return (ready ?? true) && (serving ?? true) && !terminating;
}

function leanReference({
  kind,
  namespace,
  name,
}: NonNullable<Endpoint['targetRef']>): NonNullable<Endpoint['targetRef']> {
  return {
    ...(kind !== undefined && { kind }),
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
  };
}

function leanMetadata(metadata: ObjectMeta | undefined, labelNames: readonly string[]): ObjectMeta {
  const { name, namespace, resourceVersion, creationTimestamp, labels } = metadata ?? {};
  const kept = labelNames.flatMap((label) => {
    const value = labels?.[label];
    return value === undefined ? [] : [[label, value] as const];
  });
  return {
    ...(name !== undefined && { name }),
    ...(namespace !== undefined && { namespace }),
    ...(resourceVersion !== undefined && { resourceVersion }),
    ...(creationTimestamp !== undefined && { creationTimestamp }),
    ...(kept.length > 0 && { labels: Object.fromEntries(kept) }),
  };
}
