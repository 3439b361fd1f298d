/** A server for tests, in memory, and the shortest way to ask it something in its own process. */
import { PassThrough } from 'node:stream';

import type { ApiRequest, Transport } from '../../cluster/transport.ts';
import type { Status } from '../../model/objects.ts';
import type { Loose } from './json-value.ts';
import { createPki } from './pki.ts';
import { createApiServer, type ApiServer, type ApiServerOptions } from './server.ts';

/** One authority for every test: making keys takes longer than starting a server. */
export const testPki = createPki({ hosts: ['127.0.0.1', 'localhost'] });

export interface TestServer extends AsyncDisposable {
  readonly server: ApiServer;
  readonly transport: Transport;
  /** The body of an answer whatever its status. */
  send(
    method: ApiRequest['method'],
    path: string,
    body?: unknown,
    more?: Partial<ApiRequest>,
  ): Promise<Answer>;
}

export interface Answer {
  readonly status: number;
  readonly body: Loose & Pick<Status, 'reason' | 'message' | 'details'>;
}

export function createTestServer(options: Partial<ApiServerOptions> = {}): TestServer {
  const server = createApiServer({
    databasePath: ':memory:',
    pki: testPki,
    dialKubelet: () => new PassThrough().destroy(new Error('no kubelet')),
    serviceCidr: '10.96.0.0/16',
    advertise: { address: '172.18.0.1', port: 6443 },
    ...options,
  });
  const transport = server.transport();
  return {
    server,
    transport,
    async send(method, path, body, more = {}) {
      const answer = await transport.request({ method, path, body, ...more });
      return answer as Answer;
    },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** A pod nobody could refuse. */
export function podManifest(name: string, spec: Loose = {}, metadata: Loose = {}): Loose {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...metadata },
    spec: { containers: [{ name: 'web', image: 'nginx:1.25' }], ...spec },
  };
}

export const MERGE_PATCH = { contentType: 'application/merge-patch+json' } as const;
export const STRATEGIC_PATCH = { contentType: 'application/strategic-merge-patch+json' } as const;
export const JSON_PATCH = { contentType: 'application/json-patch+json' } as const;
export const APPLY_PATCH = { contentType: 'application/apply-patch+yaml' } as const;
