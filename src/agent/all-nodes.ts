import type { Client } from '../cluster/client.ts';
import { createInformer, type Informer } from '../cluster/informer.ts';
import { nodes } from '../cluster/resources.ts';
import { errorMessage } from '../model/errors.ts';
import type { Node } from '../model/objects.ts';
import type { AgentLog } from './agent.ts';

/** The names and addresses of all nodes. */
export function createAllNodes(client: Client, { log }: { readonly log: AgentLog }): Informer<Node> {
  return createInformer<Node, Node>(client, nodes, {
    transform: ({ metadata, status }) => ({
      metadata: { name: metadata?.name ?? '', resourceVersion: metadata?.resourceVersion ?? '' },
      status: { addresses: status?.addresses ?? [] },
    }),
    onError: (error) => log('warning', `nodes: ${errorMessage(error)}`),
  });
}
