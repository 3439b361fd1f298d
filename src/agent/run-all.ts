/** What runs until its signal aborts. */
export interface Part {
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Runs the parts together. When one fails the others are stopped first, for they share the doors that the caller
 * closes; then its error is thrown.
 */
export async function runAll(parts: readonly Part[], signal: AbortSignal): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  await Promise.all(parts.map((part) => part.run(either).catch((error: unknown) => failed.abort(error))));
  failed.signal.throwIfAborted();
}
