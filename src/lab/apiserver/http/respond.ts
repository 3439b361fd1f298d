import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';

const compress = promisify(gzip);
const COMPRESS_FROM_BYTES = 128 * 1024;

export interface Reply {
  readonly status: number;
  readonly body: object | string | Buffer;
  readonly contentType?: string;
  readonly warnings?: readonly string[];
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends one whole answer, compressed when it is large and the client can take it. */
export async function respond(
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply,
): Promise<void> {
  const { status, body, contentType = 'application/json', warnings = [], headers = {} } = reply;
  const whole = Buffer.isBuffer(body)
    ? body
    : Buffer.from(typeof body === 'string' ? body : `${JSON.stringify(body)}\n`);
  const small = whole.length < COMPRESS_FROM_BYTES || !acceptsGzip(request);
  const payload = small ? whole : await compress(whole, { level: constants.Z_BEST_SPEED });
  if (warnings.length > 0) response.setHeader('warning', warnings.map(warningValue));
  if (!small) response.setHeader('content-encoding', 'gzip');
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': payload.length,
    'cache-control': 'no-cache, private',
    vary: 'Accept-Encoding',
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : payload);
}

function acceptsGzip({ headers }: IncomingMessage): boolean {
  return /(?:^|,)\s*gzip\s*(?:,|;(?!\s*q=0(?:\.0*)?\s*(?:,|$))|$)/u.test(headers['accept-encoding'] ?? '');
}

const MAX_WARNING = 1024;

/** RFC 7234, 5.5, as Kubernetes uses it: `299 - "text"`. */
function warningValue(text: string): string {
  const printable = text.slice(0, MAX_WARNING).replaceAll(/[^\u0020-\u007e]/gu, '?');
  return `299 - "${printable.replaceAll(/["\\]/gu, String.raw`\$&`)}"`;
}
