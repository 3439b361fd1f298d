/** Locks on files that other programs respect too: flock(2). */
import { closeSync, constants, openSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { tryFlock } from './ffi.ts';
import { PodnetError } from '../model/errors.ts';

export interface FileLockOptions {
  /** How long to wait for whoever holds it; 10 seconds unless told. */
  readonly timeoutMs?: number;
}

/** How often to look again. The kernel tells nobody that a lock is free but those who sleep in flock(2). */
const FIRST_RETRY_MS = 1;
const LAST_RETRY_MS = 20;

/**
 * Runs a synchronous function while the exclusive lock on the file is held, and gives it back in any case, for it ends
 * with the process too. The file is made when there is none.
 *
 * @throws PodnetError `file-locked` when another program keeps it
 */
export async function withFileLock<T>(
  path: string,
  run: () => T,
  { timeoutMs = 10_000 }: FileLockOptions = {},
): Promise<T> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_CREAT, 0o600);
  try {
    const deadline = performance.now() + timeoutMs;
    for (let retryMs = FIRST_RETRY_MS; !tryFlock(fd); retryMs = Math.min(retryMs * 2, LAST_RETRY_MS)) {
      if (performance.now() > deadline) throw locked(path, timeoutMs);
      await sleep(retryMs);
    }
    return run();
  } finally {
    closeSync(fd);
  }
}

function locked(path: string, timeoutMs: number): PodnetError {
  return new PodnetError(`Another program has held the lock for ${timeoutMs} ms`, {
    code: 'file-locked',
    where: path,
    fix: `Look who holds it (fuser ${path}) and end it if it hangs.`,
  });
}
