/**
 * Asks a URL so many times a second until standard input ends, every other time over a connection of its own, and
 * prints what came of it. A program of its own, to be run within a cluster's namespaces:
 * `http-load.ts URL REQUESTS_PER_SECOND`.
 */
import http from 'node:http';

export interface LoadResult {
  readonly sent: number;
  readonly answered: number;
  /** How often what went wrong. */
  readonly failures: Readonly<Record<string, number>>;
  /** Which pods answered: the first line of the body, counted. */
  readonly servers: Readonly<Record<string, number>>;
  readonly slowestMs: number;
}

const REQUEST_TIMEOUT_MS = 5000;

if (import.meta.main) {
  const [url = '', rate = '200'] = process.argv.slice(2);
  const kept = new http.Agent({ keepAlive: true, maxSockets: 32 });
  const fresh = new http.Agent({ keepAlive: false });
  const failures: Record<string, number> = {};
  const servers: Record<string, number> = {};
  const pending = new Set<Promise<void>>();
  let sent = 0;
  let answered = 0;
  let slowestMs = 0;

  const count = (of: Record<string, number>, key: string): void => {
    of[key] = (of[key] ?? 0) + 1;
  };
  const ask = (agent: http.Agent, kind: string): Promise<void> =>
    new Promise((done) => {
      const startMs = performance.now();
      const finish = (failure?: string): void => {
        if (failure === undefined) answered += 1;
        else count(failures, `${kind}: ${failure}`);
        slowestMs = Math.max(slowestMs, performance.now() - startMs);
        done();
      };
      const request = http.get(url, { agent, timeout: REQUEST_TIMEOUT_MS }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (body += chunk));
        response.on('error', (error) => finish(error.message));
        response.on('end', () => {
          count(servers, body.split('\n')[0] ?? '');
          finish(response.statusCode === 200 ? undefined : `status ${response.statusCode}`);
        });
      });
      request.on('timeout', () => request.destroy(new Error('timeout')));
      request.on('error', (error) => finish('code' in error ? String(error.code) : error.message));
    });

  // By the clock, not by the timer: timers that come late must not make it fewer.
  const startMs = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - startMs) / 1000) * Number(rate);
    while (sent < due) {
      const request = sent % 2 === 0 ? ask(fresh, 'new connection') : ask(kept, 'kept connection');
      sent += 1;
      pending.add(request);
      void request.then(() => pending.delete(request));
    }
  }, 5);
  process.stdout.write('started\n');
  process.stdin.resume();
  process.stdin.on('end', () => {
    clearInterval(timer);
    void Promise.all(pending).then(() => {
      const result: LoadResult = { sent, answered, failures, servers, slowestMs: Math.round(slowestMs) };
      process.stdout.write(`${JSON.stringify(result)}\n`);
      process.exit(0);
    });
  });
}
