import { isConflict, isNotFound, type Client } from '../../cluster/client.ts';
import { createWorkQueue } from '../../cluster/work-queue.ts';
import { pods } from '../../cluster/resources.ts';
import type { Clock } from '../../cluster/clock.ts';
import { objectKey, type Pod, type PodStatus } from '../../model/objects.ts';

export interface StatusWriter {
  /** Replaces what is waiting to be written for this pod. Equal to what was written last: nothing happens. */
  set(pod: Pod, status: PodStatus): void;
  /** Resolves when the pod's status has reached the API server, or the pod is gone. */
  flushed(pod: Pod): Promise<void>;
  forget(pod: Pod): void;
  run(signal: AbortSignal): Promise<void>;
}

interface Entry {
  readonly pod: Pod;
  status: PodStatus;
  written: string;
  waiters: (() => void)[];
}

/** Changes of one pod that come together are written together. */
const GATHER_MS = 5;

export function createStatusWriter(
  client: Client,
  { clock, onError }: { readonly clock: Clock; readonly onError: (error: unknown) => void },
): StatusWriter {
  const entries = new Map<string, Entry>();

  const queue = createWorkQueue({
    concurrency: 16,
    maxDelayMs: 5000,
    clock,
    onError: (_, error) => onError(error),
    async process(uid) {
      const entry = entries.get(uid);
      if (!entry) return;
      const text = JSON.stringify(entry.status);
      if (text !== entry.written) await write(entry, text);
      if (JSON.stringify(entry.status) !== entry.written) return queue.add(uid);
      for (const resolve of entry.waiters.splice(0)) resolve();
    },
  });

  async function write(entry: Entry, text: string): Promise<void> {
    const { namespace, name = '', uid } = entry.pod.metadata ?? {};
    try {
      // The uid is a precondition: another pod of the same name is not touched. Absent fields are removed by null.
      const body = { metadata: { uid }, status: withRemovals(entry.written, entry.status) };
      await client.patch(pods, { namespace, name }, { type: 'merge', subresource: 'status', body });
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    entry.written = text;
  }

  return {
    set(pod, status) {
      const uid = pod.metadata?.uid ?? objectKey(pod);
      const entry = entries.get(uid);
      if (entry) entry.status = status;
      else entries.set(uid, { pod, status, written: '', waiters: [] });
      if (JSON.stringify(status) !== entry?.written) queue.addAfter(uid, GATHER_MS);
    },
    flushed(pod) {
      const entry = entries.get(pod.metadata?.uid ?? '');
      if (!entry || JSON.stringify(entry.status) === entry.written) return Promise.resolve();
      return new Promise((resolve) => entry.waiters.push(resolve));
    },
    forget(pod) {
      const entry = entries.get(pod.metadata?.uid ?? '');
      for (const resolve of entry?.waiters ?? []) resolve();
      entries.delete(pod.metadata?.uid ?? '');
    },
    run: (signal) => queue.run(signal),
  };
}

/** RFC 7396: what was there and is no more must be named. */
function withRemovals(written: string, status: PodStatus): Record<string, unknown> {
  const before = written === '' ? {} : (JSON.parse(written) as PodStatus);
  const removed = Object.keys(before).filter((name) => !(name in status));
  return { ...Object.fromEntries(removed.map((name) => [name, null])), ...status };
}
