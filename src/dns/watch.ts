import type { Client } from '../cluster/client.ts';
import { createInformer, type Informer } from '../cluster/informer.ts';
import { endpointSlices, namespaces, pods, services } from '../cluster/resources.ts';
import type { Endpoint, EndpointSlice, Service } from '../model/objects.ts';
import type { PodRecords } from './responder.ts';
import { compilePod, compileService } from './zone/compile.ts';
import { printSource, type ZoneOptions } from './zone/plan.ts';
import type { Zone } from './zone/zone.ts';

/** Informers that keep the zone equal to the objects, one contribution per Service, namespace and (verified) pod. */
export function watchObjects({
  client,
  zone,
  zoneOptions,
  podRecords,
  log,
  onError,
}: {
  client: Client;
  zone: Zone;
  zoneOptions: ZoneOptions;
  podRecords: PodRecords;
  log: (level: 'warning', message: string) => void;
  onError: (error: unknown) => void;
}): { run(signal: AbortSignal): Promise<void>; synced: Promise<void> }[] {
  const { clusterDomain } = zoneOptions;
  const serviceInformer = createInformer(client, services, { onError, transform: leanService });
  const sliceInformer = createInformer(client, endpointSlices, {
    onError,
    transform: leanSlice,
    indexes: { service: (slice) => [serviceKeyOf(slice)] },
  });
  const namespaceInformer = createInformer(client, namespaces, {
    onError,
    transform: ({ metadata }) => ({ metadata: lean(metadata) }),
  });

  const update = (key: string): void => {
    const service = serviceInformer.get(key);
    if (service === undefined) {
      zone.delete(`Service ${key}`);
      return;
    }
    const part = compileService(service, sliceInformer.byIndex('service', key), zoneOptions);
    for (const { source, message } of part.problems)
      log('warning', `DNS: ${printSource(source)}: ${message}`);
    zone.set(`Service ${key}`, part);
  };
  serviceInformer.onChange(({ key }) => update(key));
  sliceInformer.onChange((change) => {
    update(serviceKeyOf(change.object));
    if (change.previous && serviceKeyOf(change.previous) !== serviceKeyOf(change.object)) {
      update(serviceKeyOf(change.previous));
    }
  });
  namespaceInformer.onChange(({ type, key }) => {
    if (type === 'added') {
      zone.set(`Namespace ${key}`, { records: [] }, [
        `${key}.svc.${clusterDomain}`,
        `${key}.pod.${clusterDomain}`,
      ]);
    } else if (type === 'deleted') zone.delete(`Namespace ${key}`);
  });
  const all = [serviceInformer, sliceInformer, namespaceInformer];
  return podRecords === 'verified' ? [...all, watchPods(client, zone, { zoneOptions, onError })] : all;
}

function watchPods(
  client: Client,
  zone: Zone,
  { zoneOptions, onError }: { zoneOptions: ZoneOptions; onError: (error: unknown) => void },
): Informer<object> {
  const informer = createInformer(client, pods, {
    onError,
    transform: ({ metadata, status = {} }) => {
      const { phase, podIP, podIPs } = status;
      return {
        metadata: lean(metadata),
        status: { ...(phase && { phase }), ...(podIP && { podIP }), ...(podIPs && { podIPs }) },
      };
    },
  });
  informer.onChange(({ type, key, object }) => {
    if (type === 'deleted') zone.delete(`Pod ${key}`);
    else zone.set(`Pod ${key}`, compilePod(object, zoneOptions));
  });
  return informer;
}

/** The Service a slice belongs to (discovery/v1). */
function serviceKeyOf({ metadata }: EndpointSlice): string {
  return `${metadata?.namespace ?? 'default'}/${metadata?.labels?.['kubernetes.io/service-name'] ?? ''}`;
}

function leanService(service: Service): Service {
  const { type, clusterIP, clusterIPs, externalName, ports, publishNotReadyAddresses } = service.spec ?? {};
  return {
    metadata: lean(service.metadata),
    spec: {
      ...(type && { type }),
      ...(clusterIP && { clusterIP }),
      ...(clusterIPs && { clusterIPs }),
      ...(externalName && { externalName }),
      ...(ports && { ports }),
      ...(publishNotReadyAddresses && { publishNotReadyAddresses }),
    },
  };
}

function leanSlice(slice: EndpointSlice): EndpointSlice {
  const service = slice.metadata?.labels?.['kubernetes.io/service-name'] ?? '';
  return {
    metadata: { ...lean(slice.metadata), labels: { 'kubernetes.io/service-name': service } },
    addressType: slice.addressType,
    ...(slice.ports && { ports: slice.ports }),
    endpoints: (slice.endpoints ?? []).map(leanEndpoint),
  };
}

function lean(metadata: Service['metadata']): NonNullable<Service['metadata']> {
  const { name, namespace, resourceVersion } = metadata ?? {};
  return {
    ...(name && { name }),
    ...(namespace && { namespace }),
    ...(resourceVersion && { resourceVersion }),
  };
}

function leanEndpoint({ addresses, hostname, conditions }: Endpoint): Endpoint {
  return {
    addresses,
    ...(hostname && { hostname }),
    ...(conditions?.ready === false && { conditions: { ready: false } }),
  };
}
