import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApiDocuments } from '../../../src/lab/apiserver/openapi/documents.ts';
import { createRegistry } from '../../../src/lab/apiserver/registry.ts';
import type { FakeKubelet } from '../../../src/lab/apiserver/streams/fake-kubelet.ts';
import { handleStream } from '../../../src/lab/apiserver/streams/handle-stream.ts';
import { proxyLogs } from '../../../src/lab/apiserver/streams/logs.ts';

/** An API server with one running pod called `web`, just enough for kubectl's streaming commands, over plain HTTP. */
export interface StreamServer {
  readonly port: number;
  /** Upgrade headers of the streaming requests so far. */
  readonly upgrades: string[];
  close(): void;
}

const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default', uid: 'u', labels: { app: 'web' } },
  spec: { nodeName: 'node-1', containers: [{ name: 'main', image: 'none', stdin: true }] },
  status: {
    phase: 'Running',
    conditions: [{ type: 'Ready', status: 'True' }],
    containerStatuses: [{ name: 'main', ready: true, restartCount: 0, state: { running: {} } }],
  },
};
const POD_PATH = /^\/api\/v1\/namespaces\/default\/pods\/web(?:\/(\w+))?$/;

export async function startStreamServer(kubelet: FakeKubelet): Promise<StreamServer> {
  const documents = createApiDocuments({ registry: createRegistry(), version: 'v1.34.0' });
  const upgrades: string[] = [];
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://server');
    const [, subresource] = POD_PATH.exec(pathname) ?? [];
    if (subresource === 'log') {
      const container = searchParams.get('container') ?? 'main';
      proxyLogs(request, response, { namespace: 'default', pod: 'web', container, dial: kubelet.dial });
    } else if (POD_PATH.test(pathname)) {
      sendJson(response, POD);
    } else if (pathname === '/version') {
      sendJson(response, { major: '1', minor: '34', gitVersion: 'v1.34.0' });
    } else {
      sendDocument(request, response, pathname);
    }
  });
  const sendDocument = (request: IncomingMessage, response: ServerResponse, pathname: string): void => {
    const accept = request.headers.accept ?? '';
    const document =
      pathname === '/openapi/v2'
        ? documents.openApiV2(accept)
        : (documents.openApiV3(pathname) ?? documents.discovery(pathname, accept));
    if (!document) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { 'Content-Type': document.contentType });
    response.end(document.body);
  };
  server.on('upgrade', (request, socket, head) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://server');
    upgrades.push(request.headers['sec-websocket-protocol'] ?? request.headers.upgrade ?? '');
    const [, kind] = POD_PATH.exec(pathname) ?? [];
    const pod = { namespace: 'default', pod: 'web' };
    if (kind === 'exec' || kind === 'attach') {
      const container = searchParams.get('container') ?? 'main';
      handleStream(request, socket, head, { target: { kind, container, ...pod }, dial: kubelet.dial });
    } else if (kind === 'portforward') {
      handleStream(request, socket, head, { target: { kind, ...pod }, dial: kubelet.dial });
    } else {
      socket.destroy();
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    upgrades,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function sendJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}
