import { serviceKeyOf } from '../model/endpoint-slices.ts';
import type { EndpointSlice, Service } from '../model/objects.ts';
import type { Client } from './client.ts';
import { createInformer, type Informer } from './informer.ts';
import { leanEndpointSlice, leanService } from './lean-services.ts';
import { endpointSlices, services } from './resources.ts';

/** All Services and EndpointSlices, held once for everything on a node that reads them. */
export interface ServiceInformers {
  readonly services: Informer<Service>;
  readonly endpointSlices: Informer<EndpointSlice>;
  /** The slices of one Service, by its key. */
  slicesOf(serviceKey: string): readonly EndpointSlice[];
  /** Resolves when both first lists are complete; rejects when aborted before. */
  readonly synced: Promise<void>;
  /** Watches until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createServiceInformers(
  client: Client,
  { onError = () => {} }: { readonly onError?: (error: unknown) => void } = {},
): ServiceInformers {
  const serviceInformer = createInformer(client, services, { onError, transform: leanService });
  const sliceInformer = createInformer(client, endpointSlices, {
    onError,
    transform: leanEndpointSlice,
    indexes: { service: (slice) => [serviceKeyOf(slice) ?? ''] },
  });
  const both = [serviceInformer, sliceInformer];
  const synced = Promise.all(both.map((informer) => informer.synced)).then(() => undefined);
  synced.catch(() => {}); // whoever awaits it hears of it
  return {
    services: serviceInformer,
    endpointSlices: sliceInformer,
    slicesOf: (serviceKey) => sliceInformer.byIndex('service', serviceKey),
    synced,
    async run(signal) {
      await Promise.all(both.map((informer) => informer.run(signal)));
    },
  };
}
