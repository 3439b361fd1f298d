import { explainRecord, printData, type PlannedRecord } from '../dns/zone/plan.ts';
import { PodnetError } from '../model/errors.ts';
import { nodeAddresses, podAddresses } from '../model/addresses.ts';
import type { Node, Pod, Service } from '../model/objects.ts';
import { resolveName, usesClusterDns } from './name-hop.ts';
import { resolveDestination } from './request.ts';
import type { Source } from './sources.ts';
import type { Hop, Protocol } from './trace.ts';
import { sameFamily, type TraceView } from './view.ts';

/** Where the source sends its packet, before any Service's choice. */
export interface Aim {
  readonly address: string;
  readonly port: number;
  /** How the source learned the address, when it was given a name. */
  readonly nameHop?: Hop;
}

export interface AimRequest {
  readonly source: Source;
  readonly namespace: string;
  readonly protocol: Protocol;
}

interface AimOptions extends AimRequest {
  readonly sourceAddresses: readonly string[];
}

/** Finds out what a destination is and which address and port the source uses for it. Throws `PodnetError`. */
export function takeAim(view: TraceView, text: string, request: AimRequest): Aim {
  const options: AimOptions = { ...request, sourceAddresses: request.source.addresses };
  const destination = resolveDestination(view, text, options.namespace);
  if (destination.kind === 'node') return aimAtNode(destination.node, destination.port, options);
  if (destination.kind === 'pod') return aimAtPod(destination.pod, destination.port, options);
  if (destination.kind === 'address') return aimAtAddress(view, destination, options);
  if (destination.kind === 'name') return aimAtName(view, destination.name, destination.port, options);
  const { metadata, spec } = destination.service;
  const { source } = options;
  if (source.kind === 'world') return aimFromWorld(view, destination.service, destination.port, options);
  const address = sameFamilyAddress(spec, options.sourceAddresses);
  if (address !== undefined && (source.kind === 'node' || !usesClusterDns(view, source.pod))) {
    return aimAtAddress(view, { address, port: destination.port }, options);
  }
  if (source.kind === 'node') {
    throw new PodnetError(`A node's own processes do not ask the cluster DNS for Service ${metadata?.name}`, {
      code: 'trace-other-resolver',
      where: `Service ${metadata?.namespace}/${metadata?.name} spec.clusterIP: ${spec?.clusterIP ?? 'none'}`,
      fix: 'Trace to an address, or from a pod.',
    });
  }
  const isNear = metadata?.namespace === source.pod.metadata?.namespace;
  const name = isNear ? (metadata?.name ?? '') : `${metadata?.name}.${metadata?.namespace}`;
  return aimAtName(view, name, destination.port, options);
}

/** The cluster IP a source of these addresses can use; undefined for headless Services and aliases. */
function sameFamilyAddress(spec: Service['spec'], sourceAddresses: readonly string[]): string | undefined {
  const { clusterIPs = [], clusterIP } = spec ?? {};
  return [...clusterIPs, clusterIP ?? ''].find(
    (address) => sameFamily(sourceAddresses, address) !== undefined,
  );
}

function aimAtPod(pod: Pod, port: string | undefined, { sourceAddresses, protocol }: AimOptions): Aim {
  const address = podAddresses(pod).find((each) => sameFamily(sourceAddresses, each) !== undefined);
  const { namespace, name } = pod.metadata ?? {};
  if (address === undefined) {
    throw new PodnetError(`Pod ${namespace}/${name} and the source have no IP family in common`, {
      code: 'trace-no-common-family',
      where: `Pod ${namespace}/${name} status.podIPs`,
    });
  }
  return { address, port: podPort(pod, port, protocol) };
}

/** A pod's port by number, by its name, or the first one it declares. */
function podPort(pod: Pod, wanted: string | undefined, protocol: Protocol): number {
  const declared = (pod.spec?.containers ?? [])
    .flatMap(({ ports = [] }) => ports)
    .filter((port) => (port.protocol ?? 'TCP').toLowerCase() === protocol);
  const number = parsePort(wanted);
  if (number !== undefined) return number;
  const found = wanted === undefined ? declared[0] : declared.find(({ name }) => name === wanted);
  if (found !== undefined) return found.containerPort;
  const { namespace, name } = pod.metadata ?? {};
  const list = declared
    .map((port) => `${port.containerPort}${port.name ? ` (${port.name})` : ''}`)
    .join(', ');
  throw new PodnetError(
    wanted === undefined
      ? `Pod ${namespace}/${name} declares no ${protocol} port`
      : `Pod ${namespace}/${name} has no ${protocol} port named ${wanted}`,
    {
      code: 'trace-unknown-port',
      where: `Pod ${namespace}/${name} spec.containers[].ports`,
      fix: list === '' ? 'Add the port: POD:PORT.' : `It declares ${list}.`,
    },
  );
}

function aimAtAddress(
  view: TraceView,
  { address, port }: { address: string; port: string | undefined },
  options: AimOptions,
): Aim {
  if (sameFamily(options.sourceAddresses, address) === undefined) {
    throw new PodnetError(`The source has no address of the IP family of ${address}`, {
      code: 'trace-no-common-family',
      where: `source ${options.sourceAddresses.join(', ')}, destination ${address}`,
      fix: 'Give a destination of the same family as one of the source’s addresses.',
    });
  }
  const service = serviceByAddress(view, address);
  if (service !== undefined) return aimAtServiceAddress(service, { address, port, ...options });
  const pod = view.podByAddress(address);
  if (pod !== undefined) return { address, port: podPort(pod, port, options.protocol) };
  const number = parsePort(port);
  if (number !== undefined) return { address, port: number };
  throw new PodnetError(`No port is given for ${address}`, {
    code: 'trace-unknown-port',
    where: address,
    fix: `Write ${address.includes(':') ? `[${address}]` : address}:PORT.`,
  });
}

function serviceByAddress({ services }: TraceView, address: string): Service | undefined {
  return services.find(
    (service) => service.spec?.clusterIP === address || addressesOf(service).includes(address),
  );
}

/** Cluster IPs, and the addresses that others than pods use: of load balancers first. */
function addressesOf(service: Service): readonly string[] {
  return [...(service.spec?.clusterIPs ?? []), ...externalAddresses(service)];
}

function externalAddresses({ spec, status }: Service): readonly string[] {
  const ingress = (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip ? [ip] : []));
  return [...ingress, ...(spec?.externalIPs ?? [])];
}

/** By the address of a load balancer, an external IP, or else a node port of the first node. */
function aimFromWorld(view: TraceView, service: Service, port: string | undefined, options: AimOptions): Aim {
  const { sourceAddresses, protocol } = options;
  const address = externalAddresses(service).find((each) => sameFamily(sourceAddresses, each) !== undefined);
  if (address !== undefined) return aimAtAddress(view, { address, port }, options);
  const number = servicePort(service, port, protocol);
  const found = service.spec?.ports?.find(
    (each) => each.port === number && (each.protocol ?? 'TCP').toLowerCase() === protocol,
  );
  const [node] = view.nodes;
  if (node !== undefined && found?.nodePort) return aimAtNode(node, String(found.nodePort), options);
  const { namespace, name } = service.metadata ?? {};
  throw new PodnetError(`Service ${namespace}/${name} cannot be reached from outside the cluster`, {
    code: 'trace-not-exposed',
    where: `Service ${namespace}/${name} spec.type: ${service.spec?.type ?? 'ClusterIP'}`,
    fix: 'Give it type NodePort or LoadBalancer, or trace from a pod.',
  });
}

function aimAtNode(node: Node, port: string | undefined, { sourceAddresses }: AimOptions): Aim {
  const address = nodeAddresses(node).find((each) => sameFamily(sourceAddresses, each) !== undefined);
  const number = parsePort(port);
  const name = node.metadata?.name ?? '';
  if (address !== undefined && number !== undefined) return { address, port: number };
  throw new PodnetError(
    address === undefined
      ? `Node ${name} and the source have no IP family in common`
      : `No port is given for node ${name}`,
    {
      code: address === undefined ? 'trace-no-common-family' : 'trace-unknown-port',
      where: `Node ${name} status.addresses`,
      fix: address === undefined ? 'Trace to another address.' : `Write ${name}:PORT.`,
    },
  );
}

function aimAtServiceAddress(
  service: Service,
  { address, port, protocol }: { address: string; port: string | undefined; protocol: Protocol },
): Aim {
  return { address, port: servicePort(service, port, protocol) };
}

function servicePort(service: Service, wanted: string | undefined, protocol: Protocol): number {
  const ports = (service.spec?.ports ?? []).filter(
    (port) => (port.protocol ?? 'TCP').toLowerCase() === protocol,
  );
  const number = parsePort(wanted);
  const { namespace, name } = service.metadata ?? {};
  const list = (service.spec?.ports ?? [])
    .map(
      (port) => `${port.port}/${(port.protocol ?? 'TCP').toLowerCase()}${port.name ? ` (${port.name})` : ''}`,
    )
    .join(', ');
  const matching = ports.filter(
    (port) => wanted === undefined || (number === undefined ? port.name === wanted : port.port === number),
  );
  const [only] = matching;
  if (only !== undefined && matching.length === 1) return only.port;
  const where = `Service ${namespace}/${name} spec.ports`;
  if (only !== undefined) {
    throw new PodnetError(`Service ${namespace}/${name} has ${matching.length} ${protocol} ports`, {
      code: 'trace-target-ambiguous',
      where,
      fix: `Say which: ${list}.`,
    });
  }
  throw new PodnetError(
    `Service ${namespace}/${name} has no ${protocol} port${wanted === undefined ? '' : ` ${wanted}`}`,
    { code: 'trace-unknown-port', where, fix: list === '' ? 'It declares no ports.' : `Its ports: ${list}.` },
  );
}

function aimAtName(view: TraceView, name: string, port: string | undefined, options: AimOptions): Aim {
  const { sourceAddresses, protocol } = options;
  if (options.source.kind !== 'pod') {
    throw new PodnetError(`Only pods ask the cluster DNS for ${name}`, {
      code: 'trace-other-resolver',
      where: name,
      fix: 'Trace from a pod, or to svc/NAME or an address.',
    });
  }
  const source = options.source.pod;
  const { records, tried, name: found } = resolveName(view, source, name);
  const usable = records.filter(({ data }) => sameFamily(sourceAddresses, printData(data)) !== undefined);
  const [record] = usable;
  if (record === undefined) {
    throw new PodnetError(`${found} has no address of an IP family the source has`, {
      code: 'trace-no-common-family',
      where: records.map(explainRecord).join('; '),
    });
  }
  const address = printData(record.data);
  const aim = aimAtAddress(view, { address, port: port ?? headlessPort(view, record, options) }, options);
  const resolver = view.clusterDns.find((dns) => sameFamily(sourceAddresses, dns) !== undefined) ?? '';
  const nameHop: Hop = {
    place: {
      kind: 'pod',
      namespace: source.metadata?.namespace ?? 'default',
      name: source.metadata?.name ?? '',
    },
    action: 'resolve',
    packet: {
      source: sameFamily(sourceAddresses, resolver) ?? sourceAddresses[0] ?? '',
      destination: resolver,
      destinationPort: 53,
    },
    summary: `DNS: ${found} is ${address}`,
    decidedBy: record.source,
    explain: `${explainRecord(record)}.`,
    details: [
      ...tried,
      ...usable.slice(1).map((other) => `the client may as well take ${printData(other.data)} (${protocol})`),
    ],
  };
  return { ...aim, nameHop };
}

/** A headless Service's only port, as the EndpointSlices resolve it, when none was given. */
function headlessPort(
  view: TraceView,
  { source }: PlannedRecord,
  { protocol }: AimOptions,
): string | undefined {
  if (source.kind !== 'EndpointSlice') return undefined;
  const slice = view.endpointSlices.find(
    ({ metadata }) => metadata?.namespace === source.namespace && metadata.name === source.name,
  );
  const ports = (slice?.ports ?? []).filter((each) => (each.protocol ?? 'TCP').toLowerCase() === protocol);
  const number = ports.length === 1 ? ports[0]?.port : undefined;
  return number === undefined ? undefined : String(number);
}

function parsePort(text: string | undefined): number | undefined {
  const number = text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : undefined;
  return number !== undefined && number > 0 && number < 65_536 ? number : undefined;
}
