import { isConflict, isNotFound } from '../../cluster/client.ts';
import type { DiscoveredResource } from '../../cluster/discovery.ts';
import { createInformer } from '../../cluster/informer.ts';
import { parseApiVersion, type Resource } from '../../cluster/resources.ts';
import { errorMessage } from '../../model/errors.ts';
import type { KubeObject, OwnerReference } from '../../model/objects.ts';
import { createControllerQueue, type Controller, type ControllerContext } from './controller.ts';
import {
  createGarbageGraph,
  foreground,
  graphNode,
  judge,
  type GraphNode,
  type OwnerState,
  type Verdict,
} from './garbage-graph.ts';
import { createGoneOwners } from './gone-owners.ts';

const name = 'garbage-collector';

/** Written too often and owned by nobody. */
const ignored = new Set(['events', 'events.events.k8s.io', 'leases.coordination.k8s.io']);

export interface GarbageCollectorOptions {
  readonly discover: () => Promise<readonly DiscoveredResource[]>;
  /** How often new kinds of objects are looked for. */
  readonly discoverEveryMs?: number;
}

/** Deletes objects whose owners are gone, in the background, in the foreground, or orphans them: of all kinds. */
export function createGarbageCollector(
  context: ControllerContext,
  { discover, discoverEveryMs = 10_000 }: GarbageCollectorOptions,
): Controller {
  const { client, clock, report } = context;
  const graph = createGarbageGraph();
  const known = new Map<string, DiscoveredResource>();
  const gone = createGoneOwners();
  const followers: Promise<void>[] = [];
  let cancel: (() => void) | undefined;
  const queue = createControllerQueue(context, name, sync, { concurrency: 20 });

  async function sync(uid: string): Promise<void> {
    const node = graph.get(uid);
    if (!node) return;
    const dependents = graph.dependentsOf(uid);
    const ownerStates = node.deleting
      ? []
      : await Promise.all(node.owners.map((owner) => ownerState(owner, node.namespace)));
    const verdict = judge(node, { dependents, ownerStates });
    try {
      await carryOut(node, verdict);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  async function ownerState(owner: OwnerReference, namespace: string | undefined): Promise<OwnerState> {
    const inGraph = graph.get(owner.uid);
    if (inGraph) {
      if (inGraph.namespace !== undefined && inGraph.namespace !== namespace) return 'gone';
      return inGraph.deleting && inGraph.finalizers.includes(foreground) ? 'waits for dependents' : 'alive';
    }
    if (gone.has(owner.uid)) return 'gone';
    // The graph may only be behind: the server has the last word.
    const { group, version } = parseApiVersion(owner.apiVersion);
    const resource = [...known.values()].find((each) => each.group === group && each.kind === owner.kind);
    if (!resource) return 'alive'; // of a kind that is not known (yet): hands off
    const place = resource.namespaced ? { namespace, name: owner.name } : { name: owner.name };
    try {
      const { metadata } = await client.get({ ...resource, version }, place);
      if (metadata?.uid === owner.uid) return 'alive';
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    gone.add(owner.uid);
    return 'gone';
  }

  async function carryOut(node: GraphNode, verdict: Verdict): Promise<void> {
    switch (verdict.action) {
      case 'nothing':
        return;
      case 'delete':
        await client.delete(resourceOf(node), node, {
          propagationPolicy: verdict.propagation,
          preconditions: { uid: node.uid },
        });
        return;
      case 'forget owners':
        return patch(node, { ownerReferences: node.owners.filter(({ uid }) => !verdict.uids.includes(uid)) });
      case 'delete dependents':
        for (const dependent of verdict.dependents) queue.add(dependent.uid);
        return;
      case 'orphan dependents':
        for (const dependent of verdict.dependents)
          await patch(dependent, { ownerReferences: dependent.owners.filter(({ uid }) => uid !== node.uid) });
        return removeFinalizer(node, 'orphan');
      case 'remove finalizer':
        return removeFinalizer(node, verdict.finalizer);
    }
  }

  function removeFinalizer(node: GraphNode, finalizer: string): Promise<void> {
    return patch(node, { finalizers: node.finalizers.filter((each) => each !== finalizer) });
  }

  async function patch(node: GraphNode, metadata: object): Promise<void> {
    try {
      const body = { metadata: { uid: node.uid, ...metadata } };
      await client.patch(resourceOf(node), node, { type: 'merge', body });
    } catch (error) {
      if (isNotFound(error)) return;
      // Another object of that name has another uid.
      if (isConflict(error)) return queue.addAfter(node.uid, 100);
      throw error;
    }
  }

  function resourceOf({ resource }: GraphNode): Resource {
    const found = known.get(resource);
    if (!found) throw new RangeError(`the resource ${resource} is not known`);
    return found;
  }

  function changed(node: GraphNode, isDeletion: boolean): void {
    if (isDeletion) {
      graph.delete(node.uid);
      gone.add(node.uid);
      for (const dependent of graph.dependentsOf(node.uid)) queue.add(dependent.uid);
    } else {
      graph.set(node);
      if (node.owners.length > 0 || node.deleting) queue.add(node.uid);
    }
    // An owner that waits for its dependents wants to know of each.
    for (const { uid } of node.owners) if (graph.get(uid)?.deleting) queue.add(uid);
  }

  async function follow(resource: DiscoveredResource, signal: AbortSignal): Promise<void> {
    const id = resourceId(resource);
    if (known.has(id)) return;
    known.set(id, resource);
    const stop = new AbortController();
    const informer = createInformer<KubeObject>(client, resource, {
      clock,
      transform: ownershipOnly,
      onError(error) {
        // A kind whose definition was removed.
        if (isNotFound(error)) stop.abort();
        else report(`${name}: ${id}: ${errorMessage(error)}`);
      },
    });
    informer.onChange(({ type, object }) => changed(graphNode(id, object), type === 'deleted'));
    await informer.run(AbortSignal.any([signal, stop.signal]));
    known.delete(id);
  }

  async function discoverKinds(signal: AbortSignal): Promise<void> {
    try {
      for (const resource of await discover())
        if (isCollectable(resource)) followers.push(follow(resource, signal));
    } catch (error) {
      if (!signal.aborted) report(`${name}: discovery: ${errorMessage(error)}`);
    }
    if (!signal.aborted) cancel = clock.after(discoverEveryMs, () => void discoverKinds(signal));
  }

  return {
    name,
    async run(signal) {
      await discoverKinds(signal);
      await queue.run(signal);
      cancel?.();
      await Promise.all(followers);
    },
  };
}

function resourceId({ group, version, plural }: Resource): string {
  return `${group}/${version}/${plural}`;
}

function isCollectable({ verbs, plural, group }: DiscoveredResource): boolean {
  return (
    ['list', 'watch', 'delete', 'patch'].every((verb) => verbs.includes(verb)) &&
    !ignored.has(group === '' ? plural : `${plural}.${group}`)
  );
}

function ownershipOnly({ metadata = {} }: KubeObject): KubeObject {
  const {
    name: objectName,
    namespace,
    uid,
    resourceVersion,
    ownerReferences,
    finalizers,
    deletionTimestamp,
  } = metadata;
  return {
    metadata: {
      ...(objectName && { name: objectName }),
      ...(namespace && { namespace }),
      ...(uid && { uid }),
      ...(resourceVersion && { resourceVersion }),
      ...(ownerReferences && { ownerReferences }),
      ...(finalizers && { finalizers }),
      ...(deletionTimestamp && { deletionTimestamp }),
    },
  };
}
