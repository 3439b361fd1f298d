/** Time, so that tests need not wait for it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls back once after `delayMs`; the result cancels. */
  after(delayMs: number, call: () => void): () => void;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs);
    return () => clearTimeout(timer);
  },
};

/** Resolves after `delayMs`, or as soon as the signal aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = (): void => {
      signal?.removeEventListener('abort', done);
      cancel();
      resolve();
    };
    const cancel = clock.after(delayMs, done);
    signal?.addEventListener('abort', done);
  });
}

/** Resolves when the signal aborts, or at once if it has. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** A clock that stands still until it is advanced. */
export interface FakeClock extends Clock {
  /** Runs everything that comes due, in order, letting promises settle in between. */
  advance(milliseconds: number): Promise<void>;
  /** How many callbacks wait. */
  readonly waiting: number;
}

export function createFakeClock(startMs = Date.UTC(2026, 0, 1)): FakeClock {
  const timers = new Set<{ readonly due: number; readonly call: () => void }>();
  let nowMs = startMs;
  return {
    now: () => nowMs,
    after(delayMs, call) {
      const timer = { due: nowMs + Math.max(0, delayMs), call };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    async advance(milliseconds) {
      const end = nowMs + milliseconds;
      for (;;) {
        await settle();
        let next: { readonly due: number; readonly call: () => void } | undefined;
        for (const timer of timers) if (timer.due <= end && !(next && next.due <= timer.due)) next = timer;
        if (!next) break;
        timers.delete(next);
        nowMs = Math.max(nowMs, next.due);
        next.call();
      }
      nowMs = end;
    },
    get waiting() {
      return timers.size;
    },
  };
}

/** Lets everything that is ready run: a few turns of the event loop. */
export async function settle(turns = 5): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
}
