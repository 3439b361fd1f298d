import { cutManagedFields } from './managed-fields.ts';

const newline = 0x0a;

/** Objects of a watch larger than this are refused; Kubernetes itself keeps objects under 3 MiB. */
export const maxLineBytes = 32 * 1024 * 1024;

/**
 * The JSON values of a stream that carries one a line (a Kubernetes watch), however the lines are cut into chunks.
 * Throws when a line is not JSON or is too long, and when the stream ends in the middle of one.
 */
export async function* parseJsonLines(
  chunks: AsyncIterable<Buffer>,
  { omitManagedFields = false }: { omitManagedFields?: boolean } = {},
): AsyncGenerator {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      parts.push(chunk.subarray(start, end));
      start = end + 1;
      const line = parts.length === 1 ? parts[0] : Buffer.concat(parts);
      parts = [];
      length = 0;
      if (line && line.length > 0)
        yield parseLine((omitManagedFields ? cutManagedFields(line) : line).toString('utf8'));
    }
    if (start === chunk.length) continue;
    parts.push(chunk.subarray(start));
    length += chunk.length - start;
    if (length > maxLineBytes) throw new Error(`a watch event is longer than ${maxLineBytes} bytes`);
  }
  if (length > 0) throw new Error('the connection broke in the middle of a watch event');
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new Error(`a watch event is not JSON: ${line.slice(0, 80)}`, { cause: error });
  }
}
