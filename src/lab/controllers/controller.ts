import type { Client } from '../../cluster/client.ts';
import type { Clock } from '../../cluster/clock.ts';
import { createEventRecorder, type EventRecorder } from '../../cluster/events.ts';
import { createWorkQueue, type WorkQueue } from '../../cluster/work-queue.ts';
import { isConflict, isNotFound } from '../../cluster/client.ts';
import { errorMessage } from '../../model/errors.ts';
import type { Informers } from './informers.ts';

/** Makes one kind of object right, for as long as it runs. */
export interface Controller {
  readonly name: string;
  /** Starts when the informers are complete; resolves after the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** What every controller is given. */
export interface ControllerContext {
  readonly client: Client;
  readonly informers: Informers;
  readonly clock: Clock;
  /** Told of what failed, with its controller and object. */
  readonly report: (message: string) => void;
}

/** Changes that come close together are handled in one go: at most this much later. */
export const batchMs = 10;

export interface QueueOptions {
  readonly concurrency?: number;
}

/** A work queue that reports under the controller's name. An object that changed or
 * went meanwhile is ordinary: the key comes back and reads anew. */
export function createControllerQueue(
  { clock, report }: ControllerContext,
  name: string,
  process: (key: string, signal: AbortSignal) => Promise<void>,
  { concurrency = 4 }: QueueOptions = {},
): WorkQueue {
  return createWorkQueue({
    process,
    concurrency,
    clock,
    minDelayMs: 10,
    maxDelayMs: 10_000,
    onError(key, error, attempt) {
      if (!(isConflict(error) || isNotFound(error)) || attempt > 5)
        report(`${name}: ${key}: ${errorMessage(error)} (attempt ${attempt})`);
    },
  });
}

export function createControllerEvents(
  { client, clock, report }: ControllerContext,
  component: string,
): EventRecorder {
  return createEventRecorder(client, {
    component,
    clock,
    onError: (error) => report(`${component}: event: ${errorMessage(error)}`),
  });
}
