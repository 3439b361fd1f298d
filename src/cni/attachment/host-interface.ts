/** The node's end of an attachment: how it is named, and how it is found again when nothing else is known. */
import { createHash } from 'node:crypto';
import type { Link } from '../../kernel/rtnl/rtnl.ts';
import { type OwnerIdentity, isGarbage, ownerOf } from './owner.ts';
import type { Attachment } from '../spec/config.ts';

/** Whom a request is about. */
export function identityOf({
  network,
  containerId,
  ifName,
}: Attachment & { readonly network: { readonly name: string } }): OwnerIdentity {
  return { network: network.name, containerId, ifName };
}

/** `veth` and the start of the SHA-256 of network, container and interface: DEL needs to remember nothing. */
export function hostInterfaceName(identity: OwnerIdentity): string {
  const { network, containerId, ifName } = identity;
  const digest = createHash('sha256').update(`${network}\0${containerId}\0${ifName}`).digest('hex');
  return `veth${digest.slice(0, 11)}`;
}

/** The alias of the node's end, which `ip link` shows: network, container, interface. */
export function hostInterfaceAlias(identity: OwnerIdentity): string {
  return ownerOf(identity);
}

/**
 * The link group of node's ends until their alias says whose they are: an ADD that is killed between making the pair
 * and naming its owner leaves a link that GC knows by it. The kernel takes groups, not aliases, with a new link.
 */
export function unfinishedGroup(network: string): number {
  return 0x7000_0000 + (createHash('sha256').update(network).digest().readUInt32BE() >>> 8);
}

/**
 * The ends of attachments of the network that GC was not told to keep, and those of ADDs that were killed: runtimes let
 * no ADD run beside GC.
 */
export function staleHostInterfaces(
  links: readonly Link[],
  { network, valid }: { readonly network: string; readonly valid: readonly Attachment[] },
): readonly Link[] {
  const isStale = isGarbage(network, valid);
  const unfinished = unfinishedGroup(network);
  return links.filter(
    ({ kind, alias, name, group }) =>
      kind === 'veth' &&
      /^veth[0-9a-f]{11}$/.test(name) &&
      (alias === undefined ? group === unfinished : isStale(alias)),
  );
}
