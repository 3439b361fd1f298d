/** Makes the kernel equal to a pod link plan, and undoes it. */
import { isErrno } from '../kernel/ffi.ts';
import type { Netns } from '../kernel/netns.ts';
import type { Link, Rtnl, RtnlChanges } from '../kernel/rtnl/rtnl.ts';
import { PodnetError } from '../model/errors.ts';
import { type LinkEnd, POD_LINK_GROUP, type PodLinkPlan, TRASH_LINK_GROUP } from './pod-link-plan.ts';

export interface PodLinkDoors {
  /** The node's namespace. */
  readonly host: Rtnl;
  /** Opens another namespace. */
  readonly open: (options: { netns: Netns }) => Rtnl;
  /** Sets a kernel parameter in the node's namespace. */
  readonly setSysctl: (name: string, value: string) => void;
}

/**
 * Brings the link up, with its far end made at once inside the pod's namespace. Doing it again repairs what is
 * missing. Takes about a millisecond.
 */
export function applyPodLink(plan: PodLinkPlan, netns: Netns, { host, open, setSysctl }: PodLinkDoors): void {
  const pod = open({ netns });
  try {
    const ends = existingPair(plan, host, pod) ?? createPair(plan, netns, host, pod);
    pod.batch((to) => {
      to.setLink('lo', { up: true });
      configureEnd(to, ends.pod.index, plan.pod);
    }, withoutIpv6);
    for (const [name, value] of plan.host.sysctls) setSysctl(name, value);
    host.batch((to) => configureEnd(to, ends.host.index, plan.host), withoutIpv6);
  } finally {
    pod.close();
  }
}

/** A kernel without IPv6 refuses to be told how to make an IPv6 address, and makes none. */
const withoutIpv6 = { tolerate: (error: Error) => isErrno(error, 'EAFNOSUPPORT') };

interface Pair {
  readonly host: Link;
  readonly pod: Link;
}

/** The pair of an earlier ADD for the same sandbox; a leftover of another one is removed. */
function existingPair(plan: PodLinkPlan, host: Rtnl, pod: Rtnl): Pair | undefined {
  const hostLink = host.link(plan.host.interface);
  if (!hostLink) return undefined;
  const podLink = pod.link(plan.pod.interface);
  if (
    hostLink.group === POD_LINK_GROUP &&
    podLink?.mac === plan.pod.mac &&
    podLink.peerIndex === hostLink.index &&
    hostLink.peerIndex === podLink.index
  ) {
    return { host: hostLink, pod: podLink };
  }
  ignoreMissing(() => host.deleteLink(hostLink.index));
  return undefined;
}

function createPair(plan: PodLinkPlan, netns: Netns, host: Rtnl, pod: Rtnl): Pair {
  const { mtuBytes } = plan;
  try {
    host.addLink({
      kind: 'veth',
      name: plan.host.interface,
      mac: plan.host.mac,
      mtuBytes,
      group: POD_LINK_GROUP,
      peer: { name: plan.pod.interface, mac: plan.pod.mac, mtuBytes, netns },
    });
  } catch (error) {
    if (!isErrno(error, 'EEXIST')) throw error;
    throw new PodnetError(`The pod's network namespace already has an interface ${plan.pod.interface}`, {
      code: 'pod-interface-exists',
      where: `net:[${netns.inode}]`,
      fix: 'Remove it, or start the sandbox in a new network namespace.',
      cause: error,
    });
  }
  const ends = { host: host.link(plan.host.interface), pod: pod.link(plan.pod.interface) };
  if (!ends.host || !ends.pod) {
    throw new PodnetError(`Interface ${plan.host.interface} vanished while it was set up`, {
      code: 'pod-link-vanished',
      where: `net:[${netns.inode}]`,
      fix: 'Look for another program that manages the interfaces of this node (its name begins with pod).',
    });
  }
  return { host: ends.host, pod: ends.pod };
}

/** Addresses before routes before neighbours, and IPv6's own address decided before the link comes up. */
function configureEnd(to: RtnlChanges, link: number, end: LinkEnd): void {
  if (!end.linkLocal) to.setLink(link, { ipv6AddressGeneration: 'none' });
  to.setLink(link, { up: true });
  for (const address of end.addresses) to.addAddress({ link, ...address });
  for (const route of end.routes) to.replaceRoute({ link, ...route });
  for (const neighbour of end.neighbours) to.replaceNeighbour({ link, ...neighbour });
}

/**
 * Takes the link out of service at once, its route and neighbours with it, and leaves the slow part, the deletion,
 * to `host.deleteLinkGroup(TRASH_LINK_GROUP)`. No link is no error.
 */
export function discardPodLink(hostInterface: string, host: Rtnl): void {
  ignoreMissing(() => host.setLink(hostInterface, { up: false, group: TRASH_LINK_GROUP }));
}

function ignoreMissing(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!isErrno(error, 'ENODEV')) throw error;
  }
}
