import { serviceKeyOf } from '../model/endpoint-slices.ts';
import { canonicalIp } from '../model/ip.ts';
import { type EndpointSlice, type Service, objectKey } from '../model/objects.ts';
import { Claims } from './claims.ts';
import { type CompiledService, compileService } from './compile-service.ts';
import {
  type Ignored,
  type NodeFacts,
  type PlanChange,
  type PlannedHealth,
  type PlannedPort,
  type ServicePlan,
  UNKNOWN_NODE,
} from './plan.ts';
import { sameFacts, sameIgnored, samePort } from './same.ts';

export interface CompileOptions {
  /** Unless told: a node that has no address, no pods and no zone. */
  readonly node?: NodeFacts;
  /** Addresses this node answers itself, such as the cluster DNS: their Services are left alone. */
  readonly localAddresses?: readonly string[];
}

/** The plan for a set of objects. */
export function compile(
  services: Iterable<Service>,
  slices: Iterable<EndpointSlice>,
  options: CompileOptions = {},
): ServicePlan {
  const compiler = createServiceCompiler(options);
  for (const service of services) compiler.setService(service);
  for (const slice of slices) compiler.setSlice(slice);
  compiler.takeChange();
  return compiler.plan;
}

/**
 * The same function of the same objects, told of them one at a time. Work is done when the change is taken, and only
 * for the Services that were touched.
 */
export interface ServiceCompiler {
  setService(service: Service): void;
  /** `key` is `namespace/name`. */
  deleteService(key: string): void;
  setSlice(slice: EndpointSlice): void;
  deleteSlice(key: string): void;
  /** Costs the Services that the difference touches: with hints for another zone, with source ranges for an address. */
  setNode(node: NodeFacts): void;
  /** Brings the plan up to date and returns how it differs from the last time. */
  takeChange(): PlanChange;
  /** As of the last `takeChange`; changed in place by the next. */
  readonly plan: ServicePlan;
}

export function createServiceCompiler(options: CompileOptions = {}): ServiceCompiler {
  return new IncrementalCompiler(options);
}

const NOTHING: CompiledService = { ports: [], ignored: [] };

class IncrementalCompiler implements ServiceCompiler {
  readonly #local: ReadonlySet<string>;
  readonly #services = new Map<string, Service>();
  /** By the Service's key, then by the slice's. */
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #serviceOfSlice = new Map<string, string>();
  readonly #dirty = new Set<string>();
  readonly #claims = new Claims((key) => this.#services.get(key)?.metadata?.creationTimestamp ?? '');
  /** Without what is refused for another's sake. */
  readonly #ignored = new Map<string, readonly Ignored[]>();
  #nodeTaken: NodeFacts;
  readonly #plan: {
    node: NodeFacts;
    ports: Map<string, PlannedPort>;
    ignored: Map<string, readonly Ignored[]>;
    health: Map<string, PlannedHealth>;
  };

  constructor({ localAddresses = [], node = UNKNOWN_NODE }: CompileOptions) {
    this.#local = new Set(localAddresses.map(canonicalIp));
    this.#nodeTaken = node;
    this.#plan = { node, ports: new Map(), ignored: new Map(), health: new Map() };
  }

  get plan(): ServicePlan {
    return this.#plan;
  }

  setService(service: Service): void {
    const key = objectKey(service);
    this.#services.set(key, service);
    this.#dirty.add(key);
  }

  deleteService(key: string): void {
    if (this.#services.delete(key)) this.#dirty.add(key);
  }

  setSlice(slice: EndpointSlice): void {
    const key = objectKey(slice);
    const service = serviceKeyOf(slice);
    const before = this.#serviceOfSlice.get(key);
    if (before !== undefined && before !== service) this.deleteSlice(key);
    if (service === undefined) return;
    this.#serviceOfSlice.set(key, service);
    let slices = this.#slices.get(service);
    if (slices === undefined) this.#slices.set(service, (slices = new Map()));
    slices.set(key, slice);
    this.#dirty.add(service);
  }

  deleteSlice(key: string): void {
    const service = this.#serviceOfSlice.get(key);
    if (service === undefined) return;
    this.#serviceOfSlice.delete(key);
    const slices = this.#slices.get(service);
    slices?.delete(key);
    if (slices?.size === 0) this.#slices.delete(service);
    this.#dirty.add(service);
  }

  setNode(node: NodeFacts): void {
    const before = this.#plan.node;
    this.#plan.node = node;
    if (before.name !== node.name || before.podCidrs.length > 0 !== node.podCidrs.length > 0) {
      for (const key of this.#services.keys()) this.#dirty.add(key);
      return;
    }
    if (before.zone !== node.zone) {
      for (const [service, slices] of this.#slices)
        if ([...slices.values()].some(hasHints)) this.#dirty.add(service);
    }
    const addresses = ({ addresses: own, otherNodes = [] }: NodeFacts): string =>
      `${own.join()} ${otherNodes.join()}`;
    if (addresses(before) !== addresses(node)) {
      for (const [key, { spec }] of this.#services)
        if (spec?.type === 'LoadBalancer' || (spec?.externalIPs ?? []).length > 0) this.#dirty.add(key);
    }
  }

  takeChange(): PlanChange {
    const touched = new Set<string>();
    const services = new Set(this.#dirty);
    for (const key of this.#dirty) this.#recompile(key, touched);
    this.#dirty.clear();
    const set: PlannedPort[] = [];
    const removed: PlannedPort[] = [];
    const replaced = new Map<string, PlannedPort>();
    for (const front of touched) {
      const before = this.#plan.ports.get(front);
      const { winner: after, contenders } = this.#claims.settle(front);
      for (const contender of contenders) services.add(contender);
      if (after === undefined) {
        this.#plan.ports.delete(front);
        if (before !== undefined) removed.push(before);
      } else if (before === undefined || !samePort(before, after)) {
        this.#plan.ports.set(front, after);
        set.push(after);
        if (before !== undefined) replaced.set(front, before);
      }
    }
    for (const key of services) this.#settleIgnored(key);
    const { node } = this.#plan;
    const sameNode = sameFacts(this.#nodeTaken, node);
    this.#nodeTaken = node;
    return { set, removed, before: replaced, services, ...(!sameNode && { node }) };
  }

  /** Puts the claims of one Service right. */
  #recompile(key: string, touched: Set<string>): void {
    const service = this.#services.get(key);
    const { ports, ignored, health } =
      service === undefined
        ? NOTHING
        : compileService(service, this.#sortedSlices(key), { node: this.#plan.node, local: this.#local });
    this.#claims.replace(key, ports, touched);
    if (ignored.length === 0) this.#ignored.delete(key);
    else this.#ignored.set(key, ignored);
    if (health === undefined) this.#plan.health.delete(key);
    else this.#plan.health.set(key, health);
  }

  #settleIgnored(key: string): void {
    const own = this.#ignored.get(key) ?? [];
    const lost = this.#claims.lostBy(key);
    const all = lost.length === 0 ? own : [...own, ...lost];
    const before = this.#plan.ignored.get(key);
    if (all.length === 0) this.#plan.ignored.delete(key);
    else if (before === undefined || !sameIgnored(before, all)) this.#plan.ignored.set(key, all);
  }

  /** By name, so that the plan does not depend on the order of arrival. */
  #sortedSlices(service: string): readonly EndpointSlice[] {
    const slices = this.#slices.get(service);
    if (slices === undefined) return [];
    if (slices.size === 1) return [...slices.values()];
    return [...slices].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, slice]) => slice);
  }
}

function hasHints({ endpoints }: EndpointSlice): boolean {
  return (endpoints ?? []).some(({ hints }) => hints !== undefined && hints !== null);
}
