import type { Client } from '../cluster/client.ts';
import { createInformer, type Informer } from '../cluster/informer.ts';
import { endpointSlices, namespaces, pods, services } from '../cluster/resources.ts';
import { errorMessage } from '../model/errors.ts';
import type { Endpoint, EndpointSlice, Service } from '../model/objects.ts';
import type { PodRecords } from './responder.ts';
import { compilePod, compileService } from './zone/compile.ts';
import { printSource, type ZoneOptions } from './zone/plan.ts';
import type { Zone } from './zone/zone.ts';

export interface WatchOptions {
  readonly client: Client;
  readonly zone: Zone;
  readonly zoneOptions: ZoneOptions;
  readonly podRecords: PodRecords;
  readonly log: (level: 'warning', message: string) => void;
}

export interface ZoneWatch {
  /** Keeps the zone equal to the objects until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when the zone holds everything the first lists had; rejects when aborted before. */
  readonly synced: Promise<void>;
}

/** Services compiled before the event loop gets its turn: some milliseconds. */
const BATCH = 100;

/** Watches what the zone is made of: one contribution per Service, namespace and (verified) pod. */
export function watchObjects({ client, zone, zoneOptions, podRecords, log }: WatchOptions): ZoneWatch {
  const { clusterDomain } = zoneOptions;
  const onError = (error: unknown): void => log('warning', `DNS: ${errorMessage(error)}`);
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
  const informers = [serviceInformer, sliceInformer, namespaceInformer];
  const dirty = new Set<string>();
  const said = new Set<string>();
  let scheduled = false;

  function update(key: string): void {
    const service = serviceInformer.get(key);
    if (service === undefined) {
      zone.delete(`Service ${key}`);
      return;
    }
    const part = compileService(service, sliceInformer.byIndex('service', key), zoneOptions);
    zone.set(`Service ${key}`, part);
    for (const { source, message } of part.problems) {
      const text = `DNS: ${printSource(source)}: ${message}`;
      if (!said.has(text)) log('warning', text);
      said.add(text);
    }
  }

  /** A Service and its slices change together: they are compiled once. */
  function touch(key: string): void {
    dirty.add(key);
    if (!scheduled) setImmediate(flush);
    scheduled = true;
  }

  function flush(): void {
    scheduled = false;
    let count = 0;
    for (const key of dirty) {
      dirty.delete(key);
      update(key);
      if (++count === BATCH) break;
    }
    if (dirty.size > 0) {
      scheduled = true;
      setImmediate(flush);
    }
  }

  serviceInformer.onChange(({ key }) => touch(key));
  sliceInformer.onChange(({ object, previous }) => {
    touch(serviceKeyOf(object));
    if (previous !== undefined) touch(serviceKeyOf(previous));
  });
  namespaceInformer.onChange(({ type, key }) => {
    const names = [`${key}.svc.${clusterDomain}`, `${key}.pod.${clusterDomain}`];
    if (type === 'added') zone.set(`Namespace ${key}`, { records: [] }, names);
    else if (type === 'deleted') zone.delete(`Namespace ${key}`);
  });
  const all =
    podRecords === 'verified' ? [...informers, watchPods(client, zone, { zoneOptions, onError })] : informers;

  async function untilSynced(): Promise<void> {
    await Promise.all(all.map(({ synced }) => synced));
    while (dirty.size > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  return {
    synced: untilSynced(),
    run: async (signal) => {
      await Promise.all(all.map((informer) => informer.run(signal)));
    },
  };
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
