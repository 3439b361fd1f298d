/** The veth pair of an attachment. */
import { isErrno } from '../../kernel/ffi.ts';
import { type Netns, currentNetns } from '../../kernel/netns.ts';
import type { Link, LinkRef, Rtnl } from '../../kernel/rtnl/rtnl.ts';
import { CniError, cniErrorCodes } from '../spec/error.ts';
import type { CniInterface } from '../spec/result.ts';
import type { ContainerDoors } from './doors.ts';
import { discardLink, isDiscarded } from './link-trash.ts';

export interface VethPlan {
  /** The node's end. */
  readonly name: string;
  /** The node's end is in this link group until its alias is set: `unfinishedGroup`. */
  readonly unfinishedGroup: number;
  /** The container's. */
  readonly ifName: string;
  readonly mac?: string | undefined;
  readonly mtuBytes?: number | undefined;
  readonly master?: LinkRef;
}

export interface Veth {
  readonly host: Link;
  readonly container: Link;
}

const ALREADY_THERE = 111;

/**
 * @throws CniError when the container has an interface of that name, other than one that waits for its deletion, or
 *   when its namespace is the node's
 */
export function requireFreeName(ifName: string, container: ContainerDoors, node: Rtnl): void {
  requireOtherNetns(container.netns);
  const found = container.rtnl.link(ifName);
  if (!found) return;
  const peer = found.peerIndex === undefined ? undefined : node.link(found.peerIndex);
  if (peer && isDiscarded(peer) && peer.peerIndex === found.index) {
    discardLink(node, peer.index, { later: false });
    return;
  }
  throw new CniError(`The container has an interface ${ifName} already`, {
    code: ALREADY_THERE,
    details: 'DEL must come before another ADD.',
  });
}

/** The container's routes would become the node's. @throws CniError (invalid environment) */
function requireOtherNetns({ inode }: Netns): void {
  const node = currentNetns();
  node.close();
  if (node.inode !== inode) return;
  throw new CniError('CNI_NETNS: this is the network namespace of the node itself', {
    code: cniErrorCodes.invalidEnvironment,
    details: 'Give the path of the container’s. Containers on the node’s network need no plugin.',
  });
}

/** As a result says it; an interface of the container gets its `sandbox` besides. */
export function interfaceOf({ name, mac, mtuBytes }: Link): CniInterface {
  return { name, ...(mac && { mac }), mtu: mtuBytes };
}

/** Makes the pair, each end at once where it belongs. Both are down, and the node's has no owner yet. */
export function createVeth(plan: VethPlan, { netns, rtnl }: ContainerDoors, node: Rtnl): Veth {
  const { name, ifName, mac, mtuBytes, master, unfinishedGroup: group } = plan;
  const create = (): void =>
    node.addLink({
      kind: 'veth',
      name,
      group,
      ...(mtuBytes !== undefined && { mtuBytes }),
      ...(master !== undefined && { master }),
      peer: {
        name: ifName,
        netns,
        ...(mac !== undefined && { mac }),
        ...(mtuBytes !== undefined && { mtuBytes }),
      },
    });
  try {
    create();
  } catch (error) {
    // The name is this attachment's alone: what has it was left by one that was never finished, or waits for deletion.
    if (!isErrno(error, 'EEXIST') || !node.link(name)) throw error;
    discardLink(node, name, { later: false });
    create();
  }
  const ends = { host: node.link(name), container: rtnl.link(ifName) };
  if (ends.host && ends.container) return { host: ends.host, container: ends.container };
  throw new CniError(`Interface ${name} vanished while it was set up`, { code: ALREADY_THERE });
}

/**
 * Takes an attachment's interface out of service: by the node's end when it is podnet's, else by the container's, which
 * another implementation may have made.
 */
export function removeVeth(
  plan: Pick<VethPlan, 'name' | 'ifName'>,
  container: ContainerDoors | undefined,
  { node, later }: { readonly node: Rtnl; readonly later: boolean },
): void {
  const host = node.link(plan.name);
  const end = container?.rtnl.link(plan.ifName);
  if (host && !isDiscarded(host)) discardLink(node, host.index, { later });
  if (end?.kind !== 'veth' || !container) return;
  if (host && end.peerIndex === host.index) {
    // Its routes go now, the rest with the pair.
    if (later) ignoreMissing(() => container.rtnl.setLink(end.index, { up: false }));
    return;
  }
  ignoreMissing(() => container.rtnl.deleteLink(end.index));
}

function ignoreMissing(change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!isErrno(error, 'ENODEV')) throw error;
  }
}
