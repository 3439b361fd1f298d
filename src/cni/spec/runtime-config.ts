/**
 * `runtimeConfig`: what the runtime knows at run time, passed to plugins that declare the capability of the same name.
 * The shapes are those of the CNI project's CONVENTIONS document.
 */
import { type Cidr, formatCidr, tryParseCidr, tryParseIp } from '../../model/ip.ts';
import { type Fields, type JsonObject, isJsonObject } from './json.ts';
import { type CniDns, parseDns } from './result.ts';

export interface PortMapping {
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  /** The one address of the node on which the port opens. */
  readonly hostIP?: string;
}

/** Rates in bits a second, bursts in bits; 0 and absent mean no limit. */
export interface Bandwidth {
  readonly ingressRate?: number;
  readonly ingressBurst?: number;
  readonly egressRate?: number;
  readonly egressBurst?: number;
}

export interface IpRange {
  readonly subnet: string;
  readonly rangeStart?: string;
  readonly rangeEnd?: string;
  readonly gateway?: string;
}

export interface RuntimeConfig {
  readonly portMappings?: readonly PortMapping[];
  readonly bandwidth?: Bandwidth;
  /** Range sets: one address is taken from each. */
  readonly ipRanges?: readonly (readonly IpRange[])[];
  readonly mac?: string;
  /** Addresses wanted, with or without prefix length. */
  readonly ips?: readonly string[];
  readonly dns?: CniDns;
  readonly aliases?: readonly string[];
  readonly infinibandGUID?: string;
  /** What podnet does not know is passed on as it is. */
  readonly [capability: string]: unknown;
}

/** @throws CniError (invalid configuration), naming the key */
export function parseRuntimeConfig(given: Fields): RuntimeConfig {
  const fields = given.with(inConventionalCase(given.object));
  const portMappings = fields.list('portMappings')?.map(parsePortMapping);
  const bandwidth = fields.fields('bandwidth');
  const ipRanges = parseRangeSets(fields, 'ipRanges');
  const mac = fields.string('mac');
  if (mac && !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac))
    throw fields.error('mac', 'six pairs of hex digits');
  const ips = fields.strings('ips');
  if (ips?.some((ip) => !tryParseIp(ip) && !tryParseCidr(ip)))
    throw fields.error('ips', 'a list of addresses');
  const dns = fields.fields('dns');
  const aliases = fields.strings('aliases');
  const infinibandGUID = fields.string('infinibandGUID');
  return {
    ...fields.object,
    ...(portMappings && { portMappings }),
    ...(bandwidth && { bandwidth: parseBandwidth(bandwidth) }),
    ...(ipRanges && { ipRanges }),
    ...(mac && { mac: mac.toLowerCase() }),
    ...(ips && { ips }),
    ...(dns && { dns: parseRuntimeDns(dns) }),
    ...(aliases && { aliases }),
    ...(infinibandGUID && { infinibandGUID }),
  };
}

/** Every key of the objects below a capability. */
const keys = [
  ['hostPort', 'containerPort', 'protocol', 'hostIP'],
  ['ingressRate', 'ingressBurst', 'egressRate', 'egressBurst'],
  ['subnet', 'rangeStart', 'rangeEnd', 'gateway'],
  ['servers', 'searches', 'options'],
].flat();
const conventionalCase = new Map(keys.map((key) => [key.toLowerCase(), key]));

/** containerd writes HostPort for hostPort, which plugins in Go do not notice: they read keys in any case. */
function inConventionalCase(runtimeConfig: JsonObject): JsonObject {
  const convert = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(convert);
    if (!isJsonObject(value)) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, below]) => {
        const name = conventionalCase.get(key.toLowerCase()) ?? key;
        return [Object.hasOwn(value, name) ? key : name, below];
      }),
    );
  };
  return Object.fromEntries(Object.entries(runtimeConfig).map(([name, value]) => [name, convert(value)]));
}

const protocols = ['tcp', 'udp', 'sctp'] as const;

/** One object of `portMappings`. Host port 0 opens no port; runtimes pass it for ports that are not published. */
export function parsePortMapping(fields: Fields): PortMapping {
  const name = (fields.string('protocol') || 'tcp').toLowerCase();
  const protocol = protocols.find((known) => known === name);
  if (!protocol) throw fields.error('protocol', protocols.join(', '));
  const hostIP = fields.string('hostIP');
  if (hostIP && !tryParseIp(hostIP)) throw fields.error('hostIP', 'an IP address');
  const hostPort = fields.integer('hostPort', { max: 65_535 }) ?? 0;
  const containerPort = fields.integer('containerPort', { min: 1, max: 65_535 });
  if (containerPort === undefined) throw fields.error('containerPort', 'a port');
  return { hostPort, containerPort, protocol, ...(hostIP && { hostIP }) };
}

/** The keys of `bandwidth`, which stand in the plugin's own configuration as well. */
export function parseBandwidth(fields: Fields): Bandwidth {
  const ingressRate = fields.integer('ingressRate');
  const ingressBurst = fields.integer('ingressBurst');
  const egressRate = fields.integer('egressRate');
  const egressBurst = fields.integer('egressBurst');
  return {
    ...(ingressRate !== undefined && { ingressRate }),
    ...(ingressBurst !== undefined && { ingressBurst }),
    ...(egressRate !== undefined && { egressRate }),
    ...(egressBurst !== undefined && { egressBurst }),
  };
}

/** `ipRanges`, and `ranges` of host-local: a list of lists of ranges. */
export function parseRangeSets(fields: Fields, key: string): readonly (readonly IpRange[])[] | undefined {
  const value = fields.object[key];
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw fields.error(key, 'a list of lists of ranges');
  return value.map((set: unknown, index) => {
    const name = `${key}[${index}]`;
    const ranges = listOf(fields, name, set);
    if (ranges.length === 0) throw fields.error(key, 'made of lists that are not empty');
    return ranges.map(parseIpRange);
  });
}

function listOf(fields: Fields, name: string, value: unknown): readonly Fields[] {
  const list = fields.with({ [name]: value }).list(name);
  if (!list) throw fields.error(name, 'a list of ranges');
  return list;
}

/** One object with subnet, rangeStart, rangeEnd and gateway. */
export function parseIpRange(fields: Fields): IpRange {
  const text = fields.requiredString('subnet');
  const subnet = tryParseCidr(text)?.network;
  if (!subnet) throw fields.error('subnet', 'a CIDR');
  return {
    subnet: formatCidr(subnet),
    ...address(fields, 'rangeStart', subnet),
    ...address(fields, 'rangeEnd', subnet),
    ...address(fields, 'gateway', subnet),
  };
}

function address(fields: Fields, key: 'rangeStart' | 'rangeEnd' | 'gateway', subnet: Cidr): JsonObject {
  const text = fields.string(key);
  if (!text) return {};
  if (tryParseIp(text)?.family !== subnet.family)
    throw fields.error(key, `an address of ${formatCidr(subnet)}`);
  return { [key]: text };
}

/** The convention calls them servers and searches, results nameservers and search. */
function parseRuntimeDns(fields: Fields): CniDns {
  const servers = fields.strings('servers');
  const searches = fields.strings('searches');
  return {
    ...parseDns(fields),
    ...(servers && { nameservers: servers }),
    ...(searches && { search: searches }),
  };
}
