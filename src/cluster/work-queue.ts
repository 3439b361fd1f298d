import { systemClock, type Clock } from './clock.ts';

export interface WorkQueueOptions {
  /** Makes the world right for one key. When it throws, the key comes back after a growing delay. */
  readonly process: (key: string, signal: AbortSignal) => Promise<void> | void;
  /** How many keys are processed at the same time; never twice the same one. 1 unless told. */
  readonly concurrency?: number;
  /** Delay after the first failure, doubled with each one that follows. */
  readonly minDelayMs?: number;
  readonly maxDelayMs?: number;
  /** Told of every failure; `attempt` counts from 1. */
  readonly onError?: (key: string, error: unknown, attempt: number) => void;
  readonly clock?: Clock;
  /** In [0, 1). */
  readonly random?: () => number;
}

/**
 * Keys waiting for work. A key that waits already is not added twice; one that is being processed is processed once
 * more afterwards, so the last change is always seen.
 */
export interface WorkQueue {
  add(key: string): void;
  /** The earliest of several times counts. */
  addAfter(key: string, delayMs: number): void;
  /** Processes until the signal aborts; resolves when the last running `process` has ended. */
  run(signal: AbortSignal): Promise<void>;
  /** Keys waiting, delayed ones included, or in work. */
  readonly size: number;
  /** Resolves when no key waits or is in work. */
  idle(): Promise<void>;
}

interface Delayed {
  readonly dueMs: number;
  readonly cancel: () => void;
}

export function createWorkQueue({
  process,
  concurrency = 1,
  minDelayMs = 20,
  maxDelayMs = 30_000,
  onError = () => {},
  clock = systemClock,
  random = Math.random,
}: WorkQueueOptions): WorkQueue {
  const waiting = new Set<string>();
  const working = new Set<string>();
  const delayed = new Map<string, Delayed>();
  const failures = new Map<string, number>();
  let idleWaiters: (() => void)[] = [];
  let running: AbortSignal | undefined;
  let stopped: (() => void) | undefined;

  const size = (): number => waiting.size + working.size + delayed.size;

  function undelay(key: string): void {
    delayed.get(key)?.cancel();
    delayed.delete(key);
  }

  function add(key: string): void {
    undelay(key);
    waiting.add(key);
    pump();
  }

  function addAfter(key: string, delayMs: number): void {
    if (delayMs <= 0) return add(key);
    if (waiting.has(key)) return;
    const dueMs = clock.now() + delayMs;
    const before = delayed.get(key);
    if (before && before.dueMs <= dueMs) return;
    before?.cancel();
    delayed.set(key, { dueMs, cancel: clock.after(delayMs, () => add(key)) });
  }

  function retryDelayMs(attempt: number): number {
    const delayMs = Math.min(maxDelayMs, minDelayMs * 2 ** (attempt - 1));
    return delayMs * (0.5 + random() / 2);
  }

  async function work(key: string, signal: AbortSignal): Promise<void> {
    try {
      await process(key, signal);
      failures.delete(key);
    } catch (error) {
      if (!signal.aborted) {
        const attempt = (failures.get(key) ?? 0) + 1;
        failures.set(key, attempt);
        onError(key, error, attempt);
        addAfter(key, retryDelayMs(attempt));
      }
    }
    working.delete(key);
    pump();
  }

  function pump(): void {
    if (running && !running.aborted)
      for (const key of waiting) {
        if (working.size >= concurrency) break;
        if (working.has(key)) continue;
        waiting.delete(key);
        working.add(key);
        void work(key, running);
      }
    if (running?.aborted && working.size === 0) stopped?.();
    if (size() === 0 && idleWaiters.length > 0) {
      for (const resolve of idleWaiters) resolve();
      idleWaiters = [];
    }
  }

  return {
    add,
    addAfter,
    run(signal) {
      running = signal;
      return new Promise((resolve) => {
        stopped = () => {
          for (const key of delayed.keys()) undelay(key);
          resolve();
        };
        signal.addEventListener('abort', pump, { once: true });
        pump();
      });
    },
    get size() {
      return size();
    },
    idle() {
      if (size() === 0) return Promise.resolve();
      return new Promise((resolve) => idleWaiters.push(resolve));
    },
  };
}
