import { untilAborted } from '../cluster/clock.ts';
import type { Informer } from '../cluster/informer.ts';
import type { ServiceInformers } from '../cluster/service-informers.ts';
import { errorMessage } from '../model/errors.ts';
import type { Node } from '../model/objects.ts';
import type { Nftables } from '../kernel/nftables/nftables.ts';
import type { ServiceBackend } from './backends/backend.ts';
import { createNftablesBackend } from './backends/nftables.ts';
import { type ServiceCompiler, createServiceCompiler } from './compile.ts';
import { addressesOfOthers, nodeFactsOf, sameAddresses } from './node-facts.ts';
import { type NodeFacts, type PlanChange, type ServicePlan, UNKNOWN_NODE } from './plan.ts';
import type { PlanFollower } from './plan-follower.ts';
import { sameFacts } from './same.ts';

export interface ServiceProxyOptions {
  /** Run by whoever made them. */
  readonly objects: Pick<ServiceInformers, 'services' | 'endpointSlices' | 'synced'>;
  readonly nodeName: string;
  /** Of this node's object, run by whoever made it. Without it no node ports are served. */
  readonly node?: Pick<Informer<Node>, 'onChange' | 'synced'>;
  /** Of all nodes, run by whoever made it: no Service may take their addresses. */
  readonly nodes?: Pick<Informer<Node>, 'onChange' | 'synced'>;
  /** CIDRs of the node's addresses that serve node ports; its first of each IP family unless told. */
  readonly nodePortAddresses?: readonly string[];
  /** Of the node's network namespace. */
  readonly nftables: Nftables;
  /** Addresses the node answers on itself, such as the cluster DNS: their Services are left alone. */
  readonly localAddresses?: readonly string[];
  readonly backend?: ServiceBackend;
  /** Told of what the kernel holds, in this order. */
  readonly followers?: readonly PlanFollower[];
  /** How often it is looked for changes that others made to the kernel. */
  readonly checkIntervalMs?: number;
  readonly log?: (level: 'info' | 'warning' | 'error', message: string) => void;
}

export interface ServiceProxy {
  /** Resolves when the kernel holds all Services for the first time. */
  readonly ready: Promise<void>;
  /** Keeps the kernel as the Services and EndpointSlices say until the signal aborts. What it made stays. */
  run(signal: AbortSignal): Promise<void>;
  /** As carried out last. */
  readonly plan: ServicePlan;
  /** Removes everything from the kernel. */
  cleanup(): void;
}

/** Connections to Services on one node. */
export function createServiceProxy(options: ServiceProxyOptions): ServiceProxy {
  const {
    objects,
    nodeName,
    node,
    nodes,
    nodePortAddresses,
    nftables,
    localAddresses = [],
    followers = [],
    checkIntervalMs = 30_000,
    log = () => undefined,
  } = options;
  const backend = options.backend ?? createNftablesBackend({ nftables });
  const compiler = createServiceCompiler({ localAddresses, node: { ...UNKNOWN_NODE, name: nodeName } });
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined); // whoever awaits it hears of it
  const keeper = new BackendKeeper({ backend, compiler, followers, log, done: () => ready.resolve() });

  async function run(signal: AbortSignal): Promise<void> {
    const subscriptions = [
      objects.services.onChange(({ type, key, object }) => {
        if (type === 'deleted') compiler.deleteService(key);
        else compiler.setService(object);
        keeper.changed();
      }),
      objects.endpointSlices.onChange(({ type, key, object }) => {
        if (type === 'deleted') compiler.deleteSlice(key);
        else compiler.setSlice(object);
        keeper.changed();
      }),
    ];
    const setFacts = (facts: NodeFacts): void => {
      if (sameFacts(facts, compiler.plan.node)) return;
      compiler.setNode(facts);
      keeper.changed();
    };
    const unsubscribeNode = node?.onChange(({ type, object }) => {
      if (type === 'deleted') return;
      const { otherNodes = [] } = compiler.plan.node;
      setFacts({ ...nodeFactsOf(object, nodePortAddresses), otherNodes });
    });
    if (unsubscribeNode !== undefined) subscriptions.push(unsubscribeNode);
    const known = new Map<string, Node>();
    let isCounting = false;
    const countOthers = (): void => {
      isCounting = false;
      setFacts({ ...compiler.plan.node, otherNodes: addressesOfOthers(known.values(), nodeName) });
    };
    const unsubscribeNodes = nodes?.onChange(({ type, key, object }) => {
      const before = known.get(key);
      if (type === 'deleted') known.delete(key);
      else known.set(key, object);
      // Nodes tell every few seconds that they live, and a first list has thousands of them.
      const isSame = type !== 'deleted' && before !== undefined && sameAddresses(before, object);
      if (isSame || isCounting) return;
      isCounting = true;
      queueMicrotask(countOthers);
    });
    if (unsubscribeNodes !== undefined) subscriptions.push(unsubscribeNodes);
    Promise.all([objects.synced, node?.synced, nodes?.synced]).then(
      () => keeper.start(signal, checkIntervalMs),
      ready.reject,
    );
    await untilAborted(signal);
    for (const unsubscribe of subscriptions) unsubscribe();
    for (const follower of followers) follower.stop?.();
    ready.reject(signal.reason);
  }

  return { ready: ready.promise, run, plan: compiler.plan, cleanup: () => backend.cleanup() };
}

interface KeeperOptions {
  readonly backend: ServiceBackend;
  readonly compiler: ServiceCompiler;
  readonly followers: readonly PlanFollower[];
  readonly log: (level: 'info' | 'warning' | 'error', message: string) => void;
  /** Called after every success. */
  readonly done: () => void;
}

const RETRY_MS = { first: 50, last: 10_000 } as const;

/**
 * Carries changes to the backend: all that came in one turn of the event loop together, incrementally while all is
 * well, and by a full sync at the start, after an error and when others changed the kernel.
 */
export class BackendKeeper {
  readonly #options: KeeperOptions;
  #signal: AbortSignal | undefined;
  #scheduled = false;
  #fullSync = true;
  #failures = 0;

  constructor(options: KeeperOptions) {
    this.#options = options;
  }

  start(signal: AbortSignal, checkIntervalMs: number): void {
    if (signal.aborted) return;
    this.#signal = signal;
    const check = setInterval(() => this.#check(), checkIntervalMs);
    check.unref();
    signal.addEventListener('abort', () => clearInterval(check), { once: true });
    this.#flush();
  }

  /** Something changed; nothing happens before `start`. */
  changed(): void {
    if (this.#signal === undefined || this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#signal?.aborted !== false) return;
    const { backend, compiler, followers, log, done } = this.#options;
    const isFull = this.#fullSync;
    let change: PlanChange;
    try {
      change = compiler.takeChange();
      if (isFull) backend.sync(compiler.plan);
      else if (change.set.length + change.removed.length > 0 || change.node !== undefined)
        backend.apply(change);
      this.#fullSync = false;
      this.#failures = 0;
    } catch (error) {
      this.#fullSync = true;
      const delayMs = Math.min(RETRY_MS.first * 2 ** this.#failures++, RETRY_MS.last);
      log('error', `services: ${errorMessage(error)}; trying again from scratch in ${delayMs} ms`);
      this.#scheduled = true;
      for (const follower of followers) follower.failed?.();
      setTimeout(() => this.#flush(), delayMs).unref();
      return;
    }
    for (const follower of followers) {
      if (isFull) follower.planned(compiler.plan);
      else follower.changed(change, compiler.plan);
    }
    done();
  }

  #check(): void {
    const { backend, log } = this.#options;
    if (this.#scheduled) return;
    try {
      if (backend.isIntact()) return;
      log('warning', 'services: the nftables table was changed by others; putting it right');
    } catch (error) {
      log('error', `services: ${errorMessage(error)}`);
    }
    this.#fullSync = true;
    this.changed();
  }
}
