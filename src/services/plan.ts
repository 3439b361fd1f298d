import { type IpFamily, cidrContains, parseCidr, tryParseIp } from '../model/ip.ts';

export type Protocol = 'tcp' | 'udp' | 'sctp';

/** Where a packet is addressed to before the Service's choice. */
export interface Front {
  /** In canonical text. `0.0.0.0` or `::` for a node port: any of the node's addresses that serve node ports. */
  readonly address: string;
  readonly port: number;
  readonly protocol: Protocol;
}

export type FrontKind = 'clusterIP' | 'nodePort' | 'externalIP' | 'loadBalancerIP';

/**
 * Who sends the packet, as this node sees it: one of its own pods, a process of its own, or anybody else (other
 * nodes and their pods too, for what they send here has already left their node).
 */
export type ClientKind = 'pod' | 'node' | 'outside';

/** One port of one Service on one of its addresses, and what becomes of connections to it. */
export interface PlannedPort extends Front {
  readonly kind: FrontKind;
  readonly family: IpFamily;
  /** `namespace/name`. */
  readonly service: string;
  /** As in `spec.ports`; empty for a single unnamed port. */
  readonly portName: string;
  /** The field that gives the port: `spec.ports[0]`. */
  readonly field: string;
  /** The field that gives the address: `spec.clusterIPs[0]`, `spec.ports[0].nodePort`, `spec.externalIPs[1]` … */
  readonly addressField: string;
  /** What this node's pods and its own processes get. */
  readonly inside: EndpointChoice;
  /** What everybody else gets; the same object as `inside` unless a policy tells them apart. */
  readonly outside: EndpointChoice;
  /**
   * Whose source address gives way to this node's, so that the answers come back through it. A pod that reaches
   * itself is masqueraded always, and nobody who reaches an endpoint that is the node itself.
   */
  readonly masquerade: readonly ClientKind[];
  /** A client's address stays with its endpoint until it has made no connection for so long. */
  readonly affinitySeconds?: number;
  /** CIDRs of this family. Only clients from these get in, whoever they are; others are dropped. May be empty. */
  readonly sourceRanges?: readonly string[];
}

/** The endpoints that share connections to a port, each an equal share, and those that get none. */
export interface EndpointChoice {
  readonly endpoints: readonly PlannedEndpoint[];
  /** Which condition the endpoints were chosen by. */
  readonly chosenBy: 'ready' | 'serving while terminating' | 'publishNotReadyAddresses' | 'nothing';
  /** From where they were taken, and the field of the Service or of its slices that says so. */
  readonly scope: 'cluster' | 'node' | 'same zone' | 'same node';
  /** `spec.externalTrafficPolicy`, `spec.internalTrafficPolicy`, `hints.forZones`, `hints.forNodes`; empty for cluster. */
  readonly scopeField: string;
  /** What becomes of new connections when there is no endpoint: dropped if only other nodes have some. */
  readonly whenNone: 'reject' | 'drop';
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
  /** Field and value, such as `conditions.ready is false`. */
  readonly reason: string;
  /** Its port as long as it serves: what it has already may go on. */
  readonly servesOn?: number;
}

/** A part of an object that is not carried out. */
export interface Ignored {
  readonly object: { readonly kind: 'Service' | 'EndpointSlice'; readonly key: string };
  /** `spec.ports[0].nodePort`. */
  readonly field: string;
  readonly reason: string;
  /** The object is wrong, and whoever wrote it should hear of it; else all is as it should be. */
  readonly refused: boolean;
}

/** What a node answers on its healthCheckNodePort: 200 while there is a local endpoint, else 503. */
export interface PlannedHealth {
  readonly port: number;
  /** Ready endpoints on this node, each address once. */
  readonly localEndpoints: number;
}

/** What the plan must know of the node it is for. All addresses and CIDRs in canonical text. */
export interface NodeFacts {
  readonly name: string;
  /** Its label `topology.kubernetes.io/zone`. */
  readonly zone?: string;
  /** Its own addresses. */
  readonly addresses: readonly string[];
  /** Those of the cluster's other nodes, which no Service may take either. */
  readonly otherNodes?: readonly string[];
  /** Of its own pods. Empty: nothing that is forwarded is known to come from a pod of this node. */
  readonly podCidrs: readonly string[];
  /** Node ports are served on the node's addresses (loopback excepted) within these CIDRs. */
  readonly nodePortAddresses: readonly string[];
}

/** A node of which nothing is known. */
export const UNKNOWN_NODE: NodeFacts = { name: '', addresses: [], podCidrs: [], nodePortAddresses: [] };

/** What every Service's traffic is to do on one node, on any backend. */
export interface ServicePlan {
  readonly node: NodeFacts;
  /** By `frontKey`. */
  readonly ports: ReadonlyMap<string, PlannedPort>;
  /** Services, or parts of them and of their slices, that are left alone, by the Service's `namespace/name`. */
  readonly ignored: ReadonlyMap<string, readonly Ignored[]>;
  /** healthCheckNodePorts by the Service's `namespace/name`. */
  readonly health: ReadonlyMap<string, PlannedHealth>;
}

/** The difference between two plans. */
export interface PlanChange {
  /** New or different ports. */
  readonly set: readonly PlannedPort[];
  /** Ports no longer there. */
  readonly removed: readonly PlannedPort[];
  /** What was there before, for those of `set` that are not new; by `frontKey`. */
  readonly before: ReadonlyMap<string, PlannedPort>;
  /** Services whose ports, `ignored` or `health` may differ. */
  readonly services: ReadonlySet<string>;
  /** The node's facts, if they differ. */
  readonly node?: NodeFacts;
}

/** `10.96.0.10:53/udp`, `[fd00::a]:53/udp`. */
export function frontKey({ address, port, protocol }: Front): string {
  return `${hostPort(address, port)}/${protocol}`;
}

export function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/** The address that stands for every address of the node that serves node ports. */
export function anyAddress(family: IpFamily): '0.0.0.0' | '::' {
  return family === 4 ? '0.0.0.0' : '::';
}

/** What a client gets at a port. */
export function choiceFor(port: PlannedPort, client: ClientKind): EndpointChoice {
  return client === 'outside' ? port.outside : port.inside;
}

/**
 * What the plan does with a packet to `front`; undefined when it is no Service's. An address of its own comes before
 * a node port.
 */
export function findPort(plan: ServicePlan, front: Front): PlannedPort | undefined {
  const exact = plan.ports.get(frontKey(front));
  if (exact !== undefined || !servesNodePorts(plan.node, front.address)) return exact;
  return plan.ports.get(frontKey({ ...front, address: anyAddress(front.address.includes(':') ? 6 : 4) }));
}

/** Whether connections to this address of the node may reach node ports. */
export function servesNodePorts({ addresses, nodePortAddresses }: NodeFacts, address: string): boolean {
  return addresses.includes(address) && isInAny(address, nodePortAddresses);
}

export function isInAny(address: string, cidrs: readonly string[]): boolean {
  const ip = tryParseIp(address);
  return ip !== undefined && cidrs.some((cidr) => cidrContains(parseCidr(cidr), ip));
}
