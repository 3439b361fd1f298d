import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Status } from '../../../model/objects.ts';
import { CHANNEL, channelHeader, ChannelReader, probePeer, STREAM_PROTOCOL } from './channels.ts';

export interface FakeKubeletOptions {
  /** Where it listens: a unix socket. */
  readonly socketPath: string;
}

/**
 * A kubelet's streaming server without pods, for tests of what stands in front of one.
 * - exec runs the command on this machine; with a tty it is `fakeTerminal` instead.
 * - attach sends what it is sent, in upper case.
 * - port-forward connects to the port on 127.0.0.1.
 * - logs are what the test wrote with `log`; `-f` follows until `endLogs`.
 *
 * A container called `missing` does not exist.
 */
export interface FakeKubelet {
  readonly ready: Promise<void>;
  /** A new connection, as the API server would dial it. */
  readonly dial: () => Socket;
  log(line: string): void;
  endLogs(): void;
  /** Streams and followed logs that are open now. */
  openStreams(): number;
  /** Breaks every open connection, as if the node had died. */
  breakStreams(): void;
  close(): void;
}

export function createFakeKubelet({ socketPath }: FakeKubeletOptions): FakeKubelet {
  const lines: string[] = [];
  const followers = new Set<ServerResponse>();
  const streams = new Set<Duplex>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://kubelet');
    if (url.pathname.endsWith('/missing')) {
      response.writeHead(404, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(failure(404, 'NotFound', 'container not found ("missing")')));
      return;
    }
    const tail = url.searchParams.get('tailLines');
    response.writeHead(200, { 'Content-Type': 'text/plain' });
    const shown = tail === null ? lines : lines.slice(Math.max(lines.length - Number(tail), 0));
    for (const line of shown) response.write(`${line}\n`);
    if (url.searchParams.get('follow') !== 'true') {
      response.end();
      return;
    }
    response.flushHeaders();
    followers.add(response);
    response.on('close', () => followers.delete(response));
  });
  server.on('upgrade', (request, socket, head) => {
    streams.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => streams.delete(socket));
    // The API server never half-closes; its end means that the client has gone.
    socket.on('end', () => socket.destroy());
    serveStream(request, socket, head);
  });
  const ready = new Promise<void>((resolve) => {
    server.listen(socketPath, resolve);
  });
  return {
    ready,
    dial: () => connect(socketPath),
    log: (line) => {
      lines.push(line);
      for (const follower of followers) follower.write(`${line}\n`);
    },
    endLogs: () => {
      for (const follower of followers) follower.end();
    },
    openStreams: () => streams.size + followers.size,
    breakStreams: () => {
      for (const stream of streams) stream.destroy();
      for (const follower of followers) follower.destroy();
    },
    close: () => {
      server.closeAllConnections();
      server.close();
      for (const stream of streams) stream.destroy();
    },
  };
}

function failure(code: number, reason: string, message: string): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, message, code };
}

function serveStream(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://kubelet');
  const [, kind, , , container] = pathname.split('/');
  if (container === 'missing') {
    const body = JSON.stringify(failure(404, 'NotFound', 'container not found ("missing")'));
    socket.end(
      `HTTP/1.1 404 Not Found\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    );
    return;
  }
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${STREAM_PROTOCOL}\r\n\r\n`,
  );
  probePeer(socket, 500);
  if (kind === 'portForward') forwardPort(socket, head, Number(searchParams.get('port')));
  else if (kind === 'attach') shout(socket, head);
  else if (searchParams.get('tty')) fakeTerminal(socket, head);
  else runCommand(socket, head, searchParams.getAll('command'));
}

function send(socket: Duplex, channel: number, payload: Buffer): boolean {
  if (socket.destroyed || !socket.writable) return true;
  socket.write(channelHeader(channel, payload.length));
  return socket.write(payload);
}

/** Sends everything read from `from`; resolves at its end. */
function sendAll(socket: Duplex, channel: number, from: Readable): Promise<void> {
  from.on('data', (chunk: Buffer) => {
    if (send(socket, channel, chunk)) return;
    from.pause();
    socket.once('drain', () => from.resume());
  });
  return new Promise((resolve) => {
    from.on('close', resolve);
  });
}

/** Writes a channel's payloads to `to` and ends it when the channel is closed. */
function receiveInto(socket: Duplex, head: Buffer, to: Writable, onResize?: (size: string) => void): void {
  const reader = new ChannelReader();
  const receive = (chunk: Buffer): void => {
    for (const { channel, payload } of reader.read(chunk)) {
      if (channel === CHANNEL.stdin && !to.destroyed && !to.write(payload)) {
        socket.pause();
        to.once('drain', () => socket.resume());
      }
      if (channel === CHANNEL.close && payload[0] === CHANNEL.stdin) to.end();
      if (channel === CHANNEL.resize) onResize?.(payload.toString());
    }
  };
  to.on('error', () => socket.resume());
  to.on('close', () => socket.resume());
  socket.on('data', receive);
  if (head.length > 0) receive(head);
}

/** The Status of a command that ended, as kubelets word it. */
function exitStatus(code: number): Status {
  if (code === 0) return { metadata: {}, status: 'Success' };
  return {
    ...failure(500, 'NonZeroExitCode', `command terminated with non-zero exit code: exit status ${code}`),
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}

function finish(socket: Duplex, status: Status): void {
  send(socket, CHANNEL.status, Buffer.from(JSON.stringify(status)));
  socket.end();
}

function runCommand(socket: Duplex, head: Buffer, [program = 'false', ...words]: readonly string[]): void {
  const child = spawn(program, words, { stdio: 'pipe' });
  socket.on('close', () => child.kill('SIGKILL'));
  receiveInto(socket, head, child.stdin);
  const output = [
    sendAll(socket, CHANNEL.stdout, child.stdout),
    sendAll(socket, CHANNEL.stderr, child.stderr),
  ];
  const ended = new Promise<number>((resolve) => {
    child.on('error', () => resolve(127));
    child.on('exit', (code) => resolve(code ?? 137));
  });
  void Promise.all([ended, ...output]).then(([code]) => finish(socket, exitStatus(code)));
}

/** Says the size of the terminal at each change, repeats what is typed, and ends with the number after `exit`. */
function fakeTerminal(socket: Duplex, head: Buffer): void {
  const reader = new ChannelReader();
  let typed = '';
  const receive = (chunk: Buffer): void => {
    for (const { channel, payload } of reader.read(chunk)) {
      if (channel === CHANNEL.resize) {
        const { Width, Height } = JSON.parse(payload.toString()) as { Width: number; Height: number };
        send(socket, CHANNEL.stdout, Buffer.from(`size ${Width}x${Height}\r\n`));
      } else if (channel === CHANNEL.stdin) {
        typed += payload.toString();
        send(socket, CHANNEL.stdout, payload);
        const code = /exit (\d+)[\r\n]/.exec(typed)?.[1];
        if (code !== undefined) finish(socket, exitStatus(Number(code)));
      }
    }
  };
  socket.on('data', receive);
  send(socket, CHANNEL.stdout, Buffer.from('ready\r\n'));
  if (head.length > 0) receive(head);
}

function shout(socket: Duplex, head: Buffer): void {
  const reader = new ChannelReader();
  const receive = (chunk: Buffer): void => {
    for (const { channel, payload } of reader.read(chunk)) {
      if (channel === CHANNEL.stdin) {
        send(socket, CHANNEL.stdout, Buffer.from(payload.toString().toUpperCase()));
      } else if (channel === CHANNEL.close) {
        finish(socket, exitStatus(0));
      }
    }
  };
  socket.on('data', receive);
  if (head.length > 0) receive(head);
}

function forwardPort(socket: Duplex, head: Buffer, port: number): void {
  const peer = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('close', () => peer.destroy());
  peer.on('error', (error) => finish(socket, failure(500, 'InternalError', error.message)));
  receiveInto(socket, head, peer);
  void sendAll(socket, CHANNEL.stdout, peer);
  peer.on('end', () => send(socket, CHANNEL.close, Buffer.from([CHANNEL.stdout])));
  peer.on('close', () => socket.end());
}
