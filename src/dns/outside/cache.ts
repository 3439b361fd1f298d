import type { OutsideAnswer } from './outside-answer.ts';

/** As CoreDNS' plugin cache has them. */
export interface CacheOptions {
  /** For answers and for denials: kept no longer, and no shorter, whatever their TTL says. */
  readonly found: TtlLimits;
  readonly denied: TtlLimits;
  /** For failures; 0 keeps none. */
  readonly failedSeconds: number;
  /** How long after its end an answer may still be given while nobody answers upstream; 0 for never. */
  readonly staleSeconds: number;
  readonly prefetch: Prefetch | undefined;
  /** Of all that is kept; the least recently used goes first. */
  readonly maxBytes: number;
}

export interface TtlLimits {
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

/** An answer asked for at least `queries` times, never `withinMs` apart, is renewed before its end. */
export interface Prefetch {
  readonly queries: number;
  readonly withinMs: number;
  /** Of its life that is left when it is renewed: 10 for a tenth. */
  readonly percent: number;
}

export const defaultCacheOptions: CacheOptions = {
  found: { minSeconds: 5, maxSeconds: 3600 },
  denied: { minSeconds: 5, maxSeconds: 1800 },
  failedSeconds: 5,
  staleSeconds: 3600,
  prefetch: { queries: 1, withinMs: 60_000, percent: 10 },
  maxBytes: 16 << 20,
};

export interface CacheHit {
  readonly answer: OutsideAnswer;
  readonly ageSeconds: number;
  /** Its life is over: good only while nobody answers upstream. */
  readonly stale: boolean;
  /** It is worth to ask again now, before its end. True once for each time it is kept. */
  readonly prefetch: boolean;
}

/** Answers of each kind. */
export type CountByKind = Readonly<Record<OutsideAnswer['kind'], number>>;

export interface CacheStatistics {
  readonly entries: CountByKind;
  readonly bytes: number;
  readonly evictions: number;
  readonly hits: CountByKind;
  readonly misses: number;
  /** Hits past their end. */
  readonly stale: number;
  readonly prefetches: number;
}

interface Entry {
  readonly answer: OutsideAnswer;
  readonly keptMs: number;
  readonly lifeMs: number;
  readonly bytes: number;
  lastMs: number;
  queries: number;
  renewing: boolean;
}

/** Clients keep a record no longer than it is kept here. The first one hears so too, lest TTLs jump. */
function capTtls({ bytes, ttlsAt }: OutsideAnswer, maxSeconds: number): void {
  for (const at of ttlsAt) if (bytes.readUInt32BE(at) > maxSeconds) bytes.writeUInt32BE(maxSeconds, at);
}

/** A Map's entry, the key and the objects around an answer's bytes; measured, rounded up. */
const OVERHEAD_BYTES = 400;

/** Answers of upstreams by question. Times are of a monotonic clock in milliseconds. */
export class AnswerCache {
  readonly #options: CacheOptions;
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>();
  readonly #count = { found: 0, denied: 0, failed: 0 };
  readonly #hits = { found: 0, denied: 0, failed: 0 };
  #bytes = 0;
  #evictions = 0;
  #misses = 0;
  #stale = 0;
  #prefetches = 0;

  constructor(options: CacheOptions = defaultCacheOptions) {
    this.#options = options;
  }

  get statistics(): CacheStatistics {
    return {
      entries: { ...this.#count },
      bytes: this.#bytes,
      evictions: this.#evictions,
      hits: { ...this.#hits },
      misses: this.#misses,
      stale: this.#stale,
      prefetches: this.#prefetches,
    };
  }

  get(key: string, nowMs: number): CacheHit | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) {
      this.#misses += 1;
      return undefined;
    }
    const ageMs = nowMs - entry.keptMs;
    const stale = ageMs >= entry.lifeMs;
    if (stale && ageMs >= entry.lifeMs + this.#options.staleSeconds * 1000) {
      this.#drop(key, entry);
      this.#misses += 1;
      return undefined;
    }
    this.#hits[entry.answer.kind] += 1;
    if (stale) this.#stale += 1;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const { answer } = entry;
    return {
      answer,
      stale,
      ageSeconds: Math.floor(ageMs / 1000),
      prefetch: this.#wantsPrefetch(entry, nowMs),
    };
  }

  /** Keeps an answer for as long as it may be kept. A failure takes no good answer's place. */
  set(key: string, answer: OutsideAnswer, nowMs: number): void {
    const before = this.#entries.get(key);
    const lifeMs = this.#lifeSeconds(answer) * 1000;
    if (before !== undefined) {
      before.renewing = false;
      if (answer.kind === 'failed' && before.answer.kind !== 'failed') return;
      this.#drop(key, before);
    }
    if (lifeMs <= 0) return;
    if (answer.kind !== 'failed') capTtls(answer, this.#options[answer.kind].maxSeconds);
    const bytes = answer.bytes.length + key.length + OVERHEAD_BYTES;
    const queries = before?.queries ?? 0;
    this.#entries.set(key, { answer, keptMs: nowMs, lifeMs, bytes, lastMs: nowMs, queries, renewing: false });
    this.#bytes += bytes;
    this.#count[answer.kind] += 1;
    this.#shrink();
  }

  /** The renewal that a hit asked for came to nothing; the next hit may ask again. */
  renewalFailed(key: string): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) entry.renewing = false;
  }

  #lifeSeconds({ kind, ttlSeconds = 0 }: OutsideAnswer): number {
    if (kind === 'failed') return this.#options.failedSeconds;
    // A TTL of 0 says: do not keep.
    if (ttlSeconds === 0) return 0;
    const { minSeconds, maxSeconds } = this.#options[kind];
    return Math.min(Math.max(ttlSeconds, minSeconds), maxSeconds);
  }

  #wantsPrefetch(entry: Entry, nowMs: number): boolean {
    const { prefetch } = this.#options;
    if (prefetch === undefined) return false;
    entry.queries = nowMs - entry.lastMs > prefetch.withinMs ? 1 : entry.queries + 1;
    entry.lastMs = nowMs;
    const leftMs = entry.keptMs + entry.lifeMs - nowMs;
    if (entry.renewing || leftMs < 0 || entry.queries < prefetch.queries) return false;
    entry.renewing = leftMs <= (entry.lifeMs * prefetch.percent) / 100;
    if (entry.renewing) this.#prefetches += 1;
    return entry.renewing;
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
    this.#count[entry.answer.kind] -= 1;
  }

  #shrink(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.#options.maxBytes) return;
      this.#drop(key, entry);
      this.#evictions += 1;
    }
  }
}
