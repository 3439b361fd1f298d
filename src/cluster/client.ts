import type { KubeObject, Status } from '../model/objects.ts';
import { apiVersionOf, resourcePath, type Resource, type ResourcePlace } from './resources.ts';
import type { ApiRequest, Transport, WatchEvent } from './transport.ts';

/** The API server answered, and refused. `status` is its own `metav1.Status`. */
export class ApiError extends Error {
  readonly status: Status;
  /** The HTTP status code. */
  readonly code: number;

  constructor(status: Status, code = status.code ?? 500) {
    super(status.message ?? `the API server answered ${code}`);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
  }
}

const hasReason =
  (...reasons: readonly string[]) =>
  (error: unknown): error is ApiError =>
    error instanceof ApiError && reasons.includes(error.status.reason ?? '');

export const isNotFound = hasReason('NotFound');
export const isAlreadyExists = hasReason('AlreadyExists');
/** The object changed since it was read, or a precondition does not hold. */
export const isConflict = hasReason('Conflict');
export const isInvalid = hasReason('Invalid');
export const isForbidden = hasReason('Forbidden');
/** The resource version or continue token is older than what the server remembers: list again. */
export function isGone(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.code === 410 || error.status.reason === 'Expired');
}

/** Names one object. */
export interface ObjectName {
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string | undefined;
  /** `app=web,tier in (a,b)`. */
  readonly labelSelector?: string | undefined;
  /** `spec.nodeName=node-1`. */
  readonly fieldSelector?: string | undefined;
  /** Objects may come without `metadata.managedFields`, which is much cheaper. Updating them loses nothing. */
  readonly omitManagedFields?: boolean | undefined;
}

export interface ListOptions extends Selection {
  /** The most objects wanted in one answer. */
  readonly limit?: number;
  /** The `continueToken` of the page before. */
  readonly continueToken?: string;
  readonly resourceVersion?: string;
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan';
  readonly signal?: AbortSignal | undefined;
}

export interface ListResult<T> {
  readonly items: readonly T[];
  /** Of the collection, where a watch may start. */
  readonly resourceVersion: string;
  /** Empty on the last page. */
  readonly continueToken: string;
}

export interface WatchOptions extends Selection {
  readonly resourceVersion?: string;
  readonly allowWatchBookmarks?: boolean;
  /** The server ends the watch after this time. */
  readonly timeoutSeconds?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface WriteOptions {
  readonly subresource?: string;
  readonly fieldManager?: string;
  /** What becomes of unknown fields: refused, kept out with a warning, or kept out silently. */
  readonly fieldValidation?: 'Strict' | 'Warn' | 'Ignore';
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface CreateOptions extends WriteOptions {
  /** For subresources (`binding`, `eviction`), whose body does not name the object they belong to. */
  readonly name?: string;
}

export type PatchType = 'merge' | 'json' | 'strategic' | 'apply';

export interface Patch extends WriteOptions {
  readonly type: PatchType;
  /** An object, or for `json` an array of RFC 6902 operations. */
  readonly body: unknown;
  /** Of `apply`: take fields from other managers. */
  readonly force?: boolean;
}

export interface DeleteOptions {
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  readonly gracePeriodSeconds?: number;
  /** Refuse (409) unless the object is still this one. */
  readonly preconditions?: {
    readonly uid?: string | undefined;
    readonly resourceVersion?: string | undefined;
  };
  readonly signal?: AbortSignal | undefined;
}

const patchContentType: Readonly<Record<PatchType, string>> = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

/**
 * Kubernetes API verbs, typed by resource. Every method throws `ApiError` when the server refuses, and the
 * transport's own error when no answer came. Objects that come back are read-only: an in-process server shares them.
 */
export class Client {
  readonly transport: Transport;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  /** One page (all, without `limit`). Items carry `apiVersion` and `kind`, which servers leave out of lists. */
  async list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    const { items, metadata } = await this.#send<{
      items?: T[] | null;
      metadata?: { resourceVersion?: string; continue?: string };
    }>({
      method: 'GET',
      path: resourcePath(resource, { namespace: options.namespace }),
      query: queryOf({ ...selectionQuery(options), limit: options.limit, continue: options.continueToken }),
      omitManagedFields: options.omitManagedFields ?? false,
      signal: options.signal,
    });
    return {
      items: withKind(items ?? [], resource),
      resourceVersion: metadata?.resourceVersion ?? '',
      continueToken: metadata?.continue ?? '',
    };
  }

  get<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    { signal, subresource }: Pick<WriteOptions, 'signal' | 'subresource'> = {},
  ): Promise<T> {
    return this.#send({ method: 'GET', path: resourcePath(resource, { ...name, subresource }), signal });
  }

  /** `metadata.namespace` says where. */
  create<T extends KubeObject>(resource: Resource<T>, body: T, options?: CreateOptions): Promise<T>;
  /** A subresource's body is of another kind: `create(pods, binding, {name, subresource: 'binding'})`. */
  create(
    resource: Resource,
    body: KubeObject,
    options: CreateOptions & { name: string; subresource: string },
  ): Promise<KubeObject>;
  create(resource: Resource, body: KubeObject, options: CreateOptions = {}): Promise<KubeObject> {
    const namespace = body.metadata?.namespace;
    return this.#write('POST', resource, { namespace, name: options.name }, body, options);
  }

  /** Replaces the object; with `metadata.resourceVersion` only if it is still that version. */
  update<T extends KubeObject>(resource: Resource<T>, body: T, options: WriteOptions = {}): Promise<T> {
    const { namespace, name } = body.metadata ?? {};
    return this.#write('PUT', resource, { namespace, name }, body, options);
  }

  updateStatus<T extends KubeObject>(
    resource: Resource<T>,
    body: T,
    options: Omit<WriteOptions, 'subresource'> = {},
  ): Promise<T> {
    return this.update(resource, body, { ...options, subresource: 'status' });
  }

  patch<T extends KubeObject>(resource: Resource<T>, name: ObjectName, patch: Patch): Promise<T> {
    return this.#send({
      method: 'PATCH',
      path: resourcePath(resource, { ...name, subresource: patch.subresource }),
      query: queryOf({ ...writeQuery(patch), force: patch.force }),
      body: patch.body,
      contentType: patchContentType[patch.type],
      signal: patch.signal,
    });
  }

  /** What the server answers: the object as last seen (it may live on, terminating), or a `Status`. */
  delete<T extends KubeObject>(
    resource: Resource<T>,
    name: ObjectName,
    { signal, ...options }: DeleteOptions = {},
  ): Promise<T | Status> {
    return this.#send({
      method: 'DELETE',
      path: resourcePath(resource, name),
      body: { apiVersion: 'v1', kind: 'DeleteOptions', ...options },
      signal,
    });
  }

  /** Raw events, bookmarks and `ERROR` included; `Informer` is what most readers want. */
  watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions = {},
  ): AsyncIterable<WatchEvent<T>> {
    const { allowWatchBookmarks, timeoutSeconds, signal } = options;
    const events = this.transport.watch({
      path: resourcePath(resource, { namespace: options.namespace }),
      query: queryOf({ ...selectionQuery(options), allowWatchBookmarks, timeoutSeconds }),
      omitManagedFields: options.omitManagedFields ?? false,
      ...(signal && { signal }),
    });
    return events as AsyncIterable<WatchEvent<T>>;
  }

  /** Any path of the API: discovery, `/version`, `/healthz`. */
  raw<T>(path: string, signal?: AbortSignal): Promise<T> {
    return this.#send({ method: 'GET', path, signal });
  }

  #write<T>(
    method: 'POST' | 'PUT',
    resource: Resource,
    place: ResourcePlace,
    body: KubeObject,
    options: WriteOptions,
  ): Promise<T> {
    return this.#send({
      method,
      path: resourcePath(resource, { ...place, subresource: options.subresource }),
      query: queryOf(writeQuery(options)),
      body: {
        ...body,
        apiVersion: body.apiVersion ?? apiVersionOf(resource),
        kind: body.kind ?? resource.kind,
      },
      signal: options.signal,
    });
  }

  async #send<T>({
    signal,
    ...request
  }: Omit<ApiRequest, 'signal'> & { signal?: AbortSignal | undefined }): Promise<T> {
    const { status, body } = await this.transport.request(signal ? { ...request, signal } : request);
    if (status >= 400) throw new ApiError(statusOf(body, status), status);
    return body as T;
  }
}

function withKind<T extends KubeObject>(items: readonly T[], resource: Resource<T>): readonly T[] {
  if (items.every((item) => item.kind !== undefined)) return items;
  const kind = { apiVersion: apiVersionOf(resource), kind: resource.kind };
  return items.map((item) => Object.assign({}, kind, item));
}

/** The `metav1.Status` of a refusal; made up from the code when the body is something else (a proxy's page). */
export function statusOf(body: unknown, code: number): Status {
  if (typeof body === 'object' && body !== null && 'kind' in body && body.kind === 'Status')
    return body as Status;
  const message = `the API server answered ${code}${typeof body === 'string' && body ? `: ${body.slice(0, 200)}` : ''}`;
  const reasons: Readonly<Record<number, string>> = {
    401: 'Unauthorized',
    403: 'Forbidden',
    404: 'NotFound',
    409: 'Conflict',
    410: 'Expired',
    429: 'TooManyRequests',
  };
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message, reason: reasons[code] ?? '' };
}

type QueryValue = string | number | boolean | undefined;

function selectionQuery(options: ListOptions | WatchOptions): Record<string, QueryValue> {
  const { labelSelector, fieldSelector, resourceVersion } = options;
  const match = 'resourceVersionMatch' in options ? options.resourceVersionMatch : undefined;
  return { labelSelector, fieldSelector, resourceVersion, resourceVersionMatch: match };
}

function writeQuery({ fieldManager, fieldValidation, dryRun }: WriteOptions): Record<string, QueryValue> {
  return { fieldManager, fieldValidation, dryRun: dryRun ? 'All' : undefined };
}

function queryOf(values: Record<string, QueryValue>): Record<string, string> {
  const query: Record<string, string> = {};
  for (const [key, value] of Object.entries(values))
    if (value !== undefined && value !== '') query[key] = String(value);
  return query;
}
