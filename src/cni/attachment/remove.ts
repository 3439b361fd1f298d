/** DEL and GC of what a plugin that makes interfaces left on the node. */
import type { TableLayout } from './owned-table.ts';
import { isGarbage, ownerOf } from './owner.ts';
import type { PluginRequest } from '../spec/plugin.ts';
import type { Doors } from './doors.ts';
import { hostInterfaceName, identityOf, staleHostInterfaces } from './host-interface.ts';
import { passToIpam } from './ipam.ts';
import { discardLink } from './link-trash.ts';
import { releaseElements } from './network-table.ts';
import { removeVeth } from './veth.ts';
import { withDoors } from './doors.ts';

type Request = PluginRequest<unknown>;

/** Takes the container off the network at once. Nothing of it being there is no error. */
export function removeAttachment(request: Request, doors: Doors, tables: readonly TableLayout[]): void {
  const { ifName, netns, longLived: later } = request;
  const identity = identityOf(request);
  const name = hostInterfaceName(identity);
  removeVeth({ name, ifName }, doors.tryContainer(netns), { node: doors.node, later });
  const owner = ownerOf(identity);
  for (const layout of tables) releaseElements(doors.nftables, layout, (each) => each === owner);
}

/** After a failed ADD, whose error is the one to tell. The runtime's DEL tries again. */
export function tryRemoveAttachment(request: Request, doors: Doors, tables: readonly TableLayout[]): void {
  try {
    removeAttachment(request, doors, tables);
  } catch {
    // As said above.
  }
}

/** DEL: the addresses are free only when nothing leads to them any more. */
export async function deleteAttachment(request: Request, tables: readonly TableLayout[]): Promise<void> {
  await withDoors((doors) => removeAttachment(request, doors, tables));
  await passToIpam(request);
}

/** GC: removes interfaces and rules of attachments that are not valid any more. */
export async function collectAttachments(request: Request, tables: readonly TableLayout[]): Promise<void> {
  const { network, validAttachments: valid, longLived: later } = request;
  await withDoors((doors) => {
    for (const link of staleHostInterfaces(doors.node.links(), { network: network.name, valid }))
      discardLink(doors.node, link.index, { later });
    for (const layout of tables) releaseElements(doors.nftables, layout, isGarbage(network.name, valid));
  });
  await passToIpam(request);
}
