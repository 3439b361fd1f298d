import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Clock } from '../../../cluster/clock.ts';
import { PodnetError } from '../../../model/errors.ts';
import type { Pod } from '../../../model/objects.ts';
import { probePeer, STREAM_PROTOCOL } from '../../apiserver/streams/channels.ts';
import type { ContainerInstance } from '../container-instance.ts';
import type { PodWorker } from '../pod-worker.ts';
import { serveLogs } from './logs.ts';
import { forwardPort } from './port-forward.ts';
import { RequestError, statusOf } from './answers.ts';
import { serveAttach, serveExec } from './sessions.ts';

export interface KubeletServerOptions {
  readonly find: (namespace: string, name: string) => PodWorker | undefined;
  readonly list: () => readonly Pod[];
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}

/** What the API server asks of a kubelet, over a unix socket that only the lab can reach. */
export interface KubeletServer {
  listen(socketPath: string): Promise<void>;
  close(): void;
}

export function createKubeletServer({ find, list, clock, onError }: KubeletServerOptions): KubeletServer {
  const upgraded = new Set<Duplex>();

  function locate(namespace: string, pod: string): PodWorker {
    const worker = find(namespace, pod);
    if (!worker)
      throw new RequestError(
        404,
        'NotFound',
        `pod ${JSON.stringify(pod)} of namespace ${JSON.stringify(namespace)} is not on this node`,
      );
    return worker;
  }

  function instanceOf(worker: PodWorker, container: string): ContainerInstance {
    const instance = worker.instances.get(container);
    if (!instance)
      throw new RequestError(
        404,
        'NotFound',
        `container ${JSON.stringify(container)} not found in pod ${JSON.stringify(worker.pod.metadata?.name)}`,
      );
    return instance;
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const { path, query } = parse(request);
    const [kind, namespace = '', pod = '', container = ''] = path;
    if (kind === 'healthz') return void response.end('ok');
    if (kind === 'pods')
      return void response
        .setHeader('Content-Type', 'application/json')
        .end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata: {}, items: list() }));
    if (kind !== 'containerLogs')
      throw new RequestError(404, 'NotFound', `no such path: ${request.url ?? ''}`);
    serveLogs(instanceOf(locate(namespace, pod), container), query, response, clock);
  }

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { path, query } = parse(request);
    const [kind, namespace = '', pod = '', container = ''] = path;
    const worker = locate(namespace, pod);
    const accept = (): void => {
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${STREAM_PROTOCOL}\r\n\r\n`,
      );
      // While a program does not take its input nothing is read, and the client's end would go unnoticed.
      probePeer(socket);
    };
    if (kind === 'portForward') return forwardPort(worker, query, { socket, head, accept });
    const instance = instanceOf(worker, container);
    if (kind === 'exec') return serveExec(worker, instance, query, { socket, head, accept });
    if (kind === 'attach') return serveAttach(instance, query, { socket, head, accept });
    throw new RequestError(404, 'NotFound', `no such path: ${request.url ?? ''}`);
  }

  const server = createServer((request, response) => {
    response.on('error', () => response.destroy());
    try {
      answer(request, response);
    } catch (error) {
      const status = statusOf(error);
      response
        .writeHead(status.code ?? 500, { 'Content-Type': 'application/json' })
        .end(JSON.stringify(status));
    }
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    upgraded.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => upgraded.delete(socket));
    upgrade(request, socket, head).catch((error: unknown) => {
      if (!(error instanceof RequestError) && !(error instanceof PodnetError)) onError(error);
      const status = statusOf(error);
      const body = Buffer.from(JSON.stringify(status));
      socket.write(
        `HTTP/1.1 ${status.code ?? 500} Error\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`,
      );
      socket.end(body);
    });
  });

  return {
    listen(socketPath) {
      rmSync(socketPath, { force: true });
      return new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(socketPath, () => resolve());
      });
    },
    close() {
      server.close();
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
    },
  };
}

function parse({ url = '/' }: IncomingMessage): { path: string[]; query: URLSearchParams } {
  const { pathname, searchParams } = new URL(url, 'http://kubelet');
  return { path: pathname.slice(1).split('/').map(decodeURIComponent), query: searchParams };
}
