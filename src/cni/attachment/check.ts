/** CHECK: is everything still as ADD answered? */
import type { Link } from '../../kernel/rtnl/rtnl.ts';
import { CniError } from '../spec/error.ts';
import type { CniInterface, CniResult } from '../spec/result.ts';
import { findContainerDamage, resultRoutes, splitAddress } from './container-end.ts';
import type { ContainerDoors } from './doors.ts';

const NOT_AS_ADDED = 112;

/** What CHECK throws: the attachment is not as ADD left it. */
export function notAsAdded(message: string): CniError {
  return new CniError(message, {
    code: NOT_AS_ADDED,
    details: 'Add the container to the network again; find out who changed it.',
  });
}

/** The container's interface in a result, and the addresses that are on it. */
export function containerInterface(
  { interfaces = [], ips = [] }: Pick<CniResult, 'interfaces' | 'ips'>,
  ifName: string,
): { readonly of: CniInterface; readonly ips: NonNullable<CniResult['ips']> } {
  const index = interfaces.findIndex(({ name, sandbox }) => name === ifName && sandbox);
  const of = interfaces[index];
  if (!of) throw notAsAdded(`prevResult: there is no interface ${ifName} of the container`);
  return { of, ips: ips.filter((ip) => ip.interface === index || ip.interface === undefined) };
}

/**
 * The container's interface as it is, when it has the MAC address, the addresses and the routes of the result.
 *
 * @throws CniError saying what is not so
 */
export function checkContainer(result: CniResult, ifName: string, { rtnl }: ContainerDoors): Link {
  const { of, ips } = containerInterface(result, ifName);
  const link = rtnl.link(ifName);
  if (!link) throw notAsAdded(`The container has no interface ${ifName}`);
  if (of.mac && link.mac !== of.mac.toLowerCase())
    throw notAsAdded(`${ifName} has the MAC address ${link.mac}, not ${of.mac}`);
  if (ips.length > 0 && !link.up) throw notAsAdded(`${ifName} is down`);
  const end = {
    addresses: ips.map(({ address }) => splitAddress(address)),
    routes: resultRoutes(result.routes ?? [], ips),
  };
  const damage = findContainerDamage(end, { rtnl, link: link.index });
  if (damage !== undefined) throw notAsAdded(`${ifName} is not as it was added: ${damage}`);
  return link;
}

/** The result says which interfaces of the node belong to it: the one that is the other end of the container's. */
export function checkHostEnd(link: Link, host: Link | undefined): Link {
  if (!host || host.peerIndex !== link.index || host.index !== link.peerIndex)
    throw notAsAdded(`The node has no interface that is the other end of the container's ${link.name}`);
  if (!host.up) throw notAsAdded(`${host.name}, the node's end of ${link.name}, is down`);
  return host;
}
