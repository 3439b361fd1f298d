export interface Hitter {
  readonly key: string;
  /** At most this often. */
  readonly count: number;
  /** By so much the count may be too high: what the key took over when it came in another's place. */
  readonly error: number;
}

/**
 * Counts the most frequent keys of an endless stream in bounded memory: a key that is new takes the place of the rarest
 * one and its count with it, so that no key which makes up more than 1/`capacity` of the stream is ever missed
 * (Metwally, Agrawal, El Abbadi: "Efficient computation of frequent and top-k elements in data streams", 2005).
 */
export class HeavyHitters {
  readonly #capacity: number;
  readonly #counts = new Map<string, { count: number; error: number }>();
  /** Keys that were the rarest when last looked for; taken from the end while they still are. */
  #rarest: string[] = [];
  #rarestCount = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#counts.size;
  }

  add(key: string): void {
    const known = this.#counts.get(key);
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const error = this.#counts.size < this.#capacity ? 0 : this.#evict();
    this.#counts.set(key, { count: error + 1, error });
  }

  /** The most frequent first. */
  top(limit: number): Hitter[] {
    return [...this.#counts]
      .map(([key, { count, error }]) => ({ key, count, error }))
      .toSorted((a, b) => b.count - a.count || (a.key < b.key ? -1 : 1))
      .slice(0, limit);
  }

  clear(): void {
    this.#counts.clear();
    this.#rarest = [];
  }

  /** Drops one of the rarest keys; returns its count. */
  #evict(): number {
    for (;;) {
      const key = this.#rarest.pop();
      if (key === undefined) {
        this.#findRarest();
        continue;
      }
      if (this.#counts.get(key)?.count !== this.#rarestCount) continue;
      this.#counts.delete(key);
      return this.#rarestCount;
    }
  }

  #findRarest(): void {
    this.#rarestCount = Infinity;
    for (const { count } of this.#counts.values()) this.#rarestCount = Math.min(this.#rarestCount, count);
    for (const [key, { count }] of this.#counts) if (count === this.#rarestCount) this.#rarest.push(key);
  }
}
