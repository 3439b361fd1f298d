import { isDeepStrictEqual } from 'node:util';
import { objectKey, type Node, type Pod } from '../../model/objects.ts';
import { NodeInfo } from './node-info.ts';
import { readPod, type NamespaceLabels, type PodInfo } from './pod-info.ts';

/** Which pods are on which nodes, those included whose binding is still under way. */
export interface ClusterState {
  readonly nodes: readonly NodeInfo[];
  /** True when more or other pods might fit than before. */
  setNode(node: Node): boolean;
  deleteNode(name: string): void;
  /** Counts a pod to the node, unless it is there already. */
  place(pod: PodInfo, nodeName: string): void;
  /** True when the pod was on a node. */
  displace(key: string): boolean;
  nodeOf(key: string): string | undefined;
  /** Never throws: a pod that cannot be understood counts as one without wishes. */
  read(pod: Pod): PodInfo;
}

export function createClusterState(namespaceLabels: NamespaceLabels): ClusterState {
  const nodes = new Map<string, NodeInfo>();
  const places = new Map<string, NodeInfo>();

  function nodeNamed(name: string): NodeInfo {
    const existing = nodes.get(name);
    if (existing) return existing;
    const created = new NodeInfo(name);
    nodes.set(name, created);
    return created;
  }

  return {
    get nodes() {
      return [...nodes.values()];
    },
    setNode(node) {
      const info = nodeNamed(objectKey(node));
      const before = info.node;
      info.node = node;
      return !before || !isDeepStrictEqual(schedulingFields(before), schedulingFields(node));
    },
    deleteNode(name) {
      const info = nodes.get(name);
      if (!info) return;
      if (info.pods.size === 0) nodes.delete(name);
      else info.node = undefined;
    },
    place(pod, nodeName) {
      const before = places.get(pod.key);
      if (before?.name === nodeName && before.pods.get(pod.key)?.labels === pod.labels) return;
      before?.remove(pod.key);
      const info = nodeNamed(nodeName);
      info.add(pod);
      places.set(pod.key, info);
    },
    displace(key) {
      const info = places.get(key);
      if (!info) return false;
      places.delete(key);
      info.remove(key);
      if (!info.node && info.pods.size === 0) nodes.delete(info.name);
      return true;
    },
    nodeOf: (key) => places.get(key)?.name,
    read(pod) {
      try {
        return readPod(pod, namespaceLabels);
      } catch {
        return readPod({ ...pod, spec: { containers: [] } }, namespaceLabels);
      }
    },
  };
}

function schedulingFields({ metadata, spec, status }: Node): unknown {
  return [metadata?.labels, spec?.taints, spec?.unschedulable, status?.allocatable, status?.capacity];
}
