import type { Endpoint, EndpointSlice, ObjectMeta, Service } from '../model/objects.ts';

/** Only what `compile` reads, for a node that keeps tens of thousands of them. */
export function leanService({ metadata, spec }: Service): Service {
  const { type, clusterIP, clusterIPs, ports = [], publishNotReadyAddresses } = spec ?? {};
  return {
    metadata: leanMetadata(metadata, [
      'service.kubernetes.io/service-proxy-name',
      'service.kubernetes.io/headless',
    ]),
    spec: {
      ports: ports.map(({ name, port, protocol }) => ({
        port,
        ...(name === undefined ? {} : { name }),
        ...(protocol === undefined ? {} : { protocol }),
      })),
      ...(type === undefined ? {} : { type }),
      ...(clusterIP === undefined ? {} : { clusterIP }),
      ...(clusterIPs === undefined ? {} : { clusterIPs }),
      ...(publishNotReadyAddresses === undefined ? {} : { publishNotReadyAddresses }),
    },
  };
}

export function leanEndpointSlice({ metadata, addressType, endpoints, ports }: EndpointSlice): EndpointSlice {
  return {
    metadata: leanMetadata(metadata, ['kubernetes.io/service-name']),
    addressType,
    endpoints: (endpoints ?? []).map(({ addresses, conditions, nodeName, targetRef }) => ({
      addresses: addresses.slice(0, 1),
      ...(conditions === undefined ? {} : { conditions }),
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(targetRef === undefined ? {} : { targetRef: leanReference(targetRef) }),
    })),
    ...(ports === undefined ? {} : { ports }),
  };
}

function leanReference({
  kind,
  namespace,
  name,
}: NonNullable<Endpoint['targetRef']>): NonNullable<Endpoint['targetRef']> {
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
  };
}

function leanMetadata(metadata: ObjectMeta | undefined, labelNames: readonly string[]): ObjectMeta {
  const { name, namespace, resourceVersion, creationTimestamp, labels } = metadata ?? {};
  const kept = labelNames.flatMap((label) => {
    const value = labels?.[label];
    return value === undefined ? [] : [[label, value] as const];
  });
  return {
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    ...(kept.length === 0 ? {} : { labels: Object.fromEntries(kept) }),
  };
}
