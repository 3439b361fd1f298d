import { isConflict, isNotFound } from '../../cluster/client.ts';
import { pods } from '../../cluster/resources.ts';
import { objectKey } from '../../model/objects.ts';
import { createControllerQueue, type Controller, type ControllerContext } from './controller.ts';

const name = 'pod-garbage-collector';

/** A node that comes back within this time (it was registered anew) keeps its pods. */
const quarantineMs = 5000;

/** Deletes pods whose node no longer exists: no kubelet will ever end them. */
export function createPodGarbageController(context: ControllerContext): Controller {
  const { client, informers } = context;
  const queue = createControllerQueue(context, name, sync);

  async function sync(key: string): Promise<void> {
    const pod = informers.pods.get(key);
    if (!pod?.spec?.nodeName || informers.nodes.get(pod.spec.nodeName)) return;
    const { namespace, name: podName = '', uid } = pod.metadata ?? {};
    try {
      await client.delete(
        pods,
        { namespace, name: podName },
        { gracePeriodSeconds: 0, preconditions: { uid } },
      );
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
  }

  return {
    name,
    async run(signal) {
      informers.nodes.onChange(({ type, key }) => {
        if (type !== 'deleted') return;
        for (const pod of informers.pods.byIndex('node', key)) queue.addAfter(objectKey(pod), quarantineMs);
      });
      informers.pods.onChange(({ type, key, object }) => {
        const { nodeName } = object.spec ?? {};
        if (type !== 'deleted' && nodeName && !informers.nodes.get(nodeName))
          queue.addAfter(key, quarantineMs);
      });
      await queue.run(signal);
    },
  };
}
