export const BACKOFF = { firstMs: 10_000, maxMs: 300_000, resetAfterMs: 600_000 } as const;

export interface RestartWait {
  /** How long the container stays down now. */
  readonly waitMs: number;
  /** What to pass in after its next exit. */
  readonly nextMs: number;
}

/**
 * Kubernetes' crash loop: the first restart is at once, then after 10 s, doubling to 5 minutes. A run of ten minutes
 * is forgiven.
 */
export function restartWait(backoffMs: number, ranForMs: number): RestartWait {
  const waitMs = ranForMs >= BACKOFF.resetAfterMs ? 0 : backoffMs;
  return { waitMs, nextMs: waitMs === 0 ? BACKOFF.firstMs : Math.min(waitMs * 2, BACKOFF.maxMs) };
}
