import { ApiError } from '../../cluster/client.ts';
import type { ApiRequest, ApiResponse, Transport, WatchEvent } from '../../cluster/transport.ts';
import type { User } from './auth/user.ts';
import type { Documents } from './http/documents.ts';
import { cloneJson } from './json-value.ts';
import type { Handler } from './rest/handler.ts';
import { openWatch } from './rest/watch.ts';
import type { Core } from './server-core.ts';
import { internalError, StatusError, unknownResource } from './status.ts';
import { createTurns } from './take-turns.ts';

export interface LocalTransportOptions {
  readonly core: Core;
  readonly handler: Handler;
  readonly documents: Documents;
  readonly user: User;
  readonly onError: (error: unknown, where: string) => void;
}

/** A reader this far behind is cut off: it lists again. */
const MAX_BACKLOG_EVENTS = 200_000;

/** The way into the API server from its own process: nothing is serialised, objects are shared. */
export function createLocalTransport({
  core,
  handler,
  documents,
  user,
  onError,
}: LocalTransportOptions): Transport {
  const aborts = new Set<() => void>();
  const takeTurns = createTurns();
  let closed = false;

  function answer({
    method,
    path,
    query = {},
    body,
    contentType = 'application/json',
  }: ApiRequest): ApiResponse {
    const document = method === 'GET' ? (documents.open(path) ?? documents.find(path, '')) : undefined;
    if (document !== undefined) {
      const value = Buffer.isBuffer(document.body)
        ? (JSON.parse(document.body.toString('utf8')) as unknown)
        : document.body;
      return { status: document.status, body: value };
    }
    const routed = handler.route({ method, path, query: { fieldManager: 'podnet', ...query }, user });
    if (routed === undefined) throw unknownResource();
    return handler.handle(routed, { body: cloneJson<unknown>(body), contentType, warnings: [] });
  }

  function refusal(error: unknown, where: string): StatusError {
    if (error instanceof StatusError) return error;
    onError(error, where);
    return internalError(error instanceof Error ? error.message : String(error));
  }

  async function* watch({
    path,
    query = {},
    signal,
  }: Parameters<Transport['watch']>[0]): AsyncGenerator<WatchEvent> {
    if (signal?.aborted === true || closed) return;
    const queue: WatchEvent[] = [];
    let ended = false;
    let wake = (): void => undefined;
    const end = (): void => {
      ended = true;
      wake();
    };
    let watching;
    try {
      const routed = handler.route({ method: 'GET', path, query: { ...query, watch: 'true' }, user });
      if (routed === undefined) throw unknownResource();
      watching = openWatch(core, { ...routed, body: undefined, contentType: '', warnings: [] });
    } catch (error) {
      const { status } = refusal(error, `watch ${path}`);
      throw new ApiError(status, status.code);
    }
    aborts.add(end);
    signal?.addEventListener('abort', end);
    // `aborted` changes behind the checker's back.
    const isAborted = (): boolean => signal?.aborted === true;
    try {
      watching.start((type, object) => {
        queue.push({ type, object });
        if (queue.length > MAX_BACKLOG_EVENTS) end();
        wake();
      }, end);
      while (true) {
        if (isAborted()) return;
        // A whole batch at a time: taking from the front of a long array is slow.
        for (const event of queue.splice(0)) {
          yield event;
          if (isAborted()) return;
        }
        if (queue.length > 0) continue;
        if (ended) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    } finally {
      watching.stop();
      aborts.delete(end);
      signal?.removeEventListener('abort', end);
    }
  }

  return {
    async request(request) {
      if (closed) throw new Error('the API server is closed');
      request.signal?.throwIfAborted();
      try {
        // Callers never see an answer in the same turn, as over a network.
        await takeTurns();
        return answer(request);
      } catch (error) {
        const { status } = refusal(error, `${request.method} ${request.path}`);
        return { status: status.code, body: status };
      }
    },
    watch,
    close() {
      closed = true;
      for (const end of aborts) end();
    },
  };
}
