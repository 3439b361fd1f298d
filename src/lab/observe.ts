import { isNotFound, type Client } from '../cluster/client.ts';
import { pods } from '../cluster/resources.ts';
import { openNetns, type Netns } from '../kernel/netns.ts';
import { observe, type Observation } from '../trace/observe.ts';
import type { Trace } from '../trace/trace.ts';
import type { LabNode } from './nodes/node.ts';

/** Pods whose namespaces are opened for one observation; a Service may have thousands of endpoints. */
const maxPods = 32;

/** Pods a packet of this trace starts at or may come to, `namespace/name`. */
function podsOf({ source, hops, endpoints }: Trace): string[] {
  const keys = [
    ...(source.kind === 'pod' ? [`${source.namespace}/${source.name}`] : []),
    ...hops.flatMap(({ place }) => (place.kind === 'pod' ? [`${place.namespace}/${place.name}`] : [])),
    ...endpoints.flatMap(({ pod }) => (pod === undefined ? [] : [pod])),
  ];
  return [...new Set(keys)].slice(0, maxPods);
}

/** A pod's network namespace; undefined when there is none. */
export async function openPodNetns(
  client: Client,
  nodes: readonly LabNode[],
  key: string,
): Promise<Netns | undefined> {
  const [namespace = '', name = ''] = key.split('/');
  try {
    const { metadata, spec } = await client.get(pods, { namespace, name });
    const node = nodes.find((one) => one.name === spec?.nodeName);
    const fd = await node?.podNetnsFd(metadata?.uid ?? '');
    return fd === undefined ? undefined : openNetns(`/proc/self/fd/${fd}`);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Sends a real packet along a trace through the lab's namespaces. */
export async function observeInLab(
  client: Client,
  { nodes, world }: { nodes: readonly LabNode[]; world: Netns },
  trace: Trace,
): Promise<Observation> {
  const opened = new Map<string, Netns>();
  try {
    for (const key of podsOf(trace)) {
      const netns = await openPodNetns(client, nodes, key);
      if (netns !== undefined) opened.set(key, netns);
    }
    const nodeNetns = new Map(nodes.map(({ name, netns }) => [name, netns]));
    return await observe({ trace, nodes: nodeNetns, pods: opened, world });
  } finally {
    for (const netns of opened.values()) netns.close();
  }
}
