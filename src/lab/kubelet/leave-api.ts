import { isConflict, isNotFound, type Client } from '../../cluster/client.ts';
import { sleep, type Clock } from '../../cluster/clock.ts';
import { pods } from '../../cluster/resources.ts';
import type { Pod } from '../../model/objects.ts';

const RETRY_MS = { first: 100, max: 5000 } as const;

export interface LeaveApiOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  /** The pod is known to be gone. */
  readonly isGone: () => boolean;
}

/** The API keeps a deleted pod until its kubelet says that it is over: says so until it is heard. */
export async function leaveApi({ metadata }: Pod, options: LeaveApiOptions): Promise<void> {
  const { client, clock, onError, isGone } = options;
  const { namespace, name = '', uid } = metadata ?? {};
  const last = { gracePeriodSeconds: 0, ...(uid !== undefined && { preconditions: { uid } }) };
  for (let delayMs: number = RETRY_MS.first; !isGone(); delayMs = Math.min(delayMs * 2, RETRY_MS.max)) {
    try {
      await client.delete(pods, { namespace, name }, last);
      return;
    } catch (error) {
      if (isNotFound(error) || isConflict(error)) return;
      onError(error);
      await sleep(clock, delayMs);
    }
  }
}
