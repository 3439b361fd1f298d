import { isNotFound, type Client } from '../../cluster/client.ts';
import type { Clock } from '../../cluster/clock.ts';
import { createInformer } from '../../cluster/informer.ts';
import { nodes } from '../../cluster/resources.ts';
import { createWorkQueue } from '../../cluster/work-queue.ts';
import type { Node } from '../../model/objects.ts';
import { nodeStatus, type NodeFacts } from './node-object.ts';
import { rfc3339 } from './pod-status.ts';

/** Whoever keeps writing otherwise is answered no more often than this. */
const REPOST_MS = 1000;
/** The longest wait before the Node is watched again after the API server was away. */
const RETRY_MS = 1000;

/** Keeps the Node saying what its kubelet says of it. */
export interface NodeStatusKeeper {
  /** Writes the whole status now. A Node that is gone stays gone. */
  post(): Promise<void>;
  /** Until the signal aborts: writes the status again whenever somebody else has changed its conditions. */
  run(signal: AbortSignal): Promise<void>;
}

export function createNodeStatusKeeper(
  client: Client,
  facts: NodeFacts,
  { clock, onError }: { readonly clock: Clock; readonly onError: (error: unknown) => void },
): NodeStatusKeeper {
  const { nodeName: name } = facts;
  let postedMs = -Infinity;

  async function post(): Promise<void> {
    try {
      const { status: before } = await client.get(nodes, { name });
      const status = nodeStatus(facts, before, rfc3339(clock.now()));
      await client.patch(nodes, { name }, { type: 'merge', subresource: 'status', body: { status } });
      postedMs = clock.now();
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  return {
    post,
    async run(signal) {
      const informer = createInformer(client, nodes, {
        fieldSelector: `metadata.name=${name}`,
        transform: conditionsOnly,
        maxDelayMs: RETRY_MS,
        onError,
        clock,
      });
      const queue = createWorkQueue({
        clock,
        maxDelayMs: RETRY_MS,
        onError: (_, error) => onError(error),
        async process() {
          const node = informer.get(name);
          if (node && !saysWhatItsKubeletSays(node, facts)) await post();
        },
      });
      informer.onChange(({ type, object }) => {
        if (type !== 'deleted' && !saysWhatItsKubeletSays(object, facts))
          queue.addAfter(name, postedMs + REPOST_MS - clock.now());
      });
      await Promise.all([informer.run(signal), queue.run(signal)]);
    },
  };
}

function conditionsOnly({ metadata, status }: Node): Node {
  const { name = '', resourceVersion = '' } = metadata ?? {};
  return { metadata: { name, resourceVersion }, status: { conditions: status?.conditions ?? [] } };
}

/** Pure: whether the Node's conditions are the kubelet's. Times and the conditions of others do not matter. */
export function saysWhatItsKubeletSays(node: Node, facts: NodeFacts): boolean {
  const there = new Map(node.status?.conditions?.map(({ type, status }) => [type, status]));
  const wanted = nodeStatus(facts, undefined, '').conditions ?? [];
  return wanted.every(({ type, status }) => there.get(type) === status);
}
