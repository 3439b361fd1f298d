import { isIPv4 } from 'node:net';
import { SERVICE_LABELS } from '../cluster/lean-services.ts';
import { serviceKeyOf } from '../model/endpoint-slices.ts';
import { canonicalIp } from '../model/ip.ts';
import { type EndpointSlice, type Service, type ServicePort, objectKey } from '../model/objects.ts';
import { chooseEndpoints, isPort, readAddress } from './endpoints.ts';
import { type PlanChange, type PlannedPort, type Protocol, type ServicePlan, frontKey } from './plan.ts';

export interface CompileOptions {
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
  /** Brings the plan up to date and returns how it differs from the last time. */
  takeChange(): PlanChange;
  /** As of the last `takeChange`; changed in place by the next. */
  readonly plan: ServicePlan;
}

export function createServiceCompiler(options: CompileOptions = {}): ServiceCompiler {
  return new IncrementalCompiler(options);
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };

class IncrementalCompiler implements ServiceCompiler {
  readonly #local: ReadonlySet<string>;
  readonly #services = new Map<string, Service>();
  /** By the Service's key, then by the slice's. */
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  readonly #serviceOfSlice = new Map<string, string>();
  readonly #dirty = new Set<string>();
  readonly #portsOf = new Map<string, readonly PlannedPort[]>();
  /** Every Service that wants an address and port; the eldest gets it. */
  readonly #claims = new Map<string, readonly PlannedPort[]>();
  readonly #plan = { ports: new Map<string, PlannedPort>(), ignored: new Map<string, readonly string[]>() };

  constructor({ localAddresses = [] }: CompileOptions) {
    this.#local = new Set(localAddresses.map(canonicalIp));
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

  takeChange(): PlanChange {
    const touched = new Set<string>();
    for (const key of this.#dirty) this.#recompile(key, touched);
    this.#dirty.clear();
    const set: PlannedPort[] = [];
    const removed: PlannedPort[] = [];
    for (const front of touched) {
      const before = this.#plan.ports.get(front);
      const after = this.#eldest(this.#claims.get(front) ?? []);
      if (after === undefined) {
        this.#plan.ports.delete(front);
        if (before !== undefined) removed.push(before);
      } else if (before === undefined || !samePort(before, after)) {
        this.#plan.ports.set(front, after);
        set.push(after);
      }
    }
    return { set, removed };
  }

  /** Puts the claims of one Service right. */
  #recompile(key: string, touched: Set<string>): void {
    for (const port of this.#portsOf.get(key) ?? []) {
      const front = frontKey(port);
      const others = (this.#claims.get(front) ?? []).filter(({ service }) => service !== key);
      if (others.length === 0) this.#claims.delete(front);
      else this.#claims.set(front, others);
      touched.add(front);
    }
    const service = this.#services.get(key);
    const { ports, ignored } =
      service === undefined ? NOTHING : compileService(service, this.#sortedSlices(key), this.#local);
    for (const port of ports) {
      const front = frontKey(port);
      const others = this.#claims.get(front);
      this.#claims.set(front, others === undefined ? [port] : [...others, port]);
      touched.add(front);
    }
    if (ports.length === 0) this.#portsOf.delete(key);
    else this.#portsOf.set(key, ports);
    if (ignored.length === 0) this.#plan.ignored.delete(key);
    else this.#plan.ignored.set(key, ignored);
  }

  /** By name, so that the plan does not depend on the order of arrival. */
  #sortedSlices(service: string): readonly EndpointSlice[] {
    const slices = this.#slices.get(service);
    if (slices === undefined) return [];
    if (slices.size === 1) return [...slices.values()];
    return [...slices].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, slice]) => slice);
  }

  /** The API server never gives an address twice; if it happens, the Service that had it first keeps it. */
  #eldest(claims: readonly PlannedPort[]): PlannedPort | undefined {
    if (claims.length < 2) return claims[0];
    const age = ({ service }: PlannedPort): string =>
      `${this.#services.get(service)?.metadata?.creationTimestamp ?? ''} ${service}`;
    return claims.toSorted((a, b) => (age(a) < age(b) ? -1 : 1))[0];
  }
}

interface CompiledService {
  readonly ports: readonly PlannedPort[];
  /** Why the Service, or a part of it, is left alone. */
  readonly ignored: readonly string[];
}

const NOTHING: CompiledService = { ports: [], ignored: [] };

/** One Service and its slices. */
export function compileService(
  service: Service,
  slices: readonly EndpointSlice[],
  local: ReadonlySet<string>,
): CompiledService {
  const reason = reasonToIgnore(service);
  if (reason !== undefined) return { ports: [], ignored: [reason] };
  const ports: PlannedPort[] = [];
  const ignored: string[] = [];
  for (const text of clusterIps(service)) {
    const family = isIPv4(text) ? 4 : 6;
    const address = readAddress(text, family);
    if (address === undefined) {
      ignored.push(`spec.clusterIPs has ${JSON.stringify(text)}, which is no address`);
      continue;
    }
    if (local.has(address)) {
      ignored.push(`this node answers on ${address} itself`);
      continue;
    }
    for (const [index, port] of (service.spec?.ports ?? []).entries()) {
      const protocol = PROTOCOLS[port.protocol ?? 'TCP'];
      if (protocol === undefined) {
        ignored.push(`spec.ports[${index}].protocol is ${JSON.stringify(port.protocol)}`);
        continue;
      }
      if (!isPort(port.port)) {
        ignored.push(`spec.ports[${index}].port is ${JSON.stringify(port.port)}`);
        continue;
      }
      ports.push({
        address,
        port: port.port,
        protocol,
        family,
        ...origin(service, port, index),
        ...chooseEndpoints({ service, port, family }, slices),
      });
    }
  }
  return { ports, ignored };
}

function origin(
  service: Service,
  { name = '' }: ServicePort,
  index: number,
): Pick<PlannedPort, 'service' | 'portName' | 'field'> {
  return { service: objectKey(service), portName: name, field: `spec.ports[${index}]` };
}

function clusterIps({ spec }: Service): readonly string[] {
  if (spec?.clusterIPs !== undefined && spec.clusterIPs.length > 0) return spec.clusterIPs;
  return spec?.clusterIP === undefined ? [] : [spec.clusterIP];
}

function reasonToIgnore(service: Service): string | undefined {
  const { metadata, spec } = service;
  if (spec?.type === 'ExternalName') return 'spec.type is ExternalName';
  const [first] = clusterIps(service);
  if (first === 'None') return 'spec.clusterIP is None';
  if (first === undefined || first === '') return 'spec.clusterIP is not allocated yet';
  const proxy = metadata?.labels?.[SERVICE_LABELS.proxyName];
  if (proxy !== undefined) return `metadata.labels gives it to the proxy ${JSON.stringify(proxy)}`;
  const { headless } = SERVICE_LABELS;
  if (metadata?.labels?.[headless] !== undefined) return `metadata.labels has ${headless}`;
  return undefined;
}

/** Whether two states of a port print the same. */
function samePort(a: PlannedPort, b: PlannedPort): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
