import { isConflict, isNotFound } from '../../cluster/client.ts';
import { events, namespaces, type Resource } from '../../cluster/resources.ts';
import type { DiscoveredResource } from '../../cluster/discovery.ts';
import type { KubeObject, Namespace } from '../../model/objects.ts';
import { createControllerQueue, type Controller, type ControllerContext } from './controller.ts';

const name = 'namespace-controller';

/** How often a namespace is looked at again while something in it still lives. */
const retryMs = 200;
const parallelDeletes = 50;

/** Empties namespaces that are being deleted, then lets them go by removing the `kubernetes` finalizer. */
export function createNamespaceController(
  context: ControllerContext,
  discover: () => Promise<readonly DiscoveredResource[]>,
): Controller {
  const { client, informers } = context;
  const queue = createControllerQueue(context, name, sync);

  async function sync(key: string): Promise<void> {
    const namespace = informers.namespaces.get(key);
    if (!namespace?.metadata?.deletionTimestamp || !namespace.spec?.finalizers?.includes('kubernetes'))
      return;
    const resources = (await discover()).filter(
      ({ namespaced, verbs }) => namespaced && verbs.includes('list') && verbs.includes('delete'),
    );
    const left = await Promise.all(resources.map((resource) => empty(resource, key)));
    if (left.some((count) => count > 0)) return queue.addAfter(key, retryMs);
    await finalize(namespace);
  }

  /** Deletes everything of one resource; resolves with how many objects are still there. */
  async function empty(resource: Resource, namespace: string): Promise<number> {
    const { items } = await client.list(resource, { namespace });
    const doomed = items.filter(({ metadata }) => !metadata?.deletionTimestamp);
    for (let start = 0; start < doomed.length; start += parallelDeletes)
      await Promise.all(
        doomed.slice(start, start + parallelDeletes).map((object) => remove(resource, object)),
      );
    if (items.length === 0) return 0;
    const { items: left } = await client.list(resource, { namespace, limit: 1 });
    // Controllers that go on writing events must not keep their namespace alive.
    return resource.plural === events.plural ? 0 : left.length;
  }

  async function remove(resource: Resource, { metadata }: KubeObject): Promise<void> {
    const { namespace, name: objectName = '' } = metadata ?? {};
    try {
      await client.delete(resource, { namespace, name: objectName }, { propagationPolicy: 'Background' });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async function finalize(namespace: Namespace): Promise<void> {
    const finalizers = (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== 'kubernetes');
    try {
      await client.update(
        namespaces,
        { ...namespace, spec: { ...namespace.spec, finalizers } },
        { subresource: 'finalize' },
      );
    } catch (error) {
      if (isConflict(error)) return queue.addAfter(namespace.metadata?.name ?? '', retryMs);
      if (!isNotFound(error)) throw error;
    }
  }

  return {
    name,
    async run(signal) {
      informers.namespaces.onChange(({ type, key, object }) => {
        if (type !== 'deleted' && object.metadata?.deletionTimestamp) queue.add(key);
      });
      await queue.run(signal);
    },
  };
}
