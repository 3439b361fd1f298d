/** TCP connections of the test's own process from within any network namespace, and servers that say who they are. */
import { once } from 'node:events';
import { type Server, type Socket, Socket as TcpSocket, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { AF, SOCK, socket } from '../../../src/kernel/ffi-sockets.ts';
import { type Netns, withNetns } from '../../../src/kernel/netns.ts';

/** Answers every line with `NAME CLIENT-ADDRESS`. Call once the namespace has its addresses. */
export function startLineServer(netns: Netns, name: string, port: number): Server {
  const server = createServer((connection) => {
    const from = connection.remoteAddress?.replace('::ffff:', '');
    connection.on('error', () => undefined);
    createInterface({ input: connection }).on('line', () => connection.write(`${name} ${from}\n`));
  });
  withNetns(netns, () => server.listen(port));
  return server;
}

export interface LiveConnection {
  /** Sends a line and gives the server's answer, or the error's name. */
  ask(): Promise<string>;
  close(): void;
}

/** Opens a connection; a failure is what every `ask` answers. */
export async function openLive(
  from: Netns,
  { address, port, timeoutMs = 15_000 }: { address: string; port: number; timeoutMs?: number },
): Promise<LiveConnection> {
  // The socket stays in the namespace it was made in, so that only this must happen there.
  const family = address.includes(':') ? AF.INET6 : AF.INET;
  const fd = withNetns(from, () => socket(family, SOCK.STREAM | SOCK.NONBLOCK));
  const connection: Socket = new TcpSocket({ fd });
  let failure: string | undefined;
  connection.on('error', (error) => (failure ??= 'code' in error ? String(error.code) : error.message));
  const limit = AbortSignal.timeout(timeoutMs);
  connection.connect({ host: address, port });
  await once(connection, 'connect', { signal: limit }).catch(() => (failure ??= 'timeout'));
  const reader = createInterface({ input: connection });
  // It ends by itself only when the other side ends.
  connection.on('close', () => reader.close());
  const lines = reader[Symbol.asyncIterator]();
  if (failure !== undefined) connection.destroy();
  return {
    async ask() {
      if (failure !== undefined) return failure;
      connection.write('who?\n');
      const timer = setTimeout(() => {
        failure ??= 'timeout';
        connection.destroy();
      }, timeoutMs);
      const { value } = await lines.next();
      clearTimeout(timer);
      return failure ?? value ?? 'closed';
    },
    close: () => connection.destroy(),
  };
}

/** One connection for one answer. */
export async function askOnce(
  from: Netns,
  to: { address: string; port: number; timeoutMs?: number },
): Promise<string> {
  const connection = await openLive(from, to);
  const answer = await connection.ask();
  connection.close();
  return answer;
}
