import { randomBytes } from 'node:crypto';
import type { Client } from '../cluster/client.ts';
import { untilAborted } from '../cluster/clock.ts';
import type { EventRecorder } from '../cluster/events.ts';
import type { ServiceInformers } from '../cluster/service-informers.ts';
import { PodnetError, errorMessage } from '../model/errors.ts';
import { compileCorefile } from './corefile/compile.ts';
import { defaultCorefile } from './corefile/default.ts';
import { type CorefileSource, followCorefile } from './corefile/follow.ts';
import { type CorefilePlan, type Endpoint, type ServerPlan, zonePlans } from './corefile/plan.ts';
import { type ClientLimitOptions, createClientLimits, defaultClientLimits } from './serving/client-limits.ts';
import type { NamespaceOf } from './serving/autopath.ts';
import { type Block, createBlock } from './serving/block.ts';
import { createListening, type DnsLog, type Place } from './serving/listening.ts';
import { createServer } from './serving/server.ts';
import { createEndpoints, type Page } from './observe/endpoints.ts';
import { type Metric, printMetrics } from './observe/exposition.ts';
import { createDnsLook, type DnsLook } from './observe/look.ts';
import { mergeMetrics } from './observe/observe-block.ts';
import type { ClientName } from './observe/query-log.ts';
import type { Zone } from './zone/zone.ts';
import { createZones } from './zones.ts';

export interface DnsOptions {
  readonly client: Client;
  /** Run by whoever made them. */
  readonly objects: ServiceInformers;
  /** Where to answer: the cluster DNS addresses, which must stand on one of the namespace's interfaces. */
  readonly addresses: readonly string[];
  /** More addresses to answer at that no record names, such as the link-local one. */
  readonly alsoAt?: readonly string[];
  /** In the place of 53, for tests. */
  readonly port?: number;
  /** `cluster.local` */
  readonly clusterDomain: string;
  /** What `/etc/resolv.conf` stands for in a Corefile: resolvers for names outside, `ADDRESS[:PORT]`. */
  readonly upstreams: readonly string[];
  /** What pods' search lists go on with after the cluster's own domains. */
  readonly nodeSearches?: readonly string[];
  /** Of the pods that ask here, for their search lists; nobody's unless told. */
  readonly namespaceOf?: NamespaceOf;
  /** Who a client is, for the log: `default/web-5d4`. */
  readonly nameOf?: ClientName;
  /** Takes the place of the cluster's own Corefile; undefined follows the ConfigMap kube-system/coredns. */
  readonly corefile?: string;
  readonly events?: EventRecorder;
  /** What each client may take. */
  readonly limits?: ClientLimitOptions;
  readonly log?: DnsLog;
}

export interface Dns {
  /** Resolves when every address answers from a complete copy of the cluster's objects. */
  readonly ready: Promise<void>;
  /**
   * Answers until the signal aborts, in the network namespace of the calling thread. The API server may come and go:
   * answers are then as old as the last objects seen. Addresses that cannot be bound are tried again and again.
   */
  run(signal: AbortSignal): Promise<void>;
  /** Who asks, and what for. */
  readonly look: Pick<DnsLook, 'top' | 'log'>;
}

/** As long as a question may wait for an upstream: a server block that was replaced answers those it has. */
const CLOSE_AFTER_MS = 6000;

/** The cluster's DNS on one node: what the Corefile says, over zones kept equal to the objects. */
export function createDns({
  client,
  objects,
  addresses,
  alsoAt = [],
  port: portForTests,
  clusterDomain,
  upstreams,
  nodeSearches = [],
  namespaceOf = () => undefined,
  nameOf = () => undefined,
  corefile,
  events,
  limits: limitOptions = defaultClientLimits,
  log = () => {},
}: DnsOptions): Dns {
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {});
  const zones = createZones({ client, objects, addresses, log });
  const listening = createListening(log);
  const limits = createClientLimits(limitOptions);
  const secret = randomBytes(16);
  const look = createDnsLook({ nameOf });
  const endpoints = createEndpoints((message) => log('warning', `DNS: ${message}`));
  let isReady = false;
  let blocks: readonly Block[] = [];
  const usual = defaultCorefile({ clusterDomain, podRecords: 'insecure' });

  function compile({ text = usual, files }: Pick<CorefileSource, 'text' | 'files'>): CorefilePlan {
    return compileCorefile(text, { nodeResolvers: upstreams, files });
  }

  /** Puts a plan to work once its zones are complete: before that they would deny names that exist. */
  async function serve({ servers, notes }: CorefilePlan): Promise<void> {
    const plans = servers.flatMap(({ kubernetes }) =>
      kubernetes ? zonePlans(kubernetes, clusterDomain) : [],
    );
    const zoneOf = await zones.ready(plans);
    const next = servers.map((plan) =>
      createBlock(plan, {
        zoneFor: (of): Zone => zoneOf(of),
        clusterDomain,
        namespaceOf,
        nodeSearches,
        nameOf,
        look,
        log,
      }),
    );
    const before = blocks;
    blocks = next;
    const bound = listening.serve(placesOf(next));
    endpoints.serve(pagesOf(next));
    zones.keepOnly(plans);
    setTimeout(() => before.forEach((block) => block.close()), CLOSE_AFTER_MS).unref();
    for (const note of notes) log('info', `DNS: Corefile ${note}`);
    await bound;
  }

  /** Every address and port, with the blocks that are served there. */
  function placesOf(all: readonly Block[]): Place[] {
    const onError = (error: unknown): void =>
      log('error', `DNS: a question could not be answered: ${errorMessage(error)}`);
    const keys = new Map<string, { address: string; port: number; blocks: Block[] }>();
    for (const block of all) {
      for (const address of bindingsOf(block.plan, [...addresses, ...alsoAt])) {
        const port = portForTests ?? block.plan.port;
        const key = `${address} ${port}`;
        const place = keys.get(key);
        if (place === undefined) keys.set(key, { address, port, blocks: [block] });
        else place.blocks.push(block);
      }
    }
    return [...keys.values()].map(({ address, port, blocks: own }) => ({
      address,
      port,
      server: createServer({ blocks: own, limits, secret, onError }),
    }));
  }

  /** Health, readiness and metrics, on the cluster DNS addresses where the Corefile names none. */
  function pagesOf(all: readonly Block[]): Page[] {
    const at = (endpoint: Endpoint | undefined, path: string, answer: Page['answer']): Page[] =>
      (endpoint === undefined ? [] : endpoint.address === '' ? addresses : [endpoint.address]).map(
        (address) => ({
          address,
          port: endpoint?.port ?? 0,
          path,
          answer,
        }),
      );
    return all.flatMap(({ plan }) => [
      ...at(plan.health, '/health', () => ({ status: 200, body: 'OK' })),
      ...at(plan.ready, '/ready', () =>
        isReady ? { status: 200, body: 'OK' } : { status: 503, body: 'kubernetes' },
      ),
      ...at(plan.prometheus, '/metrics', () => ({
        status: 200,
        body: printMetrics(
          mergeMetrics([
            ...blocks.flatMap((block) => block.metrics()),
            ...limits.metrics(),
            staleness(objects),
          ]),
        ),
      })),
    ]);
  }

  /** One plan after the other; of several that wait the last one counts. */
  let waiting: CorefilePlan | undefined;
  let working: Promise<void> | undefined;
  async function work(): Promise<void> {
    for (let plan = waiting; plan !== undefined; plan = waiting) {
      waiting = undefined;
      await serve(plan);
      isReady = true;
      ready.resolve();
    }
    working = undefined;
  }

  /** A Corefile that cannot be read changes nothing, unless it is the first: then the usual one is served. */
  function change(source: CorefileSource): void {
    try {
      waiting = compile(source);
    } catch (error) {
      const text = describe(error);
      log('error', `DNS: ${text}`);
      if (source.object !== undefined)
        events?.record(source.object, { type: 'Warning', reason: 'CorefileRefused', message: text });
      if (blocks.length > 0 || waiting !== undefined || working !== undefined) return;
      waiting = compile({ text: undefined, files: new Map() });
    }
    working ??= work().catch((error: unknown) => {
      working = undefined;
      ready.reject(error);
      log('error', `DNS: ${errorMessage(error)}`);
    });
  }

  async function run(signal: AbortSignal): Promise<void> {
    try {
      if (corefile === undefined) {
        const onError = (error: unknown): void => log('warning', `DNS: ${errorMessage(error)}`);
        let last = '';
        await followCorefile(client, {
          signal,
          onError,
          onChange: (source) => {
            const identity = JSON.stringify([source.text, ...source.files]);
            if (identity !== last) change(source);
            last = identity;
          },
        });
      } else {
        change({ text: corefile, files: new Map(), object: undefined });
        await untilAborted(signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      await listening.close();
      endpoints.close();
      zones.close();
      for (const block of blocks) block.close();
      ready.reject(signal.reason);
    }
  }

  return { ready: ready.promise, run, look };
}

/** Answers are as old as that. */
function staleness({ services, endpointSlices }: ServiceInformers): Metric {
  return {
    name: 'podnet_dns_api_silent_seconds',
    help: 'For how long the API server has not been heard; 0 while it is.',
    type: 'gauge',
    samples: [
      { labels: { resource: 'services' }, value: services.silentMs / 1000 },
      { labels: { resource: 'endpointslices' }, value: endpointSlices.silentMs / 1000 },
    ],
  };
}

function bindingsOf({ bind }: ServerPlan, addresses: readonly string[]): readonly string[] {
  return bind.length > 0 ? bind : addresses;
}

/** In one line, with what to do: it is read in Events and logs. */
function describe(error: unknown): string {
  if (!(error instanceof PodnetError)) return errorMessage(error);
  return `${error.where ?? 'Corefile'}: ${error.message}. ${error.fix ?? ''} What was served before goes on.`;
}
