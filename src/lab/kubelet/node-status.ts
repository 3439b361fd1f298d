import { isNotFound, type Client } from '../../cluster/client.ts';
import type { Clock } from '../../cluster/clock.ts';
import { createInformer } from '../../cluster/informer.ts';
import { nodes } from '../../cluster/resources.ts';
import { createWorkQueue } from '../../cluster/work-queue.ts';
import type { Node } from '../../model/objects.ts';
import { compareVersions } from '../controllers/recent-writes.ts';
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
  /** Writes it if the Node says otherwise. */
  check(): Promise<void>;
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
  let postedVersion = '';

  /** What is older than what was posted says nothing. */
  function isOverwritten(node: Node): boolean {
    const isNewer = compareVersions(node.metadata?.resourceVersion ?? '', postedVersion) > 0;
    return isNewer && !saysWhatItsKubeletSays(node, facts);
  }

  async function write({ status: before }: Node): Promise<void> {
    const status = nodeStatus(facts, before, rfc3339(clock.now()));
    const patch = { type: 'merge', subresource: 'status', body: { status } } as const;
    const { metadata } = await client.patch(nodes, { name }, patch);
    postedVersion = metadata?.resourceVersion ?? '';
    postedMs = clock.now();
  }

  async function look(needsWrite: (node: Node) => boolean): Promise<void> {
    try {
      const node = await client.get(nodes, { name });
      if (needsWrite(node)) await write(node);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  return {
    post: () => look(() => true),
    check: () => look(isOverwritten),
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
          if (node && isOverwritten(node)) await write(node);
        },
      });
      informer.onChange(({ type, object }) => {
        if (type !== 'deleted' && isOverwritten(object))
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
function saysWhatItsKubeletSays(node: Node, facts: NodeFacts): boolean {
  const there = new Map(node.status?.conditions?.map(({ type, status }) => [type, status]));
  const wanted = nodeStatus(facts, undefined, '').conditions ?? [];
  return wanted.every(({ type, status }) => there.get(type) === status);
}
