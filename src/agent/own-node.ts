import type { Client } from '../cluster/client.ts';
import { createInformer, type Informer } from '../cluster/informer.ts';
import { nodes } from '../cluster/resources.ts';
import { errorMessage } from '../model/errors.ts';
import type { Node } from '../model/objects.ts';
import type { AgentLog } from './agent.ts';

/** The agent's own Node object. */
export function createOwnNode(
  client: Client,
  { nodeName, log }: { readonly nodeName: string; readonly log: AgentLog },
): Informer<Node> {
  return createInformer(client, nodes, {
    fieldSelector: `metadata.name=${nodeName}`,
    onError: (error) => log('warning', `node ${nodeName}: ${errorMessage(error)}`),
  });
}

/** The node's pod CIDRs, joined by a comma, once it has them. Rejects when the signal aborts before. */
export async function podCidrOf(ownNode: Informer<Node>, signal: AbortSignal): Promise<string> {
  const found = Promise.withResolvers<string>();
  const unsubscribe = ownNode.onChange(({ object }) => {
    const podCidr = object.spec?.podCIDRs?.join(',') ?? object.spec?.podCIDR;
    if (podCidr) found.resolve(podCidr);
  });
  const abort = (): void => found.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await found.promise;
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', abort);
  }
}
