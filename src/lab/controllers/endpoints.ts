import { isAlreadyExists, isNotFound } from '../../cluster/client.ts';
import { endpoints } from '../../cluster/resources.ts';
import type { Endpoints, Service } from '../../model/objects.ts';
import { createControllerQueue, type Controller, type ControllerContext } from './controller.ts';
import { endpointsOf, isSameEndpoints } from './endpoints-plan.ts';
import { createRecentWrites } from './recent-writes.ts';
import { backendsOf, selectsPods } from './service-endpoints.ts';
import { podsOfService, watchServices } from './service-watch.ts';

const name = 'endpoints-controller';

/** Keeps the v1 Endpoints of every Service with a selector, for readers older than EndpointSlices. */
export function createEndpointsController(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const recent = createRecentWrites<Endpoints>(clock);
  const queue = createControllerQueue(context, name, sync);

  async function sync(key: string): Promise<void> {
    const service = informers.services.get(key);
    if (!service) return removeEndpoints(key);
    if (!selectsPods(service)) return;
    const wanted = endpointsOf(service, backendsOf(service, podsOfService(informers, service)));
    const known = informers.endpoints.get(key);
    const [current] = recent.correct(key, known ? [known] : []);
    if (current && isSameEndpoints(current, wanted)) return;
    if (!current) {
      try {
        recent.wrote(key, await client.create(endpoints, wanted));
      } catch (error) {
        if (!isAlreadyExists(error)) throw error; // the informer will show it
      }
      return;
    }
    const metadata = { ...current.metadata, ...wanted.metadata };
    recent.wrote(key, await client.update(endpoints, { ...current, ...wanted, metadata }));
  }

  async function removeEndpoints(key: string): Promise<void> {
    if (!informers.endpoints.get(key)?.metadata?.labels?.['endpoints.kubernetes.io/managed-by']) return;
    const [namespace = '', serviceName = ''] = key.split('/');
    try {
      await client.delete(endpoints, { namespace, name: serviceName });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  return {
    name,
    async run(signal) {
      // The object has every address, so a large one is written less often: a millisecond for each of its addresses.
      const delayMs = ({ metadata }: Service): number => {
        const subsets = informers.endpoints.get(
          `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`,
        )?.subsets;
        const count = (subsets ?? []).reduce((sum, { addresses = [] }) => sum + addresses.length, 0);
        return Math.max(20, count);
      };
      watchServices(informers, queue, { delayMs });
      informers.endpoints.onChange(({ type, key }) => {
        if (type !== 'added') queue.add(key);
      });
      await queue.run(signal);
    },
  };
}
