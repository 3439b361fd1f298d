/** One figure of a benchmark, as `npm run bench` prints it. */
export interface BenchRow {
  /** What was measured: `pod link ADD, median`. */
  readonly figure: string;
  readonly value: number;
  /** `ms`, `MB`, `answers/s`; empty for a plain ratio. */
  readonly unit: string;
  /** The peer or the kernel's own limit measured in the same run, with its value. */
  readonly comparedWith: string;
  /** This value divided by the compared one. */
  readonly ratio?: number;
  /** The promise, in words: `≤ 3 ms`. */
  readonly target: string;
  readonly ok: boolean;
}

/** A benchmark file exports `rows`. It runs as root of its own user, mount, PID and network namespaces. */
export type Benchmark = () => Promise<BenchRow[]>;
