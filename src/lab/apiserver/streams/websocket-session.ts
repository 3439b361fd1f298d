import type { IncomingMessage } from 'node:http';
import { type Duplex, Readable, Writable } from 'node:stream';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import { CHANNEL } from './channels.ts';
import type { ClientStreams } from './container-session.ts';
import type { WantedStreams } from './spdy-session.ts';

/** Sub-protocols for exec and attach, best first. Version 5 can close stdin. */
export const WEBSOCKET_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'] as const;
/** SPDY for port-forward, inside WebSocket messages. */
export const TUNNEL_PROTOCOL = 'SPDY/3.1+portforward.k8s.io';

const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const PING_INTERVAL_MS = 5000;
const NORMAL_CLOSURE = 1000;

/** The sub-protocols a WebSocket client offers, in its order. */
export function offeredSubprotocols(request: IncomingMessage): string[] {
  return (request.headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map((protocol) => protocol.trim())
    .filter(Boolean);
}

/** Completes the handshake with the given sub-protocol. The server answers bad handshakes itself. */
export function acceptWebSocket(
  request: IncomingMessage,
  { socket, head, protocol }: { readonly socket: Duplex; readonly head: Buffer; readonly protocol: string },
  onOpen: (webSocket: WebSocket) => void,
): void {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: MAX_MESSAGE_BYTES,
    handleProtocols: () => protocol,
  });
  // The tunnel's name is no token of HTTP's, and ws refuses to read such names; it writes what it is given.
  request.headers['sec-websocket-protocol'] = 'chosen';
  server.handleUpgrade(request, socket, head, (webSocket) => {
    // ws closes the connection after an error; `close` follows.
    webSocket.on('error', () => {});
    keepAlive(webSocket);
    onOpen(webSocket);
  });
}

/** A write finds a client that died while nothing was read from it. */
function keepAlive(webSocket: WebSocket): void {
  const pinging = setInterval(() => webSocket.ping(), PING_INTERVAL_MS).unref();
  webSocket.on('close', () => clearInterval(pinging));
}

/** Each message's first byte names the channel; channel 255 closes the channel its second byte names (version 5). */
export function webSocketStreams(webSocket: WebSocket, wanted: WantedStreams): ClientStreams {
  const input = (want: boolean): Readable | undefined =>
    want ? new Readable({ highWaterMark: 256 * 1024, read: () => webSocket.resume() }) : undefined;
  const stdin = input(wanted.stdin);
  const resize = input(wanted.tty);
  const inputs = new Map<number | undefined, Readable | undefined>([
    [CHANNEL.stdin, stdin],
    [CHANNEL.resize, resize],
  ]);
  webSocket.on('message', (data: RawData) => {
    const message = asBuffer(data);
    const [channel] = message;
    if (channel === CHANNEL.close) {
      const closing = inputs.get(message[1]);
      if (closing && !closing.readableEnded) closing.push(null);
      inputs.set(message[1], undefined);
    } else if (message.length > 1 && inputs.get(channel)?.push(message.subarray(1)) === false) {
      webSocket.pause();
    }
  });
  const stdout = wanted.stdout ? channelWriter(webSocket, CHANNEL.stdout) : undefined;
  const stderr = wanted.stderr && !wanted.tty ? channelWriter(webSocket, CHANNEL.stderr) : undefined;
  return {
    stdin,
    stdout,
    stderr,
    resize,
    finish: (status) => {
      const outputs = [stdout, stderr].filter((output) => output !== undefined);
      let open = outputs.length;
      const close = (): void => {
        webSocket.send(Buffer.concat([Buffer.from([CHANNEL.status]), Buffer.from(JSON.stringify(status))]));
        webSocket.close(NORMAL_CLOSURE);
        webSocket.resume();
      };
      if (open === 0) close();
      for (const output of outputs) {
        output.end(() => {
          open -= 1;
          if (open === 0) close();
        });
      }
    },
    onGone: (run) => {
      webSocket.on('close', run);
    },
  };
}

function channelWriter(webSocket: WebSocket, channel: number): Writable {
  const prefix = Buffer.from([channel]);
  const writer = new Writable({
    highWaterMark: 256 * 1024,
    write: (chunk: Buffer, _encoding, done) => {
      webSocket.send(Buffer.concat([prefix, chunk]), { binary: true }, (error) => done(error ?? null));
    },
  });
  // The end of the connection is told by `close`.
  writer.on('error', () => {});
  return writer;
}

function asBuffer(data: RawData): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
