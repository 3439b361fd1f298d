/** How many questions one client may ask: a bucket of tokens for each, so that a flood harms nobody else. */

export interface RateLimitOptions {
  /** Questions a second for each client, and how many it may ask at once. */
  readonly perSecond: number;
  readonly burst: number;
  /** Clients that are remembered; those that were silent longest are forgotten. */
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

/** A client's address in any unique form, without the port. */
export type ClientKey = number | string;

interface Bucket {
  tokens: number;
  filledMs: number;
  refused: number;
}

/**
 * Clients live in two generations: when the younger is full it becomes the elder and the elder is forgotten, which
 * costs the same whoever asks, where finding the one that was silent longest would be work that a flood of forged
 * addresses can order.
 */
export class RateLimit {
  readonly #options: Required<RateLimitOptions>;
  #young = new Map<ClientKey, Bucket>();
  #old = new Map<ClientKey, Bucket>();
  #refusals = 0;

  constructor(options: RateLimitOptions) {
    this.#options = { maxClients: 10_000, now: () => performance.now(), ...options };
  }

  get refusals(): number {
    return this.#refusals;
  }

  /** Clients that are remembered. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  admit(client: ClientKey): Admission {
    const { perSecond, burst, now } = this.#options;
    const nowMs = now();
    const bucket = this.#young.get(client) ?? this.#add(client, nowMs);
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

  #add(client: ClientKey, nowMs: number): Bucket {
    const { burst, maxClients } = this.#options;
    const known = this.#old.get(client);
    if (this.#young.size >= maxClients / 2) {
      this.#old = this.#young;
      this.#young = new Map();
    } else if (known !== undefined) this.#old.delete(client);
    const bucket = known ?? { tokens: burst, filledMs: nowMs, refused: 0 };
    this.#young.set(client, bucket);
    return bucket;
  }
}
