/**
 * What ADD answers: CNI specification 1.1.0, section 5, "Success". Inside podnet a result always has the shape of
 * 1.1.0, whatever version the configuration speaks; `convertResult` writes it for the others.
 */
import { tryParseCidr, tryParseIp } from '../../model/ip.ts';
import { CniError, cniErrorCodes } from './error.ts';
import { type Fields, type JsonObject, fieldsOf } from './json.ts';
import { type CniVersion, isAtLeast, isCniVersion, latestCniVersion } from './versions.ts';

export interface CniInterface {
  readonly name: string;
  readonly mac?: string;
  /** Bytes. */
  readonly mtu?: number;
  /** The path of the network namespace; absent for interfaces of the node. */
  readonly sandbox?: string;
  /** Of a vhost-user socket. */
  readonly socketPath?: string;
  readonly pciID?: string;
}

export interface CniIp {
  /** `ADDRESS/PREFIXLENGTH` */
  readonly address: string;
  readonly gateway?: string;
  /** Index into `interfaces`. */
  readonly interface?: number;
}

export interface CniRoute {
  /** `ADDRESS/PREFIXLENGTH` */
  readonly dst: string;
  readonly gw?: string;
  /** Bytes. */
  readonly mtu?: number;
  /** Bytes. */
  readonly advmss?: number;
  readonly priority?: number;
  readonly table?: number;
  /** As rtnetlink numbers it: 0 universe, 253 link, 254 host. */
  readonly scope?: number;
}

export interface CniDns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

export interface CniResult {
  readonly cniVersion: string;
  readonly interfaces?: readonly CniInterface[];
  readonly ips?: readonly CniIp[];
  readonly routes?: readonly CniRoute[];
  readonly dns?: CniDns;
}

/**
 * A result as JSON of the given version: below 1.0.0 every address says its `version`; below 1.1.0 interfaces have no
 * mtu, socketPath and pciID, and routes nothing but dst and gw.
 *
 * @throws CniError (incompatible version) for a version podnet does not speak
 */
export function convertResult(result: Omit<CniResult, 'cniVersion'>, version: string): JsonObject {
  if (!isCniVersion(version))
    throw new CniError(`Cannot write a result of version ${version}`, {
      code: cniErrorCodes.incompatibleVersion,
    });
  const { interfaces, ips, routes, dns } = result;
  return {
    cniVersion: version,
    ...(interfaces && { interfaces: interfaces.map((one) => convertInterface(one, version)) }),
    ...(ips && { ips: ips.map((ip) => convertIp(ip, version)) }),
    ...(routes && { routes: routes.map((route) => convertRoute(route, version)) }),
    dns: dns ? convertDns(dns) : {},
  };
}

function convertInterface(one: CniInterface, version: CniVersion): JsonObject {
  const { name, mac, mtu, sandbox, socketPath, pciID } = one;
  const rest = isAtLeast(version, '1.1.0')
    ? {
        ...(mtu !== undefined && { mtu }),
        ...(socketPath !== undefined && { socketPath }),
        ...(pciID !== undefined && { pciID }),
      }
    : {};
  return { name, ...(mac && { mac }), ...(sandbox && { sandbox }), ...rest };
}

function convertIp({ address, gateway, interface: index }: CniIp, version: CniVersion): JsonObject {
  return {
    ...(!isAtLeast(version, '1.0.0') && { version: address.includes(':') ? '6' : '4' }),
    address,
    ...(gateway && { gateway }),
    ...(index !== undefined && { interface: index }),
  };
}

function convertRoute({ dst, gw, ...attributes }: CniRoute, version: CniVersion): JsonObject {
  const { mtu, advmss, priority, table, scope } = attributes;
  const rest = isAtLeast(version, '1.1.0')
    ? {
        ...(mtu !== undefined && { mtu }),
        ...(advmss !== undefined && { advmss }),
        ...(priority !== undefined && { priority }),
        ...(table !== undefined && { table }),
        ...(scope !== undefined && { scope }),
      }
    : {};
  return { dst, ...(gw && { gw }), ...rest };
}

function convertDns({ nameservers, domain, search, options }: CniDns): JsonObject {
  return {
    ...(nameservers && { nameservers }),
    ...(domain && { domain }),
    ...(search && { search }),
    ...(options && { options }),
  };
}

export interface ParseResultOptions {
  /** Of a result that does not say its own. */
  readonly version: string;
  /** Begins the keys in messages: `prevResult.` */
  readonly path?: string;
}

/**
 * A result that another plugin printed, in any version podnet speaks, in the shape of the latest.
 *
 * @throws CniError (incompatible version) or (decoding), naming the key
 */
export function parseResult(value: JsonObject, { version, path = '' }: ParseResultOptions): CniResult {
  const fields = fieldsOf(value, path, cniErrorCodes.decoding);
  const own = fields.string('cniVersion') ?? version;
  if (!isCniVersion(own))
    throw new CniError(`${path}cniVersion: podnet does not read results of version ${own}`, {
      code: cniErrorCodes.incompatibleVersion,
    });
  const interfaces = fields.list('interfaces')?.map(parseInterface);
  const ips = fields.list('ips')?.map((ip) => parseIpField(ip, interfaces?.length ?? 0));
  const routes = fields.list('routes')?.map(parseRoute);
  const dns = fields.fields('dns');
  return {
    cniVersion: latestCniVersion,
    ...(interfaces && { interfaces }),
    ...(ips && { ips }),
    ...(routes && { routes }),
    ...(dns && { dns: parseDns(dns) }),
  };
}

function parseInterface(fields: Fields): CniInterface {
  const mac = fields.string('mac');
  const mtu = fields.integer('mtu');
  const sandbox = fields.string('sandbox');
  const socketPath = fields.string('socketPath');
  const pciID = fields.string('pciID');
  return {
    name: fields.requiredString('name'),
    ...(mac && { mac }),
    ...(mtu !== undefined && { mtu }),
    ...(sandbox && { sandbox }),
    ...(socketPath && { socketPath }),
    ...(pciID && { pciID }),
  };
}

function parseIpField(fields: Fields, interfaceCount: number): CniIp {
  const address = fields.requiredString('address');
  if (!tryParseCidr(address)) throw fields.error('address', 'an address with its prefix length');
  const gateway = fields.string('gateway');
  if (gateway && !tryParseIp(gateway)) throw fields.error('gateway', 'an IP address');
  const index = fields.integer('interface', { min: -1 });
  // Old plugins write -1 for none.
  const known = index === undefined || index < 0 ? undefined : index;
  if (known !== undefined && known >= interfaceCount)
    throw fields.error('interface', 'an index of interfaces');
  return { address, ...(gateway && { gateway }), ...(known !== undefined && { interface: known }) };
}

/** One object of `routes`, in a result or in the configuration of an IPAM plugin. */
export function parseRoute(fields: Fields): CniRoute {
  const dst = fields.requiredString('dst');
  if (!tryParseCidr(dst)) throw fields.error('dst', 'an address with its prefix length');
  const gw = fields.string('gw');
  if (gw && !tryParseIp(gw)) throw fields.error('gw', 'an IP address');
  const attribute = (key: 'mtu' | 'advmss' | 'priority' | 'table' | 'scope'): JsonObject => {
    const value = fields.integer(key, { max: 0xffff_ffff });
    return value === undefined ? {} : { [key]: value };
  };
  return {
    dst,
    ...(gw && { gw }),
    ...attribute('mtu'),
    ...attribute('advmss'),
    ...attribute('priority'),
    ...attribute('table'),
    ...attribute('scope'),
  };
}

/** The `dns` object of a result or a network configuration. */
export function parseDns(fields: Fields): CniDns {
  const nameservers = fields.strings('nameservers');
  const domain = fields.string('domain');
  const search = fields.strings('search');
  const options = fields.strings('options');
  return {
    ...(nameservers && { nameservers }),
    ...(domain && { domain }),
    ...(search && { search }),
    ...(options && { options }),
  };
}
