/**
 * What the forwarder (`shim/podnet-cni.c`) and the agent say to each other over the unix socket, and what the
 * forwarder writes down when there is no agent.
 *
 *     request   "PNC1"  length(4)  TYPE\0 CNI_X=value\0 … \0 stdin
 *     answer    "PNC1"  length(4)  exit code(1) stdout
 *
 * Lengths are in network order and count what follows them.
 */
import type { CniEnvironment } from '../spec/environment.ts';

export interface ForwardedRequest {
  /** Of the plugin: the name the forwarder was called by. */
  readonly type: string;
  readonly environment: CniEnvironment;
  readonly stdin: string;
}

const MAGIC = Buffer.from('PNC1');
const HEADER_BYTES = 8;
/** 4 MiB of stdin, 128 KiB of environment, and the type. */
export const MAX_REQUEST_BYTES = HEADER_BYTES + (4 << 20) + (128 << 10) + 64;

/**
 * How many bytes the request has in all, once its header is there.
 *
 * @throws RangeError when this is no request, or too long a one
 */
export function requestLength(bytes: Buffer): number | undefined {
  const start = bytes.subarray(0, MAGIC.length);
  if (!start.equals(MAGIC.subarray(0, start.length))) throw new RangeError('Not a CNI request');
  if (bytes.length < HEADER_BYTES) return undefined;
  const length = HEADER_BYTES + bytes.readUInt32BE(4);
  if (length > MAX_REQUEST_BYTES) throw new RangeError(`A CNI request of ${length} bytes is too long`);
  return length;
}

/** @throws RangeError for bytes that are no whole request */
export function decodeRequest(bytes: Buffer): ForwardedRequest {
  if (requestLength(bytes) !== bytes.length) throw new RangeError('Not a whole CNI request');
  const environment: Record<string, string> = {};
  let type: string | undefined;
  for (let start = HEADER_BYTES; ;) {
    const end = bytes.indexOf(0, start);
    if (end < 0) throw new RangeError('A CNI request whose environment does not end');
    const text = bytes.toString('utf8', start, end);
    start = end + 1;
    if (type === undefined) type = text;
    else if (text === '') return { type, environment, stdin: bytes.toString('utf8', start) };
    else {
      const separator = text.indexOf('=');
      if (!text.startsWith('CNI_') || separator < 0)
        throw new RangeError('A CNI request with a strange environment');
      environment[text.slice(0, separator)] = text.slice(separator + 1);
    }
  }
}

export function encodeRequest({ type, environment, stdin }: ForwardedRequest): Buffer {
  const variables = Object.entries(environment).filter(
    ([name, value]) => name.startsWith('CNI_') && value !== undefined,
  );
  const head = [type, ...variables.map(([name, value]) => `${name}=${value}`), ''];
  return frame([Buffer.from(head.map((text) => `${text}\0`).join('')), Buffer.from(stdin)]);
}

export function encodeAnswer({ exitCode, stdout }: { exitCode: number; stdout: string }): Buffer {
  return frame([Buffer.from([exitCode]), Buffer.from(stdout)]);
}

function frame(body: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt32BE(
    body.reduce((sum, { length }) => sum + length, 0),
    4,
  );
  return Buffer.concat([header, ...body]);
}
