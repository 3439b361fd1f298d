import { podAddresses, nodeAddresses } from '../model/addresses.ts';
import { PodnetError } from '../model/errors.ts';
import type { Node, Pod } from '../model/objects.ts';
import { nameOf, podName } from './decisions.ts';
import { nodeOfTarget, parseTarget, resolveSource } from './request.ts';
import type { Trace } from './trace.ts';
import type { TraceView } from './view.ts';

/** Who sends the packet. */
export type Source =
  | { readonly kind: 'pod'; readonly pod: Pod; readonly node: Node; readonly addresses: readonly string[] }
  /** A process of the node itself. */
  | { readonly kind: 'node'; readonly node: Node; readonly addresses: readonly string[] }
  /** A machine beside the cluster, on the network of the nodes. */
  | { readonly kind: 'world'; readonly addresses: readonly string[] };

/** Finds the sender: `world`, `node/NAME`, or what `resolveSource` takes. Throws `PodnetError`. */
export function findSource(view: TraceView, text: string, namespace: string): Source {
  if (text === 'world') return { kind: 'world', addresses: view.worldAddresses };
  const node = nodeOfTarget(view, parseTarget(text), namespace);
  if (node !== undefined) return { kind: 'node', node, addresses: nodeAddresses(node) };
  const pod = resolveSource(view, text, namespace);
  return { kind: 'pod', pod, node: nodeOf(view, pod), addresses: podAddresses(pod) };
}

/** As a trace tells it. */
export function printedSource(source: Source): Trace['source'] {
  if (source.kind === 'world') return { kind: 'world', namespace: '', name: 'world', node: '' };
  const node = nameOf(source.node);
  if (source.kind === 'node') return { kind: 'node', namespace: '', name: node, node };
  const { namespace = '', name = '' } = source.pod.metadata ?? {};
  return { kind: 'pod', namespace, name, node };
}

function nodeOf(view: TraceView, pod: Pod): Node {
  const nodeName = pod.spec?.nodeName;
  const node = view.nodes.find(({ metadata }) => metadata?.name === nodeName);
  if (node !== undefined) return node;
  throw new PodnetError(`Pod ${podName(pod)} is on ${nodeName ?? 'no node'}, which does not exist`, {
    code: 'trace-unknown-node',
    where: `Pod ${podName(pod)} spec.nodeName`,
    fix: `The nodes are: ${view.nodes.map(nameOf).join(', ') || 'none'}.`,
  });
}
