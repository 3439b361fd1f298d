import type { Duplex } from 'node:stream';
import { errorMessage } from '../../../model/errors.ts';
import { CHANNEL } from './channels.ts';
import { type KubeletLink, openKubeletLink, parseStatus } from './kubelet-link.ts';
import { SpdyConnection } from './spdy/spdy-connection.ts';
import type { SpdyStream } from './spdy/spdy-stream.ts';

/** The sub-protocol of port-forward over SPDY. */
export const PORT_FORWARD_PROTOCOL = 'portforward.k8s.io';
const PAIR_TIMEOUT_MS = 30_000;

export interface PortForwardOptions {
  readonly namespace: string;
  readonly pod: string;
  readonly dial: () => Duplex;
}

interface Pair {
  error?: SpdyStream;
  data?: SpdyStream;
  readonly timeout: NodeJS.Timeout;
}

/**
 * Serves port-forward on a SPDY connection: for each connection the client opens a stream for data and one for an
 * error text, paired by the `requestID` header, with the port in `port`.
 */
export function servePortForward(socket: Duplex, head: Buffer, options: PortForwardOptions): void {
  const pairs = new Map<string, Pair>();
  const connection = new SpdyConnection(socket, {
    onStream: (stream) => {
      const type = stream.headers.get('streamtype');
      const port = readPort(stream);
      if ((type !== 'error' && type !== 'data') || port === undefined) return false;
      const id = pairId(stream, type);
      const pair = pairs.get(id) ?? { timeout: setTimeout(() => drop(id), PAIR_TIMEOUT_MS) };
      if (pair[type]) return false;
      pair[type] = stream;
      pairs.set(id, pair);
      if (pair.data && pair.error) {
        clearTimeout(pair.timeout);
        pairs.delete(id);
        const { data, error } = pair;
        // After this returns, the connection answers the stream that completed the pair.
        setImmediate(() => void forward(data, error, { ...options, port }));
      }
      return true;
    },
    onClose: () => {
      for (const { timeout } of pairs.values()) clearTimeout(timeout);
    },
  });
  const drop = (id: string): void => {
    const pair = pairs.get(id);
    pairs.delete(id);
    pair?.error?.destroy();
    pair?.data?.destroy();
  };
  connection.start(head);
}

function readPort(stream: SpdyStream): number | undefined {
  const text = stream.headers.get('port') ?? '';
  const port = Number(text);
  return /^\d{1,5}$/.test(text) && port > 0 && port <= 65_535 ? port : undefined;
}

/** Clients that send no requestID open the error stream, then the data stream right after it. */
function pairId(stream: SpdyStream, type: 'error' | 'data'): string {
  return stream.headers.get('requestid') ?? `#${type === 'error' ? stream.id : stream.id - 2}`;
}

async function forward(
  data: SpdyStream,
  error: SpdyStream,
  { namespace, pod, dial, port }: PortForwardOptions & { readonly port: number },
): Promise<void> {
  // The client writes nothing to the error stream and says so at once; take note of its end.
  error.resume();
  const fail = (message: string): void => {
    error.end(`error forwarding port ${port} to pod ${pod}, uid : ${message}`);
    data.end();
    data.resume();
  };
  let link: KubeletLink;
  try {
    const path = `/portForward/${encodeURIComponent(namespace)}/${encodeURIComponent(pod)}?port=${port}`;
    link = await openKubeletLink(dial, path);
  } catch (reason) {
    fail(errorMessage(reason));
    return;
  }
  // Closed by both sides, or reset by the client: either way the pair is done.
  data.on('close', () => {
    link.destroy();
    error.end();
  });
  if (data.destroyed) {
    link.destroy();
    return;
  }
  const toPod = link.channelWriter(CHANNEL.stdin);
  data.pipe(toPod);
  data.on('drain', () => link.resume());
  link.start({
    onChannel: (channel, payload) => {
      if (channel === CHANNEL.stdout) return data.destroyed || data.write(payload);
      if (channel === CHANNEL.close && payload[0] === CHANNEL.stdout) {
        // kubectl keeps its own side open until the error stream ends.
        data.end();
        error.end();
      }
      if (channel === CHANNEL.status) {
        const status = parseStatus(payload.toString('utf8'));
        if (status?.status === 'Failure') fail(status.message ?? 'unknown error');
      }
      return true;
    },
    onClose: () => {
      // Whatever the client still sends has nowhere to go.
      data.unpipe(toPod);
      data.resume();
      data.end();
      error.end();
    },
  });
}
