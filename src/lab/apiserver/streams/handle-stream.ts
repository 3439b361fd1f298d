import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import { badRequest, forbiddenPath, internalError, StatusError } from '../status.ts';
import { runContainerSession } from './container-session.ts';
import { openKubeletLink } from './kubelet-link.ts';
import { PORT_FORWARD_PROTOCOL, servePortForward } from './port-forward.ts';
import {
  acceptSpdyStreams,
  offeredProtocols,
  REMOTE_COMMAND_PROTOCOL,
  spdyUpgradeAnswer,
  type WantedStreams,
} from './spdy-session.ts';
import {
  acceptWebSocket,
  offeredSubprotocols,
  TUNNEL_PROTOCOL,
  WEBSOCKET_PROTOCOLS,
  webSocketStreams,
} from './websocket-session.ts';

/** A container to run a command in or to attach to; the server has resolved the container and the node. */
export interface ContainerStream {
  readonly kind: 'exec' | 'attach';
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
}

export interface PortForwardStream {
  readonly kind: 'portforward';
  readonly namespace: string;
  readonly pod: string;
}

export interface StreamOptions {
  readonly target: ContainerStream | PortForwardStream;
  /** A fresh connection to the kubelet of the pod's node. */
  readonly dial: () => Duplex;
}

/** How the client wants its connection to go on. */
type Transport = { readonly kind: 'spdy' } | { readonly kind: 'websocket'; readonly protocol: string };

/**
 * Serves an upgrade request for exec, attach or port-forward, once the server has let the user in: WebSocket
 * (v5.channel.k8s.io, v4.channel.k8s.io, SPDY/3.1+portforward.k8s.io) or SPDY/3.1. Command, stdin, tty and the like
 * are read from the request's query. Answers every failure itself.
 */
export function handleStream(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  options: StreamOptions,
): void {
  socket.on('error', () => socket.destroy());
  const { target, dial } = options;
  const served =
    target.kind === 'portforward'
      ? Promise.try(() => startPortForward(request, { socket, head, target, dial }))
      : startContainer(request, { socket, head, target, dial });
  served.catch((error: unknown) => refuseUpgrade(socket, error));
}

interface Upgrade<T> {
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly target: T;
  readonly dial: () => Duplex;
}

async function startContainer(request: IncomingMessage, upgrade: Upgrade<ContainerStream>): Promise<void> {
  const { socket, head, target, dial } = upgrade;
  const query = new URL(request.url ?? '/', 'http://server').searchParams;
  const wanted = wantedStreams(query);
  const commands = query.getAll('command');
  if (target.kind === 'exec' && commands.length === 0)
    throw badRequest('you must specify at least 1 command');
  if (!wanted.stdin && !wanted.stdout && !wanted.stderr) {
    throw badRequest('you must specify at least 1 of stdin, stdout, stderr');
  }
  const transport = chooseTransport(request, {
    spdy: REMOTE_COMMAND_PROTOCOL,
    webSocket: WEBSOCKET_PROTOCOLS,
  });
  // Asked first, so that a container that is not there is a plain HTTP error, which clients print best.
  const link = await openKubeletLink(dial, kubeletPath(target, wanted, commands));
  if (socket.destroyed) {
    link.destroy();
  } else if (transport.kind === 'spdy') {
    try {
      runContainerSession(await acceptSpdyStreams(socket, head, wanted), link);
    } catch {
      // The client went away before it had opened its streams: nobody is left to tell.
      link.destroy();
    }
  } else {
    socket.once('close', () => link.destroy());
    acceptWebSocket(request, { socket, head, protocol: transport.protocol }, (webSocket) => {
      runContainerSession(webSocketStreams(webSocket, wanted), link);
    });
  }
}

function wantedStreams(query: URLSearchParams): WantedStreams {
  const flag = (name: string): boolean => ['1', 'true'].includes(query.get(name)?.toLowerCase() ?? '');
  return { stdin: flag('stdin'), stdout: flag('stdout'), stderr: flag('stderr'), tty: flag('tty') };
}

function kubeletPath(target: ContainerStream, wanted: WantedStreams, commands: readonly string[]): string {
  const place = [target.namespace, target.pod, target.container].map(encodeURIComponent).join('/');
  const query = new URLSearchParams(commands.map((command) => ['command', command]));
  for (const [name, wants] of Object.entries(wanted)) if (wants) query.set(name, '1');
  return `/${target.kind}/${place}?${query.toString()}`;
}

function startPortForward(request: IncomingMessage, upgrade: Upgrade<PortForwardStream>): void {
  const { socket, head, target, dial } = upgrade;
  const options = { namespace: target.namespace, pod: target.pod, dial };
  const transport = chooseTransport(request, { spdy: PORT_FORWARD_PROTOCOL, webSocket: [TUNNEL_PROTOCOL] });
  if (transport.kind === 'spdy') {
    socket.write(spdyUpgradeAnswer(PORT_FORWARD_PROTOCOL));
    servePortForward(socket, head, options);
    return;
  }
  acceptWebSocket(request, { socket, head, protocol: transport.protocol }, (webSocket) => {
    servePortForward(createWebSocketStream(webSocket), Buffer.alloc(0), options);
  });
}

function chooseTransport(
  request: IncomingMessage,
  offers: { readonly spdy: string; readonly webSocket: readonly string[] },
): Transport {
  const upgrade = (request.headers.upgrade ?? '').toLowerCase();
  if (upgrade === 'websocket') {
    const offered = offeredSubprotocols(request);
    const protocol = offers.webSocket.find((known) => offered.includes(known));
    if (protocol) return { kind: 'websocket', protocol };
    throw badRequest(
      `no WebSocket sub-protocol in common: offered ${offered.join(', ') || 'none'}, spoken ${offers.webSocket.join(', ')}`,
    );
  }
  if (upgrade === 'spdy/3.1') {
    const offered = offeredProtocols(request);
    if (offered.includes(offers.spdy)) return { kind: 'spdy' };
    throw forbiddenPath(
      `unable to negotiate protocol: client supports ${offered.join(', ') || 'none'}, server supports ${offers.spdy}`,
    );
  }
  throw badRequest('Upgrade request required');
}

/** Answers an upgrade request with a metav1.Status and closes the connection. */
export function refuseUpgrade(socket: Duplex, error: unknown): void {
  if (socket.destroyed) return;
  const { status } = error instanceof StatusError ? error : internalError(String(error));
  const body = Buffer.from(JSON.stringify(status));
  socket.end(
    `HTTP/1.1 ${status.code} ${STATUS_CODES[status.code] ?? 'Error'}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body.toString('utf8')}`,
    () => socket.destroy(),
  );
}
