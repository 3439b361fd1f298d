import type { Client } from '../cluster/client.ts';
import type { ServiceInformers } from '../cluster/service-informers.ts';
import type { KubernetesPlan } from './corefile/plan.ts';
import { watchObjects } from './watch.ts';
import { printKey } from './wire/name.ts';
import type { ZoneOptions } from './zone/plan.ts';
import { createZone, type Zone } from './zone/zone.ts';

export interface ZonesOptions {
  readonly client: Client;
  /** Run by whoever made them. */
  readonly objects: ServiceInformers;
  /** Of the name server that every zone names. */
  readonly addresses: readonly string[];
  readonly log: (level: 'warning' | 'error', message: string) => void;
}

/** The zones that `kubernetes` plugins ask for, each kept equal to the objects as long as it is wanted. */
export interface Zones {
  /**
   * Resolves with the zones of these plans when each holds everything the first lists had. Rejects when aborted
   * before.
   */
  ready(plans: readonly KubernetesPlan[]): Promise<(plan: KubernetesPlan) => Zone>;
  /** Forgets every zone that none of these plans wants. */
  keepOnly(plans: readonly KubernetesPlan[]): void;
  close(): void;
}

interface Watched {
  readonly zone: Zone;
  readonly synced: Promise<void>;
  readonly stop: AbortController;
}

export function createZones(options: ZonesOptions): Zones {
  const watched = new Map<string, Watched>();

  function hold(plan: KubernetesPlan): Watched {
    const key = identityOf(plan);
    let held = watched.get(key);
    if (held === undefined) watched.set(key, (held = watchZone(plan, options)));
    return held;
  }

  return {
    async ready(plans) {
      await Promise.all(plans.map((plan) => hold(plan).synced));
      return (plan) => hold(plan).zone;
    },
    keepOnly(plans) {
      const wanted = new Set(plans.map(identityOf));
      for (const [key, { stop }] of watched) {
        if (wanted.has(key)) continue;
        watched.delete(key);
        stop.abort();
      }
    },
    close() {
      for (const { stop } of watched.values()) stop.abort();
      watched.clear();
    },
  };
}

/** What makes two plans' zones the same: everything but what is done with names that are not found. */
function identityOf({ fallthrough: _fallthrough, ...plan }: KubernetesPlan): string {
  return JSON.stringify(plan);
}

function watchZone(plan: KubernetesPlan, { client, objects, addresses, log }: ZonesOptions): Watched {
  const [domain = ''] = plan.zones;
  const zoneOptions: ZoneOptions = {
    clusterDomain: printKey(domain),
    addresses,
    ttlSeconds: plan.ttlSeconds,
    endpoints: plan.endpoints,
    endpointPodNames: plan.endpointPodNames,
    ignoreEmptyServices: plan.ignoreEmptyServices,
  };
  const { namespaces, namespaceLabels, pods: podRecords } = plan;
  const zone = createZone(zoneOptions, Math.floor(Date.now() / 1000));
  const stop = new AbortController();
  const watch = watchObjects({
    client,
    objects,
    zone,
    zoneOptions,
    podRecords,
    namespaces,
    namespaceLabels,
    log,
  });
  watch.run(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) log('error', `DNS: ${String(error)}`);
  });
  return { zone, synced: watch.synced, stop };
}
