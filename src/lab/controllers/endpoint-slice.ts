import { isNotFound } from '../../cluster/client.ts';
import { endpointSlices } from '../../cluster/resources.ts';
import type { EndpointSlice } from '../../model/objects.ts';
import { quantityMilliValue } from '../../model/quantity.ts';
import { createControllerQueue, type Controller, type ControllerContext } from './controller.ts';
import { managedBy, managedByLabel, planEndpointSlices } from './endpoint-slice-plan.ts';
import { uidOf } from './owner.ts';
import { createRecentWrites } from './recent-writes.ts';
import { backendsOf, selectsPods } from './service-endpoints.ts';
import { podsOfService, watchServices } from './service-watch.ts';

const name = 'endpointslice-controller';

/** Keeps the slices of every Service with a selector. Slices that others made are left alone. */
export function createEndpointSliceController(context: ControllerContext): Controller {
  const { client, informers, clock } = context;
  const recent = createRecentWrites<EndpointSlice>(clock);
  const queue = createControllerQueue(context, name, sync);

  const zoneOf = (nodeName: string): string | undefined =>
    informers.nodes.get(nodeName)?.metadata?.labels?.['topology.kubernetes.io/zone'];

  /** The processors of every zone, if every node that takes part has one. */
  const cpusByZone = (): ReadonlyMap<string, number> | undefined => {
    const cpus = new Map<string, number>();
    for (const { metadata, status } of informers.nodes.list()) {
      const zone = metadata?.labels?.['topology.kubernetes.io/zone'];
      const isReady = status?.conditions?.some((each) => each.type === 'Ready' && each.status === 'True');
      if (isReady !== true) continue;
      if (zone === undefined) return undefined;
      cpus.set(zone, (cpus.get(zone) ?? 0) + quantityMilliValue(status?.allocatable?.['cpu']));
    }
    return cpus;
  };

  async function sync(key: string): Promise<void> {
    const service = informers.services.get(key);
    // What a deleted Service leaves behind goes by its owner reference.
    if (!service || !selectsPods(service)) return;
    const owner = uidOf(service);
    const known = informers.endpointSlices
      .byIndex('service', key)
      .filter(({ metadata }) => metadata?.labels?.[managedByLabel] === managedBy);
    const slices = recent.correct(owner, known).filter(({ metadata }) => !metadata?.deletionTimestamp);
    const backends = backendsOf(service, podsOfService(informers, service));
    const plan = planEndpointSlices({ service, backends, slices, zoneOf, cpusByZone });
    for (const slice of plan.create) recent.wrote(owner, await client.create(endpointSlices, slice));
    for (const slice of plan.update)
      try {
        recent.wrote(owner, await client.update(endpointSlices, slice));
      } catch (error) {
        if (!isNotFound(error)) throw error;
        recent.deleted(owner, slice);
        queue.add(key);
      }
    for (const slice of plan.delete) {
      const { namespace, name: sliceName = '' } = slice.metadata ?? {};
      try {
        await client.delete(endpointSlices, { namespace, name: sliceName });
      } catch (error) {
        if (!isNotFound(error)) throw error;
      }
      recent.deleted(owner, slice);
    }
  }

  return {
    name,
    async run(signal) {
      watchServices(informers, queue);
      informers.endpointSlices.onChange(({ object, type }) => {
        const service = object.metadata?.labels?.['kubernetes.io/service-name'];
        if (service && type !== 'added') queue.add(`${object.metadata?.namespace ?? ''}/${service}`);
      });
      await queue.run(signal);
    },
  };
}
