/** Makes the kernel equal to a pod link plan, and undoes it. */
import { isErrno } from '../kernel/ffi.ts';
import type { Netns } from '../kernel/netns.ts';
import type { Link, Rtnl, RtnlChanges } from '../kernel/rtnl/rtnl.ts';
import { PodnetError } from '../model/errors.ts';
import { bits, parseIp } from '../model/ip.ts';
import { BRIDGE, type BridgePlan } from './bridge-link-plan.ts';
import {
  type LinkEnd,
  POD_LINK_GROUP,
  POD_ROUTE_PROTOCOL,
  type PodLinkPlan,
  TRASH_LINK_GROUP,
  readAlias,
} from './pod-link-plan.ts';

export interface PodLinkDoors {
  /** The node's namespace. */
  readonly host: Rtnl;
  /** Opens another namespace. */
  readonly open: (options: { netns: Netns }) => Rtnl;
  /** Sets a kernel parameter, in the node's namespace unless told. */
  readonly setSysctl: (name: string, value: string, netns?: Netns) => void;
}

/** Where the pod's end goes. */
export interface PodNamespace {
  readonly netns: Netns;
  /** A door to it, if one is open already. It stays open. */
  readonly rtnl?: Rtnl;
}

/**
 * Brings the link up, with its far end made at once inside the pod's namespace. Doing it again repairs what is
 * missing. Takes about a millisecond. The alias of the node's end comes last: a link without one was never finished.
 */
export function applyPodLink(
  plan: PodLinkPlan,
  { netns, rtnl }: PodNamespace,
  { host, open, setSysctl }: PodLinkDoors,
): void {
  const pod = rtnl ?? open({ netns });
  try {
    const bridge = plan.host.port && bridgeLink(plan.host.port.bridge, host);
    const ends = existingPair(plan, host, pod) ?? createPair(plan, { netns, host, pod, bridge });
    for (const [name, value] of plan.pod.sysctls) setSysctl(name, value, netns);
    pod.batch((to) => {
      to.setLink('lo', { up: true });
      configureEnd(to, ends.pod.index, plan.pod);
    }, withoutIpv6);
    for (const [name, value] of plan.host.sysctls) setSysctl(name, value);
    host.batch((to) => {
      const { index } = ends.host;
      if (plan.host.port && bridge) {
        const { hairpin, isolated } = plan.host.port;
        if (ends.host.master !== bridge.index) to.setLink(index, { master: bridge.index });
        to.setLink(index, { bridgePort: { hairpin, isolated } });
      }
      configureEnd(to, index, plan.host, bridge?.index);
      to.setLink(index, { alias: plan.host.alias });
    }, withoutIpv6);
    waitForCarrier(host, ends.host.index);
    waitForCarrier(pod, ends.pod.index);
  } finally {
    if (pod !== rtnl) pod.close();
  }
}

/**
 * The kernel notices a carrier in a work of its own, and until then the link drops what it is given and a bridge does
 * not use its port. Asking for the link makes it notice (Linux 6.9 and later; before, it takes some microseconds).
 */
function waitForCarrier(rtnl: Rtnl, link: number): void {
  for (let tries = 0; tries < 50 && rtnl.link(link)?.operState !== 'up'; tries += 1);
}

/** Makes the node's bridge, or repairs it; what is right already costs one question. */
export function applyBridge(plan: BridgePlan, { host, setSysctl }: Omit<PodLinkDoors, 'open'>): void {
  const { interface: name, mac, mtuBytes } = plan;
  for (const [key, value] of plan.sysctlsIfPresent) setIfPresent(key, value, setSysctl);
  const known = host.link(name);
  if (known?.up && known.kind === 'bridge' && known.mtuBytes === mtuBytes && known.mac === mac) return;
  // Without snooping the bridge needs no querier to know who waits for neighbour solicitations.
  if (!known) host.addLink({ kind: 'bridge', name, mac, mtuBytes, multicastSnooping: false });
  const link = bridgeLink(name, host);
  for (const [key, value] of plan.sysctls) setSysctl(key, value);
  host.batch((to) => {
    to.setLink(link.index, { mac, mtuBytes });
    configureEnd(to, link.index, { ...plan, routes: [], neighbours: [] });
  }, withoutIpv6);
}

function setIfPresent(key: string, value: string, setSysctl: PodLinkDoors['setSysctl']): void {
  try {
    setSysctl(key, value);
  } catch (error) {
    if (!(error instanceof PodnetError && error.code === 'sysctl-missing')) throw error;
  }
}

function bridgeLink(name: string, host: Rtnl): Link {
  const link = host.link(name);
  if (link?.kind === 'bridge') return link;
  throw new PodnetError(link ? `${name} is no bridge` : `The node has no bridge ${name}`, {
    code: 'no-bridge',
    where: `interface ${name}`,
    fix: link
      ? `Rename or delete it: podnet makes its own bridge ${name}.`
      : 'It is made again with the next pod.',
  });
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

interface NewPair {
  readonly netns: Netns;
  readonly host: Rtnl;
  readonly pod: Rtnl;
  readonly bridge: Link | undefined;
}

function createPair(plan: PodLinkPlan, { netns, host, pod, bridge }: NewPair): Pair {
  const { mtuBytes } = plan;
  try {
    host.addLink({
      kind: 'veth',
      name: plan.host.interface,
      ...(plan.host.mac !== undefined && { mac: plan.host.mac }),
      mtuBytes,
      group: POD_LINK_GROUP,
      ...(bridge && { master: bridge.index }),
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

/**
 * Addresses before routes before neighbours, and IPv6's own address decided before the link comes up. `via` is the
 * device of routes and neighbours.
 */
function configureEnd(to: RtnlChanges, link: number, end: LinkEnd, via = link): void {
  if (!end.linkLocal) to.setLink(link, { ipv6AddressGeneration: 'none' });
  to.setLink(link, { up: true });
  for (const address of end.addresses) to.addAddress({ link, ...address });
  for (const route of end.routes) to.replaceRoute({ link: via, ...route });
  for (const neighbour of end.neighbours) to.replaceNeighbour({ link: via, ...neighbour });
}

/**
 * Takes the link out of service at once, its routes and neighbours with it, and leaves the slow part, the deletion,
 * to `host.deleteLinkGroup(TRASH_LINK_GROUP)`. No link is no error. `addresses` are those the pod is known to have,
 * if its link was never finished.
 */
export function discardPodLink(hostInterface: string, host: Rtnl, addresses: readonly string[] = []): void {
  const link = host.link(hostInterface);
  if (link) ignoreMissing(() => host.setLink(link.index, { up: false, group: TRASH_LINK_GROUP }));
  // A port takes its own routes with it, but not those of its bridge.
  const own = readAlias(link?.alias)?.addresses ?? addresses;
  const bridge = link ? link.master : own.length > 0 ? host.link(BRIDGE)?.index : undefined;
  if (bridge !== undefined) for (const address of own) forgetPod(host, bridge, address);
}

/** Removes the way to a pod over the bridge. */
export function forgetPod(host: Rtnl, bridge: number, address: string): void {
  const dst = `${address}/${bits(parseIp(address).family)}`;
  host.batch(
    (to) => {
      to.deleteRoute({ dst, link: bridge, protocol: POD_ROUTE_PROTOCOL });
      to.deleteNeighbour({ link: bridge, address });
    },
    { tolerate: (error) => isErrno(error, 'ESRCH', 'ENOENT', 'ENODEV', 'EAFNOSUPPORT') },
  );
}

function ignoreMissing(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!isErrno(error, 'ENODEV')) throw error;
  }
}
