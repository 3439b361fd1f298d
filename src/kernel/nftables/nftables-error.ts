import type { NftCommand } from './commands.ts';

/** What the kernel said of a batch: nothing of it was applied. */
export class NftablesError extends Error {
  readonly errno: number;
  /** The errno's name: `ENOENT`. */
  readonly code: string;
  /** The first command that failed; undefined when the batch as a whole was refused. */
  readonly command: NftCommand | undefined;
  /** The kernel's own words, when it gave any. */
  readonly explanation: string | undefined;

  constructor(
    request: string,
    cause: { readonly errno: number; readonly code: string; readonly explanation?: string | undefined },
    command?: NftCommand,
  ) {
    const words = cause.explanation === undefined ? '' : ` (${cause.explanation})`;
    super(`nftables: ${request}: ${cause.code}${words}`, { cause });
    this.name = 'NftablesError';
    this.errno = cause.errno;
    this.code = cause.code;
    this.command = command;
    this.explanation = cause.explanation;
  }
}

/** Whether what was named does not exist. */
export function isNotFound(error: unknown): boolean {
  return error instanceof NftablesError && error.code === 'ENOENT';
}

/** Whether what was to be created exists already. */
export function isAlreadyExists(error: unknown): boolean {
  return error instanceof NftablesError && error.code === 'EEXIST';
}

/** Which the C library has no name for. */
export const ERESTART = 85;

/** Whether nothing was applied because somebody changed something since `ifGeneration`. */
export function isOutdated(error: unknown): boolean {
  return error instanceof NftablesError && error.errno === ERESTART;
}
