/** Watches the Nodes and keeps this node's routes and egress rules as they say. */
import type { Client } from '../cluster/client.ts';
import { createInformer } from '../cluster/informer.ts';
import { nodes } from '../cluster/resources.ts';
import { createWorkQueue } from '../cluster/work-queue.ts';
import type { Nftables } from '../kernel/nftables/nftables.ts';
import type { Rtnl, RtnlEvent } from '../kernel/rtnl/rtnl.ts';
import { isNodeReady } from '../model/conditions.ts';
import { errorMessage } from '../model/errors.ts';
import type { Node } from '../model/objects.ts';
import { FABRIC_ROUTE_PROTOCOL, applyRoutes, removeRoutes } from './apply-routes.ts';
import { compile } from './compile.ts';
import { egressInPlace, egressRules, removeEgress } from './egress.ts';
import { type RoutePlan, printReason } from './plan.ts';

export interface FabricOptions {
  readonly client: Client;
  readonly nodeName: string;
  /** Of the node's network namespace. */
  readonly rtnl: Rtnl;
  /** Of the same; without it pods' packets leave with the pods' own addresses. */
  readonly nftables?: Nftables;
  /** The pods of all nodes; of two IP families with a comma between them. */
  readonly clusterCidrs: readonly string[];
  readonly log?: (level: 'info' | 'warning' | 'error', message: string) => void;
  /** Everything is compared with the kernel at least this often. */
  readonly resyncMs?: number;
}

export interface Fabric {
  /** Resolves when the kernel first agreed with the plan. */
  readonly ready: Promise<void>;
  /** Keeps the kernel as the plan says until the signal aborts, and leaves it so. */
  run(signal: AbortSignal): Promise<void>;
  /** What is to be; undefined before the first list of nodes. */
  plan(): RoutePlan | undefined;
  /** Takes the fabric's routes and tables out of the kernel. */
  cleanup(): void;
}

/** Changes of the kernel come in bursts: look again this long after one. */
const SETTLE_MS = 50;
const KEY = 'node';

export function createFabric(options: FabricOptions): Fabric {
  const { client, nodeName, rtnl, nftables, resyncMs = 300_000, log = () => {} } = options;
  const informer = createInformer<Node, Node>(client, nodes, { transform: slim, onError: watchFailed });
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => {}); // whoever awaits it hears of it
  let plan: RoutePlan | undefined;
  /** The egress rules in the kernel, printed. */
  let egress: string | undefined;
  let links: ReadonlySet<number> = new Set();
  let incomplete = true;
  /** What the last sync said: a fault that stays is told once, and again when it comes back. */
  let said: ReadonlySet<string> = new Set();
  let lastWatchError = '';

  function watchFailed(error: unknown): void {
    const message = `nodes: ${errorMessage(error)}`;
    if (message !== lastWatchError) log('warning', message);
    lastWatchError = message;
  }

  function say(faults: readonly { level: 'warning' | 'info'; message: string }[]): void {
    for (const { level, message } of faults) if (!said.has(message)) log(level, message);
    said = new Set(faults.map(({ message }) => message));
  }

  function sync(): void {
    if (!informer.hasSynced) return;
    plan = compile(informer.list(), { nodeName, clusterCidrs: options.clusterCidrs });
    const problems = plan.problems.map(({ level, message, reason }) => ({
      level,
      message: `${printReason(reason)}: ${message}`,
    }));
    const applied = applyRoutes(rtnl, plan);
    const refused = applied.errors.map(({ message, where = '' }) => ({
      level: 'warning' as const,
      message: `${where}: ${message}`,
    }));
    say([...problems, ...refused]);
    ({ links } = applied);
    for (const change of applied.replaced) log('info', `route ${change}`);
    for (const dst of applied.deleted) log('info', `no route ${dst}`);
    const printed = JSON.stringify(plan.egress);
    if (nftables && (printed !== egress || !egressInPlace(nftables, plan.egress))) {
      nftables.apply(egressRules(plan.egress));
      egress = printed;
    }
    incomplete = applied.errors.length > 0;
    if (incomplete) throw new RefusedRoutes();
    ready.resolve();
    queue.addAfter(KEY, resyncMs);
  }

  const queue = createWorkQueue({
    process: sync,
    maxDelayMs: 5000,
    onError: (_, error) => {
      if (!(error instanceof RefusedRoutes)) log('warning', `fabric: ${errorMessage(error)}`);
    },
  });

  /** Somebody touched a planned destination, or a link came or went on which planned routes depend. */
  function concerns(event: RtnlEvent): boolean {
    if (event.kind === 'link') return incomplete || links.has(event.link.index);
    if (event.kind !== 'route') return false;
    const { route, change } = event;
    const planned = plan?.routes.some(({ dst }) => dst === route.dst) ?? false;
    if (change === 'new' && route.protocol === FABRIC_ROUTE_PROTOCOL) return !planned;
    return planned;
  }

  return {
    ready: ready.promise,
    plan: () => plan,
    async run(signal) {
      const unsubscribe = informer.onChange(() => {
        lastWatchError = '';
        queue.add(KEY);
      });
      const events = rtnl.events({
        kinds: ['link', 'route'],
        onEvent: (event) => {
          if (concerns(event)) queue.addAfter(KEY, SETTLE_MS);
        },
        onOverflow: () => queue.addAfter(KEY, SETTLE_MS),
      });
      informer.synced.then(() => queue.add(KEY), ready.reject);
      try {
        await Promise.all([informer.run(signal), queue.run(signal)]);
      } finally {
        events.stop();
        unsubscribe();
        ready.reject(signal.reason);
      }
    },
    cleanup() {
      removeRoutes(rtnl);
      if (nftables) removeEgress(nftables);
    },
  };
}

/** Only what the plan depends on: Nodes change every few seconds for other reasons. */
function slim({ metadata, spec, status }: Node): Node {
  const { name = '', resourceVersion = '', creationTimestamp } = metadata ?? {};
  const { podCIDR, podCIDRs } = spec ?? {};
  return {
    metadata: { name, resourceVersion, ...(creationTimestamp !== undefined && { creationTimestamp }) },
    spec: { ...(podCIDR !== undefined && { podCIDR }), ...(podCIDRs && { podCIDRs }) },
    status: {
      ...(status?.addresses && { addresses: status.addresses }),
      ...(isNodeReady({ ...(status && { status }) }) && { conditions: [{ type: 'Ready', status: 'True' }] }),
    },
  };
}

/** Asks the queue to try again; the routes themselves have been told of. */
class RefusedRoutes extends Error {}
