import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { StatusError } from '../status.ts';
import { dialQuietly, readText, refusal, unreachable } from './kubelet-link.ts';

export interface LogOptions {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly dial: () => Duplex;
}

const PASSED_ON = [
  'follow',
  'tailLines',
  'previous',
  'timestamps',
  'sinceSeconds',
  'sinceTime',
  'limitBytes',
];

/**
 * Serves a `log` request: passes the query's options to the kubelet and its answer back as it comes, line by line
 * when following, until the container ends or the client goes away.
 */
export function proxyLogs(request: IncomingMessage, response: ServerResponse, options: LogOptions): void {
  const { searchParams } = new URL(request.url ?? '/', 'http://server');
  const query = new URLSearchParams(
    PASSED_ON.flatMap((name) => {
      const value = searchParams.get(name);
      return value === null ? [] : [[name, value]];
    }),
  );
  const place = [options.namespace, options.pod, options.container].map(encodeURIComponent).join('/');
  let socket: Duplex;
  try {
    socket = dialQuietly(options.dial);
  } catch (error) {
    refuse(response, unreachable(error));
    return;
  }
  const upstream = httpRequest({
    path: `/containerLogs/${place}?${query.toString()}`,
    headers: { Host: 'kubelet' },
    createConnection: () => socket,
  });
  response.on('close', () => upstream.destroy());
  upstream.on('response', (answer) => {
    answer.on('error', () => response.destroy());
    if (answer.statusCode !== 200) {
      readText(answer)
        .then((text) => refuse(response, refusal(answer.statusCode ?? 500, text)))
        .catch(() => response.destroy());
      return;
    }
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Cache-Control': 'no-cache, private' });
    // With -f the first line may be long in coming; the client should know by now that it was let in.
    response.flushHeaders();
    answer.pipe(response);
  });
  upstream.on('error', (error) => {
    if (response.headersSent) response.destroy();
    else refuse(response, unreachable(error));
  });
  upstream.end();
}

function refuse(response: ServerResponse, { status }: StatusError): void {
  if (response.destroyed) return;
  const body = JSON.stringify(status);
  response.writeHead(status.code, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}
