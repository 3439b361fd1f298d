import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { errorMessage } from '../../../model/errors.ts';
import type { ProbeOutcome } from './prober.ts';

const SUCCESS: ProbeOutcome = { succeeded: true, message: '' };

export interface HttpCheck {
  readonly scheme: 'HTTP' | 'HTTPS';
  readonly host: string;
  readonly port: number;
  /** With its query. */
  readonly path: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
}

const MAX_BODY_BYTES = 10 * 1024;

/** A GET that succeeds with a status from 200 to 399. Certificates are not verified. */
export function httpCheck(check: HttpCheck, timeoutMs: number): Promise<ProbeOutcome> {
  const headers: Record<string, string> = {
    'User-Agent': 'kube-probe/1.34',
    Accept: '*/*',
    Connection: 'close',
  };
  for (const { name, value } of check.headers) headers[name] = value;
  const { promise, resolve } = Promise.withResolvers<ProbeOutcome>();
  const where = `${check.scheme.toLowerCase()}://${net.isIPv6(check.host) ? `[${check.host}]` : check.host}:${check.port}${check.path}`;
  const fail = (message: string): void => resolve({ succeeded: false, message });
  try {
    const { request } = check.scheme === 'HTTPS' ? https : http;
    const sent = request(
      {
        host: check.host,
        port: check.port,
        path: check.path.startsWith('/') ? check.path : `/${check.path}`,
        headers,
        agent: false,
        rejectUnauthorized: false,
        timeout: timeoutMs,
        signal: AbortSignal.timeout(timeoutMs),
      },
      (response) => {
        const { statusCode = 0 } = response;
        if (statusCode >= 200 && statusCode < 400) resolve(SUCCESS);
        else fail(`HTTP probe failed with statuscode: ${statusCode}`);
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (bytes > MAX_BODY_BYTES) response.destroy();
        });
        response.on('error', () => {});
      },
    );
    sent.on('error', (error) =>
      fail(
        `Get "${where}": ${error.name === 'AbortError' || error.name === 'TimeoutError' ? 'context deadline exceeded' : errorMessage(error)}`,
      ),
    );
    sent.end();
  } catch (error) {
    fail(`Get "${where}": ${errorMessage(error)}`); // a header that is none
  }
  return promise;
}

/** Succeeds when a connection is accepted. */
export function tcpCheck(host: string, port: number, timeoutMs: number): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port, timeout: timeoutMs });
    const done = (outcome: ProbeOutcome): void => {
      socket.destroy();
      resolve(outcome);
    };
    const failed = (why: string): void =>
      done({ succeeded: false, message: `dial tcp ${host}:${port}: ${why}` });
    socket.once('connect', () => done(SUCCESS));
    socket.once('timeout', () => failed('i/o timeout'));
    socket.once('error', (error) => failed(errorMessage(error)));
  });
}

/** grpc.health.v1.Health/Check of a service (the empty one is the server); succeeds on SERVING. */
export function grpcCheck(
  host: string,
  port: number,
  service: string,
  timeoutMs: number,
): Promise<ProbeOutcome> {
  return new Promise((resolve) => {
    const authority = net.isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
    const session = http2.connect(`http://${authority}`);
    const timer = setTimeout(
      () => done(`timeout: health rpc did not complete within ${timeoutMs / 1000}s`),
      timeoutMs,
    );
    let answer = Buffer.alloc(0);
    let code: string | undefined;
    const done = (failure?: string): void => {
      clearTimeout(timer);
      session.destroy();
      resolve(failure === undefined ? SUCCESS : { succeeded: false, message: failure });
    };
    session.on('error', (error) =>
      done(`error: failed to connect service "${authority}": ${errorMessage(error)}`),
    );
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      'user-agent': 'grpc-probe',
      te: 'trailers',
    });
    stream.on('error', () => {}); // the session's error says it
    for (const event of ['response', 'trailers'] as const)
      stream.on(
        event,
        (headers: http2.IncomingHttpHeaders) => (code ??= headers['grpc-status'] as string | undefined),
      );
    stream.on('data', (chunk: Buffer) => {
      if (answer.length < MAX_BODY_BYTES) answer = Buffer.concat([answer, chunk]);
    });
    stream.on('end', () => {
      if (code !== '0') done(`error: health rpc failed with gRPC status ${code ?? 'unknown'}`);
      else done(isServing(answer) ? undefined : 'service unhealthy (responded with "NOT_SERVING")');
    });
    stream.end(healthRequest(service));
  });
}

/** `HealthCheckRequest{service}` in its length-prefixed frame. */
function healthRequest(service: string): Buffer {
  const name = Buffer.from(service.slice(0, 127));
  const message = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, name.length]), name]);
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** `HealthCheckResponse{status: 1}` */
function isServing(frame: Buffer): boolean {
  return frame.length >= 7 && frame[5] === 0x08 && frame[6] === 0x01;
}
