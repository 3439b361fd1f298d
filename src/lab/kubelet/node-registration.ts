import { isAlreadyExists, isNotFound, type Client } from '../../cluster/client.ts';
import { sleep, type Clock } from '../../cluster/clock.ts';
import { leases, nodes } from '../../cluster/resources.ts';
import { nodeObject, type NodeFacts } from './node-object.ts';
import type { NodeStatusKeeper } from './node-status.ts';

const LEASE_NAMESPACE = 'kube-node-lease';
const LEASE_SECONDS = 4;
/** A node that died is found out within 5 seconds: the lab's node controller waits for four of these. */
const HEARTBEAT_MS = 1000;
/** A renewal without an answer is given up, so that the next one may take a connection that works. */
const RENEWAL_LIMIT_MS = 2000;
/** After a silence this long the node may have been taken for dead. */
const SILENCE_MS = LEASE_SECONDS * 1000 - HEARTBEAT_MS;

export interface NodeRegistration {
  /** Makes the Node, or takes over the one of that name. Tries until it is done or the signal aborts. */
  register(signal: AbortSignal): Promise<void>;
  /**
   * Renews the node's Lease until the signal aborts. `onReturn` is called when a renewal reaches the API server after
   * so long a silence that the node may have been taken for dead.
   */
  heartbeat(signal: AbortSignal, onReturn: () => void): Promise<void>;
}

export interface NodeRegistrationOptions {
  readonly status: NodeStatusKeeper;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

export function createNodeRegistration(
  client: Client,
  facts: NodeFacts,
  { status, clock, onError }: NodeRegistrationOptions,
): NodeRegistration {
  const { nodeName: name } = facts;

  async function registerOnce(): Promise<void> {
    const wanted = nodeObject(facts);
    try {
      await client.create(nodes, wanted);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      const body = { metadata: { labels: wanted.metadata?.labels } };
      await client.patch(nodes, { name }, { type: 'merge', body });
    }
    await status.post();
  }

  async function renew(signal: AbortSignal): Promise<void> {
    const renewTime = new Date(clock.now()).toISOString().replace('Z', '000Z');
    const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime };
    try {
      const place = { namespace: LEASE_NAMESPACE, name };
      await client.patch(leases, place, { type: 'merge', body: { spec }, signal });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      await client.create(leases, { metadata: { namespace: LEASE_NAMESPACE, name }, spec }, { signal });
    }
  }

  async function renewInTime(signal: AbortSignal): Promise<void> {
    const limit = new AbortController();
    const cancel = clock.after(RENEWAL_LIMIT_MS, () =>
      limit.abort(new Error(`the Lease was not renewed in ${RENEWAL_LIMIT_MS} ms`)),
    );
    try {
      await renew(AbortSignal.any([signal, limit.signal]));
    } finally {
      cancel();
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
    async heartbeat(signal, onReturn) {
      let renewedMs = clock.now();
      while (!signal.aborted) {
        try {
          await renewInTime(signal);
          const silentMs = clock.now() - renewedMs;
          renewedMs = clock.now();
          if (silentMs >= SILENCE_MS) onReturn();
        } catch (error) {
          // An API server without the namespace of leases judges nodes by their status alone.
          if (!isNotFound(error) && !signal.aborted) onError(error);
        }
        await sleep(clock, HEARTBEAT_MS, signal);
      }
    },
  };
}
