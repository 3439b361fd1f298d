import { createServer, type Socket } from 'node:net';

import {
  addressKeyOf,
  type DatagramPeer,
  openDatagramSocket,
  readSocketAddress,
  socketAddress,
} from '../kernel/datagram-socket.ts';
import type { AnswerRoom } from './answer.ts';
import type { Client, Later } from './serving/request.ts';
import type { DnsServer } from './serving/server.ts';
import { MAX_BYTES } from './wire/constants.ts';
import { readFrames, writeFrame } from './wire/frame.ts';

export interface ListenOptions {
  readonly address: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
  readonly server: DnsServer;
}

export interface Listener {
  readonly port: number;
  /** Resolves, with the reason, when it stops by itself. */
  readonly failed: Promise<unknown>;
  /**
   * Leaves new questions to other listeners at the same place, which the address may have any number of, answers those
   * it has, and resolves when it is closed, with or without them, after six seconds at most.
   */
  close(): Promise<void>;
}

/** Longest query taken; real ones have less than 300 bytes. */
const MAX_QUERY_BYTES = 4096;
/** Connections open at once over one address; the longest idle one gives way. */
const MAX_CONNECTIONS = 256;
/** Of those, of one client. */
const MAX_CLIENT_CONNECTIONS = 64;
/** RFC 7766 asks for a few seconds. */
const IDLE_TIMEOUT_MS = 10_000;
/** Answers a client may leave unread, and questions it may have open, before we stop reading from it. */
const MAX_UNREAD_BYTES = 256 * 1024;
const MAX_PIPELINED = 64;
/** As long as a question may wait for an upstream. */
const CLOSE_WITHIN_MS = 6000;
/** For questions on their way over connections that are open. */
const QUIET_MS = 100;
/** For datagrams that the kernel was about to hand over. */
const DRAIN_MS = 10;

/** Answers over UDP. Throws `SyscallError` when the address cannot be bound. */
export function listenUdp({ address, port, server }: ListenOptions): Listener {
  const failed = Promise.withResolvers<unknown>();
  const family = address.includes(':') ? 6 : 4;
  let open = 0;
  const socket = openDatagramSocket({
    address,
    port,
    reusePort: true,
    maxMessageBytes: MAX_QUERY_BYTES,
    onError: failed.resolve,
    answer(message, length, out, peer) {
      let known: Client | undefined;
      const client = (): Client => (known ??= { address: addressText(peer), port: peer.port });
      const reply = server.respond(
        { message, length, transport: 'udp', family, client, clientKey: peer.addressKey },
        { out, transport: 'udp' },
      );
      if (typeof reply === 'number') return reply;
      const kept = Buffer.from(message.subarray(0, length));
      const room: AnswerRoom = { out: Buffer.allocUnsafe(MAX_QUERY_BYTES), transport: 'udp' };
      const from = peer.copy();
      // The buffers are used again before the answer is there.
      client();
      open += 1;
      void (async () => {
        const written = await reply(kept, room);
        open -= 1;
        if (written > 0) socket.send(room.out.subarray(0, written), from);
      })();
      return 0;
    },
  });
  return {
    port: socket.port,
    failed: failed.promise,
    async close() {
      socket.drain();
      const deadlineMs = performance.now() + CLOSE_WITHIN_MS;
      const isWaiting = (): boolean => open > 0 && performance.now() < deadlineMs;
      do await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
      while (isWaiting());
      socket.close();
    },
  };
}

/** Clients' addresses as text, by key: a node's pods ask again and again. */
const texts = new Map<number | string, string>();
const MAX_TEXTS = 4096;

function addressText(peer: DatagramPeer): string {
  const { addressKey } = peer;
  let text = texts.get(addressKey);
  if (text === undefined) {
    if (texts.size >= MAX_TEXTS) texts.clear();
    texts.set(addressKey, (text = readSocketAddress(peer.copy()).address));
  }
  return text;
}

interface Connection {
  /** Its address. */
  readonly client: string;
  /** Questions that wait for an answer. */
  open: number;
}

/** Answers over TCP. Rejects when the address cannot be bound. */
export async function listenTcp({ address, port, server: dns }: ListenOptions): Promise<Listener> {
  const failed = Promise.withResolvers<unknown>();
  /** The one that was silent longest stands first. */
  const connections = new Map<Socket, Connection>();
  const out = Buffer.allocUnsafe(MAX_BYTES);
  const family = address.includes(':') ? 6 : 4;

  const server = createServer({ noDelay: true }, (socket) => {
    const { remoteAddress } = socket;
    if (remoteAddress === undefined) return void socket.destroy(); // gone already
    const connection: Connection = { client: remoteAddress, open: 0 };
    connections.set(socket, connection);
    socket.on('close', () => connections.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
    const own = [...connections].filter(([, { client }]) => client === remoteAddress);
    if (own.length > MAX_CLIENT_CONNECTIONS) own[0]?.[0].destroy();
    else if (connections.size > MAX_CONNECTIONS) connections.keys().next().value?.destroy();
    serve(socket, connection);
  });

  function serve(socket: Socket, connection: Connection): void {
    const remoteAddress = connection.client;
    const clientKey = addressKeyOf(socketAddress(remoteAddress, 0));
    const settle = (): void => {
      const busy = connection.open >= MAX_PIPELINED || socket.writableLength > MAX_UNREAD_BYTES;
      if (busy) socket.pause();
      else if (socket.isPaused()) socket.resume();
    };
    const reply = (answer: Buffer): void => {
      if (answer.length > 0 && socket.writable) socket.write(writeFrame(answer));
    };
    const answerLater = async (message: Buffer, later: Later): Promise<void> => {
      const room: AnswerRoom = { out: Buffer.allocUnsafe(MAX_BYTES), transport: 'tcp' };
      connection.open += 1;
      const written = await later(message, room);
      connection.open -= 1;
      reply(room.out.subarray(0, written));
    };
    const { remotePort = 0 } = socket;
    const client = (): Client => ({ address: remoteAddress, port: remotePort });
    socket.on('drain', settle);
    readFrames(
      socket,
      (message) => {
        // A fresh place in the order: the connection that was silent longest stands first.
        connections.delete(socket);
        connections.set(socket, connection);
        const answer = dns.respond(
          { message, length: message.length, transport: 'tcp', family, client, clientKey },
          { out, transport: 'tcp' },
        );
        // What is ignored over UDP, too many questions among it, ends a connection.
        if (answer === 0) socket.destroySoon();
        else if (typeof answer === 'number') reply(out.subarray(0, answer));
        else void answerLater(Buffer.from(message), answer).finally(settle);
        settle();
      },
      MAX_QUERY_BYTES,
    );
  }

  const listening = Promise.withResolvers<void>();
  server.on('error', (error) => {
    listening.reject(error);
    failed.resolve(error);
  });
  server.listen({ host: address, port, reusePort: true }, listening.resolve);
  await listening.promise;
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    failed: failed.promise,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      const quietMs = performance.now() + QUIET_MS;
      const deadlineMs = performance.now() + CLOSE_WITHIN_MS;
      for (;;) {
        const isQuiet = performance.now() > quietMs;
        const isLate = performance.now() > deadlineMs;
        for (const [socket, { open }] of connections)
          if ((open === 0 && isQuiet) || isLate) socket.destroySoon();
        if (connections.size === 0 || isLate) break;
        await new Promise((resolve) => setTimeout(resolve, DRAIN_MS));
      }
      for (const socket of connections.keys()) socket.destroy();
      await closed;
    },
  };
}
