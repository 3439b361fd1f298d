/** Makes the kernel's host ports equal to what attachments want. */
import type { Conntrack } from '../../../kernel/conntrack/conntrack.ts';
import { IP_PROTOCOL } from '../../../kernel/conntrack/conntrack-entry.ts';
import type { Nftables } from '../../../kernel/nftables/nftables.ts';
import type { Rtnl } from '../../../kernel/rtnl/rtnl.ts';
import { PodnetError } from '../../../model/errors.ts';
import type { Attachment } from '../../spec/config.ts';
import { type OwnerIdentity, isGarbage, ownerOf } from '../../attachment/owner.ts';
import {
  type Holdings,
  changeTable,
  findDamage,
  holdingText,
  keyOf,
  layoutCommands,
  ownedHoldings,
  ownerCommands,
  readHoldings,
  removals,
} from '../../attachment/owned-table.ts';
import {
  type HeldMapping,
  type PortmapAttachment,
  heldMappings,
  portmapPlan,
  refuseTakenPorts,
} from './mappings.ts';
import { portmapLayout } from './table.ts';

/** Doors to the node's namespace. */
export interface PortmapDoors {
  readonly nftables: Nftables;
  readonly rtnl: Pick<Rtnl, 'routeTo' | 'link' | 'addresses'>;
  /** Opened only when UDP flows must be forgotten. */
  readonly openConntrack: () => Conntrack;
  /** Kernel parameters of the node's namespace. */
  readonly readSysctl: (name: string) => string | undefined;
  readonly writeSysctl: (name: string, value: string) => void;
}

const NOTHING: Holdings = { elements: [], rules: [] };

/**
 * Opens the attachment's host ports, and closes those it has no more. Asked again it repairs what is missing.
 *
 * @throws PodnetError when another container has one of them
 */
export function applyPortMappings(attachment: PortmapAttachment, doors: PortmapDoors): void {
  const { nftables } = doors;
  const owner = ownerOf(attachment);
  const wanted = portmapPlan(attachment);
  changeTable(nftables, () => {
    const holdings = readHoldings(nftables, portmapLayout) ?? NOTHING;
    refuseTakenPorts(owner, wanted, holdings);
    return [
      ...(findDamage(nftables, portmapLayout) === undefined ? [] : layoutCommands(portmapLayout)),
      ...ownerCommands(owner, holdings, wanted),
    ];
  });
  if (attachment.masquerading !== 'none') letLoopbackIn(wanted, doors);
  const mappings = heldMappings(wanted);
  forgetFlows(mappings, doors, (entry, mapping) => entry.reply.source !== mapping.address);
}

/** Closes the attachment's host ports. Nothing happens when it has none. */
export function removePortMappings(identity: OwnerIdentity, doors: PortmapDoors): void {
  const owner = ownerOf(identity);
  removeOwned((comment) => comment === owner, doors);
}

/** Closes the host ports of the network's attachments that are not in the list. */
export function collectPortMappings(
  network: string,
  valid: readonly Attachment[],
  doors: PortmapDoors,
): void {
  removeOwned(isGarbage(network, valid), doors);
}

function removeOwned(isOwned: (owner: string) => boolean, doors: PortmapDoors): void {
  let owned = NOTHING;
  changeTable(doors.nftables, () => {
    owned = ownedHoldings(readHoldings(doors.nftables, portmapLayout) ?? NOTHING, isOwned);
    return removals(owned);
  });
  forgetFlows(heldMappings(owned), doors, (entry, mapping) => entry.reply.source === mapping.address);
}

/** @throws PodnetError naming what is not as `applyPortMappings` left it */
export function checkPortMappings(attachment: PortmapAttachment, doors: PortmapDoors): void {
  const { nftables } = doors;
  const owner = ownerOf(attachment);
  const wanted = portmapPlan(attachment);
  if (wanted.elements.length + wanted.rules.length === 0) return;
  const damage = findDamage(nftables, portmapLayout);
  if (damage !== undefined) throw notAsLeft(`${damage} is missing or was changed`);
  const holdings = readHoldings(nftables, portmapLayout) ?? NOTHING;
  const held = new Set(holdings.elements.map(holdingText));
  const lost = wanted.elements.find((each) => !held.has(holdingText(each)));
  if (lost) throw notAsLeft(`${keyOf(lost)} of this container is missing`);
  const rules = holdings.rules.filter(({ comment }) => comment === owner).length;
  if (rules !== wanted.rules.length) {
    throw notAsLeft(
      `${wanted.rules.length - rules} of ${wanted.rules.length} rules with conditions are missing`,
    );
  }
}

function notAsLeft(what: string): PodnetError {
  return new PodnetError(`Host ports are not open: ${what}`, {
    code: 'host-port-missing',
    where: `nftables table inet ${portmapLayout.table.name}`,
    fix: 'Add the container to the network again; find out who changes the table.',
  });
}

/**
 * Lets connections of the node from 127.0.0.1 leave by the links that lead to the containers, where the kernel would
 * drop them as martians. The table's chain `loopback` keeps everybody else from using it.
 */
function letLoopbackIn(wanted: ReturnType<typeof portmapPlan>, doors: PortmapDoors): void {
  const addresses = heldMappings(wanted).flatMap(({ family, address, hostAddress }) =>
    family === 4 && (hostAddress === undefined || hostAddress.startsWith('127.')) ? [address] : [],
  );
  for (const address of new Set(addresses)) {
    const index = doors.rtnl.routeTo(address)?.link;
    const link = index === undefined ? undefined : doors.rtnl.link(index);
    if (!link || link.loopback) continue;
    const name = `net/ipv4/conf/${link.name}/route_localnet`;
    if (doors.readSysctl(name) !== '1') doors.writeSysctl(name, '1');
  }
}

type Flow = ReturnType<Conntrack['list']>[number];

/**
 * Forgets UDP flows to the host ports: the kernel decides where a flow goes at its first packet, and senders that go
 * on sending would never reach a new container, or never stop reaching the address of an old one.
 */
function forgetFlows(
  mappings: readonly HeldMapping[],
  { openConntrack, rtnl }: PortmapDoors,
  isStale: (flow: Flow, mapping: HeldMapping) => boolean,
): void {
  const udp = mappings.filter(({ protocol }) => protocol === 'udp');
  if (udp.length === 0) return;
  const own = new Set(rtnl.addresses().map(({ address }) => address));
  const isOwn = (address: string): boolean => own.has(address) || address.startsWith('127.');
  const byPort = Map.groupBy(udp, ({ family, hostPort }) => `${family} ${hostPort}`);
  const conntrack = openConntrack();
  try {
    const stale = conntrack.list({ protocol: IP_PROTOCOL.udp }).filter((flow) => {
      const { destination, destinationPort } = flow.original;
      return byPort
        .get(`${flow.family} ${destinationPort}`)
        ?.some(
          (mapping) =>
            (mapping.hostAddress === undefined ? isOwn(destination) : mapping.hostAddress === destination) &&
            isStale(flow, mapping),
        );
    });
    if (stale.length > 0) conntrack.delete(stale);
  } finally {
    conntrack.close();
  }
}
