import { isAlreadyExists, isNotFound, type Client } from '../../cluster/client.ts';
import { sleep, type Clock } from '../../cluster/clock.ts';
import { leases, nodes } from '../../cluster/resources.ts';
import { nodeObject, nodeStatus, type NodeFacts } from './node-object.ts';
import { rfc3339 } from './pod-status.ts';

const LEASE_NAMESPACE = 'kube-node-lease';
const LEASE_SECONDS = 4;
/** A node that died is found out within 5 seconds: the lab's node controller waits for four of these. */
const HEARTBEAT_MS = 1000;

export interface NodeRegistration {
  /** Makes the Node, or takes over the one of that name. Tries until it is done or the signal aborts. */
  register(signal: AbortSignal): Promise<void>;
  /** Renews the node's Lease until the signal aborts. */
  heartbeat(signal: AbortSignal): Promise<void>;
}

export function createNodeRegistration(
  client: Client,
  facts: NodeFacts,
  { clock, onError }: { readonly clock: Clock; readonly onError: (error: unknown) => void },
): NodeRegistration {
  const { nodeName: name } = facts;

  async function registerOnce(): Promise<void> {
    const wanted = nodeObject(facts);
    let node;
    try {
      node = await client.create(nodes, wanted);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      node = await client.patch(
        nodes,
        { name },
        { type: 'merge', body: { metadata: { labels: wanted.metadata?.labels } } },
      );
    }
    const status = nodeStatus(facts, node.status, rfc3339(clock.now()));
    await client.patch(nodes, { name }, { type: 'merge', subresource: 'status', body: { status } });
  }

  async function renew(): Promise<void> {
    const renewTime = new Date(clock.now()).toISOString().replace('Z', '000Z');
    const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime };
    try {
      await client.patch(leases, { namespace: LEASE_NAMESPACE, name }, { type: 'merge', body: { spec } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await client.create(leases, { metadata: { namespace: LEASE_NAMESPACE, name }, spec });
    }
  }

  return {
    async register(signal) {
      for (let delayMs = 100; !signal.aborted; delayMs = Math.min(delayMs * 2, 5000)) {
        try {
          return await registerOnce();
        } catch (error) {
          onError(error);
          await sleep(clock, delayMs, signal);
        }
      }
    },
    async heartbeat(signal) {
      while (!signal.aborted) {
        try {
          await renew();
        } catch (error) {
          // An API server without the namespace of leases judges nodes by their status alone.
          if (!isNotFound(error) && !signal.aborted) onError(error);
        }
        await sleep(clock, HEARTBEAT_MS, signal);
      }
    },
  };
}
