import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';

import { authorizePath, impersonate } from '../auth/authorize.ts';
import { ANONYMOUS, type User } from '../auth/user.ts';
import type { ServedKind } from '../registry.ts';
import type { Answer, Call } from '../rest/call.ts';
import { isStream, type Handler, type RoutedRequest } from '../rest/handler.ts';
import { openWatch } from '../rest/watch.ts';
import type { Core } from '../server-core.ts';
import { internalError, methodUnknown, StatusError, unauthorized } from '../status.ts';
import type { CustomColumn } from '../table/custom.ts';
import { wantedForm } from './accept.ts';
import { mediaType, parseBody, readBody } from './body.ts';
import type { Documents } from './documents.ts';
import { inForm } from './forms.ts';
import { respond, type Reply } from './respond.ts';
import { respondWatch } from './watch-response.ts';
import type { Streams } from './streams.ts';

export interface FrontOptions {
  readonly core: Core;
  readonly handler: Handler;
  readonly documents: Documents;
  readonly streams: Streams;
  readonly customColumns: (kind: ServedKind) => readonly CustomColumn[] | undefined;
  readonly onError: (error: unknown, where: string) => void;
}

/** What an HTTP server calls. */
export interface Front {
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void;
  readonly onUpgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

interface ParsedTarget {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
}

function parseTarget({ url = '/' }: IncomingMessage): ParsedTarget {
  const mark = url.indexOf('?');
  const rawPath = mark < 0 ? url : url.slice(0, mark);
  const query: Record<string, string> = Object.create(null) as Record<string, string>;
  // The first of several equal names counts; streams read theirs themselves.
  for (const [name, value] of new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1))) query[name] ??= value;
  return { path: rawPath.includes('%') ? decodePath(rawPath) : rawPath, query };
}

/** An escaped slash would move the borders between steps: such a path names nothing. */
function decodePath(path: string): string {
  if (/%2f|%00/iu.test(path)) return '/';
  try {
    return decodeURIComponent(path);
  } catch {
    return '/';
  }
}

/** Between HTTP and the verbs: authentication, bodies, forms, errors. */
export function createFront({
  core,
  handler,
  documents,
  streams,
  customColumns,
  onError,
}: FrontOptions): Front {
  function authenticate(request: IncomingMessage): User {
    const user = requestUser(request);
    return request.headers['impersonate-user'] === undefined
      ? user
      : impersonate(core.store, user, request.headers);
  }

  function requestUser({ socket, headers }: IncomingMessage): User {
    const { authorization } = headers;
    if (authorization !== undefined) {
      const [, token] = /^Bearer +([^ ]+) *$/iu.exec(authorization) ?? [];
      const user = token === undefined ? undefined : core.authenticateToken(token);
      if (user === undefined) throw unauthorized();
      return user;
    }
    return certificateUser(socket as TLSSocket) ?? ANONYMOUS;
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { path, query } = parseTarget(request);
    const method = request.method ?? 'GET';
    const accept = request.headers.accept ?? '';
    const open = method === 'GET' || method === 'HEAD' ? documents.open(path) : undefined;
    if (open !== undefined) return respond(request, response, open);
    const user = authenticate(request);
    if (user === ANONYMOUS) throw unauthorized();
    const document = documents.find(path, accept);
    if (document !== undefined) {
      authorizePath(core.store, user, { verb: method.toLowerCase(), path });
      if (method !== 'GET' && method !== 'HEAD') throw methodUnknown();
      if (
        request.headers['if-none-match'] !== undefined &&
        request.headers['if-none-match'] === document.headers?.['etag']
      ) {
        response.writeHead(304, { etag: document.headers['etag'] }).end();
        return undefined;
      }
      return respond(request, response, document);
    }
    const routed = handler.route({ method, path, query: withManager(query, request), user });
    if (routed === undefined) {
      return respond(request, response, {
        status: 404,
        body: '404 page not found\n',
        contentType: 'text/plain',
      });
    }
    if (isStream(routed)) return streams.request(request, response, routed);
    if (routed.verb === 'watch') return watch(response, routed, accept);
    return unary(request, response, routed);
  }

  async function unary(
    request: IncomingMessage,
    response: ServerResponse,
    routed: RoutedRequest,
  ): Promise<void> {
    const reads = routed.verb === 'get' || routed.verb === 'list';
    const contentType = mediaType(request.headers['content-type']);
    const body = reads ? undefined : await parseBody(await readBody(request), contentType);
    const warnings: string[] = [];
    const answer: Answer = handler.handle(routed, { body, contentType, warnings });
    await respond(request, response, {
      status: answer.status,
      body: inForm(answer.body, {
        kind: routed.kind,
        form: wantedForm(request.headers.accept),
        includeObject: routed.query['includeObject'],
        customColumns: customColumns(routed.kind),
      }),
      warnings,
    });
  }

  function watch(response: ServerResponse, routed: RoutedRequest, accept: string): void {
    const call: Call = { ...routed, body: undefined, contentType: '', warnings: [] };
    const form = wantedForm(accept);
    const { kind } = routed;
    const columns = customColumns(kind);
    respondWatch(response, openWatch(core, call), {
      inForm:
        form.as === 'Object'
          ? undefined
          : (object, first) =>
              inForm(object, {
                kind,
                form,
                includeObject: routed.query['includeObject'],
                customColumns: columns,
                withoutColumns: !first,
              }),
    });
  }

  function statusOf(error: unknown, { method, url }: IncomingMessage): StatusError {
    if (error instanceof StatusError) return error;
    onError(error, `${method ?? ''} ${url ?? ''}`);
    return internalError(error instanceof Error ? error.message : String(error));
  }

  async function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): Promise<void> {
    const { status } = statusOf(error, request);
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const headers: Record<string, string> = {};
    // What is left of a body that is too large is not worth reading.
    if (status.code === 413) headers['connection'] = 'close';
    if (status.code === 429) headers['retry-after'] = '1';
    const reply: Reply = { status: status.code, body: status, headers };
    await respond(request, response, reply);
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { path, query } = parseTarget(request);
    const user = authenticate(request);
    if (user === ANONYMOUS) throw unauthorized();
    const routed = handler.route({ method: request.method ?? 'GET', path, query, user });
    if (routed === undefined || !isStream(routed)) throw methodUnknown();
    await streams.upgrade(request, { socket, head, routed });
  }

  return {
    onRequest(request, response) {
      serve(request, response)
        .catch((error: unknown) => refuse(request, response, error))
        .catch((error: unknown) => {
          onError(error, 'answering a request');
          response.destroy();
        });
    },
    onUpgrade(request, socket, head) {
      socket.on('error', () => socket.destroy());
      upgrade(request, socket, head).catch((error: unknown) =>
        refuseUpgrade(socket, statusOf(error, request)),
      );
    },
  };
}

function refuseUpgrade(socket: Duplex, { status }: StatusError): void {
  const body = JSON.stringify(status);
  const head = [
    `HTTP/1.1 ${status.code} ${status.reason ?? ''}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Field managers are named after the program unless it says otherwise. */
function withManager(query: ParsedTarget['query'], { headers }: IncomingMessage): ParsedTarget['query'] {
  if (query['fieldManager'] !== undefined) return query;
  const [agent = 'unknown'] = (headers['user-agent'] ?? 'unknown').split('/', 1);
  return { ...query, fieldManager: agent.slice(0, 128) };
}

const certificateUsers = new WeakMap<TLSSocket, User>();

/** Who the connection's client certificate names; read once a connection. */
function certificateUser(socket: TLSSocket): User | undefined {
  const known = certificateUsers.get(socket);
  if (known !== undefined || !socket.authorized) return known;
  const { subject } = socket.getPeerCertificate();
  const name = subject?.CN;
  if (typeof name !== 'string' || name === '') return undefined;
  const organizations = subject.O;
  const groups = organizations === undefined ? [] : [organizations].flat();
  const user = { name, groups: [...groups, 'system:authenticated'] };
  certificateUsers.set(socket, user);
  return user;
}
