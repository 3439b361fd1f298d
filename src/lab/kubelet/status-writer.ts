import { isConflict, isNotFound, type Client } from '../../cluster/client.ts';
import { createWorkQueue } from '../../cluster/work-queue.ts';
import { pods } from '../../cluster/resources.ts';
import type { Clock } from '../../cluster/clock.ts';
import { objectKey, type Pod, type PodStatus } from '../../model/objects.ts';
import { compareVersions } from '../controllers/recent-writes.ts';
import { saysTheSame, withConditionsOfOthers } from './pod-status.ts';

export interface StatusWriter {
  /** Replaces what is waiting to be written for this pod. Equal to what was written last: nothing happens. */
  set(pod: Pod, status: PodStatus): void;
  /** The pod as the API has it: when somebody else has changed what was written, it is written again. */
  observe(pod: Pod): void;
  /** Resolves when the pod's status has reached the API server, or the pod is gone. */
  flushed(pod: Pod): Promise<void>;
  forget(pod: Pod): void;
  run(signal: AbortSignal): Promise<void>;
}

interface Entry {
  readonly pod: Pod;
  status: PodStatus;
  written: string;
  /** The pod's resource version after that. */
  version: string;
  /** Somebody else has changed what was written. */
  isOverwritten: boolean;
  rewrittenMs: number;
  /** Seen while a write was under way. */
  seen: Pod | undefined;
  waiters: (() => void)[];
}

/** Changes of one pod that come together are written together. */
const GATHER_MS = 5;
/** Whoever keeps writing otherwise is answered no more often than this. */
const REWRITE_MS = 1000;

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
      if (!isWritten(entry)) await write(entry);
      const { seen } = entry;
      entry.seen = undefined;
      if (seen) observe(entry, seen);
      if (!isWritten(entry)) return queue.add(uid);
      for (const resolve of entry.waiters.splice(0)) resolve();
    },
  });

  const isWritten = ({ status, written, isOverwritten }: Entry): boolean =>
    !isOverwritten && JSON.stringify(status) === written;

  async function write(entry: Entry): Promise<void> {
    const { namespace, name = '', uid } = entry.pod.metadata ?? {};
    const text = JSON.stringify(entry.status);
    try {
      // The uid is a precondition: another pod of the same name is not touched. Absent fields are removed by null.
      const body = { metadata: { uid }, status: withRemovals(entry.written, entry.status) };
      const now = await client.patch(
        pods,
        { namespace, name },
        { type: 'merge', subresource: 'status', body },
      );
      entry.version = now.metadata?.resourceVersion ?? '';
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error;
    }
    entry.written = text;
    entry.isOverwritten = false;
  }

  function observe(entry: Entry, { metadata, status = {} }: Pod): void {
    if (compareVersions(metadata?.resourceVersion ?? '', entry.version) <= 0) return;
    if (!isWritten(entry) || saysTheSame(entry.status, status)) return;
    entry.status = withConditionsOfOthers(entry.status, status);
    entry.isOverwritten = true;
    const delayMs = Math.max(entry.rewrittenMs + REWRITE_MS - clock.now(), GATHER_MS);
    entry.rewrittenMs = clock.now() + delayMs;
    queue.addAfter(metadata?.uid ?? '', delayMs);
  }

  return {
    set(pod, status) {
      const uid = pod.metadata?.uid ?? objectKey(pod);
      const entry = entries.get(uid);
      if (entry) entry.status = status;
      else
        entries.set(uid, {
          pod,
          status,
          written: '',
          version: '',
          isOverwritten: false,
          rewrittenMs: -Infinity,
          seen: undefined,
          waiters: [],
        });
      if (!entry || !isWritten(entry)) queue.addAfter(uid, GATHER_MS);
    },
    observe(pod) {
      const entry = entries.get(pod.metadata?.uid ?? '');
      if (entry && isWritten(entry)) observe(entry, pod);
      else if (entry) entry.seen = pod;
    },
    flushed(pod) {
      const entry = entries.get(pod.metadata?.uid ?? '');
      if (!entry || isWritten(entry)) return Promise.resolve();
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
