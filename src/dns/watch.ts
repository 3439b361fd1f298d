import type { Client } from '../cluster/client.ts';
import { createInformer, type Informer } from '../cluster/informer.ts';
import { namespaces, pods } from '../cluster/resources.ts';
import type { ServiceInformers } from '../cluster/service-informers.ts';
import { serviceKeyOf } from '../model/endpoint-slices.ts';
import { errorMessage } from '../model/errors.ts';
import { type ObjectMeta, objectKey } from '../model/objects.ts';
import type { PodRecords } from './responder.ts';
import { compilePod, compileService } from './zone/compile.ts';
import { printSource, type ZoneOptions } from './zone/plan.ts';
import type { Zone } from './zone/zone.ts';

export interface WatchOptions {
  readonly client: Client;
  /** Run by whoever made them. */
  readonly objects: ServiceInformers;
  readonly zone: Zone;
  readonly zoneOptions: ZoneOptions;
  readonly podRecords: PodRecords;
  /** The namespaces that are served; undefined for all. */
  readonly namespaces?: readonly string[] | undefined;
  /** A selector of the namespaces that are served; empty for all. */
  readonly namespaceLabels?: string;
  readonly log: (level: 'warning' | 'error', message: string) => void;
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
export function watchObjects(options: WatchOptions): ZoneWatch {
  const { client, objects, zone, zoneOptions, podRecords, namespaceLabels = '', log } = options;
  const { clusterDomain } = zoneOptions;
  const onError = (error: unknown): void => log('warning', `DNS: ${errorMessage(error)}`);
  const namespaceInformer = createInformer(client, namespaces, {
    onError,
    transform: ({ metadata }) => ({ metadata: lean(metadata) }),
    ...(namespaceLabels !== '' && { labelSelector: namespaceLabels }),
  });
  const named = options.namespaces && new Set(options.namespaces);
  /** Whether a namespace is served, as far as is known by now. */
  const serves = (namespace: string): boolean =>
    named?.has(namespace) ?? (namespaceLabels === '' || namespaceInformer.get(namespace) !== undefined);
  const dirty = new Set<string>();
  /** What was said last of a Service's problems. */
  const said = new Map<string, string>();
  let scheduled = false;

  function update(key: string): void {
    const service = objects.services.get(key);
    if (service === undefined || !serves(key.slice(0, key.indexOf('/')))) {
      zone.delete(`Service ${key}`);
      said.delete(key);
      return;
    }
    const { records, problems } = compileService(service, objects.slicesOf(key), zoneOptions);
    zone.set(`Service ${key}`, { records });
    say(key, problems.map(({ source, message }) => `DNS: ${printSource(source)}: ${message}`).join('; '));
  }

  function say(key: string, text: string): void {
    if (text !== '' && said.get(key) !== text) log('warning', text);
    if (text === '') said.delete(key);
    else said.set(key, text);
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
      try {
        update(key);
      } catch (error) {
        log('error', `DNS: Service ${key} has no records: ${errorMessage(error)}`);
      }
      if (++count === BATCH) break;
    }
    if (dirty.size > 0) {
      scheduled = true;
      setImmediate(flush);
    }
  }

  function follow(): () => void {
    const unsubscribe = [
      objects.services.onChange(({ key }) => touch(key)),
      objects.endpointSlices.onChange(({ object, previous }) => {
        for (const slice of previous === undefined ? [object] : [object, previous]) {
          const key = serviceKeyOf(slice);
          if (key !== undefined) touch(key);
        }
      }),
    ];
    return () => unsubscribe.forEach((each) => each());
  }

  namespaceInformer.onChange(({ type, key }) => {
    const names = [`${key}.svc.${clusterDomain}`, `${key}.pod.${clusterDomain}`];
    if (type === 'updated' || named?.has(key) === false) return;
    if (type === 'added') zone.set(`Namespace ${key}`, { records: [] }, names);
    else zone.delete(`Namespace ${key}`);
    if (namespaceLabels === '') return;
    for (const service of objects.services.list()) {
      if (service.metadata?.namespace === key) touch(objectKey(service));
    }
  });
  const own =
    podRecords === 'verified'
      ? [namespaceInformer, watchPods(client, zone, { zoneOptions, onError })]
      : [namespaceInformer];

  async function untilSynced(): Promise<void> {
    await Promise.all([objects.synced, ...own.map(({ synced }) => synced)]);
    while (dirty.size > 0) await new Promise((resolve) => setImmediate(resolve));
  }

  const synced = untilSynced();
  synced.catch(() => {}); // whoever awaits it hears of it
  return {
    synced,
    run: async (signal) => {
      const unfollow = follow();
      await Promise.all(own.map((informer) => informer.run(signal)));
      unfollow();
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

function lean(metadata: ObjectMeta | undefined): ObjectMeta {
  const { name, namespace, resourceVersion } = metadata ?? {};
  return {
    ...(name && { name }),
    ...(namespace && { namespace }),
    ...(resourceVersion && { resourceVersion }),
  };
}
