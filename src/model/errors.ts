/** What a person needs when something fails: what happened, where, and what to do about it. */
export interface ErrorDetails {
  /** A stable word a script can match, in kebab-case: `kernel-feature-missing`. */
  readonly code: string;
  /** The object and field, file and line, or request that failed. */
  readonly where?: string;
  /** One sentence in the imperative. */
  readonly fix?: string;
  readonly cause?: unknown;
}

/** An error meant for a person. Lower layers throw it, the command line prints it once. */
export class PodnetError extends Error {
  readonly code: string;
  readonly where: string | undefined;
  readonly fix: string | undefined;

  constructor(message: string, { code, where, fix, cause }: ErrorDetails) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'PodnetError';
    this.code = code;
    this.where = where;
    this.fix = fix;
  }
}

/** The message of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
