import http from 'node:http';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import { createPki } from '../../apiserver/pki.ts';
import { answerGrpc, isGrpc, isWatch } from './grpc.ts';
import { jsonAnswer, plainAddress, textAnswer, type Client, type Identity } from './identity.ts';

/** The stand-in a connection belongs to. */
export interface ConnectionOwner {
  readonly identity: Identity;
  /** No new requests on connections that are open. */
  readonly draining: boolean;
  log(line: string): void;
  /** Called with 1 when an HTTP/1 request begins and -1 when its answer is out. */
  inFlight(socket: Socket, change: 1 | -1): void;
}

const owner = Symbol('owner');
/** Connections carry their owner with them: HTTP/2 shows its handlers only a proxy of the socket. */
interface OwnedSocket extends Socket {
  [owner]?: ConnectionOwner;
}

/** The HTTP servers of a node: one of each kind for all stand-ins, which pass them their connections. */
export interface StandInServer {
  serveHttp1(socket: Socket, owner: ConnectionOwner): void;
  /** The result ends the connection when the requests on it are answered. */
  serveHttp2(socket: Socket, owner: ConnectionOwner): () => void;
  /** HTTP over TLS, with a certificate nobody vouches for. The result ends the connection. */
  serveTls(socket: Socket, owner: ConnectionOwner): () => void;
  close(): void;
}

export function createStandInServer(): StandInServer {
  const http1 = http.createServer({ keepAliveTimeout: 65_000, maxHeaderSize: 64 * 1024 }, answer);
  http1.on('upgrade', (request: http.IncomingMessage, socket: Socket) => {
    // No protocol to upgrade to: RFC 9110 §7.8 lets the server answer as if it had not been asked.
    socket.end(`HTTP/1.1 426 Upgrade Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    request.destroy();
  });
  const h2 = http2.createServer({ maxSessionMemory: 10, settings: { maxConcurrentStreams: 250 } });
  h2.on('stream', answerStream);
  h2.on('sessionError', () => {});
  let secureContext: SecureContext | undefined;
  const serving: StandInServer = {
    serveHttp1(socket: OwnedSocket, connectionOwner) {
      socket[owner] = connectionOwner;
      http1.emit('connection', socket);
      socket.resume();
    },
    serveTls(socket, connectionOwner) {
      secureContext ??= makeSecureContext();
      const secure = new TLSSocket(socket, {
        isServer: true,
        secureContext,
        ALPNProtocols: ['h2', 'http/1.1'],
      });
      secure.on('error', () => socket.destroy());
      secure.setTimeout(HANDSHAKE_MS, () => secure.destroy());
      secure.once('secure', () => {
        secure.setTimeout(0);
        if (secure.alpnProtocol === 'h2') serving.serveHttp2(secure, connectionOwner);
        else serving.serveHttp1(secure, connectionOwner);
      });
      return () => secure.end();
    },
    serveHttp2(socket: OwnedSocket, connectionOwner) {
      socket[owner] = connectionOwner;
      let session: http2.ServerHttp2Session | undefined;
      h2.once('session', (opened) => (session = opened));
      h2.emit('connection', socket);
      return () => {
        session?.close();
        for (const stream of session ? (watches.get(session) ?? []) : []) stream.end(() => stream.close());
      };
    },
    close() {
      http1.close();
      http1.closeAllConnections();
      h2.close();
    },
  };
  return serving;
}

const HANDSHAKE_MS = 10_000;

function makeSecureContext(): SecureContext {
  const { certificate, key } = createPki({ hosts: ['stand-in.podnet'] }).server;
  return createSecureContext({ cert: certificate, key });
}

function answer(request: http.IncomingMessage, response: http.ServerResponse): void {
  const socket: OwnedSocket = request.socket;
  const connectionOwner = socket[owner];
  if (!connectionOwner) return void response.destroy();
  connectionOwner.inFlight(socket, 1);
  response.once('close', () => connectionOwner.inFlight(socket, -1));
  request.resume();
  const { method = 'GET', url = '/', headers, httpVersion } = request;
  const seen = { method, path: url, host: headers.host ?? '', protocol: `HTTP/${httpVersion}` };
  const body = bodyFor(connectionOwner.identity, socket, headers.accept, seen);
  if (connectionOwner.draining) response.setHeader('Connection', 'close');
  response.setHeader('Server', 'podnet');
  response.writeHead(200, { 'Content-Type': body.type, 'Content-Length': Buffer.byteLength(body.text) });
  response.end(method === 'HEAD' ? undefined : body.text);
  logRequest(connectionOwner, socket, headers['user-agent'], `${method} ${url}`);
}

function answerStream(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
  stream.on('error', () => {});
  const socket: OwnedSocket | undefined = stream.session?.socket;
  const connectionOwner = socket?.[owner];
  if (!socket || !connectionOwner) return stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
  const { ':method': method = 'GET', ':path': path = '/', ':authority': host = '' } = headers;
  const seen = { method, path, host, protocol: 'HTTP/2' };
  const client = clientOf(socket);
  if (isGrpc(headers)) {
    if (isWatch(headers) && stream.session) rememberWatch(stream.session, stream);
    const { identity } = connectionOwner;
    answerGrpc(
      stream,
      headers,
      textAnswer(identity, client, socket.localPort ?? 0, seen)
        .trim()
        .replaceAll('\n', '; '),
    );
  } else {
    stream.resume();
    const body = bodyFor(connectionOwner.identity, socket, headers.accept, seen);
    stream.respond(
      { ':status': 200, 'content-type': body.type, server: 'podnet' },
      { endStream: method === 'HEAD' },
    );
    if (method !== 'HEAD') stream.end(body.text);
  }
  logRequest(connectionOwner, socket, headers['user-agent'], `${method} ${path}`);
}

/** Streams that would never end by themselves. */
const watches = new WeakMap<http2.Http2Session, Set<http2.ServerHttp2Stream>>();

function rememberWatch(session: http2.Http2Session, stream: http2.ServerHttp2Stream): void {
  const streams = watches.get(session) ?? new Set();
  watches.set(session, streams.add(stream));
  stream.once('close', () => streams.delete(stream));
}

function bodyFor(
  identity: Identity,
  socket: Socket,
  accept: string | undefined,
  seen: Parameters<typeof textAnswer>[3],
): { type: string; text: string } {
  const facts = [identity, clientOf(socket), socket.localPort ?? 0, seen] as const;
  return accept?.includes('application/json') === true
    ? { type: 'application/json', text: jsonAnswer(...facts) }
    : { type: 'text/plain; charset=utf-8', text: textAnswer(...facts) };
}

function clientOf({ remoteAddress, remotePort = 0 }: Socket): Client {
  return { address: plainAddress(remoteAddress), port: remotePort };
}

/** Probes come every few seconds for ever: they are not worth a line each. */
function logRequest(to: ConnectionOwner, socket: Socket, userAgent: string | undefined, what: string): void {
  if (userAgent?.startsWith('kube-probe/') === true || userAgent?.startsWith('grpc-probe') === true) return;
  const { address, port } = clientOf(socket);
  to.log(`${address}:${port} "${what.replaceAll(/[^ -~]/g, '?')}" 200`);
}
