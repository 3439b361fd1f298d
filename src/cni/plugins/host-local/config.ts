/** The configuration of host-local, as the plugin of that name of containernetworking reads it. */
import { type Ip, parseIp, tryParseCidr, tryParseIp } from '../../../model/ip.ts';
import type { NetworkConfig } from '../../spec/config.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import { type Fields, fieldsOf } from '../../spec/json.ts';
import { type CniRoute, parseRoute } from '../../spec/result.ts';
import { parseIpRange, parseRangeSets } from '../../spec/runtime-config.ts';
import { type RangeSet, addressRange, checkRangeSets, withoutPrefixLength } from './ranges.ts';

export interface HostLocalConfig {
  /** The directory that keeps the network's addresses. */
  readonly directory: string;
  /** One address of each is given. */
  readonly rangeSets: readonly RangeSet[];
  readonly routes: readonly CniRoute[];
  /** A file to read the `dns` of results from. */
  readonly resolvConf: string | undefined;
  /** Addresses wanted by `args.cni.ips` and `runtimeConfig.ips`. */
  readonly wanted: readonly Ip[];
}

const DEFAULT_DATA_DIR = '/var/lib/cni/networks';

/** @throws CniError (invalid configuration), naming the key */
export function parseHostLocalConfig(network: NetworkConfig): HostLocalConfig {
  const fields = fieldsOf(network.raw);
  const ipam = fields.fields('ipam');
  if (!ipam) throw fields.error('ipam', 'an object');
  const own = ipam.has('subnet') ? [[parseIpRange(ipam)]] : [];
  const sets = [
    ...(network.runtimeConfig?.ipRanges ?? []),
    ...own,
    ...(parseRangeSets(ipam, 'ranges') ?? []),
  ].map((set) => set.map((range) => addressRange(range)));
  checkRangeSets(sets);
  const cni = fields.fields('args')?.fields('cni');
  const wanted = [...(cni ? addressList(cni) : []), ...(network.runtimeConfig?.ips ?? [])];
  return {
    directory: `${(ipam.string('dataDir') || DEFAULT_DATA_DIR).replace(/\/+$/, '')}/${network.name}`,
    rangeSets: sets,
    routes: ipam.list('routes')?.map(parseRoute) ?? [],
    resolvConf: ipam.string('resolvConf') || undefined,
    wanted: wanted.map((text) => parseIp(withoutPrefixLength(text))),
  };
}

function addressList(fields: Fields): readonly string[] {
  const ips = fields.strings('ips') ?? [];
  if (ips.some((text) => !tryParseIp(text) && !tryParseCidr(text)))
    throw fields.error('ips', 'a list of addresses');
  return ips;
}

/** The address of `IP=` in CNI_ARGS. @throws CniError (invalid environment) */
export function wantedByArgs(args: ReadonlyMap<string, string>): readonly Ip[] {
  const text = args.get('IP');
  if (!text) return [];
  return text.split(',').map((each) => {
    const ip = tryParseIp(withoutPrefixLength(each));
    if (ip) return ip;
    throw new CniError(`CNI_ARGS: IP=${text} is no address`, { code: cniErrorCodes.invalidEnvironment });
  });
}
