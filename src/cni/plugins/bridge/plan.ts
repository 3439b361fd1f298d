/**
 * An attachment to a bridge, decided:
 *
 *     container                     node
 *     eth0 10.1.0.5/24 ═══veth═══ veth1f0e… ── port of ── cni0 10.1.0.1/24 (isGateway)
 *     default via 10.1.0.1        hairpin, isolated, VLANs
 *
 * With `vlan` the gateway's address is not the bridge's own but that of `cni0.VLAN`, one end of another veth pair whose
 * other end is a port of that VLAN.
 */
import { addToIp, compareIp, formatCidr, formatIp, parseCidr, parseIp } from '../../../model/ip.ts';
import type { BridgeVlanSpec } from '../../../kernel/rtnl/bridge.ts';
import {
  type ContainerEnd,
  familyOf,
  hostPrefix,
  resultRoutes,
  splitAddress,
} from '../../attachment/container-end.ts';
import { hostInterfaceAlias, hostInterfaceName, unfinishedGroup } from '../../attachment/host-interface.ts';
import type { IpamAnswer } from '../../attachment/ipam.ts';
import type { Attachment } from '../../spec/config.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import type { CniIp, CniRoute } from '../../spec/result.ts';
import type { BridgeConfig } from './config.ts';

export interface GatewayAddress {
  readonly address: string;
  readonly prefixLength: number;
}

type PortVlan = Omit<BridgeVlanSpec, 'link'>;

export interface BridgePlan {
  readonly bridge: {
    readonly name: string;
    readonly mtuBytes: number | undefined;
    readonly vlanFiltering: boolean;
    readonly promiscuous: boolean;
  };
  readonly gateway: {
    /** The bridge itself, or with a VLAN an interface of its own. */
    readonly interface: string;
    readonly vlan: number | undefined;
    readonly addresses: readonly GatewayAddress[];
    readonly forceAddress: boolean;
  };
  readonly port: {
    readonly name: string;
    readonly unfinishedGroup: number;
    readonly alias: string;
    readonly hairpin: boolean;
    readonly isolated: boolean;
    readonly vlans: readonly PortVlan[];
    /** Whether the port leaves VLAN 1, which the kernel puts every new port into. */
    readonly leaveDefaultVlan: boolean;
  };
  readonly container: ContainerEnd & {
    readonly mac: string | undefined;
    /** Whether the interface is set up at all. */
    readonly up: boolean;
  };
  /** Addresses (`ADDRESS/LENGTH`) whose traffic to the outside is masqueraded. */
  readonly masquerade: readonly string[];
  readonly checkMac: boolean;
  readonly ips: readonly CniIp[];
  readonly routes: readonly CniRoute[];
}

export interface BridgeRequest extends Attachment {
  readonly config: BridgeConfig;
  readonly ipam: Pick<IpamAnswer, 'ips' | 'routes'>;
  /** The container's MAC address, if one is wanted. */
  readonly mac?: string | undefined;
}

/** The container's interface is the third of the result. */
export const CONTAINER_INDEX = 2;

/** @throws CniError when the addresses are not what a bridge can have */
export function bridgePlan({ config, ipam, containerId, ifName, mac }: BridgeRequest): BridgePlan {
  const { bridge, vlan, vlanTrunk, isGateway } = config;
  const ips = ipam.ips.map((ip) => withGateway(ip, isGateway));
  const routes = [...ipam.routes, ...(config.isDefaultGateway ? defaultRoutes(ips, ipam.routes) : [])];
  const identity = { network: config.network, containerId, ifName };
  const vlans: PortVlan[] = [
    ...(vlan === undefined ? [] : [{ first: vlan, pvid: true, untagged: true }]),
    ...vlanTrunk.filter(({ first, last }) => first !== vlan || last !== vlan),
  ];
  return {
    bridge: {
      name: bridge,
      mtuBytes: config.mtuBytes,
      vlanFiltering: vlans.length > 0,
      promiscuous: config.promiscuous,
    },
    gateway: {
      interface: vlan === undefined ? bridge : `${bridge}.${vlan}`,
      vlan,
      addresses: isGateway ? uniqueGateways(ips) : [],
      forceAddress: config.forceAddress,
    },
    port: {
      name: hostInterfaceName(identity),
      unfinishedGroup: unfinishedGroup(config.network),
      alias: hostInterfaceAlias(identity),
      hairpin: config.hairpin,
      isolated: config.isolated,
      vlans,
      leaveDefaultVlan: vlans.length > 0 && !config.preserveDefaultVlan && vlan !== 1,
    },
    container: {
      ifName,
      mac: config.mac ?? mac,
      up: !config.disableContainerInterface,
      addresses: ips.map(({ address }) => splitAddress(address)),
      routes: resultRoutes(routes, ips),
      detectDuplicates: config.detectDuplicates,
    },
    masquerade: config.ipMasq ? ips.map(({ address }) => address) : [],
    checkMac: config.checkMac,
    ips,
    routes,
  };
}

/** A gateway's address unless IPAM gave one is the first of the subnet. */
function withGateway({ address, gateway }: CniIp, isGateway: boolean): CniIp {
  const subnet = parseCidr(address);
  const chosen = gateway ?? (isGateway ? formatIp(addToIp(subnet, 1n)) : undefined);
  if (
    isGateway &&
    chosen !== undefined &&
    compareIp(parseIp(chosen), parseIp(splitAddress(address).address)) === 0
  )
    throw new CniError(`${chosen} is the gateway's address and cannot be the container's`, {
      code: cniErrorCodes.invalidConfig,
      details: 'The IPAM plugin must keep it free.',
    });
  return { address, ...(chosen !== undefined && { gateway: chosen }), interface: CONTAINER_INDEX };
}

const DEFAULTS = { 4: '0.0.0.0/0', 6: '::/0' } as const;

/** For each family that has a gateway and no default route yet. */
function defaultRoutes(ips: readonly CniIp[], routes: readonly CniRoute[]): CniRoute[] {
  return ([4, 6] as const).flatMap((family) => {
    const dst = DEFAULTS[family];
    const gateway = ips.find((ip) => familyOf(ip.address) === family)?.gateway;
    const isThere = routes.some((route) => formatCidr(parseCidr(route.dst)) === dst);
    return gateway === undefined || isThere ? [] : [{ dst, gw: gateway }];
  });
}

function uniqueGateways(ips: readonly CniIp[]): GatewayAddress[] {
  const found = new Map<string, GatewayAddress>();
  for (const { address, gateway } of ips) {
    if (gateway === undefined) continue;
    const { prefixLength } = parseCidr(address);
    found.set(hostPrefix(gateway), { address: formatIp(parseIp(gateway)), prefixLength });
  }
  return [...found.values()];
}

/** The plan as lines of ip(8) and bridge(8). */
export function printBridgePlan(plan: BridgePlan): string {
  const { bridge, gateway, port, container } = plan;
  const mtu = bridge.mtuBytes === undefined ? '' : ` mtu ${bridge.mtuBytes}`;
  const flag = (name: string, on: boolean): string => (on ? ` ${name}` : '');
  return [
    `bridge ${bridge.name}${mtu}${flag('vlan_filtering', bridge.vlanFiltering)}${flag('promisc', bridge.promiscuous)}`,
    ...gateway.addresses.map(
      ({ address, prefixLength }) => `address ${address}/${prefixLength} dev ${gateway.interface}`,
    ),
    `port ${port.name}${mtu}${flag('hairpin', port.hairpin)}${flag('isolated', port.isolated)} # ${port.alias}`,
    ...port.vlans.map(
      ({ first, last = first, pvid = false, untagged = false }) =>
        `vlan ${first === last ? first : `${first}-${last}`}${flag('pvid', pvid)}${flag('untagged', untagged)}`,
    ),
    ...(port.leaveDefaultVlan ? ['no vlan 1'] : []),
    `container: link ${container.ifName}${container.mac ? ` ${container.mac}` : ''}${container.up ? ' up' : ''}`,
    ...container.addresses.map(
      ({ address, prefixLength }) => `container: address ${address}/${prefixLength}`,
    ),
    ...container.routes.map(
      ({ dst, gateway: via }) => `container: route ${dst}${via === undefined ? '' : ` via ${via}`}`,
    ),
    ...plan.masquerade.map((address) => `masquerade ${address}`),
    ...(plan.checkMac ? ['check mac'] : []),
  ].join('\n');
}
