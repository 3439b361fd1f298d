import type { Endpoint, EndpointSlice, Pod, Service } from '../../model/objects.ts';
import { tryParseIp } from '../../model/ip.ts';
import { dashedAddress, reverseName } from '../wire/address.ts';
import type { RecordData } from '../wire/message.ts';
import { nameKey } from '../wire/name.ts';
import type { PlannedRecord, RecordSource, ZoneOptions, ZonePart, ZoneProblem } from './plan.ts';

/** The version of the Kubernetes DNS specification that the zone follows. */
export const DNS_SCHEMA_VERSION = '1.1.0';
/** Answers go stale with the objects, so clients keep them only this long. */
export const DEFAULT_TTL_SECONDS = 5;

/** What the zone says of itself: its name server and the version of its schema. The SOA record moves with changes. */
export function compileApex({ clusterDomain, addresses, ttlSeconds }: ZoneOptions): ZonePart {
  const part = new PartBuilder(ttlSeconds);
  const server = nameServer(clusterDomain);
  part.add(clusterDomain, { type: 'NS', target: server }, ownSource('clusterDomain', clusterDomain));
  for (const address of addresses) part.add(server, addressData(address), ownSource('addresses', address));
  part.add(
    `dns-version.${clusterDomain}`,
    { type: 'TXT', strings: [DNS_SCHEMA_VERSION] },
    ownSource('schemaVersion', DNS_SCHEMA_VERSION),
  );
  return part.build();
}

function ownSource(field: string, value: string): RecordSource {
  return { kind: 'Node', namespace: '', name: 'cluster-dns', field, value };
}

export function nameServer(clusterDomain: string): string {
  return `ns.dns.${clusterDomain}`;
}

/**
 * The records of one Service, as the Kubernetes DNS specification gives them: of its own addresses, of its ready
 * endpoints, or the alias of an ExternalName.
 *
 * - ClusterIP: A/AAAA and PTR of each address, SRV of each named port.
 * - Headless: A/AAAA of each ready endpoint at the Service's name; SRV of each endpoint and named port; PTR.
 * - Either: A/AAAA of each ready endpoint as `<hostname>.<service>` and `<dashed address>.<service>`.
 */
export function compileService(
  service: Service,
  slices: readonly EndpointSlice[],
  options: ZoneOptions,
): ZonePart {
  const { clusterDomain, ttlSeconds, endpoints = true, ignoreEmptyServices = false } = options;
  const part = new PartBuilder(ttlSeconds);
  const namespace = service.metadata?.namespace ?? 'default';
  const name = service.metadata?.name ?? '';
  const serviceName = `${name}.${namespace}.svc.${clusterDomain}`;
  const source = (field: string, value: string): RecordSource => ({
    kind: 'Service',
    namespace,
    name,
    field,
    value,
  });
  const spec = service.spec ?? {};

  if (spec.type === 'ExternalName') {
    const target = (spec.externalName ?? '').replace(/\.$/, '');
    part.add(serviceName, { type: 'CNAME', target }, source('spec.externalName', target));
    return part.build();
  }
  const headless = spec.clusterIP === 'None';
  if (
    ignoreEmptyServices &&
    !slices.some((slice) => slice.endpoints?.some((each) => isPublished(each, service)))
  )
    return part.build();
  if (!headless) addClusterAddresses(part, service, { serviceName, source });
  const podNames = options.endpointPodNames === true;
  if (endpoints) {
    for (const slice of slices) addEndpoints(part, slice, { service, serviceName, headless, podNames });
  }
  return part.build();
}

/** `10-244-1-3.<namespace>.pod` of a pod, for the mode that answers for existing pods only. */
export function compilePod(pod: Pod, { clusterDomain, ttlSeconds }: ZoneOptions): ZonePart {
  const part = new PartBuilder(ttlSeconds);
  const namespace = pod.metadata?.namespace ?? 'default';
  const { phase, podIP, podIPs = [] } = pod.status ?? {};
  if (phase === 'Succeeded' || phase === 'Failed') return part.build();
  const addresses = podIPs.length > 0 ? podIPs.map(({ ip }) => ip ?? '') : [podIP ?? ''];
  for (const [index, address] of addresses.entries()) {
    if (address === '') continue;
    part.add(`${dashedAddress(address)}.${namespace}.pod.${clusterDomain}`, addressData(address), {
      kind: 'Pod',
      namespace,
      name: pod.metadata?.name ?? '',
      field: podIPs.length > 0 ? `status.podIPs[${index}].ip` : 'status.podIP',
      value: address,
    });
  }
  return part.build();
}

function addClusterAddresses(
  part: PartBuilder,
  service: Service,
  { serviceName, source }: { serviceName: string; source: (field: string, value: string) => RecordSource },
): void {
  const { clusterIPs = [], clusterIP, ports = [] } = service.spec ?? {};
  const addresses = clusterIPs.length > 0 ? clusterIPs : [clusterIP ?? ''];
  let served = false;
  for (const [index, address] of addresses.entries()) {
    if (address === '') continue;
    served = true;
    const from = source(clusterIPs.length > 0 ? `spec.clusterIPs[${index}]` : 'spec.clusterIP', address);
    part.add(serviceName, addressData(address), from);
    part.addReverse(address, serviceName, from);
  }
  for (const [index, { name, protocol = 'TCP', port }] of ports.entries()) {
    if (!served || !name) continue;
    part.add(
      `_${name}._${protocol.toLowerCase()}.${serviceName}`,
      { type: 'SRV', priority: 0, weight: 100, port, target: serviceName },
      source(`spec.ports[${index}].port`, String(port)),
    );
  }
}

interface EndpointNaming {
  readonly service: Service;
  readonly serviceName: string;
  readonly headless: boolean;
  readonly podNames: boolean;
}

function addEndpoints(
  part: PartBuilder,
  slice: EndpointSlice,
  { service, serviceName, headless, podNames }: EndpointNaming,
): void {
  if (slice.addressType === 'FQDN') return;
  const source = (field: string, value: string): RecordSource => ({
    kind: 'EndpointSlice',
    namespace: slice.metadata?.namespace ?? 'default',
    name: slice.metadata?.name ?? '',
    field,
    value,
  });
  for (const [index, endpoint] of (slice.endpoints ?? []).entries()) {
    if (!isPublished(endpoint, service)) continue;
    for (const [place, address] of endpoint.addresses.entries()) {
      const from = source(addressField(index, place), address);
      const names = endpointLabels(endpoint, address, podNames).map((label) => `${label}.${serviceName}`);
      for (const name of names) part.add(name, addressData(address), from);
      if (!headless) continue;
      part.add(serviceName, addressData(address), from);
      part.addReverse(address, names[0] ?? serviceName, from);
      for (const [order, { name, protocol = 'TCP', port }] of (slice.ports ?? []).entries()) {
        if (!name || port === undefined) continue;
        part.add(
          `_${name}._${protocol.toLowerCase()}.${serviceName}`,
          { type: 'SRV', priority: 0, weight: 100, port, target: names[0] ?? serviceName },
          source(`ports[${order}].port`, String(port)),
        );
      }
    }
  }
}

const addressFields = new Map<number, string>();

/** The name of a field of a slice. Slices have at most 1000 endpoints of 100 addresses, so few strings serve them all. */
function addressField(index: number, place: number): string {
  const known = addressFields.get(index * 128 + place);
  if (known !== undefined) return known;
  const field = `endpoints[${index}].addresses[${place}]`;
  if (index < 1000 && place < 100) addressFields.set(index * 128 + place, field);
  return field;
}

/** An endpoint without the condition counts as ready (discovery/v1). */
function isPublished({ conditions }: Endpoint, service: Service): boolean {
  return service.spec?.publishNotReadyAddresses === true || conditions?.ready !== false;
}

/** The labels an endpoint has below its Service: its hostname first, when it has one, then its dashed address. */
function endpointLabels({ hostname, targetRef }: Endpoint, address: string, podNames: boolean): string[] {
  const dashed = tryParseIp(address) ? [dashedAddress(address)] : [];
  const podName = podNames && targetRef?.kind === 'Pod' ? targetRef.name : undefined;
  const first = hostname || podName;
  return first ? [first, ...dashed] : dashed;
}

function addressData(address: string): RecordData {
  return { type: address.includes(':') ? 'AAAA' : 'A', address };
}

/** Gathers records, each once (slices may overlap while a controller moves endpoints), and refuses what has no wire form. */
class PartBuilder {
  readonly #records = new Map<string, PlannedRecord>();
  readonly #problems: ZoneProblem[] = [];
  readonly #ttlSeconds: number;

  constructor(ttlSeconds: number = DEFAULT_TTL_SECONDS) {
    this.#ttlSeconds = ttlSeconds;
  }

  add(name: string, data: RecordData, source: RecordSource): void {
    const problem = problemOf(name, data);
    if (problem !== undefined) {
      this.#problems.push({ source, message: problem });
      return;
    }
    const identity = `${name} ${data.type} ${identityOf(data)}`;
    if (!this.#records.has(identity)) {
      this.#records.set(identity, { name, ttlSeconds: this.#ttlSeconds, data, source });
    }
  }

  addReverse(address: string, target: string, source: RecordSource): void {
    if (tryParseIp(address)) this.add(reverseName(address), { type: 'PTR', target }, source);
  }

  build(): ZonePart {
    // Copied once more: what is spread from an iterator keeps room for many, and most Services have few.
    return { records: [...this.#records.values()].slice(), problems: this.#problems };
  }
}

function identityOf(data: RecordData): string {
  if ('address' in data) return data.address;
  if (data.type === 'SRV') return `${data.port} ${data.target}`;
  return 'target' in data ? data.target : '';
}

function problemOf(name: string, data: RecordData): string | undefined {
  if (data.type === 'A' && tryParseIp(data.address)?.family !== 4)
    return `${JSON.stringify(data.address)} is not an IPv4 address`;
  if (data.type === 'AAAA' && tryParseIp(data.address)?.family !== 6)
    return `${JSON.stringify(data.address)} is not an IPv6 address`;
  if (data.type === 'SRV' && !(data.port >= 0 && data.port <= 65_535)) return `${data.port} is not a port`;
  try {
    nameKey(name);
    if ('target' in data && nameKey(data.target) === '\0') return 'the target is empty';
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
