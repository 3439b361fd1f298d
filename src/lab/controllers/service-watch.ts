import type { WorkQueue } from '../../cluster/work-queue.ts';
import { objectKey, type Pod, type Service } from '../../model/objects.ts';
import { batchMs } from './controller.ts';
import { labelOf, type Informers } from './informers.ts';
import { endpointFields } from './service-endpoints.ts';

/** The pods a Service selects, found through the label that the fewest pods carry. */
export function podsOfService({ pods }: Informers, { metadata, spec }: Service): readonly Pod[] {
  const namespace = metadata?.namespace ?? '';
  const conditions = Object.entries(spec?.selector ?? {});
  const candidates = conditions.map(([key, value]) => pods.byIndex('label', labelOf(namespace, key, value)));
  const [fewest = []] = candidates.sort((a, b) => a.length - b.length);
  return fewest.filter((pod) => selects(conditions, pod));
}

function selects(conditions: readonly (readonly [string, string])[], { metadata }: Pod): boolean {
  return conditions.every(([key, value]) => metadata?.labels?.[key] === value);
}

export interface WatchServicesOptions {
  /** How long to wait for more changes of a Service's pods before it is looked at. */
  readonly delayMs?: (service: Service) => number;
}

/** Adds a Service's key to the queue whenever the Service, one of its pods or a zone changes. */
export function watchServices(
  informers: Informers,
  queue: WorkQueue,
  { delayMs = () => batchMs }: WatchServicesOptions = {},
): void {
  informers.services.onChange(({ key }) => queue.add(key));

  function enqueueServicesOf(pod: Pod): void {
    for (const service of informers.services.byIndex('namespace', pod.metadata?.namespace ?? '')) {
      const conditions = Object.entries(service.spec?.selector ?? {});
      if (conditions.length > 0 && selects(conditions, pod))
        queue.addAfter(objectKey(service), delayMs(service));
    }
  }

  informers.pods.onChange(({ object, previous }) => {
    if (previous && endpointFields(previous) === endpointFields(object)) return;
    enqueueServicesOf(object);
    if (previous && JSON.stringify(previous.metadata?.labels) !== JSON.stringify(object.metadata?.labels))
      enqueueServicesOf(previous);
  });

  informers.nodes.onChange(({ type, object, previous }) => {
    const zone = 'topology.kubernetes.io/zone';
    if (type === 'updated' && previous.metadata?.labels?.[zone] === object.metadata?.labels?.[zone]) return;
    if (type === 'added' && object.metadata?.labels?.[zone] === undefined) return;
    for (const pod of informers.pods.byIndex('node', object.metadata?.name ?? '')) enqueueServicesOf(pod);
  });
}
