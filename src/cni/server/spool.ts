/** DELs that came while there was no agent: the forwarder wrote each into a file, and the agent does them first. */
import { mkdirSync, readFileSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { PodnetError, errorMessage } from '../../model/errors.ts';
import type { FindPlugin } from '../spec/delegate.ts';
import { type ForwardedRequest, MAX_REQUEST_BYTES, decodeRequest } from './protocol.ts';

export interface ReplayOptions {
  readonly directory: string;
  readonly findPlugin: FindPlugin;
  readonly log?: ((line: string) => void) | undefined;
}

export interface Replayed {
  readonly done: number;
  /** Of those that failed, and are tried again at the next start. */
  readonly failed: readonly string[];
}

/**
 * Does the DELs of the spool, oldest first, and removes those that succeed. A file that is no request is removed too.
 * Makes the directory when there is none, for the forwarder does not.
 *
 * @throws PodnetError `spool-unusable`
 */
export async function replaySpool({ directory, findPlugin, log }: ReplayOptions): Promise<Replayed> {
  const failed: string[] = [];
  let done = 0;
  for (const path of spooledFiles(directory)) {
    const request = readSpooled(path, log);
    const answer =
      request &&
      (await (await findPlugin(request.type))?.answer({ ...request, findPlugin, longLived: true }));
    if (request && answer?.exitCode !== 0) {
      log?.(
        `spooled DEL of ${request.environment['CNI_CONTAINERID']} failed and stays: ${answer?.stdout.trim() ?? `no plugin ${request.type}`}`,
      );
      failed.push(path);
      continue;
    }
    unlinkSync(path);
    if (request) done++;
  }
  return { done, failed };
}

function spooledFiles(directory: string): string[] {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return readdirSync(directory)
      .filter((name) => /^[0-9a-f]{16}$/.test(name))
      .map((name) => ({ path: join(directory, name), since: statSync(join(directory, name)).mtimeMs }))
      .sort((a, b) => a.since - b.since)
      .map(({ path }) => path);
  } catch (cause) {
    throw new PodnetError('Cannot read the DELs that wait for the agent', {
      code: 'spool-unusable',
      where: directory,
      fix: 'Make it a directory that the agent may read and write.',
      cause,
    });
  }
}

function readSpooled(path: string, log: ReplayOptions['log']): ForwardedRequest | undefined {
  try {
    if (statSync(path).size > MAX_REQUEST_BYTES) throw new RangeError('too long');
    const request = decodeRequest(readFileSync(path));
    if (request.environment['CNI_COMMAND'] === 'DEL') return request;
    throw new RangeError('not a DEL');
  } catch (error) {
    log?.(`${path} is no spooled DEL and is dropped: ${errorMessage(error)}`);
    return undefined;
  }
}
