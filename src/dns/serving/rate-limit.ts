/** How many questions one client may ask: a bucket of tokens for each, so that a flood harms nobody else. */

export interface RateLimitOptions {
  /** Questions a second for each client, and how many it may ask at once. */
  readonly perSecond: number;
  readonly burst: number;
  /** Clients that are remembered; the one that was silent longest is forgotten. */
  readonly maxClients?: number;
  /** A monotonic clock in milliseconds. */
  readonly now?: () => number;
}

/**
 * - `answer`: within its limit.
 * - `truncate`: beyond; told to come again over TCP, where it has to be who it says it is. Every second time.
 * - `drop`: beyond.
 */
export type Admission = 'answer' | 'truncate' | 'drop';

interface Bucket {
  tokens: number;
  filledMs: number;
  refused: number;
}

export class RateLimit {
  readonly #options: Required<RateLimitOptions>;
  /** The longest silent first. */
  readonly #buckets = new Map<string, Bucket>();
  #refusals = 0;

  constructor(options: RateLimitOptions) {
    this.#options = { maxClients: 10_000, now: () => performance.now(), ...options };
  }

  get refusals(): number {
    return this.#refusals;
  }

  /** `client`: its address in any unique form, without the port. */
  admit(client: string): Admission {
    const { perSecond, burst, now } = this.#options;
    const nowMs = now();
    const bucket = this.#buckets.get(client) ?? this.#add(client, nowMs);
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.filledMs) * perSecond) / 1000);
    bucket.filledMs = nowMs;
    if (bucket.tokens >= 1) {
      bucket.tokens -= 1;
      return 'answer';
    }
    this.#refusals += 1;
    bucket.refused += 1;
    return bucket.refused % 2 === 0 ? 'truncate' : 'drop';
  }

  #add(client: string, nowMs: number): Bucket {
    const { burst, maxClients } = this.#options;
    if (this.#buckets.size >= maxClients) this.#forget(nowMs);
    const bucket = { tokens: burst, filledMs: nowMs, refused: 0 };
    this.#buckets.set(client, bucket);
    return bucket;
  }

  /** Forgets those whose buckets are full by now, or else the eldest: it loses nothing but its debt. */
  #forget(nowMs: number): void {
    const { burst, perSecond } = this.#options;
    const fullAfterMs = (burst / perSecond) * 1000;
    for (const [client, { filledMs }] of this.#buckets)
      if (nowMs - filledMs >= fullAfterMs) this.#buckets.delete(client);
    const [eldest] = this.#buckets.keys();
    if (this.#buckets.size >= this.#options.maxClients && eldest !== undefined) this.#buckets.delete(eldest);
  }
}
