import { type IpFamily } from '../model/ip.ts';
import { type EndpointSlice, type Service, type ServicePort, objectKey } from '../model/objects.ts';
import { type ChoicePolicy, type Choices, chooseEndpoints } from './choose.ts';
import { withoutNested } from './cidrs.ts';
import { type ReadSlice, isPort, readSlice } from './endpoints.ts';
import {
  type FrontAddress,
  type Remark,
  affinity,
  frontAddresses,
  reasonToIgnore,
  sourceRanges,
} from './fronts.ts';
import {
  type ClientKind,
  type EndpointChoice,
  type FrontKind,
  type Ignored,
  type NodeFacts,
  type PlannedHealth,
  type PlannedPort,
  type Protocol,
  anyAddress,
  isInAny,
} from './plan.ts';

export interface CompiledService {
  readonly ports: readonly PlannedPort[];
  /** Why the Service, or a part of it, is left alone. */
  readonly ignored: readonly Ignored[];
  readonly health?: PlannedHealth;
}

export interface CompileContext {
  readonly node: NodeFacts;
  /** Addresses this node answers itself. */
  readonly local: ReadonlySet<string>;
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' };

const FROM_NOBODY: readonly ClientKind[] = [];
const FROM_OUTSIDE: readonly ClientKind[] = ['outside'];
const FROM_NODE: readonly ClientKind[] = ['node'];
const FROM_NODE_AND_OUTSIDE: readonly ClientKind[] = ['node', 'outside'];
const NO_HEALTH = {};

/** One Service and its slices, as one node is to serve them. */
export function compileService(
  service: Service,
  slices: readonly EndpointSlice[],
  { node, local }: CompileContext,
): CompiledService {
  const key = objectKey(service);
  const ignored: Ignored[] = [];
  const remark = ({ field, reason, refused }: Remark): void => {
    ignored.push({ object: { kind: 'Service', key }, field, reason, refused });
  };
  const reason = reasonToIgnore(service);
  if (reason !== undefined) {
    remark(reason);
    return { ports: [], ignored };
  }
  const { addresses, families, remarks } = frontAddresses(service, { local, node });
  const { seconds, remarks: affinityRemarks } = affinity(service);
  const { ranges, remarks: rangeRemarks } = sourceRanges(service);
  for (const each of [...remarks, ...affinityRemarks, ...rangeRemarks]) remark(each);
  const read = slices.map(readSlice);
  for (const slice of read) ignored.push(...refusalsOf(slice, families));

  const policies = readPolicies(service);
  const ports: PlannedPort[] = [];
  for (const [index, port] of (service.spec?.ports ?? []).entries()) {
    const field = portField(index);
    const protocol = PROTOCOLS[port.protocol ?? 'TCP'];
    if (protocol === undefined) {
      remark({ field: `${field}.protocol`, reason: `is ${JSON.stringify(port.protocol)}`, refused: true });
      continue;
    }
    if (!isPort(port.port)) {
      remark({ field: `${field}.port`, reason: `is ${JSON.stringify(port.port)}, no port`, refused: true });
      continue;
    }
    const nodePort = policies.isExposed ? readNodePort(port) : undefined;
    if (nodePort !== undefined && !isPort(nodePort)) {
      const odd = `is ${JSON.stringify(nodePort)}, no port`;
      remark({ field: `${field}.nodePort`, reason: odd, refused: true });
    }
    for (const family of families) {
      const choices = choicesFor({ service, port, policies, node }, read, family);
      const common = { family, protocol, service: key, portName: port.name ?? '', field };
      const plan = (
        front: Omit<FrontAddress, 'kind' | 'family'> & { kind: FrontKind; port: number },
      ): void => {
        ports.push({
          kind: front.kind,
          address: front.address,
          port: front.port,
          ...common,
          addressField: front.field,
          ...trafficOf(front.kind, { policies, node }, choices),
          ...(seconds !== undefined && { affinitySeconds: seconds }),
          ...(front.kind === 'loadBalancerIP' &&
            ranges !== undefined && { sourceRanges: withOwnAddress(ranges[family], front.address, node) }),
        });
      };
      for (const front of addresses) if (front.family === family) plan({ ...front, port: port.port });
      if (isPort(nodePort)) {
        plan({ kind: 'nodePort', address: anyAddress(family), port: nodePort, field: nodePortField(index) });
      }
    }
  }
  const health = healthOf(service, read, { families, policies, node });
  return { ports, ignored, ...health };
}

interface Policies {
  /** Has node ports and perhaps a load balancer. */
  readonly isExposed: boolean;
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
}

function readPolicies({ spec }: Service): Policies {
  const isExposed = spec?.type === 'NodePort' || spec?.type === 'LoadBalancer';
  const isExternal = isExposed || (spec?.externalIPs?.length ?? 0) > 0;
  return {
    isExposed,
    internalLocal: spec?.internalTrafficPolicy === 'Local',
    externalLocal: isExternal && spec?.externalTrafficPolicy === 'Local',
  };
}

const INTERNAL = 'spec.internalTrafficPolicy';
const EXTERNAL = 'spec.externalTrafficPolicy';

interface FamilyChoices {
  readonly cluster: EndpointChoice | undefined;
  readonly internalLocal: EndpointChoice | undefined;
  readonly externalLocal: EndpointChoice | undefined;
}

function choicesFor(
  {
    service: { spec },
    port,
    policies: { isExposed, internalLocal, externalLocal },
    node,
  }: { service: Service; port: ServicePort; policies: Policies; node: NodeFacts },
  slices: readonly ReadSlice[],
  family: IpFamily,
): FamilyChoices {
  const ofFamily = slices.filter(({ slice }) => slice.addressType === (family === 4 ? 'IPv4' : 'IPv6'));
  // Clients on this node reach external addresses as if they went out and came back through the load balancer.
  const cluster = !internalLocal || isExposed || (spec?.externalIPs?.length ?? 0) > 0;
  const publishNotReady = spec?.publishNotReadyAddresses === true;
  const choose = (policy: Pick<ChoicePolicy, 'cluster' | 'localField'>): Choices =>
    chooseEndpoints({ port, policy: { publishNotReady, ...policy }, node }, ofFamily);
  const first = choose({
    cluster,
    localField: internalLocal ? INTERNAL : externalLocal ? EXTERNAL : undefined,
  });
  return {
    cluster: first.cluster,
    internalLocal: internalLocal ? first.local : undefined,
    externalLocal:
      internalLocal && externalLocal ? choose({ cluster: false, localField: EXTERNAL }).local : first.local,
  };
}

/** What each client gets at a front of a kind, and whose source address gives way. */
function trafficOf(
  kind: FrontKind,
  { policies: { internalLocal, externalLocal }, node }: { policies: Policies; node: NodeFacts },
  choices: FamilyChoices,
): Pick<PlannedPort, 'inside' | 'outside' | 'masquerade'> {
  if (kind === 'clusterIP') {
    const chosen = internalLocal ? choices.internalLocal : choices.cluster;
    const masquerade = node.podCidrs.length > 0 ? FROM_OUTSIDE : FROM_NOBODY;
    return { inside: needed(chosen), outside: needed(chosen), masquerade };
  }
  // The node's own processes may have used the very address of the front as their source.
  const inside = needed(choices.cluster);
  if (!externalLocal) return { inside, outside: inside, masquerade: FROM_NODE_AND_OUTSIDE };
  return { inside, outside: needed(choices.externalLocal), masquerade: FROM_NODE };
}

function needed(choice: EndpointChoice | undefined): EndpointChoice {
  if (choice === undefined) throw new TypeError('The policy did not ask for this choice');
  return choice;
}

/** The node's own processes may send from the load balancer's address, which then is the node's own too. */
function withOwnAddress(ranges: readonly string[], address: string, node: NodeFacts): readonly string[] {
  const inRange = node.addresses.some((own) => isInAny(own, ranges));
  return withoutNested(inRange ? [...ranges, `${address}/${address.includes(':') ? 128 : 32}`] : ranges);
}

function readNodePort({ nodePort }: ServicePort): number | undefined {
  return nodePort === undefined || nodePort === null || nodePort === 0 ? undefined : nodePort;
}

/** What is wrong in a slice; that it is of a family the Service has no address of, above all. */
function refusalsOf({ key, slice, refusals }: ReadSlice, families: readonly IpFamily[]): readonly Ignored[] {
  const { addressType } = slice;
  const family = addressType === 'IPv4' ? 4 : addressType === 'IPv6' ? 6 : undefined;
  if (family !== undefined && families.includes(family)) return refusals;
  const has = families.map((each) => `IPv${each}`).join(' and ') || 'no';
  const reason = `is ${addressType}, and the Service has ${has} addresses`;
  return [{ object: { kind: 'EndpointSlice', key }, field: 'addressType', reason, refused: true }];
}

function healthOf(
  { spec }: Service,
  slices: readonly ReadSlice[],
  { families, policies, node }: { families: readonly IpFamily[]; policies: Policies; node: NodeFacts },
): Pick<CompiledService, 'health'> {
  const port = spec?.healthCheckNodePort ?? 0;
  if (spec?.type !== 'LoadBalancer' || !policies.externalLocal || !isPort(port)) return NO_HEALTH;
  const type = families[0] === 6 ? 'IPv6' : 'IPv4';
  const local = new Set<string>();
  for (const { slice, endpoints } of slices) {
    if (slice.addressType !== type) continue;
    for (const { address, ready, source } of endpoints) {
      if (ready && source.nodeName === node.name) local.add(address);
    }
  }
  return { health: { port, localEndpoints: local.size } };
}

const PORT_FIELDS: string[] = [];
const NODE_PORT_FIELDS: string[] = [];

/** The same string for the same number, for there are many. */
function portField(index: number): string {
  return (PORT_FIELDS[index] ??= `spec.ports[${index}]`);
}

function nodePortField(index: number): string {
  return (NODE_PORT_FIELDS[index] ??= `${portField(index)}.nodePort`);
}
