/** One request to a Kubernetes API server, whatever carries it. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute, without the query: `/api/v1/namespaces/default/pods`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** A value to send as JSON. */
  readonly body?: unknown;
  /** Of the body; `application/json` unless told. Patches name their kind here. */
  readonly contentType?: string;
  /** The reader has no use for `metadata.managedFields`: a transport that parses JSON may leave them out. */
  readonly omitManagedFields?: boolean;
  readonly signal?: AbortSignal;
}

/** The answer: its status code and its body, parsed from JSON. */
export interface ApiResponse {
  readonly status: number;
  readonly body: unknown;
}

export type WatchEventType = 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';

export interface WatchEvent<T = unknown> {
  readonly type: WatchEventType;
  readonly object: T;
}

/**
 * The way to an API server. Two exist: HTTPS with a kubeconfig, and a call into the lab's API server in the same
 * process. What an in-process transport returns is shared with the server: never change it in place.
 */
export interface Transport {
  /** Resolves with any status; rejects only when no answer came. */
  request(request: ApiRequest): Promise<ApiResponse>;
  /**
   * A watch (`query` without `watch=1`). The first step rejects with `ApiError` when the server refuses; the
   * iteration ends when the server ends the stream or the signal aborts, and throws when the connection breaks.
   */
  watch(request: Omit<ApiRequest, 'method' | 'body' | 'contentType'>): AsyncIterable<WatchEvent>;
  close(): void;
}
