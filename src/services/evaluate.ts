/**
 * What becomes of one packet, worked out from the objects alone and in no hurry: written from the API's
 * documentation, without a line of the compiler's. Tests hold the compiler and every backend against it.
 */
import { serviceKeyOf } from '../model/endpoint-slices.ts';
import { type IpFamily, cidrContains, formatIp, parseIp, tryParseCidr, tryParseIp } from '../model/ip.ts';
import {
  type Endpoint,
  type EndpointSlice,
  type Service,
  type ServicePort,
  objectKey,
} from '../model/objects.ts';

/** The node that the packet has reached. */
export interface EvaluatedNode {
  readonly name: string;
  readonly zone?: string;
  readonly addresses: readonly string[];
  readonly podCidrs: readonly string[];
  /** CIDRs; node ports are served on the node's addresses within. */
  readonly nodePortAddresses: readonly string[];
}

/** The first packet of a connection. All addresses in canonical text. */
export interface FirstPacket {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
}

export type Verdict =
  /** No Service's business. */
  | { readonly kind: 'untouched' }
  /** Refused at once. */
  | { readonly kind: 'reject' }
  /** No answer. */
  | { readonly kind: 'drop' }
  /** One of these, each as likely as the others. */
  | {
      readonly kind: 'endpoint';
      readonly endpoints: readonly EvaluatedEndpoint[];
      readonly isSticky: boolean;
    };

export interface EvaluatedEndpoint {
  readonly address: string;
  readonly port: number;
  /** Whose address the endpoint sees. */
  readonly sees: 'client' | 'node';
}

export interface ServiceObjects {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
}

const PROTOCOLS: ReadonlySet<string> = new Set(['TCP', 'UDP', 'SCTP']);
/** Node ports stand for no single address and so are looked for last. */
const KINDS = ['clusterIP', 'loadBalancer', 'externalIP', 'nodePort'] as const;
type Kind = (typeof KINDS)[number];

export function evaluate(objects: ServiceObjects, node: EvaluatedNode, packet: FirstPacket): Verdict {
  const eldestFirst = objects.services.toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1));
  const perKind = (kinds: readonly Kind[]): Verdict | undefined => {
    for (const service of eldestFirst.filter(isServed)) {
      for (const kind of kinds) {
        const port = portFor(service, { kind, node, packet });
        if (port !== undefined) return evaluatePort({ service, port, kind }, { objects, node, packet });
      }
    }
    return undefined;
  };
  const found = perKind(['clusterIP', 'loadBalancer', 'externalIP']) ?? perKind(['nodePort']);
  if (found !== undefined) return found;
  const isClusterIp = objects.services
    .filter(isServed)
    .some(
      (service) =>
        addressesOf(service, { kind: 'clusterIP', node }).includes(packet.destination) &&
        (service.spec?.ports ?? []).some(
          ({ port, protocol = 'TCP' }) => isPortNumber(port) && PROTOCOLS.has(protocol),
        ),
    );
  return { kind: isClusterIp ? 'reject' : 'untouched' };
}

function ageOf(service: Service): string {
  return `${service.metadata?.creationTimestamp ?? ''} ${objectKey(service)}`;
}

function isServed({ metadata, spec }: Service): boolean {
  if (spec?.type === 'ExternalName') return false;
  const ip = spec?.clusterIPs?.[0] ?? spec?.clusterIP ?? '';
  if (ip === '' || ip === 'None') return false;
  const labels = metadata?.labels ?? {};
  return !(
    'service.kubernetes.io/service-proxy-name' in labels || 'service.kubernetes.io/headless' in labels
  );
}

/** Addresses of a kind that can be one at all, in canonical text. A node's own are its own. */
function addressesOf(
  { spec, status }: Service,
  { kind, node }: { kind: Kind; node: EvaluatedNode },
): string[] {
  const clusterIps =
    spec?.clusterIPs !== undefined && spec.clusterIPs.length > 0 ? spec.clusterIPs : [spec?.clusterIP ?? ''];
  const usable = (texts: readonly string[]): string[] =>
    texts.flatMap((text) => {
      const ip = tryParseIp(text);
      return ip === undefined || isSpecial(formatIp(ip)) ? [] : [formatIp(ip)];
    });
  const cluster = usable(clusterIps);
  const families = new Set(cluster.map(familyOf));
  const ofFamilies = (texts: readonly string[]): string[] =>
    usable(texts).filter((text) => families.has(familyOf(text)) && !node.addresses.includes(text));
  if (kind === 'clusterIP') return cluster;
  if (kind === 'externalIP') return ofFamilies(spec?.externalIPs ?? []);
  if (kind === 'nodePort' || spec?.type !== 'LoadBalancer') return [];
  const ingress = status?.loadBalancer?.ingress ?? [];
  return ofFamilies(
    ingress.flatMap(({ ip, ipMode }) => (ip === undefined || ipMode === 'Proxy' ? [] : [ip])),
  );
}

function isPortNumber(port: number | undefined): port is number {
  return port !== undefined && Number.isInteger(port) && port >= 1 && port <= 65_535;
}

function familyOf(address: string): IpFamily {
  return address.includes(':') ? 6 : 4;
}

const SPECIAL = '0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/4 255.255.255.255/32'
  .concat(' ::/128 ::1/128 ::ffff:0:0/96 fe80::/10 ff00::/8')
  .split(' ');

/** Every packet asks for the addresses of every Service: answers by address. */
const special = new Map<string, boolean>();

/** Loopback, link-local, multicast, unspecified, broadcast: never an endpoint, never an address of a Service. */
function isSpecial(address: string): boolean {
  let answer = special.get(address);
  if (answer === undefined) {
    answer = SPECIAL.some((cidr) => contains(cidr, address));
    special.set(address, answer);
  }
  return answer;
}

function contains(cidr: string, address: string): boolean {
  const parsed = tryParseCidr(cidr.trim());
  return parsed !== undefined && cidrContains(parsed.network, parseIp(address));
}

function portFor(
  service: Service,
  { kind, node, packet }: { kind: Kind; node: EvaluatedNode; packet: FirstPacket },
): ServicePort | undefined {
  const ports = (service.spec?.ports ?? []).filter(
    ({ protocol = 'TCP', port }) => protocol.toLowerCase() === packet.protocol && isPortNumber(port),
  );
  if (kind !== 'nodePort') {
    if (!addressesOf(service, { kind, node }).includes(packet.destination)) return undefined;
    return ports.find(({ port }) => port === packet.port);
  }
  const { type } = service.spec ?? {};
  if (type !== 'NodePort' && type !== 'LoadBalancer') return undefined;
  const serves =
    node.addresses.includes(packet.destination) &&
    node.nodePortAddresses.some((cidr) => contains(cidr, packet.destination));
  const families = new Set(addressesOf(service, { kind: 'clusterIP', node }).map(familyOf));
  if (!serves || !families.has(familyOf(packet.destination))) return undefined;
  return ports.find(({ nodePort }) => nodePort === packet.port);
}

interface Match {
  readonly service: Service;
  readonly port: ServicePort;
  readonly kind: Kind;
}

interface Situation {
  readonly objects: ServiceObjects;
  readonly node: EvaluatedNode;
  readonly packet: FirstPacket;
}

function evaluatePort(match: Match, situation: Situation): Verdict {
  const { service, kind } = match;
  const { node, packet } = situation;
  const { spec } = service;
  if (kind === 'loadBalancer' && !isAdmitted(service, node, packet)) return { kind: 'drop' };

  const isOwn = node.addresses.includes(packet.source) || packet.source === packet.destination;
  const isPod = !isOwn && node.podCidrs.some((cidr) => contains(cidr, packet.source));
  const isOutside = !isOwn && !isPod;
  const isLocal =
    kind === 'clusterIP'
      ? spec?.internalTrafficPolicy === 'Local'
      : spec?.externalTrafficPolicy === 'Local' && isOutside;

  const all = endpointsOf(match, situation);
  const usable = all.filter(({ isReady, isLast }) => isReady || isLast);
  const chosen = isLocal ? preferReady(all.filter(({ isHere }) => isHere)) : preferReady(all, node);
  if (chosen.length === 0) return { kind: isLocal && usable.length > 0 ? 'drop' : 'reject' };

  const masquerades =
    kind === 'clusterIP'
      ? isOutside && node.podCidrs.length > 0
      : isOwn || (isOutside && spec?.externalTrafficPolicy !== 'Local');
  return {
    kind: 'endpoint',
    isSticky: spec?.sessionAffinity === 'ClientIP',
    endpoints: chosen.map(({ address, port }) => ({
      address,
      port,
      sees: sourceSeen(address, { packet, node, masquerades, isOwn }),
    })),
  };
}

function sourceSeen(
  endpoint: string,
  {
    packet,
    node,
    masquerades,
    isOwn,
  }: { packet: FirstPacket; node: EvaluatedNode; masquerades: boolean; isOwn: boolean },
): 'client' | 'node' {
  if (isOwn || endpoint === packet.source) return 'node';
  // What ends on the node itself never leaves it, so nothing is masqueraded.
  return masquerades && !node.addresses.includes(endpoint) ? 'node' : 'client';
}

/** `loadBalancerSourceRanges`: "traffic … will be restricted to the specified client IPs". */
function isAdmitted({ metadata, spec }: Service, node: EvaluatedNode, packet: FirstPacket): boolean {
  const annotation = metadata?.annotations?.['service.beta.kubernetes.io/load-balancer-source-ranges'] ?? '';
  const fields = spec?.loadBalancerSourceRanges ?? [];
  const ranges = fields.length > 0 ? fields : annotation.trim() === '' ? [] : annotation.split(',');
  if (ranges.length === 0) return true;
  const admits = (address: string): boolean => ranges.some((range) => contains(range, address));
  if (admits(packet.source)) return true;
  // The node's own processes, which send from the load balancer's address: as good as the node's of that family.
  const own = node.addresses.filter((address) => familyOf(address) === familyOf(packet.source));
  return packet.source === packet.destination && own.some(admits);
}

interface Candidate {
  readonly address: string;
  readonly port: number;
  readonly isReady: boolean;
  /** Serves while it terminates. */
  readonly isLast: boolean;
  readonly isHere: boolean;
  readonly zones: readonly string[];
  readonly nodes: readonly string[];
}

/** Every endpoint behind the port in the packet's family; of two that are the same, the one in the better state. */
function endpointsOf({ service, port }: Match, { objects, node, packet }: Situation): Candidate[] {
  const family = familyOf(packet.destination);
  const found: (Candidate & { rank: number })[] = [];
  const slices = objects.slices
    .filter((slice) => serviceKeyOf(slice) === objectKey(service))
    .filter(({ addressType }) => addressType === `IPv${family}`)
    .toSorted((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1));
  for (const slice of slices) {
    const number = (slice.ports ?? []).find(
      (each) =>
        (each.name ?? '') === (port.name ?? '') && (each.protocol ?? 'TCP') === (port.protocol ?? 'TCP'),
    )?.port;
    if (!isPortNumber(number)) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const ip = tryParseIp(endpoint.addresses?.[0] ?? '');
      if (ip?.family !== family || isSpecial(formatIp(ip))) continue;
      const candidate = { address: formatIp(ip), port: number, ...stateOf(endpoint, service, node) };
      const index = found.findIndex((each) => each.address === candidate.address && each.port === number);
      if (index < 0) found.push(candidate);
      else if (candidate.rank > (found[index]?.rank ?? 0)) found[index] = candidate;
    }
  }
  return found;
}

function stateOf(
  { conditions, hints, nodeName }: Endpoint,
  { spec }: Service,
  node: EvaluatedNode,
): Omit<Candidate, 'address' | 'port'> & { rank: number } {
  const ready = conditions?.ready ?? true;
  const serving = conditions?.serving ?? ready;
  const terminating = conditions?.terminating ?? false;
  const forNodes = (hints as { forNodes?: readonly { name: string }[] } | undefined)?.forNodes ?? [];
  return {
    isReady: ready || spec?.publishNotReadyAddresses === true,
    isLast: serving && terminating,
    isHere: nodeName === node.name,
    zones: (hints?.forZones ?? []).map(({ name }) => name),
    nodes: forNodes.map(({ name }) => name),
    rank: ready ? 2 : serving ? 1 : 0,
  };
}

/** The ready ones; without any, those that still serve. For a node, its own share by hints if all have hints. */
function preferReady(all: readonly Candidate[], node?: EvaluatedNode): readonly Candidate[] {
  const ready = all.filter(({ isReady }) => isReady);
  if (ready.length === 0) return all.filter(({ isLast }) => isLast);
  if (node === undefined) return ready;
  const { name, zone = '' } = node;
  const forNode = ready.filter(({ nodes }) => nodes.includes(name));
  if (ready.every(({ nodes }) => nodes.length > 0) && forNode.length > 0) return forNode;
  const forZone = ready.filter(({ zones }) => zones.includes(zone));
  if (ready.every(({ zones }) => zones.length > 0) && forZone.length > 0) return forZone;
  return ready;
}
