import type { KubeObject, OwnerReference } from '../../model/objects.ts';

/** The little of an object that ownership needs. `resource` is `group/version/plural`. */
export interface GraphNode {
  readonly uid: string;
  readonly resource: string;
  readonly namespace: string | undefined;
  readonly name: string;
  readonly owners: readonly OwnerReference[];
  readonly finalizers: readonly string[];
  readonly deleting: boolean;
}

/** Who owns whom, by uid. */
export interface GarbageGraph {
  get(uid: string): GraphNode | undefined;
  set(node: GraphNode): void;
  delete(uid: string): void;
  dependentsOf(uid: string): readonly GraphNode[];
  readonly size: number;
}

export function createGarbageGraph(): GarbageGraph {
  const nodes = new Map<string, GraphNode>();
  const dependents = new Map<string, Set<string>>();

  function unlink(node: GraphNode): void {
    for (const { uid } of node.owners) {
      const set = dependents.get(uid);
      set?.delete(node.uid);
      if (set?.size === 0) dependents.delete(uid);
    }
  }

  return {
    get: (uid) => nodes.get(uid),
    set(node) {
      const before = nodes.get(node.uid);
      if (before) unlink(before);
      nodes.set(node.uid, node);
      for (const { uid } of node.owners) {
        const set = dependents.get(uid);
        if (set) set.add(node.uid);
        else dependents.set(uid, new Set([node.uid]));
      }
    },
    delete(uid) {
      const node = nodes.get(uid);
      if (node) unlink(node);
      nodes.delete(uid);
    },
    dependentsOf: (uid) =>
      [...(dependents.get(uid) ?? [])].flatMap((dependent) => nodes.get(dependent) ?? []),
    get size() {
      return nodes.size;
    },
  };
}

export function graphNode(resource: string, { metadata }: KubeObject): GraphNode {
  return {
    uid: metadata?.uid ?? '',
    resource,
    namespace: metadata?.namespace,
    name: metadata?.name ?? '',
    owners: metadata?.ownerReferences ?? [],
    finalizers: metadata?.finalizers ?? [],
    deleting: metadata?.deletionTimestamp !== undefined,
  };
}

export const foreground = 'foregroundDeletion';
export const orphan = 'orphan';

export type Propagation = 'Background' | 'Foreground' | 'Orphan';

/** What has to happen to one object for ownership to be right. */
export type Verdict =
  | { readonly action: 'nothing' }
  /** All its owners are gone, or wait for it to go first. */
  | { readonly action: 'delete'; readonly propagation: Propagation }
  /** It still has an owner; the others are gone. */
  | { readonly action: 'forget owners'; readonly uids: readonly string[] }
  /** It is being deleted in the foreground: its dependents go first. */
  | { readonly action: 'delete dependents'; readonly dependents: readonly GraphNode[] }
  | { readonly action: 'orphan dependents'; readonly dependents: readonly GraphNode[] }
  | { readonly action: 'remove finalizer'; readonly finalizer: string };

export type OwnerState = 'alive' | 'gone' | 'waits for dependents';

/** Pure: the verdict on an object, given the state of each of its owners. */
export function judge(
  node: GraphNode,
  { dependents, ownerStates }: { dependents: readonly GraphNode[]; ownerStates: readonly OwnerState[] },
): Verdict {
  if (node.deleting) {
    if (node.finalizers.includes(orphan))
      return dependents.length > 0
        ? { action: 'orphan dependents', dependents }
        : { action: 'remove finalizer', finalizer: orphan };
    if (!node.finalizers.includes(foreground)) return { action: 'nothing' };
    const living = dependents.filter(({ deleting }) => !deleting);
    if (living.length > 0) return { action: 'delete dependents', dependents: living };
    const blocking = dependents.some(({ owners }) =>
      owners.some(({ uid, blockOwnerDeletion }) => uid === node.uid && blockOwnerDeletion),
    );
    return blocking ? { action: 'nothing' } : { action: 'remove finalizer', finalizer: foreground };
  }
  if (node.owners.length === 0) return { action: 'nothing' };
  if (ownerStates.includes('alive')) {
    const uids = node.owners.filter((_, index) => ownerStates[index] !== 'alive').map(({ uid }) => uid);
    return uids.length > 0 ? { action: 'forget owners', uids } : { action: 'nothing' };
  }
  if (ownerStates.includes('waits for dependents'))
    return { action: 'delete', propagation: dependents.length > 0 ? 'Foreground' : 'Background' };
  if (node.finalizers.includes(orphan)) return { action: 'delete', propagation: 'Orphan' };
  if (node.finalizers.includes(foreground)) return { action: 'delete', propagation: 'Foreground' };
  return { action: 'delete', propagation: 'Background' };
}
