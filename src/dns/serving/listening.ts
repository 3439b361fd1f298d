import { untilAborted } from '../../cluster/clock.ts';
import { errorMessage } from '../../model/errors.ts';
import { type Listener, listenTcp, listenUdp, type ListenOptions } from '../listeners.ts';
import type { DnsServer } from './server.ts';

export type DnsLog = (level: 'info' | 'warning' | 'error', message: string) => void;

/** A place to answer at, and who answers there. */
export interface Place {
  readonly address: string;
  readonly port: number;
  readonly server: DnsServer;
}

/** The sockets of a server, which stay open while what answers on them changes. */
export interface Listening {
  /** Answers at these places and no others from now on. Resolves when every new one is bound. */
  serve(places: readonly Place[]): Promise<void>;
  /** Takes no new questions and resolves when those it has are answered and all is closed. */
  close(): Promise<void>;
}

interface Open {
  server: DnsServer;
  readonly bound: Promise<unknown>;
  readonly closed: Promise<unknown>;
  readonly stop: AbortController;
}

const REBIND_MIN_MS = 50;
const REBIND_MAX_MS = 5000;

/** Places that cannot be bound are tried again and again. Runs in the network namespace of the calling thread. */
export function createListening(log: DnsLog): Listening {
  const open = new Map<string, Open>();

  function listenAt({ address, port, server }: Place): Open {
    const stop = new AbortController();
    const current: { server: DnsServer } = { server };
    // One level more, so that who answers can change without a socket noticing.
    const options = {
      address,
      port,
      server: { respond: (...args) => current.server.respond(...args) },
    } satisfies ListenOptions;
    const kept = [listenUdp, listenTcp].map((listen) =>
      keepListening(listen, options, { signal: stop.signal, log }),
    );
    const bound = Promise.all(kept.map((each) => each.bound));
    bound.catch(() => {}); // whoever awaits it hears of it
    return Object.assign(current, { bound, stop, closed: Promise.all(kept.map(({ closed }) => closed)) });
  }

  return {
    async serve(places) {
      const wanted = new Map(places.map((place) => [`${place.address} ${place.port}`, place]));
      for (const [key, { stop }] of open) {
        if (wanted.has(key)) continue;
        open.delete(key);
        stop.abort();
      }
      for (const [key, place] of wanted) {
        const there = open.get(key);
        if (there === undefined) open.set(key, listenAt(place));
        else there.server = place.server;
      }
      await Promise.all([...open.values()].map(({ bound }) => bound));
    },
    async close() {
      const all = [...open.values()];
      open.clear();
      for (const { stop } of all) stop.abort();
      await Promise.all(all.map(({ closed }) => closed));
    },
  };
}

/**
 * Binds, serves, and binds again whenever the socket fails, until the signal aborts. `bound` resolves when it is first
 * bound, `closed` when nothing is open any more.
 */
function keepListening(
  listen: (options: ListenOptions) => Listener | Promise<Listener>,
  options: ListenOptions,
  { signal, log }: { signal: AbortSignal; log: DnsLog },
): { readonly bound: Promise<void>; readonly closed: Promise<void> } {
  const bound = Promise.withResolvers<void>();
  const aborted = untilAborted(signal);
  const where = `${options.address} port ${options.port} (${listen === listenUdp ? 'UDP' : 'TCP'})`;

  async function loop(): Promise<void> {
    let delayMs = REBIND_MIN_MS;
    while (!signal.aborted) {
      try {
        const listener = await listen(options);
        bound.resolve();
        delayMs = REBIND_MIN_MS;
        const reason = await Promise.race([listener.failed, aborted]);
        await listener.close();
        if (!signal.aborted) log('warning', `DNS stopped answering on ${where}: ${errorMessage(reason)}`);
      } catch (error) {
        log(
          'warning',
          `DNS cannot listen on ${where}: ${errorMessage(error)}; trying again in ${delayMs} ms`,
        );
      }
      await Promise.race([new Promise((resolve) => setTimeout(resolve, delayMs).unref()), aborted]);
      delayMs = Math.min(delayMs * 2, REBIND_MAX_MS);
    }
    bound.reject(new Error('stopped'));
  }

  return { bound: bound.promise, closed: loop() };
}
