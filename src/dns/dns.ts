import type { Client } from '../cluster/client.ts';
import { untilAborted } from '../cluster/clock.ts';
import type { ServiceInformers } from '../cluster/service-informers.ts';
import { errorMessage } from '../model/errors.ts';
import { type Listener, listenTcp, listenUdp, type ListenOptions } from './listeners.ts';
import { compileCorefile } from './corefile/compile.ts';
import { defaultCorefile } from './corefile/default.ts';
import type { PodRecords } from './responder.ts';
import { createBlock } from './serving/block.ts';
import { createServer } from './serving/server.ts';
import { watchObjects } from './watch.ts';
import type { ZoneOptions } from './zone/plan.ts';
import { createZone, type Zone } from './zone/zone.ts';

export interface DnsOptions {
  readonly client: Client;
  /** Run by whoever made them. */
  readonly objects: ServiceInformers;
  /** Where to answer: the cluster DNS address, which must stand on one of the namespace's interfaces. */
  readonly addresses: readonly string[];
  /** 53 unless told. */
  readonly port?: number;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** Resolvers for names outside, `ADDRESS[:PORT]`; without any such names are answered SERVFAIL at once. */
  readonly upstreams: readonly string[];
  /** `insecure` unless told, as kubeadm sets up CoreDNS: no pods need to be watched for it. */
  readonly podRecords?: PodRecords;
  readonly log?: (level: 'info' | 'warning' | 'error', message: string) => void;
}

export interface Dns {
  readonly zone: Zone;
  /** Resolves when every address answers from a complete copy of the cluster's objects. */
  readonly ready: Promise<void>;
  /**
   * Answers until the signal aborts, in the network namespace of the calling thread. The API server may come and go:
   * answers are then as old as the last objects seen. Addresses that cannot be bound are tried again and again.
   */
  run(signal: AbortSignal): Promise<void>;
}

const REBIND_MIN_MS = 50;
const REBIND_MAX_MS = 5000;

/** The cluster's DNS on one node: the zone kept equal to the objects, and servers over UDP and TCP. */
export function createDns({
  client,
  objects,
  addresses,
  port = 53,
  clusterDomain,
  upstreams,
  podRecords = 'insecure',
  log = () => {},
}: DnsOptions): Dns {
  const zoneOptions: ZoneOptions = { clusterDomain, addresses };
  const zone = createZone(zoneOptions, Math.floor(Date.now() / 1000));
  const corefile = compileCorefile(defaultCorefile({ clusterDomain, podRecords }), {
    nodeResolvers: upstreams,
    files: new Map(),
  });
  const blocks = corefile.servers.map((plan) =>
    createBlock(plan, {
      zoneFor: () => zone,
      clusterDomain,
      namespaceOf: () => undefined,
      nodeSearches: [],
    }),
  );
  const server = createServer({
    blocks,
    onError: (error) => log('error', `DNS: a question could not be answered: ${errorMessage(error)}`),
  });
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {});

  async function run(signal: AbortSignal): Promise<void> {
    const watch = watchObjects({ client, objects, zone, zoneOptions, podRecords, log });
    const watching = watch.run(signal);
    try {
      // Before the zone is complete it would deny names that exist; clients ask a silent server again.
      await watch.synced;
      const options = addresses.map((address) => ({ address, port, server }));
      const servers = options.flatMap((each) => [
        keepListening(listenUdp, each, { signal, log }),
        keepListening(listenTcp, each, { signal, log }),
      ]);
      Promise.all(servers.map(({ bound }) => bound)).then(() => ready.resolve(), ready.reject);
      await Promise.all(servers.map(({ done }) => done));
    } catch (error) {
      ready.reject(error);
      if (!signal.aborted) throw error;
    }
    for (const block of blocks) block.close();
    await watching;
  }

  return { zone, ready: ready.promise, run };
}

/** Binds, serves, and binds again whenever the socket fails, until the signal aborts. */
function keepListening(
  listen: (options: ListenOptions) => Listener | Promise<Listener>,
  options: ListenOptions,
  { signal, log }: { signal: AbortSignal; log: NonNullable<DnsOptions['log']> },
): { bound: Promise<void>; done: Promise<void> } {
  const bound = Promise.withResolvers<void>();
  bound.promise.catch(() => {});
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
        listener.close();
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
  return { bound: bound.promise, done: loop() };
}
