import dgram from 'node:dgram';
import { isIPv6, Server, type Socket } from 'node:net';
import { errorMessage, PodnetError } from '../../../model/errors.ts';
import { withNetns, type Netns } from '../../../kernel/netns.ts';
import type { Execution, ExecRequest, ExitStatus, OutputSink, Workload } from '../workload.ts';
import { GREETING, greeting, plainAddress, type Identity } from './identity.ts';
import { detectProtocol } from './protocol.ts';
import type { StandInPort } from './ports.ts';
import type { ConnectionOwner, StandInServer } from './stand-in-server.ts';

export interface StandInOptions {
  readonly identity: Identity;
  readonly netns: Netns;
  readonly ports: readonly StandInPort[];
  readonly server: StandInServer;
  readonly output: OutputSink;
  /** Starts a program beside the stand-in. */
  readonly exec: (request: ExecRequest) => Execution;
  /** How long new connections are still taken after SIGTERM, while the word goes round that the pod leaves. */
  readonly lingerMs?: number;
}

/**
 * Answers for a container on its ports, in the pod's network. Throws `PodnetError` with code `port-taken` when a port
 * is in use there already.
 */
export async function startStandIn(options: StandInOptions): Promise<Workload> {
  const standIn = new StandIn(options);
  try {
    for (const port of options.ports) await standIn.open(port);
  } catch (error) {
    standIn.kill('SIGKILL');
    throw error;
  }
  return standIn;
}

/** Connections one port takes at a time. */
const MAX_CONNECTIONS = 4096;
/** Silence after which a stand-in speaks first. */
const SILENCE_MS = 200;
const LINGER_MS = 500;

interface Connection {
  /** HTTP/1 requests whose answer is not out yet. */
  inFlight: number;
  /** Ends the connection once what it carries is done. */
  drain: () => void;
}

class StandIn implements Workload, ConnectionOwner {
  readonly kind = 'stand-in';
  readonly exited: Promise<ExitStatus>;
  draining = false;
  readonly #options: StandInOptions;
  readonly #servers: (Server | dgram.Socket)[] = [];
  #connections: Map<Socket, Connection> | undefined;
  #resolve: (status: ExitStatus) => void;
  #closed = false;

  constructor(options: StandInOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<ExitStatus>();
    this.exited = promise;
    this.#resolve = resolve;
  }

  get identity(): Identity {
    return this.#options.identity;
  }

  log(line: string): void {
    this.#options.output.write('stdout', `${line}\n`);
  }

  attach(): undefined {
    return undefined;
  }

  exec(request: ExecRequest): Execution {
    return this.#options.exec(request);
  }

  kill(signal: NodeJS.Signals): void {
    if (signal === 'SIGKILL') {
      this.#closeServers();
      for (const socket of this.#connections?.keys() ?? []) socket.destroy();
      this.#resolve({ exitCode: 137, signal: 9, reason: 'Error' });
    } else if (!this.draining) {
      this.draining = true;
      setTimeout(() => this.#drain(), this.#options.lingerMs ?? LINGER_MS);
    }
  }

  inFlight(socket: Socket, change: 1 | -1): void {
    const connection = this.#connections?.get(socket);
    if (!connection) return;
    connection.inFlight += change;
    if (this.#closed && connection.inFlight === 0) connection.drain();
  }

  async open(port: StandInPort): Promise<void> {
    try {
      if (port.protocol === 'UDP') this.#openUdp(port.port);
      else await this.#openTcp(port);
    } catch (error) {
      const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      throw new PodnetError(
        taken
          ? `${port.protocol} port ${port.port} is already in use by another container of the pod`
          : `Cannot listen on ${port.protocol} port ${port.port}: ${errorMessage(error)}`,
        {
          code: taken ? 'port-taken' : 'cannot-listen',
          where: `container ${this.identity.container}, containerPort ${port.port}`,
          fix: 'The containers of a pod share one network: give each its own port.',
          cause: error,
        },
      );
    }
  }

  async #openTcp({ port, waitsForClient }: StandInPort): Promise<void> {
    const server = new Server({ allowHalfOpen: true, noDelay: true, keepAlive: true });
    server.maxConnections = MAX_CONNECTIONS;
    withNetns(this.#options.netns, () => server.listen(port));
    if (!server.listening) await new Promise((_, reject) => server.once('error', reject));
    server.on('error', () => {}); // out of file descriptors: the client is refused, others go on
    server.on('connection', (socket) => this.#take(socket, waitsForClient));
    this.#servers.push(server);
  }

  #openUdp(port: number): void {
    const lookup = (
      host: string,
      _: unknown,
      done: (error: null, address: string, family: number) => void,
    ): void => done(null, host, isIPv6(host) ? 6 : 4);
    const bind = (type: 'udp6' | 'udp4', address: string): dgram.Socket => {
      const socket = dgram.createSocket({ type, lookup });
      let failure: Error | undefined;
      socket.on('error', (error) => (failure ??= error));
      withNetns(this.#options.netns, () => socket.bind({ port, address }));
      if (!failure) return socket;
      socket.close();
      throw failure;
    };
    let socket: dgram.Socket;
    try {
      socket = bind('udp6', '::');
    } catch (error) {
      // Without IPv6 in the kernel.
      if (
        !(
          error instanceof Error &&
          'code' in error &&
          /^(EAFNOSUPPORT|EADDRNOTAVAIL)$/.test(String(error.code))
        )
      )
        throw error;
      socket = bind('udp4', '0.0.0.0');
    }
    socket.on('message', (message, { address, port: clientPort }) => {
      if (message.subarray(0, GREETING.length).toString('latin1') === GREETING) return;
      const client = { address: plainAddress(address), port: clientPort };
      this.log(`${client.address}:${clientPort} UDP ${message.length} bytes`);
      socket.send(greeting(this.identity, client, port, 'UDP'), clientPort, address);
    });
    this.#servers.push(socket);
  }

  /** Waits for the first bytes to learn what the client speaks. */
  #take(socket: Socket, waitsForClient: boolean): void {
    const connections = (this.#connections ??= new Map());
    const connection: Connection = { inFlight: 0, drain: () => void socket.end().resume() };
    connections.set(socket, connection);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      connections.delete(socket);
      this.#endIfDone();
    });
    let seen: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => decide('text'), SILENCE_MS);
    const decide = (protocol: ReturnType<typeof detectProtocol>): void => {
      if (protocol === undefined || (protocol === 'text' && seen.length === 0 && waitsForClient)) return;
      clearTimeout(timer);
      socket.off('data', onData).off('end', onEnd);
      socket.pause();
      if (seen.length > 0) socket.unshift(seen);
      if (protocol === 'http1') this.#options.server.serveHttp1(socket, this);
      else if (protocol === 'http2') connection.drain = this.#options.server.serveHttp2(socket, this);
      else if (protocol === 'tls') connection.drain = this.#options.server.serveTls(socket, this);
      else this.#echo(socket);
    };
    const onData = (data: Buffer): void => {
      seen = seen.length === 0 ? data : Buffer.concat([seen, data]);
      const protocol = detectProtocol(seen);
      if (protocol !== 'text' || seen.includes(10) || seen.length > 4096) decide(protocol);
    };
    const onEnd = (): void => {
      clearTimeout(timer);
      if (seen.length === 0) socket.end();
      else decide('text');
    };
    socket.on('data', onData).once('end', onEnd);
  }

  /** Says who it is, then gives back whatever comes until the client is done. */
  #echo(socket: Socket): void {
    const client = { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 };
    this.log(`${client.address}:${client.port} TCP`);
    socket.write(`${greeting(this.identity, client, socket.localPort ?? 0, 'TCP')}\n`);
    if (socket.readableEnded) socket.end();
    else socket.pipe(socket);
  }

  #drain(): void {
    this.#closeServers();
    for (const { inFlight, drain } of this.#connections?.values() ?? []) if (inFlight === 0) drain();
    this.#endIfDone();
  }

  #closeServers(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const server of this.#servers) server.close();
  }

  #endIfDone(): void {
    if (this.#closed && (this.#connections?.size ?? 0) === 0)
      this.#resolve({ exitCode: 0, signal: 0, reason: 'Completed' });
  }
}
