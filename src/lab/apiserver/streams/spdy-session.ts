import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ClientStreams } from './container-session.ts';
import { SpdyConnection } from './spdy/spdy-connection.ts';
import type { SpdyStream } from './spdy/spdy-stream.ts';

/** Of the versions Kubernetes has had, the one podnet speaks over SPDY: resizing, and a Status on the error stream. */
export const REMOTE_COMMAND_PROTOCOL = 'v4.channel.k8s.io';
const STREAMS_TIMEOUT_MS = 30_000;

/** The streams that exec and attach can have, by their `streamType` header. */
export interface WantedStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

/** The protocols a SPDY client offers, in its order. */
export function offeredProtocols(request: IncomingMessage): string[] {
  const header = request.headers['x-stream-protocol-version'];
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  return text
    .split(',')
    .map((protocol) => protocol.trim())
    .filter(Boolean);
}

/** The answer that turns the connection over to SPDY. */
export function spdyUpgradeAnswer(protocol: string): string {
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Connection: Upgrade',
    'Upgrade: SPDY/3.1',
    `X-Stream-Protocol-Version: ${protocol}`,
    '\r\n',
  ].join('\r\n');
}

/**
 * Waits until the client has opened every stream it announced. Rejects when it goes away or takes longer than 30
 * seconds; the connection is closed then.
 */
export async function acceptSpdyStreams(
  socket: Duplex,
  head: Buffer,
  wanted: WantedStreams,
): Promise<ClientStreams> {
  const names = [
    'error',
    ...(wanted.stdin ? ['stdin'] : []),
    ...(wanted.stdout ? ['stdout'] : []),
    ...(wanted.stderr && !wanted.tty ? ['stderr'] : []),
    ...(wanted.tty ? ['resize'] : []),
  ];
  return await new Promise<ClientStreams>((resolve, reject) => {
    const streams = new Map<string, SpdyStream>();
    const gone: (() => void)[] = [];
    socket.write(spdyUpgradeAnswer(REMOTE_COMMAND_PROTOCOL));
    const connection = new SpdyConnection(socket, {
      onStream: (stream) => {
        const name = stream.headers.get('streamtype') ?? '';
        if (!names.includes(name) || streams.has(name)) return false;
        streams.set(name, stream);
        if (streams.size === names.length) {
          clearTimeout(timeout);
          resolve(clientStreams(connection, streams, gone));
        }
        return true;
      },
      onClose: () => {
        clearTimeout(timeout);
        reject(new Error('The client closed the connection'));
        for (const run of gone) run();
      },
    });
    const timeout = setTimeout(() => connection.destroy(), STREAMS_TIMEOUT_MS);
    connection.start(head);
  });
}

function clientStreams(
  connection: SpdyConnection,
  streams: ReadonlyMap<string, SpdyStream>,
  gone: (() => void)[],
): ClientStreams {
  return {
    stdin: streams.get('stdin'),
    stdout: streams.get('stdout'),
    stderr: streams.get('stderr'),
    resize: streams.get('resize'),
    finish: (status) => {
      const outputs = ['stdout', 'stderr'].flatMap((name) => streams.get(name) ?? []);
      const error = streams.get('error');
      let open = outputs.length + 1;
      const closed = (): void => {
        open -= 1;
        if (open === 0) connection.end();
      };
      for (const output of outputs) output.end(closed);
      error?.end(JSON.stringify(status), closed);
    },
    onGone: (run) => {
      gone.push(run);
    },
  };
}
