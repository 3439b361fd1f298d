import { errorMessage, PodnetError } from '../../../model/errors.ts';
import type { Status } from '../../../model/objects.ts';

/** Ends a request with an HTTP status and a `metav1.Status`. */
export class RequestError extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.name = 'RequestError';
    this.code = code;
    this.reason = reason;
  }
}

export function failure(code: number, reason: string, message: string): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', reason, message, code };
}

/** What a request that failed is told. */
export function statusOf(error: unknown): Status {
  if (error instanceof RequestError) return failure(error.code, error.reason, error.message);
  const fix = error instanceof PodnetError && error.fix !== undefined ? `. ${error.fix}` : '';
  return failure(500, 'InternalError', `${errorMessage(error)}${fix}`);
}

/** The Status of a program that ended, as kubelets word it. */
export function exitStatus(code: number): Status {
  if (code === 0) return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
  return {
    ...failure(500, 'NonZeroExitCode', `command terminated with non-zero exit code: exit status ${code}`),
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}

/** Of a query: clients write `true` and `1`. */
export function isTrue(value: string | null): boolean {
  return value === 'true' || value === '1';
}
