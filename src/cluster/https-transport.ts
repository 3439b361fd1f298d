import { readFileSync } from 'node:fs';
import http, { type IncomingMessage, type RequestOptions } from 'node:http';
import https from 'node:https';
import { ApiError, statusOf } from './client.ts';
import { sleep, systemClock } from './clock.ts';
import { cutManagedFields } from './managed-fields.ts';
import { parseJsonLines } from './json-lines.ts';
import type { ClusterAccess } from './kubeconfig.ts';
import type { ApiRequest, ApiResponse, Transport, WatchEvent } from './transport.ts';

export interface HttpsTransportOptions {
  /** Connections for requests that are not watches; more wait their turn. */
  readonly maxConnections?: number;
  /** A request whose answer makes no progress for this long fails. */
  readonly requestTimeoutMs?: number;
  readonly userAgent?: string;
  /** Finds the server's address; `dns.lookup` unless told. */
  readonly lookup?: RequestOptions['lookup'];
}

/** Bodies larger than this are refused: a list is asked for in pages. */
const maxBodyBytes = 512 * 1024 * 1024;
const tokenFileMaxAgeMs = 60_000;
const maxThrottledRetries = 5;

/** The way to an API server over HTTPS (or plain HTTP, to `kubectl proxy`) with connections that are kept. */
export function createHttpsTransport(access: ClusterAccess, options: HttpsTransportOptions = {}): Transport {
  const { maxConnections = 16, requestTimeoutMs = 60_000, userAgent = 'podnet', lookup } = options;
  const base = new URL(access.server);
  const secure = base.protocol === 'https:';
  const basePath = base.pathname.replace(/\/$/, '');
  const tls = {
    ...(access.ca && { ca: access.ca }),
    ...(access.cert && { cert: access.cert }),
    ...(access.key && { key: access.key }),
    ...(access.serverName && { servername: access.serverName }),
    ...(access.insecureSkipTlsVerify && { rejectUnauthorized: false }),
  };
  const agentOptions = { keepAlive: true, keepAliveMsecs: 15_000, scheduling: 'lifo', ...tls } as const;
  const newAgent = (maxSockets: number): http.Agent =>
    secure
      ? new https.Agent({ ...agentOptions, maxSockets })
      : new http.Agent({ ...agentOptions, maxSockets });
  const requestAgent = newAgent(maxConnections);
  const watchAgent = newAgent(Infinity);
  const authorization = authorizationOf(access);

  function open(apiRequest: ApiRequest, agent: http.Agent): Promise<IncomingMessage> {
    const { method, path, query, body, contentType = 'application/json', signal } = apiRequest;
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers: Record<string, string | number> = {
      accept: 'application/json',
      'user-agent': userAgent,
      ...(payload && { 'content-type': contentType, 'content-length': payload.length }),
    };
    const credentials = authorization();
    if (credentials) headers['authorization'] = credentials;
    const search = query ? `?${new URLSearchParams(query).toString()}` : '';
    return new Promise((resolve, reject) => {
      const outgoing = (secure ? https : http).request({
        method,
        host: base.hostname.replace(/^\[|\]$/g, ''),
        port: base.port || (secure ? 443 : 80),
        path: `${basePath}${path}${search}`,
        headers,
        agent,
        ...(signal && { signal }),
        ...(lookup && { lookup }),
      });
      outgoing.on('response', (response) => {
        // A watch may be silent for long once it has begun.
        if (agent === watchAgent) outgoing.setTimeout(0);
        resolve(response);
      });
      outgoing.on('error', (error) => reject(Object.assign(error, { reusedSocket: outgoing.reusedSocket })));
      outgoing.setTimeout(requestTimeoutMs, () =>
        outgoing.destroy(
          new Error(`${method} ${path}: no answer from ${access.server} in ${requestTimeoutMs} ms`),
        ),
      );
      outgoing.end(payload);
    });
  }

  async function request(apiRequest: ApiRequest): Promise<ApiResponse> {
    for (let attempt = 0; ; attempt++)
      try {
        const response = await open(apiRequest, requestAgent);
        const bytes = await readBody(response);
        const body = parseBody(apiRequest.omitManagedFields ? cutManagedFields(bytes) : bytes, response);
        const status = response.statusCode ?? 0;
        const retryAfterSeconds = Number(response.headers['retry-after']);
        if (status !== 429 || !(retryAfterSeconds >= 0) || attempt >= maxThrottledRetries)
          return { status, body };
        await sleep(systemClock, Math.min(retryAfterSeconds, 30) * 1000, apiRequest.signal);
        apiRequest.signal?.throwIfAborted();
      } catch (error) {
        // The server closed a kept connection at the moment it was taken up again. Safe to repeat for reads only.
        if (apiRequest.method !== 'GET' || attempt > 0 || !wasStale(error)) throw error;
      }
  }

  async function* watch(apiRequest: Omit<ApiRequest, 'method' | 'body'>): AsyncGenerator<WatchEvent> {
    const query = { ...apiRequest.query, watch: '1' };
    let response: IncomingMessage | undefined;
    try {
      response = await open({ ...apiRequest, method: 'GET', query }, watchAgent);
      const status = response.statusCode ?? 0;
      if (status >= 400)
        throw new ApiError(statusOf(parseBody(await readBody(response), response), status), status);
      for await (const event of parseJsonLines(response, apiRequest)) yield event as WatchEvent;
    } catch (error) {
      if (!apiRequest.signal?.aborted) throw error;
    } finally {
      response?.destroy();
    }
  }

  return {
    request,
    watch,
    close() {
      requestAgent.destroy();
      watchAgent.destroy();
    },
  };
}

function authorizationOf({ token, tokenFile, basic }: ClusterAccess): () => string | undefined {
  if (tokenFile) {
    let header = '';
    let readMs = 0;
    return () => {
      if (Date.now() - readMs > tokenFileMaxAgeMs) {
        header = `Bearer ${readFileSync(tokenFile, 'utf8').trim()}`;
        readMs = Date.now();
      }
      return header;
    };
  }
  if (token) return () => `Bearer ${token}`;
  if (basic) {
    const credentials = Buffer.from(`${basic.username}:${basic.password}`).toString('base64');
    return () => `Basic ${credentials}`;
  }
  return () => undefined;
}

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > maxBodyBytes) throw new Error(`an answer is longer than ${maxBodyBytes} bytes`);
  }
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, length);
}

/** JSON where the server says so or the text looks like it; else the text. */
function parseBody(body: Buffer, response: IncomingMessage): unknown {
  if (body.length === 0) return undefined;
  const text = body.toString('utf8');
  if (!(response.headers['content-type'] ?? '').includes('json')) return text;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`the API server's answer is not JSON: ${text.slice(0, 80)}`, { cause: error });
  }
}

function wasStale(error: unknown): boolean {
  return (
    error instanceof Error &&
    'reusedSocket' in error &&
    error.reusedSocket === true &&
    'code' in error &&
    (error.code === 'ECONNRESET' || error.code === 'EPIPE')
  );
}
