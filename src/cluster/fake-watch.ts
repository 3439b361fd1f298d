import type { KubeObject, ObjectMeta } from '../model/objects.ts';
import type { ParsedPath } from './fake-path.ts';
import { matchesQuery } from './fake-selectors.ts';
import type { WatchEvent, WatchEventType } from './transport.ts';

/** An object with the fields that any kind may have. */
export interface Stored extends KubeObject {
  readonly metadata: ObjectMeta & { name: string; uid: string; resourceVersion: string };
  readonly spec?: Record<string, unknown>;
  readonly status?: Record<string, unknown>;
}

/** A change, kept for watches that resume from before it. */
export interface HistoryEntry {
  readonly version: number;
  readonly collection: string;
  readonly type: WatchEventType;
  readonly object: Stored;
  readonly previous?: Stored | undefined;
}

/** What list and watch share of a query. */
export type Query = Readonly<Record<string, string>>;

/** An open watch. */
export interface Watcher {
  readonly collection: string;
  readonly query: Query;
  readonly place: ParsedPath;
  push(event: WatchEvent): void;
  end(error?: Error): void;
}

export function selects(place: ParsedPath, query: Query, object: Stored): boolean {
  if (place.namespace && object.metadata.namespace !== place.namespace) return false;
  return matchesQuery(object, query);
}

/** A watch sees an object that starts to match as added, and one that ceases to as deleted. */
export function deliver(watcher: Watcher, { collection, type, object, previous }: HistoryEntry): void {
  if (collection !== watcher.collection) return;
  const matches = selects(watcher.place, watcher.query, object);
  const matched = previous !== undefined && selects(watcher.place, watcher.query, previous);
  if (type === 'DELETED') {
    if (matched) watcher.push({ type, object });
  } else if (matches) watcher.push({ type: matched ? 'MODIFIED' : 'ADDED', object });
  else if (matched) watcher.push({ type: 'DELETED', object });
}

/** A watcher and what it is pushed, as an iteration that waits for more. */
export function createStream(
  place: ParsedPath,
  query: Query,
): { watcher: Watcher; events(): AsyncGenerator<WatchEvent> } {
  const waiting: WatchEvent[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  const watcher: Watcher = {
    collection: place.collection,
    query,
    place,
    push(event) {
      waiting.push(event);
      wake?.();
    },
    end(error) {
      ended = true;
      failure = error;
      wake?.();
    },
  };
  async function* events(): AsyncGenerator<WatchEvent> {
    for (;;) {
      yield* waiting.splice(0);
      if (waiting.length > 0) continue;
      if (failure) throw failure;
      if (ended) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  return { watcher, events };
}
