/** The main function of a plugin's executable. */
import type { FindPlugin } from './delegate.ts';
import { CniError, cniErrorCodes, errorObject } from './error.ts';
import type { Plugin } from './plugin.ts';
import { latestCniVersion } from './versions.ts';

/** The most that is read from stdin: room for the attachments of ten thousand pods. */
export const MAX_CONFIG_BYTES = 4 << 20;

/** Reads the environment and stdin of this process, answers on stdout, and sets the exit code. */
export async function runPlugin(plugin: Plugin, findPlugin?: FindPlugin): Promise<void> {
  const stdin = await readAll(process.stdin);
  if (stdin === undefined) {
    const error = new CniError(
      `The network configuration on stdin is longer than ${MAX_CONFIG_BYTES} bytes`,
      {
        code: cniErrorCodes.decoding,
      },
    );
    process.stdout.write(`${JSON.stringify(errorObject(error, latestCniVersion))}\n`);
    process.exitCode = 1;
    return;
  }
  const { exitCode, stdout, stderr } = await plugin.answer({ environment: process.env, stdin, findPlugin });
  if (stderr) process.stderr.write(stderr);
  process.stdout.write(stdout);
  process.exitCode = exitCode;
}

/** Undefined when there is more than a configuration may have. */
async function readAll(stream: AsyncIterable<Buffer | string>): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    const buffer = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    length += buffer.length;
    if (length > MAX_CONFIG_BYTES) return undefined;
    chunks.push(buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}
