/** The configuration of bridge, as the plugin of that name of containernetworking reads it. */
import type { NetworkConfig } from '../../spec/config.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import { type Fields, fieldsOf } from '../../spec/json.ts';
import { isInterfaceName } from '../../spec/environment.ts';
import { ipamType } from '../../attachment/ipam.ts';
import { checkMasqueradeBackend } from '../../attachment/masquerade.ts';
import { parseMtu } from '../../attachment/mtu.ts';

export interface VlanRange {
  readonly first: number;
  readonly last: number;
}

export interface BridgeConfig {
  readonly network: string;
  /** The bridge's name. */
  readonly bridge: string;
  /** The bridge has the gateway's address, and the node forwards. */
  readonly isGateway: boolean;
  /** The gateway is the containers' default route as well. */
  readonly isDefaultGateway: boolean;
  /** Addresses of the bridge that are in the way are removed. */
  readonly forceAddress: boolean;
  readonly ipMasq: boolean;
  readonly mtuBytes: number | undefined;
  readonly hairpin: boolean;
  readonly promiscuous: boolean;
  /** What the container sends without tag belongs to this VLAN. */
  readonly vlan: number | undefined;
  /** VLANs the container may send to with tags. */
  readonly vlanTrunk: readonly VlanRange[];
  readonly preserveDefaultVlan: boolean;
  /** The container cannot send from another MAC address than its own. */
  readonly checkMac: boolean;
  /** Containers of the bridge do not reach one another, only the gateway. */
  readonly isolated: boolean;
  /** IPv6: duplicate address detection, for which ADD waits. */
  readonly detectDuplicates: boolean;
  /** The container's interface stays down and gets no addresses. */
  readonly disableContainerInterface: boolean;
  /** The container's MAC address; the kernel chooses one unless told. */
  readonly mac: string | undefined;
  readonly hasIpam: boolean;
}

const DEFAULT_BRIDGE = 'cni0';

/** @throws CniError (invalid configuration), naming the key */
export function parseBridgeConfig(network: NetworkConfig): BridgeConfig {
  const fields = fieldsOf(network.raw);
  const is = (key: string): boolean => fields.boolean(key) ?? false;
  const bridge = fields.string('bridge') || DEFAULT_BRIDGE;
  if (!isInterfaceName(bridge)) throw fields.error('bridge', 'the name of an interface');
  const config = {
    network: network.name,
    bridge,
    isGateway: is('isGateway') || is('isDefaultGateway'),
    isDefaultGateway: is('isDefaultGateway'),
    forceAddress: is('forceAddress'),
    ipMasq: is('ipMasq'),
    mtuBytes: parseMtu(fields),
    hairpin: is('hairpinMode'),
    promiscuous: is('promiscMode'),
    vlan: fields.integer('vlan', { max: 4094 }) || undefined,
    vlanTrunk: fields.list('vlanTrunk')?.flatMap(parseTrunk) ?? [],
    preserveDefaultVlan: fields.boolean('preserveDefaultVlan') ?? true,
    checkMac: is('macspoofchk'),
    isolated: is('portIsolation'),
    detectDuplicates: is('enabledad'),
    disableContainerInterface: is('disableContainerInterface'),
    mac: wantedMac(network, fields),
    hasIpam: ipamType(network) !== undefined,
  };
  checkMasqueradeBackend(fields);
  if (config.hairpin && config.promiscuous)
    throw invalid('hairpinMode and promiscMode: only one of them can be true');
  if (config.disableContainerInterface && config.hasIpam)
    throw invalid('disableContainerInterface: an interface that stays down gets no addresses; remove ipam');
  if (config.isGateway && config.vlan !== undefined && !isInterfaceName(`${bridge}.${config.vlan}`))
    throw fields.error('bridge', `shorter, for the gateway's interface is called ${bridge}.${config.vlan}`);
  return config;
}

/** One object of `vlanTrunk`: `id`, or `minID` and `maxID`, or all three. */
function parseTrunk(fields: Fields): VlanRange[] {
  const [id, first, last] = ['id', 'minID', 'maxID'].map((key) => fields.integer(key, { min: 1, max: 4094 }));
  if ((first === undefined) !== (last === undefined) || (id ?? first) === undefined)
    throw fields.error('id', 'given, or minID and maxID both');
  if (first !== undefined && last !== undefined && first > last)
    throw fields.error('minID', `no greater than maxID ${last}`);
  return [
    ...(id === undefined ? [] : [{ first: id, last: id }]),
    ...(first === undefined || last === undefined ? [] : [{ first, last }]),
  ];
}

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i;

/** The capability goes before `args.cni`. CNI_ARGS come last: see `macOfArgs`. */
function wantedMac({ runtimeConfig }: NetworkConfig, fields: Fields): string | undefined {
  if (runtimeConfig?.mac) return runtimeConfig.mac;
  const cni = fields.fields('args')?.fields('cni');
  const mac = cni?.string('mac');
  if (cni && mac && !MAC.test(mac)) throw cni.error('mac', 'six pairs of hex digits');
  return mac?.toLowerCase() || undefined;
}

/** `MAC=` of CNI_ARGS. @throws CniError (invalid environment) */
export function macOfArgs(args: ReadonlyMap<string, string>): string | undefined {
  const mac = args.get('MAC');
  if (!mac) return undefined;
  if (MAC.test(mac)) return mac.toLowerCase();
  throw new CniError(`CNI_ARGS: MAC=${mac} is no MAC address`, { code: cniErrorCodes.invalidEnvironment });
}

function invalid(message: string): CniError {
  return new CniError(message, { code: cniErrorCodes.invalidConfig });
}
