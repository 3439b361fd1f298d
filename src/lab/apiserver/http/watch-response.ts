import type { ServerResponse } from 'node:http';

import type { WatchEventType } from '../../../cluster/transport.ts';
import type { Watch } from '../rest/watch.ts';

/** A client this far behind is cut off: it lists again. */
const MAX_BACKLOG_BYTES = 32 * 1024 * 1024;

export interface WatchResponseOptions {
  /** The object as the client wants it. */
  readonly inForm: ((object: object, first: boolean) => object) | undefined;
  readonly contentType?: string;
}

let lastObject: object | undefined;
let lastText = '';

/** The same object usually goes to several watchers one after the other. */
function jsonOf(object: object): string {
  if (object !== lastObject) {
    lastText = JSON.stringify(object);
    lastObject = object;
  }
  return lastText;
}

/** Streams a watch as one JSON document a line until either side ends it. */
export function respondWatch(
  response: ServerResponse,
  watch: Watch,
  { inForm, contentType = 'application/json' }: WatchResponseOptions,
): void {
  let pending = '';
  let scheduled = false;
  let first = true;
  let ended = false;

  function flush(): void {
    scheduled = false;
    if (pending === '' || response.destroyed) return;
    response.write(pending);
    pending = '';
    if (response.writableLength > MAX_BACKLOG_BYTES) response.destroy();
  }

  function emit(type: WatchEventType, object: object): void {
    const text =
      inForm === undefined || type === 'BOOKMARK' || type === 'ERROR'
        ? jsonOf(object)
        : JSON.stringify(inForm(object, first));
    first = false;
    pending += `{"type":"${type}","object":${text}}\n`;
    if (!scheduled) {
      scheduled = true;
      setImmediate(flush);
    }
  }

  function end(): void {
    if (ended) return;
    ended = true;
    watch.stop();
    flush();
    response.end();
  }

  response.writeHead(200, { 'content-type': contentType, 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  response.on('close', end);
  watch.start(emit, end);
}
