import type { IncomingMessage } from 'node:http';

import { badRequest, tooLarge, unsupportedMediaType } from '../status.ts';

const PROTOBUF = 'application/vnd.kubernetes.protobuf';
export const MAX_BODY_BYTES = 3 * 1024 * 1024;

/** The whole body. @throws StatusError 413 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0);
  if (announced > MAX_BODY_BYTES) throw tooLarge(MAX_BODY_BYTES);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw tooLarge(MAX_BODY_BYTES);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The media type without its parameters. */
export function mediaType(header: string | undefined): string {
  return (header ?? '').split(';', 1).join('').trim().toLowerCase();
}

/** A body as plain data; `undefined` when there is none. @throws StatusError 400, 415 */
export async function parseBody(bytes: Buffer, type: string): Promise<unknown> {
  if (bytes.length === 0) return undefined;
  if (type === PROTOBUF) return parseProtobuf(bytes);
  const text = bytes.toString('utf8');
  if (type.endsWith('yaml')) return parseYaml(text);
  if (type === '' || type === 'application/json' || type.endsWith('+json') || type === '*/*')
    return parseJson(text);
  throw unsupportedMediaType(['application/json', 'application/yaml', PROTOBUF]);
}

/** Loaded only when somebody sends some: it comes with a large table. */
async function parseProtobuf(bytes: Buffer): Promise<unknown> {
  const { decodeKubernetesProtobuf } = await import('../protobuf/decode.ts');
  try {
    return decodeKubernetesProtobuf(bytes);
  } catch (error) {
    throw badRequest(
      `unable to decode the protobuf body: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw badRequest(`couldn't get version/kind; json parse error: ${message}`);
  }
}

async function parseYaml(text: string): Promise<unknown> {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Not JSON: YAML proper, whose parser is loaded only when somebody sends some.
  }
  const { parse } = await import('yaml');
  try {
    return parse(text, { version: '1.1', maxAliasCount: 100 }) as unknown;
  } catch (error) {
    throw badRequest(`error parsing YAML: ${error instanceof Error ? error.message : String(error)}`);
  }
}
