import { createServer, type Socket } from 'node:net';

import { openDatagramSocket, readSocketAddress } from '../kernel/datagram-socket.ts';
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
  close(): void;
}

/** Longest query taken; real ones have less than 300 bytes. */
const MAX_QUERY_BYTES = 4096;
/** Connections open at once over one address; the longest idle one gives way. */
const MAX_CONNECTIONS = 256;
/** RFC 7766 asks for a few seconds. */
const IDLE_TIMEOUT_MS = 10_000;
/** Answers a client may leave unread, and questions it may have open, before we stop reading from it. */
const MAX_UNREAD_BYTES = 256 * 1024;
const MAX_PIPELINED = 64;

/** Answers over UDP. Throws `SyscallError` when the address cannot be bound. */
export function listenUdp({ address, port, server }: ListenOptions): Listener {
  const failed = Promise.withResolvers<unknown>();
  const family = address.includes(':') ? 6 : 4;
  const socket = openDatagramSocket({
    address,
    port,
    maxMessageBytes: MAX_QUERY_BYTES,
    onError: failed.resolve,
    answer(message, length, out, peer) {
      let known: Client | undefined;
      const client = (): Client => (known ??= readSocketAddress(peer.copy()));
      const reply = server.respond(
        { message, length, transport: 'udp', family, client },
        { out, transport: 'udp' },
      );
      if (typeof reply === 'number') return reply;
      const kept = Buffer.from(message.subarray(0, length));
      const room: AnswerRoom = { out: Buffer.allocUnsafe(MAX_QUERY_BYTES), transport: 'udp' };
      const from = peer.copy();
      // The buffers are used again before the answer is there.
      client();
      void (async () => {
        const written = await reply(kept, room);
        if (written > 0) socket.send(room.out.subarray(0, written), from);
      })();
      return 0;
    },
  });
  return { port: socket.port, failed: failed.promise, close: () => socket.close() };
}

/** Answers over TCP. Rejects when the address cannot be bound. */
export async function listenTcp({ address, port, server: dns }: ListenOptions): Promise<Listener> {
  const failed = Promise.withResolvers<unknown>();
  const connections = new Set<Socket>();
  const out = Buffer.allocUnsafe(MAX_BYTES);
  const family = address.includes(':') ? 6 : 4;

  const server = createServer({ noDelay: true }, (socket) => {
    connections.add(socket);
    socket.on('close', () => connections.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
    if (connections.size > MAX_CONNECTIONS) connections.values().next().value?.destroy();
    serve(socket);
  });

  function serve(socket: Socket): void {
    let open = 0;
    const settle = (): void => {
      const busy = open >= MAX_PIPELINED || socket.writableLength > MAX_UNREAD_BYTES;
      if (busy) socket.pause();
      else if (socket.isPaused()) socket.resume();
    };
    const reply = (answer: Buffer): void => {
      if (answer.length > 0 && socket.writable) socket.write(writeFrame(answer));
    };
    const answerLater = async (message: Buffer, later: Later): Promise<void> => {
      const room: AnswerRoom = { out: Buffer.allocUnsafe(MAX_BYTES), transport: 'tcp' };
      open++;
      const written = await later(message, room);
      open--;
      reply(room.out.subarray(0, written));
    };
    const { remoteAddress = '', remotePort = 0 } = socket;
    const client = (): Client => ({ address: remoteAddress, port: remotePort });
    socket.on('drain', settle);
    readFrames(
      socket,
      (message) => {
        // A fresh place in the order: the connection that was silent longest stands first.
        connections.delete(socket);
        connections.add(socket);
        const incoming = { message, length: message.length, transport: 'tcp', family, client } as const;
        const answer = dns.respond(incoming, { out, transport: 'tcp' });
        if (typeof answer === 'number') reply(out.subarray(0, answer));
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
  server.listen({ host: address, port }, listening.resolve);
  await listening.promise;
  const bound = server.address();
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : port,
    failed: failed.promise,
    close() {
      server.close();
      for (const socket of connections) socket.destroy();
    },
  };
}
