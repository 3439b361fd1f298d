/**
 * A point-to-point attachment, decided: no bridge, the node routes to each container.
 *
 *     container                                   node
 *     eth0 10.1.0.5/24 (no prefix route) ═veth═ veth1f0e… 10.1.0.1/32
 *     10.1.0.1 dev eth0                           10.1.0.5 dev veth1f0e…
 *     10.1.0.0/24 via 10.1.0.1
 */
import type { AddressSpec, RouteSpec } from '../../../kernel/rtnl/rtnl.ts';
import { bits, formatCidr, formatIp, parseCidr, parseIp } from '../../../model/ip.ts';
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
import type { PtpConfig } from './config.ts';

type WithoutLink<T> = Omit<T, 'link'>;

export interface PtpPlan {
  readonly host: {
    readonly name: string;
    readonly unfinishedGroup: number;
    readonly alias: string;
    readonly addresses: readonly WithoutLink<AddressSpec>[];
    readonly routes: readonly WithoutLink<RouteSpec>[];
    /** The families the node must forward. */
    readonly families: readonly (4 | 6)[];
  };
  readonly mtuBytes: number | undefined;
  readonly container: ContainerEnd;
  /** Addresses (`ADDRESS/LENGTH`) whose traffic to the outside is masqueraded. */
  readonly masquerade: readonly string[];
  readonly ips: readonly CniIp[];
  readonly routes: readonly CniRoute[];
}

export interface PtpRequest extends Attachment {
  readonly config: PtpConfig;
  readonly ipam: Pick<IpamAnswer, 'ips' | 'routes'>;
}

/** The container's interface is the second of the result. */
export const CONTAINER_INDEX = 1;

/** @throws CniError when an address comes without a gateway */
export function ptpPlan({ config, ipam, containerId, ifName }: PtpRequest): PtpPlan {
  const identity = { network: config.network, containerId, ifName };
  const ips = ipam.ips.map((ip) => ({ ...ip, interface: CONTAINER_INDEX }));
  const ends = ips.map((ip) => endOf(ip));
  return {
    host: {
      name: hostInterfaceName(identity),
      unfinishedGroup: unfinishedGroup(config.network),
      alias: hostInterfaceAlias(identity),
      addresses: unique(ends.map(({ gateway }) => gateway)).map((address) => ({
        address,
        prefixLength: bits(familyOf(address)),
        noDad: true,
      })),
      routes: ends.map(({ address }) => ({ dst: hostPrefix(address) })),
      families: [...new Set(ends.map(({ address }) => familyOf(address)))],
    },
    mtuBytes: config.mtuBytes,
    container: {
      ifName,
      addresses: ends.map(({ address, prefixLength }) => ({ address, prefixLength, noPrefixRoute: true })),
      routes: [...ends.flatMap((end) => gatewayRoutes(end)), ...resultRoutes(ipam.routes, ips)],
      detectDuplicates: false,
    },
    masquerade: config.ipMasq ? ips.map(({ address }) => address) : [],
    ips,
    routes: ipam.routes,
  };
}

interface End {
  readonly address: string;
  readonly prefixLength: number;
  readonly subnet: string;
  readonly gateway: string;
}

function endOf({ address, gateway }: CniIp): End {
  if (gateway === undefined)
    throw new CniError(`ipam: ${address} comes without a gateway, which the node's end needs`, {
      code: cniErrorCodes.invalidConfig,
      details: 'Let the IPAM plugin answer one.',
    });
  return {
    ...splitAddress(address),
    subnet: formatCidr(parseCidr(address)),
    gateway: formatIp(parseIp(gateway)),
  };
}

/** The gateway is on the link, and everything else of the subnet behind it. */
function gatewayRoutes({ address, subnet, gateway }: End): WithoutLink<RouteSpec>[] {
  const direct = { dst: hostPrefix(gateway), source: address };
  if (subnet === hostPrefix(address)) return [direct];
  return [direct, { dst: subnet, gateway, source: address }];
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}

/** The plan as lines of ip(8). */
export function printPtpPlan({ host, container, mtuBytes, masquerade }: PtpPlan): string {
  const mtu = mtuBytes === undefined ? '' : ` mtu ${mtuBytes}`;
  const route = ({ dst, gateway, source }: WithoutLink<RouteSpec>): string =>
    ['route', dst, gateway && `via ${gateway}`, source && `src ${source}`].filter(Boolean).join(' ');
  return [
    `link ${host.name}${mtu} peer ${container.ifName} # ${host.alias}`,
    ...host.addresses.map(({ address, prefixLength }) => `host: address ${address}/${prefixLength}`),
    ...host.routes.map((each) => `host: ${route(each)}`),
    ...container.addresses.map(
      ({ address, prefixLength }) => `container: address ${address}/${prefixLength}`,
    ),
    ...container.routes.map((each) => `container: ${route(each)}`),
    ...masquerade.map((address) => `masquerade ${address}`),
  ].join('\n');
}
