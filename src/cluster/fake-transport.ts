import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { objectKey, type KubeObject, type ObjectMeta, type Status } from '../model/objects.ts';
import { ApiError } from './client.ts';
import { parsePath, type ParsedPath } from './fake-path.ts';
import {
  createStream,
  deliver,
  selects,
  type HistoryEntry,
  type Query,
  type Stored,
  type Watcher,
} from './fake-watch.ts';
import { mergePatch } from './merge-patch.ts';
import type { ApiRequest, ApiResponse, Transport, WatchEvent, WatchEventType } from './transport.ts';

/** An API server in memory, for the tests of whatever reads and writes objects. */
export interface FakeTransport extends Transport {
  /** Every request so far, watches included. */
  readonly requests: readonly ApiRequest[];
  /** Consulted first: a `Status` refuses the request, an `Error` breaks it, a number delays it (ms). */
  intercept?: ((request: ApiRequest) => Status | Error | number | undefined) | undefined;
  /** Ends every open watch, as a server that stops does; with an error, as a connection that breaks. */
  endWatches(error?: Error): void;
  /** Sends an event to every open watch as it is. */
  inject(event: WatchEvent): void;
  /** Sends every watch that asked for them a bookmark with the newest resource version. */
  bookmark(): void;
  /** Forgets what changed: a watch that resumes from before gets 410. */
  compact(): void;
  readonly openWatches: number;
}

export interface FakeTransportOptions {
  /** Milliseconds since 1970, for `creationTimestamp` and `deletionTimestamp`. */
  readonly now?: () => number;
}

/**
 * Serves list (in pages), get, create, update, merge patch, delete and watch of any kind with resource versions,
 * `status` apart, generations, finalizers, deletion policies, `pods/binding` and `namespaces/finalize` as Kubernetes
 * does; it validates nothing. Objects are frozen: a reader that changes one fails at once.
 */
export function createFakeTransport({ now = Date.now }: FakeTransportOptions = {}): FakeTransport {
  const collections = new Map<string, Map<string, Stored>>();
  const requests: ApiRequest[] = [];
  const watchers = new Set<Watcher>();
  let history: HistoryEntry[] = [];
  let version = 0;
  let oldestVersion = 0;

  const timestamp = (): string => new Date(now()).toISOString().replace(/\.\d+Z$/, 'Z');

  function collectionOf(place: ParsedPath): Map<string, Stored> {
    const existing = collections.get(place.collection);
    if (existing) return existing;
    const created = new Map<string, Stored>();
    collections.set(place.collection, created);
    return created;
  }

  function commit(place: ParsedPath, type: WatchEventType, draft: KubeObject, previous?: Stored): Stored {
    version++;
    const metadata = { ...draft.metadata, resourceVersion: String(version) };
    const object = deepFreeze(structuredClone({ ...draft, metadata })) as Stored;
    const objects = collectionOf(place);
    if (type === 'DELETED') objects.delete(objectKey(object));
    else objects.set(objectKey(object), object);
    const entry = { version, collection: place.collection, type, object, previous };
    history.push(entry);
    for (const watcher of watchers) deliver(watcher, entry);
    return object;
  }

  function create(place: ParsedPath, body: KubeObject): Stored {
    const given = body.metadata ?? {};
    const name = given.name ?? `${given.generateName ?? ''}${randomUUID().slice(0, 8)}`;
    const namespace = place.namespace ? { namespace: place.namespace } : {};
    const draft = {
      ...body,
      metadata: {
        ...given,
        ...namespace,
        name,
        uid: randomUUID(),
        creationTimestamp: timestamp(),
        generation: 1,
      },
    };
    if (collectionOf(place).has(objectKey(draft)))
      throw refusal(409, 'AlreadyExists', `${place.plural} "${name}" already exists`);
    return commit(place, 'ADDED', draft);
  }

  function write(place: ParsedPath, existing: Stored, wanted: Stored): Stored {
    const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation } =
      existing.metadata as ObjectMeta;
    const isStatus = place.subresource === 'status';
    const content = isStatus
      ? { ...existing, status: wanted.status }
      : place.subresource === 'finalize'
        ? { ...existing, spec: wanted.spec }
        : { ...wanted, ...(existing.status && { status: existing.status }) };
    const specChanged = !isStatus && !isDeepStrictEqual(existing.spec, content.spec);
    const draft = {
      ...content,
      metadata: {
        ...(isStatus ? existing.metadata : wanted.metadata),
        uid,
        creationTimestamp,
        ...(deletionTimestamp && { deletionTimestamp, deletionGracePeriodSeconds }),
        generation: (generation ?? 1) + (specChanged ? 1 : 0),
        resourceVersion: existing.metadata.resourceVersion,
      },
    } as Stored;
    if (isDeepStrictEqual(plain(draft), plain(existing))) return existing;
    if (deletionTimestamp && isFinished(draft)) return commit(place, 'DELETED', draft, existing);
    return commit(place, 'MODIFIED', draft, existing);
  }

  function update(place: ParsedPath, body: Stored): Stored {
    const existing = find(place);
    const expected = body.metadata?.resourceVersion;
    if (expected && expected !== existing.metadata.resourceVersion)
      throw refusal(409, 'Conflict', `${place.plural} "${place.name}": the object has been modified`);
    return write(place, existing, body);
  }

  function remove(place: ParsedPath, options: DeleteBody): Stored {
    const existing = find(place);
    const { uid, resourceVersion } = options.preconditions ?? {};
    if (
      (uid && uid !== existing.metadata.uid) ||
      (resourceVersion && resourceVersion !== existing.metadata.resourceVersion)
    )
      throw refusal(409, 'Conflict', `${place.plural} "${place.name}": the precondition does not hold`);
    const finalizers = new Set(existing.metadata.finalizers);
    if (options.propagationPolicy === 'Foreground') finalizers.add('foregroundDeletion');
    if (options.propagationPolicy === 'Orphan') finalizers.add('orphan');
    const graceful = place.plural === 'pods' && existing.spec?.['nodeName'];
    const graceSeconds = graceful ? (options.gracePeriodSeconds ?? 30) : 0;
    const metadata = {
      ...existing.metadata,
      ...(finalizers.size > 0 && { finalizers: [...finalizers] }),
      deletionTimestamp: existing.metadata.deletionTimestamp ?? timestamp(),
      deletionGracePeriodSeconds: graceSeconds,
    };
    const draft = { ...existing, metadata };
    if (isFinished(draft)) return commit(place, 'DELETED', draft, existing);
    if (existing.metadata.deletionTimestamp && isDeepStrictEqual(plain(draft), plain(existing)))
      return existing;
    return commit(place, 'MODIFIED', draft, existing);
  }

  function find(place: ParsedPath): Stored {
    const found = collectionOf(place).get(
      objectKey({ metadata: { name: place.name, namespace: place.namespace } }),
    );
    if (!found) throw refusal(404, 'NotFound', `${place.plural} "${place.name}" not found`);
    return found;
  }

  function list(place: ParsedPath, query: Query): unknown {
    const objects = [...collectionOf(place).values()]
      .filter((object) => selects(place, query, object))
      .sort((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1));
    const [listVersion = String(version), offset = '0'] = query['continue']?.split(':') ?? [];
    if (Number(listVersion) < oldestVersion) throw refusal(410, 'Expired', 'the continue token is too old');
    const end = Number(offset) + Number(query['limit'] ?? objects.length);
    const more = end < objects.length ? { continue: `${listVersion}:${end}` } : {};
    return {
      kind: 'List',
      metadata: { resourceVersion: listVersion, ...more },
      items: objects.slice(Number(offset), end),
    };
  }

  function bind(place: ParsedPath, body: { target?: { name?: string } }): Status {
    const pod = find(place);
    if (pod.spec?.['nodeName'])
      throw refusal(409, 'Conflict', `pod "${place.name}" is already assigned to a node`);
    commit(
      place,
      'MODIFIED',
      { ...pod, spec: { ...pod.spec, nodeName: body.target?.name } } as KubeObject,
      pod,
    );
    return { kind: 'Status', status: 'Success', code: 201 };
  }

  function serve({ method, path, query = {}, body, contentType }: ApiRequest): unknown {
    const place = parsePath(path);
    if (!place) throw refusal(404, 'NotFound', `the server could not find ${path}`);
    if (method === 'GET') return place.name ? find(place) : list(place, query);
    if (method === 'DELETE') return remove(place, body ?? {});
    if (method === 'PUT') return update(place, body as Stored);
    if (method === 'POST')
      return place.subresource === 'binding'
        ? bind(place, body as { target?: { name?: string } })
        : create(place, body as KubeObject);
    if (!/^application\/(merge|strategic-merge)-patch\+json$/.test(contentType ?? ''))
      throw refusal(415, 'UnsupportedMediaType', `the fake server does not speak ${contentType}`);
    return write(place, find(place), mergePatch(find(place), body) as Stored);
  }

  async function request(apiRequest: ApiRequest): Promise<ApiResponse> {
    requests.push(apiRequest);
    const verdict = fake.intercept?.(apiRequest);
    if (verdict instanceof Error) throw verdict;
    if (typeof verdict === 'number') await new Promise((resolve) => setTimeout(resolve, verdict));
    else await Promise.resolve();
    apiRequest.signal?.throwIfAborted();
    if (typeof verdict === 'object') return { status: verdict.code ?? 500, body: verdict };
    try {
      return { status: 200, body: serve(apiRequest) };
    } catch (error) {
      if (error instanceof ApiError) return { status: error.code, body: error.status };
      throw error;
    }
  }

  async function* watch(apiRequest: Omit<ApiRequest, 'method' | 'body'>): AsyncGenerator<WatchEvent> {
    const whole: ApiRequest = { ...apiRequest, method: 'GET', query: { ...apiRequest.query, watch: '1' } };
    requests.push(whole);
    const verdict = fake.intercept?.(whole);
    if (verdict instanceof Error) throw verdict;
    if (typeof verdict === 'object') throw new ApiError(verdict);
    const place = parsePath(whole.path);
    if (!place) throw refusal(404, 'NotFound', `the server could not find ${whole.path}`);
    const from = Number(whole.query?.['resourceVersion'] ?? version);
    if (from < oldestVersion) throw refusal(410, 'Expired', `too old resource version: ${from}`);
    const stream = createStream(place, whole.query ?? {});
    for (const entry of history) if (entry.version > from) deliver(stream.watcher, entry);
    watchers.add(stream.watcher);
    const abort = (): void => stream.watcher.end();
    whole.signal?.addEventListener('abort', abort);
    if (whole.signal?.aborted) abort();
    try {
      yield* stream.events();
    } finally {
      watchers.delete(stream.watcher);
      whole.signal?.removeEventListener('abort', abort);
    }
  }

  const fake: FakeTransport = {
    requests,
    request,
    watch,
    intercept: undefined,
    endWatches: (error) => watchers.forEach((watcher) => watcher.end(error)),
    inject: (event) => watchers.forEach((watcher) => watcher.push(event)),
    bookmark() {
      for (const watcher of watchers)
        if (watcher.query['allowWatchBookmarks'] === 'true')
          watcher.push({ type: 'BOOKMARK', object: { metadata: { resourceVersion: String(version) } } });
    },
    compact() {
      history = [];
      oldestVersion = version;
    },
    get openWatches() {
      return watchers.size;
    },
    close: () => watchers.forEach((watcher) => watcher.end()),
  };
  return fake;
}

interface DeleteBody {
  readonly propagationPolicy?: string;
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

/** Nothing holds a deleted object any more. */
function isFinished({ metadata, spec }: Pick<Stored, 'metadata' | 'spec'>): boolean {
  const specFinalizers = Array.isArray(spec?.['finalizers']) ? spec['finalizers'].length : 0;
  return (
    !metadata.finalizers?.length && specFinalizers === 0 && (metadata.deletionGracePeriodSeconds ?? 0) === 0
  );
}

function refusal(code: number, reason: string, message: string): ApiError {
  return new ApiError({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason, message });
}

/** As JSON would carry it: without undefined. */
function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
