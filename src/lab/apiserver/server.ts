import { createServer, type Server } from 'node:https';
import { constants } from 'node:crypto';
import * as net from 'node:net';
import type { Duplex } from 'node:stream';

import type { Transport } from '../../cluster/transport.ts';
import { createTokens, DEFAULT_ISSUER } from './auth/tokens.ts';
import { MASTER, type User } from './auth/user.ts';
import { bootstrap } from './bootstrap.ts';
import { createDocuments } from './http/documents.ts';
import { createFront } from './http/front.ts';
import { createStreams } from './http/streams.ts';
import { createCustomKinds } from './kinds/custom.ts';
import { createStrategies } from './kinds/strategies.ts';
import type { Pki } from './pki.ts';
import { createRegistry } from './registry.ts';
import { createHandler } from './rest/handler.ts';
import type { Core } from './server-core.ts';
import { openStore } from './storage/store.ts';
import { createLocalTransport } from './transport.ts';

export interface StaticToken {
  readonly token: string;
  readonly user: User;
}

export interface ApiServerOptions {
  /** The SQLite file, or `:memory:`. */
  readonly databasePath: string;
  readonly pki: Pki;
  /** A fresh connection to a node's kubelet; destroyed with an error when the node does not answer. */
  readonly dialKubelet: (nodeName: string) => Duplex;
  /** One IPv4 or IPv6 CIDR, or two of different families, the primary first: `10.96.0.0/16`. */
  readonly serviceCidr: string | readonly string[];
  /** `30000-32767` unless told. */
  readonly nodePortRange?: string;
  /** Where pods reach this server: the endpoint of the Service default/kubernetes. */
  readonly advertise: { readonly address: string; readonly port: number };
  /** Of Kubernetes, as `/version` reports it: `v1.34.0+podnet`. */
  readonly version?: string;
  readonly tokens?: readonly StaticToken[];
  /** Called once for every error that is the server's own fault. */
  readonly onError?: (error: unknown, where: string) => void;
}

export interface Listening {
  readonly port: number;
  readonly ready: Promise<void>;
}

export interface ApiServer {
  /**
   * A way in for callers of the same process, as `system:masters` unless told. Objects are shared by reference in
   * answers and watch events; what a caller sends is copied.
   */
  transport(user?: User): Transport;
  /**
   * Binds at once, in the calling thread's network namespace, and may be called for several addresses. `host` is an
   * address; without one every address is listened on. `ready` rejects with `code` EADDRINUSE when the port is taken.
   * @throws Error with `code` EADDRNOTAVAIL, EACCES and the like
   */
  listen(where: { readonly host?: string; readonly port: number } | { readonly fd: number }): Listening;
  close(): Promise<void>;
}

const DEFAULT_VERSION = 'v1.34.0+podnet';
const MAX_HEADER_BYTES = 64 * 1024;
const MAX_CONNECTIONS = 4096;

function timestamp(offsetSeconds = 0): string {
  return `${new Date(Date.now() + offsetSeconds * 1000).toISOString().slice(0, 19)}Z`;
}

/** A Kubernetes API server for one lab: every verb over HTTPS and in process, objects in SQLite. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { pki, databasePath, dialKubelet, advertise, version = DEFAULT_VERSION } = options;
  const onError = options.onError ?? ((error, where) => console.error(`API server: ${where}:`, error));
  const registry = createRegistry();
  const strategies = createStrategies({
    serviceCidrs: [options.serviceCidr].flat(),
    nodePortRange: options.nodePortRange ?? '30000-32767',
  });
  const store = openStore({ path: databasePath, selectable: strategies.selectable });
  const tokens = createTokens({ key: pki.tokenKey, store, fixed: options.tokens ?? [] });
  const core: Core = {
    store,
    registry,
    strategyOf: strategies.strategyOf,
    timestamp,
    issueToken: tokens.issue,
    authenticateToken: tokens.authenticate,
  };
  strategies.restore(store);
  const custom = createCustomKinds(core);
  const handler = createHandler(core);
  bootstrap(core, { handler, advertise, serviceAddress: strategies.firstServiceAddress });
  const documents = createDocuments({
    registry,
    version,
    keySet: tokens.keySet,
    issuer: DEFAULT_ISSUER,
    customSchema: custom.schemaOf,
    serverAddress: `${advertise.address}:${advertise.port}`,
  });
  const front = createFront({
    core,
    handler,
    documents,
    streams: createStreams(core, dialKubelet),
    customColumns: custom.columnsOf,
    onError,
  });
  const servers = new Set<Server>();
  const transports = new Set<Transport>();

  function newServer(): Server {
    const server = createServer(
      {
        key: pki.server.key,
        cert: pki.server.certificate,
        ca: pki.ca,
        requestCert: true,
        // Clients without a certificate may carry a token: the front decides.
        rejectUnauthorized: false,
        minVersion: 'TLSv1.2',
        ALPNProtocols: ['http/1.1'],
        // A resumed session would come without its client certificate.
        secureOptions: constants.SSL_OP_NO_TICKET,
        sessionTimeout: 1,
        handshakeTimeout: 10_000,
        headersTimeout: 10_000,
        requestTimeout: 60_000,
        keepAliveTimeout: 120_000,
        maxHeaderSize: MAX_HEADER_BYTES,
        noDelay: true,
      },
      front.onRequest,
    );
    server.maxConnections = MAX_CONNECTIONS;
    server.on('upgrade', front.onUpgrade);
    server.on('clientError', (_error, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
      else socket.destroy();
    });
    server.on('tlsClientError', (_error, socket) => socket.destroy());
    return server;
  }

  return {
    transport(user = MASTER) {
      const transport = createLocalTransport({ core, handler, documents, user, onError });
      transports.add(transport);
      return transport;
    },
    listen(where) {
      const server = newServer();
      servers.add(server);
      const ready = new Promise<void>((resolve, reject) => {
        server.once('listening', resolve);
        server.once('error', reject);
      });
      // Whoever waits for `ready` hears of the error; whoever does not, must not fall over it.
      ready.catch(() => undefined);
      if ('fd' in where) server.listen({ fd: where.fd });
      else if (where.host === undefined) server.listen(where.port);
      else server.listen(boundHandle(where.host, where.port));
      server.once('listening', () => server.on('error', (error) => onError(error, 'listening')));
      const address = server.address();
      return { port: typeof address === 'object' && address !== null ? address.port : 0, ready };
    },
    async close() {
      for (const transport of transports) transport.close();
      await Promise.all(
        [...servers].map(async (server) => {
          const closed = new Promise<void>((resolve) => {
            server.close(() => resolve());
          });
          server.closeAllConnections();
          await closed;
        }),
      );
      store.close();
    },
  };
}

/** `_createServerHandle` is how node:cluster binds: at once, where `listen({host})` looks the address up first. */
type CreateHandle = (address: string, port: number, family: 4 | 6) => { getsockname?: unknown } | number;

function boundHandle(host: string, port: number): { _handle: object } {
  const { _createServerHandle: createHandle } = net as unknown as { _createServerHandle: CreateHandle };
  const handle = createHandle(host, port, net.isIPv6(host) ? 6 : 4);
  if (typeof handle === 'number') {
    const { getSystemErrorName } = process.getBuiltinModule('node:util');
    const code = getSystemErrorName(handle);
    throw Object.assign(new Error(`listen ${code} ${host}:${port}`), {
      code,
      errno: handle,
      address: host,
      port,
    });
  }
  return { _handle: handle };
}
