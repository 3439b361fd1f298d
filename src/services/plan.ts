import type { IpFamily } from '../model/ip.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** Where a packet is addressed to before the Service's choice. */
export interface Front {
  /** A cluster IP in canonical text. */
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
}

/** One port of one Service on one of its addresses, and what becomes of connections to it. */
export interface PlannedPort extends Front {
  readonly family: IpFamily;
  /** `namespace/name`. */
  readonly service: string;
  /** As in `spec.ports`; empty for a single unnamed port. */
  readonly portName: string;
  /** The field that gives the port: `spec.ports[0]`. */
  readonly field: string;
  /** Each gets the same share of new connections. None: new connections are rejected. */
  readonly endpoints: readonly PlannedEndpoint[];
  /** Which condition the endpoints were chosen by. */
  readonly chosenBy: 'ready' | 'serving while terminating' | 'publishNotReadyAddresses' | 'nothing';
  readonly skipped: readonly SkippedEndpoint[];
}

export interface PlannedEndpoint {
  readonly address: string;
  readonly port: number;
  readonly source: EndpointSource;
}

/** The object and field an endpoint comes from. */
export interface EndpointSource {
  /** `namespace/name` of the EndpointSlice. */
  readonly slice: string;
  /** `endpoints[3]`. */
  readonly field: string;
  /** `Pod namespace/name`, if the slice says it. */
  readonly target?: string;
  readonly nodeName?: string;
}

export interface SkippedEndpoint {
  readonly address: string;
  readonly source: EndpointSource;
  readonly reason: string;
}

/** What every Service's traffic is to do, on any backend. */
export interface ServicePlan {
  /** By `frontKey`. */
  readonly ports: ReadonlyMap<string, PlannedPort>;
  /** Services, or single ports and addresses of them, that are left alone, by `namespace/name`. */
  readonly ignored: ReadonlyMap<string, readonly string[]>;
}

/** The difference between two plans. */
export interface PlanChange {
  /** New or different ports. */
  readonly set: readonly PlannedPort[];
  /** Ports no longer there. */
  readonly removed: readonly PlannedPort[];
}

/** `10.96.0.10:53/udp`, `[fd00::a]:53/udp`. */
export function frontKey({ address, port, protocol }: Front): string {
  return `${hostPort(address, port)}/${protocol}`;
}

export function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What the plan does with a packet to `front`; undefined when it is no Service's. */
export function findPort(plan: ServicePlan, front: Front): PlannedPort | undefined {
  return plan.ports.get(frontKey(front));
}

/** The plan in full, sorted: what goldens compare and a person reads. */
export function printPlan(plan: ServicePlan): string {
  const ports = [...plan.ports.values()].toSorted(comparePorts);
  const ignored = [...plan.ignored].toSorted(([a], [b]) => compareText(a, b));
  return [
    ...ports.map(explainPort),
    ...ignored.flatMap(([service, reasons]) =>
      reasons.map((reason) => `${service}: left alone, ${reason}\n`),
    ),
  ].join('');
}

/** One port: the decision first, then the object and field behind each part of it. */
export function explainPort(port: PlannedPort): string {
  const { endpoints, skipped } = port;
  const name = port.portName === '' ? '' : ` ${JSON.stringify(port.portName)}`;
  const decision =
    endpoints.length === 0
      ? 'reject, no endpoints'
      : `${endpoints.length} endpoint${endpoints.length === 1 ? '' : 's'}, ${port.chosenBy}`;
  return [
    `${frontKey(port)}  Service ${port.service} ${port.field}${name}: ${decision}\n`,
    ...endpoints.map(
      ({ address, port: to, source }) => `  to ${hostPort(address, to)}  ${printSource(source)}\n`,
    ),
    ...skipped.map(({ address, source, reason }) => `  not ${address}  ${printSource(source)}: ${reason}\n`),
  ].join('');
}

function printSource({ slice, field, target, nodeName }: EndpointSource): string {
  const of = target === undefined ? '' : ` ${target}`;
  const on = nodeName === undefined ? '' : ` on ${nodeName}`;
  return `EndpointSlice ${slice} ${field}${of}${on}`;
}

function comparePorts(a: PlannedPort, b: PlannedPort): number {
  return compareText(a.service, b.service) || a.port - b.port || compareText(frontKey(a), frontKey(b));
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
