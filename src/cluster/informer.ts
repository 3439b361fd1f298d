import { objectKey, type KubeObject } from '../model/objects.ts';
import { ApiError, isGone, type Client, type Selection } from './client.ts';
import { sleep, systemClock, type Clock } from './clock.ts';
import type { Resource } from './resources.ts';
import type { WatchEvent } from './transport.ts';

export type Change<T> =
  | { readonly type: 'added'; readonly key: string; readonly object: T; readonly previous?: undefined }
  | { readonly type: 'updated'; readonly key: string; readonly object: T; readonly previous: T }
  /** `object` is the last state known. */
  | { readonly type: 'deleted'; readonly key: string; readonly object: T; readonly previous?: undefined };

/** Index values of an object: where `byIndex` finds it. */
export type IndexFunction<T> = (object: T) => readonly string[];

export interface InformerOptions<T extends KubeObject, U extends KubeObject = T> extends Selection {
  /**
   * Keeps only the fields its reader needs, which is where memory is won. It must return a new object (in process the
   * server's own object is passed) with `metadata.name`, `metadata.namespace` and `metadata.resourceVersion`.
   */
  readonly transform?: (object: T) => U;
  readonly indexes?: Readonly<Record<string, IndexFunction<U>>>;
  /** Objects in one page of a list. */
  readonly pageSize?: number;
  /** Told of every failure; the informer goes on by itself. */
  readonly onError?: (error: unknown) => void;
  readonly minDelayMs?: number;
  readonly maxDelayMs?: number;
  /** A watch is asked to end after this to twice this time; one that is silent for longer is broken off. */
  readonly watchTimeoutMs?: number;
  readonly clock?: Clock;
  /** In [0, 1). */
  readonly random?: () => number;
}

/** A copy, always growing newer, of what the API server holds of one resource. */
export interface Informer<T> {
  /** Lists and watches until the signal aborts. Never throws on errors of the server or the connection. */
  run(signal: AbortSignal): Promise<void>;
  /** Resolves when the first list is complete; rejects if the informer is aborted before. */
  readonly synced: Promise<void>;
  readonly hasSynced: boolean;
  /**
   * For how long the server has not been heard: since the first attempt that failed, until the next list, event or
   * bookmark. 0 while it is heard.
   */
  readonly silentMs: number;
  /** `namespace/name`, or `name`. */
  get(key: string): T | undefined;
  list(): readonly T[];
  byIndex(index: string, value: string): readonly T[];
  readonly size: number;
  /** Objects already known are reported at once, as added. The result unsubscribes. */
  onChange(listener: (change: Change<T>) => void): () => void;
}

/** A list-then-watch of `resource`, resumed by resource version over broken connections. */
export function createInformer<T extends KubeObject, U extends KubeObject = T>(
  client: Client,
  resource: Resource<T>,
  options: InformerOptions<T, U> = {},
): Informer<U> {
  const { clock = systemClock, random = Math.random, pageSize = 250, onError = () => {} } = options;
  const { minDelayMs = 100, maxDelayMs = 30_000, watchTimeoutMs = 300_000 } = options;
  const { namespace, labelSelector, fieldSelector } = options;
  const selection: Selection = { namespace, labelSelector, fieldSelector, omitManagedFields: true };
  const transform = options.transform ?? ((object: T) => object as unknown as U); // without transform U is T
  const objects = new Map<string, U>();
  const indexes = new Map(
    Object.entries(options.indexes ?? {}).map(([name, valuesOf]) => [name, createIndex(valuesOf)]),
  );
  const listeners = new Set<(change: Change<U>) => void>();
  const synced = Promise.withResolvers<void>();
  synced.promise.catch(() => {}); // whoever awaits it hears of it
  let hasSynced = false;
  let failures = 0;
  /** Of the clock; undefined while the server is heard. */
  let silentSinceMs: number | undefined;
  /** Where the next watch starts; empty asks for a list first. */
  let resourceVersion = '';

  function tell(listener: (change: Change<U>) => void, change: Change<U>): void {
    try {
      listener(change);
    } catch (error) {
      onError(error);
    }
  }

  function notify(change: Change<U>): void {
    for (const listener of listeners) tell(listener, change);
  }

  function store(incoming: T): string {
    const key = objectKey(incoming);
    const previous = objects.get(key);
    const version = incoming.metadata?.resourceVersion;
    if (previous && version && previous.metadata?.resourceVersion === version) return key;
    const object = transform(incoming);
    objects.set(key, object);
    for (const index of indexes.values()) index.replace(key, previous, object);
    notify(previous ? { type: 'updated', key, object, previous } : { type: 'added', key, object });
    return key;
  }

  function remove(key: string, last?: T): void {
    const previous = objects.get(key);
    if (!previous) return;
    objects.delete(key);
    for (const index of indexes.values()) index.replace(key, previous, undefined);
    notify({ type: 'deleted', key, object: last ? transform(last) : previous });
  }

  async function list(signal: AbortSignal): Promise<void> {
    const gone = new Set(objects.keys());
    const all = { ...selection, limit: pageSize, signal };
    let page = await client.list(resource, all);
    for (;;) {
      for (const item of page.items) gone.delete(store(item));
      if (!page.continueToken) break;
      page = await client.list(resource, { ...all, continueToken: page.continueToken });
    }
    for (const key of gone) remove(key);
    resourceVersion = page.resourceVersion;
    hasSynced = true;
    silentSinceMs = undefined;
    synced.resolve();
  }

  function apply({ type, object }: WatchEvent<T>): void {
    if (type === 'ERROR') throw new ApiError(object);
    if (type === 'ADDED' || type === 'MODIFIED') store(object);
    else if (type === 'DELETED') remove(objectKey(object), object);
    resourceVersion = object.metadata?.resourceVersion ?? resourceVersion;
    failures = 0;
    silentSinceMs = undefined;
  }

  async function watch(signal: AbortSignal): Promise<void> {
    const timeoutMs = watchTimeoutMs * (1 + random());
    const deadline = new AbortController();
    const cancel = clock.after(timeoutMs + watchTimeoutMs / 10, () => deadline.abort());
    try {
      const events = client.watch(resource, {
        ...selection,
        resourceVersion,
        allowWatchBookmarks: true,
        timeoutSeconds: Math.ceil(timeoutMs / 1000),
        signal: AbortSignal.any([signal, deadline.signal]),
      });
      for await (const event of events) {
        if (signal.aborted) return;
        apply(event);
      }
    } finally {
      cancel();
    }
  }

  /**
   * A watch that could not go on where it was must list anew. A connection that broke is only taken up again, and so is
   * a watch of a server that is too busy or going down, for which a list would be the worst.
   */
  function recover(error: unknown): void {
    if (error instanceof ApiError && !isBusy(error)) resourceVersion = '';
    if (!isGone(error)) onError(error);
  }

  async function run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const startedMs = clock.now();
      try {
        if (resourceVersion === '') await list(signal);
        await watch(signal);
        if (clock.now() - startedMs >= 1000) failures = 0;
      } catch (error) {
        if (signal.aborted) break;
        silentSinceMs ??= clock.now();
        recover(error);
      }
      // A server that ends watches at once is not to be asked in a tight loop either.
      const delayMs = Math.min(maxDelayMs, minDelayMs * 2 ** failures) * (0.5 + random() / 2);
      failures = Math.min(failures + 1, 20);
      await sleep(clock, delayMs, signal);
    }
    if (!hasSynced) synced.reject(signal.reason);
  }

  return {
    run,
    synced: synced.promise,
    get hasSynced() {
      return hasSynced;
    },
    get silentMs() {
      return silentSinceMs === undefined ? 0 : clock.now() - silentSinceMs;
    },
    get: (key) => objects.get(key),
    list: () => [...objects.values()],
    byIndex(name, value) {
      const index = indexes.get(name);
      if (!index) throw new RangeError(`the informer of ${resource.plural} has no index "${name}"`);
      return index.find(value);
    },
    get size() {
      return objects.size;
    },
    onChange(listener) {
      for (const [key, object] of objects) tell(listener, { type: 'added', key, object });
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** Too many requests, or a server (or a proxy before it) that is going down or coming up. */
function isBusy({ code }: ApiError): boolean {
  return code === 429 || (code >= 502 && code <= 504);
}

interface Index<T> {
  replace(key: string, previous: T | undefined, next: T | undefined): void;
  find(value: string): readonly T[];
}

function createIndex<T>(valuesOf: IndexFunction<T>): Index<T> {
  const entries = new Map<string, Map<string, T>>();
  return {
    replace(key, previous, next) {
      if (previous)
        for (const value of valuesOf(previous)) {
          const members = entries.get(value);
          members?.delete(key);
          if (members?.size === 0) entries.delete(value);
        }
      if (next)
        for (const value of valuesOf(next)) {
          const members = entries.get(value);
          if (members) members.set(key, next);
          else entries.set(value, new Map([[key, next]]));
        }
    },
    find: (value) => [...(entries.get(value)?.values() ?? [])],
  };
}
