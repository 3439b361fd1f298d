import type { WatchEventType } from '../../../cluster/transport.ts';
import { fromStored } from '../conversion.ts';
import { apiVersionOf } from '../registry.ts';
import type { Core } from '../server-core.ts';
import { badRequest, expired } from '../status.ts';
import type { Change } from '../storage/store.ts';
import { queryBoolean, queryInteger, type Call } from './call.ts';
import { selectObjects, selectorOf, type Matches } from './select.ts';

/** One event; `object` is shared. */
export type Emit = (type: WatchEventType, object: object) => void;

export interface Watch {
  /** Sends what has happened already, then every event as it happens, from the call that causes it. */
  start(emit: Emit, end: () => void): void;
  stop(): void;
}

const BOOKMARK_INTERVAL_MS = 60_000;
const DEFAULT_TIMEOUT_SECONDS = 3600;
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end';

/**
 * A watch of a collection (or of one object, when the call names one).
 * @throws StatusError 400, 410
 */
export function openWatch(core: Core, call: Call): Watch {
  const { kind, query } = call;
  const { store } = core;
  const matches = selectorOf(call, core.strategyOf(kind));
  const from = startingVersion(query);
  const initial = from === undefined && query['sendInitialEvents'] !== 'false';
  const bookmarks = queryBoolean(query, 'allowWatchBookmarks');
  const missed = from === undefined ? [] : changesSince(core, kind.storage, from);
  const present = initial ? selectObjects(core, call) : [];
  const namespace = kind.namespaced ? call.namespace : '';
  const timeoutMs = (queryInteger(query, 'timeoutSeconds') || DEFAULT_TIMEOUT_SECONDS) * 1000;

  // Between opening and starting nothing may be lost, and both happen in one synchronous step of the caller or not.
  let unsubscribe = (): void => undefined;
  const early: Change[] = [];
  let deliver = (change: Change): void => void early.push(change);
  unsubscribe = store.subscribe(kind.storage, (change) => deliver(change));
  let timers: NodeJS.Timeout[] = [];

  function bookmark(emit: Emit, annotations?: Record<string, string>): void {
    const metadata = {
      resourceVersion: String(store.resourceVersion),
      ...(annotations === undefined ? {} : { annotations }),
    };
    emit('BOOKMARK', { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata });
  }

  return {
    start(emit, end) {
      const send = (change: Change): void => {
        if (namespace !== '' && change.namespace !== namespace) return;
        const type = eventType(change, matches);
        if (type === undefined) return;
        emit(
          type,
          fromStored(
            kind,
            type === 'DELETED' && change.type !== 'DELETED' ? departed(change) : change.object,
          ),
        );
      };
      for (const object of present) emit('ADDED', fromStored(kind, object));
      if (query['sendInitialEvents'] === 'true' && bookmarks)
        bookmark(emit, { [INITIAL_EVENTS_END]: 'true' });
      for (const change of missed) send(change);
      for (const change of early.splice(0)) send(change);
      deliver = send;
      timers = [setTimeout(end, Math.min(timeoutMs, 2 ** 31 - 1)).unref()];
      if (bookmarks) timers.push(setInterval(() => bookmark(emit), BOOKMARK_INTERVAL_MS).unref());
    },
    stop() {
      unsubscribe();
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

/** `undefined` asks for the present state first. */
function startingVersion(query: Call['query']): number | undefined {
  const text = query['resourceVersion'] ?? '';
  if (text === '' || text === '0') return undefined;
  if (query['sendInitialEvents'] === 'true') return undefined;
  if (!/^\d{1,15}$/u.test(text))
    throw badRequest(
      `invalid resource version "${text}": strconv.ParseUint: parsing "${text}": invalid syntax`,
    );
  return Number(text);
}

function changesSince({ store }: Core, storage: string, from: number): readonly Change[] {
  // A version from the future is one of another life of this cluster: the client must list again.
  if (from > store.resourceVersion)
    throw expired(`too old resource version: ${from} (${store.resourceVersion})`);
  return store.changesSince(from, storage);
}

/** What a change means to a watcher whose selector may begin or cease to match. */
function eventType(
  { type, object, previous }: Change,
  matches: Matches | undefined,
): Change['type'] | undefined {
  if (matches === undefined) return type;
  const before = previous !== undefined && matches(previous);
  if (type === 'DELETED') return before || matches(object) ? type : undefined;
  if (matches(object)) return before ? 'MODIFIED' : 'ADDED';
  return before ? 'DELETED' : undefined;
}

/** The last state that matched, with the version of the change that ended it. */
function departed({ object, previous }: Change): object {
  // The log of an earlier run keeps only part of the state before: better the whole of the state after.
  if (previous?.kind === undefined) return object;
  const { resourceVersion } = object.metadata;
  return { ...previous, metadata: { ...previous.metadata, resourceVersion } };
}
