const longestTurnMs = 5;

/**
 * Lets timers and sockets have their turn. Callers in the same process that answer every answer with a request would
 * otherwise keep the event loop in its microtasks for as long as they like, and nobody else would be served.
 */
export function createTurns(now: () => number = () => performance.now()): () => Promise<void> {
  let startedMs = now();
  return async () => {
    if (now() - startedMs < longestTurnMs) return;
    await new Promise<void>((done) => {
      setImmediate(done);
    });
    startedMs = now();
  };
}
