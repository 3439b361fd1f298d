import type { ObjectMeta } from '../../../model/objects.ts';
import { deepFreeze, isObject, type Loose } from '../json-value.ts';
import { expired } from '../status.ts';
import { fromRow, openDatabase, type VersionRow } from './database.ts';

/** An object as it is stored: named, versioned, never changed in place. */
export interface StoredObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta & { name: string; resourceVersion: string };
}

export type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

export interface Change {
  readonly resourceVersion: number;
  readonly type: ChangeType;
  /** `pods`, `deployments.apps`. */
  readonly storage: string;
  readonly namespace: string;
  readonly name: string;
  /** The new state; of a deletion the last one, with the deletion's own resource version. */
  readonly object: StoredObject;
  readonly previous: StoredObject | undefined;
}

export interface Key {
  readonly storage: string;
  /** Empty for cluster-scoped objects. */
  readonly namespace: string;
  readonly name: string;
}

/** Every object of the cluster, each write numbered from one sequence. Synchronous: a read and a write never race. */
export interface Store {
  /** Of the latest write. */
  readonly resourceVersion: number;
  get(key: Key): StoredObject | undefined;
  /** Ordered by namespace and name. The array is shared: never change it. */
  list(storage: string, namespace?: string): readonly StoredObject[];
  /** Adds or replaces; `object` becomes the store's and gets its resource version. */
  put(key: Key, object: StoredObject): StoredObject;
  remove(key: Key): StoredObject | undefined;
  /** Changes after `resourceVersion`, oldest first. @throws StatusError 410 when they are no longer known */
  changesSince(resourceVersion: number, storage: string): readonly Change[];
  /** Every later change of one storage, in the call that makes it; listeners must not throw nor write. */
  subscribe(storage: string, listener: (change: Change) => void): () => void;
  /** Closed for good: nothing may be read or written any more. */
  readonly closed: boolean;
  /** Names of storages that hold objects. */
  storages(): readonly string[];
  close(): void;
}

export interface StoreOptions {
  /** A file, or `:memory:`. */
  readonly path: string;
  /** The fields, besides those of `metadata`, that selectors of a storage may name: `spec.nodeName`. */
  readonly selectable?: (storage: string) => readonly string[];
  /** Changes kept in memory for watches that resume: 4,096. */
  readonly windowSize?: number;
  /** Changes kept in the database before the oldest are compacted: 65,536. */
  readonly logSize?: number;
  /** Freeze what is stored, to find writers: on under `node --test`. */
  readonly freeze?: boolean;
}

interface Shelf {
  readonly namespaces: Map<string, Map<string, StoredObject>>;
  /** Ordered views of one namespace (or of all, under `undefined`), dropped with the next write. */
  readonly ordered: Map<string | undefined, readonly StoredObject[]>;
  readonly listeners: Set<(change: Change) => void>;
  count: number;
}

/** SQLite is the store of record; objects live in memory too, and the newest changes in a bounded window. */
export function openStore({
  path,
  selectable = () => [],
  windowSize = 4096,
  logSize = 65_536,
  freeze = process.env['NODE_TEST_CONTEXT'] !== undefined,
}: StoreOptions): Store {
  const { database, statements } = openDatabase(path);
  const shelves = new Map<string, Shelf>();
  const window: Change[] = [];
  let latest = 0;
  let compacted = 0;
  load();

  function load(): void {
    for (const row of statements.allObjects.iterate()) {
      const { storage, namespace, name, json } = row as unknown as VersionRow;
      place({ storage, namespace, name }, JSON.parse(json) as StoredObject);
    }
    const bounds = statements.bounds.get() as { latest: number | null; compacted: number | null };
    latest = bounds.latest ?? 0;
    compacted = bounds.compacted ?? 0;
  }

  function shelf(storage: string): Shelf {
    let found = shelves.get(storage);
    if (found === undefined) {
      found = { namespaces: new Map(), ordered: new Map(), listeners: new Set(), count: 0 };
      shelves.set(storage, found);
    }
    return found;
  }

  function place({ storage, namespace, name }: Key, object: StoredObject): void {
    const target = shelf(storage);
    let names = target.namespaces.get(namespace);
    if (names === undefined) target.namespaces.set(namespace, (names = new Map()));
    if (!names.has(name)) target.count += 1;
    names.set(name, object);
    forgetViews(target, namespace);
  }

  function unplace({ storage, namespace, name }: Key): void {
    const target = shelf(storage);
    const names = target.namespaces.get(namespace);
    if (names?.delete(name) === true) target.count -= 1;
    if (names?.size === 0) target.namespaces.delete(namespace);
    forgetViews(target, namespace);
  }

  /** The database first: when it refuses (a full disk), nothing has happened. */
  function persist(change: Change): void {
    const { storage, namespace, name, object, type, resourceVersion } = change;
    const previous = previousSelection(change, selectable(storage));
    statements.begin.run();
    try {
      if (type === 'DELETED') statements.deleteObject.run(storage, namespace, name);
      else statements.putObject.run(storage, namespace, name, resourceVersion);
      statements.addVersion.run(
        resourceVersion,
        type,
        storage,
        namespace,
        name,
        JSON.stringify(object),
        previous,
      );
      if (resourceVersion % 1024 === 0 && resourceVersion - compacted > logSize)
        compact(resourceVersion - logSize);
      statements.commit.run();
    } catch (error) {
      database.exec('ROLLBACK');
      throw error;
    }
  }

  function compact(resourceVersion: number): void {
    statements.compact.run(resourceVersion);
    statements.setCompacted.run(resourceVersion);
    compacted = resourceVersion;
  }

  function record(change: Change): void {
    persist(change);
    const { storage, object, type } = change;
    latest = change.resourceVersion;
    if (freeze) deepFreeze(object);
    if (type === 'DELETED') unplace(change);
    else place(change, object);
    window.push(change);
    // Dropping half at a time keeps this cheap.
    if (window.length >= 2 * windowSize) window.splice(0, windowSize);
    for (const listener of shelf(storage).listeners) listener(change);
  }

  function get({ storage, namespace, name }: Key): StoredObject | undefined {
    return shelves.get(storage)?.namespaces.get(namespace)?.get(name);
  }

  return {
    get resourceVersion() {
      return latest;
    },
    get,
    list(storage, namespace) {
      const found = shelf(storage);
      let list = found.ordered.get(namespace);
      if (list === undefined) {
        list = orderedObjects(found, namespace);
        found.ordered.set(namespace, list);
      }
      return list;
    },
    put(key, object) {
      const previous = get(key);
      const resourceVersion = latest + 1;
      object.metadata.resourceVersion = String(resourceVersion);
      record({
        resourceVersion,
        type: previous === undefined ? 'ADDED' : 'MODIFIED',
        ...key,
        object,
        previous,
      });
      return object;
    },
    remove(key) {
      const previous = get(key);
      if (previous === undefined) return undefined;
      const resourceVersion = latest + 1;
      const object = {
        ...previous,
        metadata: { ...previous.metadata, resourceVersion: String(resourceVersion) },
      };
      record({ resourceVersion, type: 'DELETED', ...key, object, previous });
      return object;
    },
    changesSince(resourceVersion, storage) {
      if (resourceVersion > latest || resourceVersion < compacted) {
        throw expired(`too old resource version: ${resourceVersion} (${compacted + 1})`);
      }
      const oldest = window[0]?.resourceVersion ?? latest + 1;
      if (resourceVersion >= oldest - 1) {
        const start = window.findLastIndex((change) => change.resourceVersion <= resourceVersion) + 1;
        return window.slice(start).filter((change) => change.storage === storage);
      }
      const rows = statements.changesAfter.all(resourceVersion, storage) as unknown as VersionRow[];
      return rows.map(fromRow);
    },
    subscribe(storage, listener) {
      const { listeners } = shelf(storage);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    storages: () => [...shelves].filter(([, { count }]) => count > 0).map(([name]) => name),
    get closed() {
      return !database.isOpen;
    },
    close() {
      for (const { listeners } of shelves.values()) listeners.clear();
      database.close();
    },
  };
}

function forgetViews({ ordered }: Shelf, namespace: string): void {
  // Views that were handed out stay as they were: lists are snapshots.
  ordered.delete(namespace);
  ordered.delete(undefined);
}

/**
 * What the log keeps of the state before a change: enough for a selector to tell whether it matched, and nothing
 * when no selector could see a difference.
 */
function previousSelection({ object, previous }: Change, fields: readonly string[]): string | null {
  if (previous === undefined) return null;
  const before = selection(previous, fields);
  return before === selection(object, fields) ? null : before;
}

function selection(object: StoredObject, fields: readonly string[]): string {
  const { name, namespace, labels } = object.metadata;
  const kept: Loose = { metadata: { name, namespace, labels } };
  for (const field of fields) {
    const path = field.split('.');
    if (path[0] === 'metadata') continue;
    let source: unknown = object;
    for (const key of path) source = isObject(source) ? source[key] : undefined;
    if (source === undefined) continue;
    let target = kept;
    for (const key of path.slice(0, -1)) target = (target[key] ??= {}) as Loose;
    target[path.at(-1) ?? ''] = source;
  }
  return JSON.stringify(kept);
}

function orderedObjects({ namespaces }: Shelf, namespace: string | undefined): StoredObject[] {
  const chosen = namespace === undefined ? [...namespaces.keys()].sort() : [namespace];
  return chosen.flatMap((key) => {
    const names = namespaces.get(key);
    if (names === undefined) return [];
    return [...names].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object);
  });
}
