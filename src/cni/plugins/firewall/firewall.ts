/** Lets the node forward what containers send and the answers to them, and keeps bridges apart on request. */
import type { Iptables } from '../../../kernel/iptables/iptables.ts';
import { type NftCommand, add } from '../../../kernel/nftables/commands.ts';
import type { Nftables } from '../../../kernel/nftables/nftables.ts';
import { type Element, chain, elements, table } from '../../../kernel/nftables/objects.ts';
import { type Ip, type IpFamily, formatIp, parseIp, tryParseCidr } from '../../../model/ip.ts';
import { PodnetError } from '../../../model/errors.ts';
import type { Attachment } from '../../spec/config.ts';
import { type OwnerIdentity, isGarbage, ownerOf, ownersNetwork } from '../../attachment/owner.ts';
import {
  type Holding,
  type Holdings,
  changeTable,
  fieldText,
  findDamage,
  holdingText,
  keyOf,
  layoutCommands,
  ownedHoldings,
  ownerCommands,
  readHoldings,
  removals,
} from '../../attachment/owned-table.ts';
import type { FirewallConfig } from './config.ts';
import { acceptInIptables, forgetInIptables, missingInIptables } from './iptables-forward.ts';
import { containerSets, firewallLayout, inside, isolated } from './table.ts';

/** Doors to the node's namespace. */
export interface FirewallDoors {
  readonly nftables: Nftables;
  /** Opened only where iptables is in use. */
  readonly openIptables: () => Iptables;
}

export interface FirewallAttachment extends OwnerIdentity, FirewallConfig {
  /** `ADDRESS/PREFIXLENGTH` */
  readonly addresses: readonly string[];
  /** The bridge the container is on, if it is on one. */
  readonly bridge: string | undefined;
}

function firstField({ key: [first = ''] }: Element): string {
  return fieldText(first);
}

const NOTHING: Holdings = { elements: [], rules: [] };
const families: readonly IpFamily[] = [4, 6];

function addressesOf({ addresses }: Pick<FirewallAttachment, 'addresses'>): Ip[] {
  return addresses.map((text) => {
    const parsed = tryParseCidr(text);
    if (!parsed) throw new RangeError(`${text} is no address with its prefix length`);
    return parsed.address;
  });
}

function containerElements(attachment: FirewallAttachment): Holding[] {
  const owner = ownerOf(attachment);
  return addressesOf(attachment).map((address) => ({
    set: containerSets[address.family],
    element: { key: [formatIp(address)], comment: owner },
  }));
}

/** The bridge belongs to the network, not to one container. */
function bridgeElements(attachment: FirewallAttachment): Holding[] {
  const { bridge, ingressPolicy, network } = attachment;
  if (ingressPolicy === 'open') return [];
  if (bridge === undefined) {
    throw new PodnetError(`The policy ${ingressPolicy} needs a bridge`, {
      code: 'no-bridge',
      where: 'firewall: ingressPolicy',
      fix: 'Put this plugin behind bridge, or leave ingressPolicy out.',
    });
  }
  const comment = ownersNetwork(network);
  return [
    { set: isolated, element: { key: [bridge], comment } },
    ...(ingressPolicy === 'same-bridge'
      ? [{ set: inside, element: { key: [bridge, bridge], comment } }]
      : []),
  ];
}

/** Asked again it repairs what is missing. @throws PodnetError for a policy without a bridge */
export function applyFirewall(attachment: FirewallAttachment, doors: FirewallDoors): void {
  const { nftables } = doors;
  const bridges = bridgeElements(attachment);
  const wanted = { elements: containerElements(attachment), rules: [] };
  changeTable(nftables, () => {
    const holdings = readHoldings(nftables, firewallLayout) ?? NOTHING;
    return [
      ...(findDamage(nftables, firewallLayout) === undefined ? [] : layoutCommands(firewallLayout)),
      ...ownerCommands(ownerOf(attachment), holdings, wanted),
      ...bridgeCommands(attachment, bridges, holdings),
    ];
  });
  const { adminChain } = attachment;
  inIptables(addressesOf(attachment), doors, (iptables, family, addresses) =>
    acceptInIptables(iptables, family, { addresses, adminChain }),
  );
}

/** Takes the bridge from whatever policy it had to the wanted one. */
function bridgeCommands(
  { bridge }: FirewallAttachment,
  wanted: readonly Holding[],
  holdings: Holdings,
): NftCommand[] {
  if (bridge === undefined || wanted.length === 0) return [];
  const obsolete = holdings.elements.filter(
    ({ set, element }) =>
      set === inside && firstField(element) === bridge && !wanted.some((each) => each.set === inside),
  );
  const held = new Set(holdings.elements.map(keyOf));
  return [
    ...removals({ elements: obsolete, rules: [] }),
    ...wanted
      .filter((each) => !held.has(keyOf(each)))
      .map(({ set, element }) => add(elements(set, [element]))),
  ];
}

/** Nothing happens when there is nothing. */
export function removeFirewall(identity: OwnerIdentity, doors: FirewallDoors): void {
  const owner = ownerOf(identity);
  removeOwned((comment) => comment === owner, doors);
}

/** Removes what belongs to the network's attachments that are not in the list. */
export function collectFirewall(network: string, valid: readonly Attachment[], doors: FirewallDoors): void {
  const isStale = isGarbage(network, valid);
  // Without containers the network's bridges have nobody to isolate.
  const isEmpty = valid.length === 0;
  removeOwned((comment) => isStale(comment) || (isEmpty && comment === ownersNetwork(network)), doors);
}

function removeOwned(isOwned: (comment: string) => boolean, doors: FirewallDoors): void {
  const { nftables } = doors;
  const read = (): Holdings => ownedHoldings(readHoldings(nftables, firewallLayout) ?? NOTHING, isOwned);
  const addresses = read()
    .elements.filter(({ set }) => set === containerSets[4] || set === containerSets[6])
    .map(({ element }) => parseIp(firstField(element)));
  // Before the table forgets them.
  inIptables(addresses, doors, forgetInIptables);
  changeTable(nftables, () => removals(read()));
}

/** @throws PodnetError naming what is not as `applyFirewall` left it */
export function checkFirewall(attachment: FirewallAttachment, doors: FirewallDoors): void {
  const damage = findDamage(doors.nftables, firewallLayout);
  if (damage !== undefined) throw notAsLeft(`${damage} is missing or was changed`);
  const holdings = readHoldings(doors.nftables, firewallLayout) ?? NOTHING;
  const held = new Set(holdings.elements.map(holdingText));
  const lost = containerElements(attachment).find((each) => !held.has(holdingText(each)));
  if (lost) throw notAsLeft(`${lost.set.name} does not have ${firstField(lost.element)}`);
  const keys = new Set(holdings.elements.map(keyOf));
  const open = bridgeElements(attachment).find((each) => !keys.has(keyOf(each)));
  if (open) throw notAsLeft(`${open.set.name} does not have the bridge ${firstField(open.element)}`);
  inIptables(addressesOf(attachment), doors, (iptables, family, addresses) => {
    const missing = missingInIptables(iptables, family, addresses);
    if (missing !== undefined) throw notAsLeft(`iptables has no rule ${missing}`);
  });
}

function notAsLeft(what: string): PodnetError {
  return new PodnetError(`Forwarding is not as it should be: ${what}`, {
    code: 'firewall-missing',
    where: `nftables table inet ${firewallLayout.table.name}`,
    fix: 'Add the container to the network again; find out who changes the table.',
  });
}

/** Calls back for each family whose FORWARD iptables has the say over. */
function inIptables(
  addresses: readonly Ip[],
  { nftables, openIptables }: FirewallDoors,
  run: (iptables: Iptables, family: IpFamily, addresses: readonly Ip[]) => void,
): void {
  const used = families.filter(
    (family) => addresses.some((address) => address.family === family) && hasForward(nftables, family),
  );
  if (used.length === 0) return;
  const iptables = openIptables();
  try {
    for (const family of used) {
      run(
        iptables,
        family,
        addresses.filter((address) => address.family === family),
      );
    }
  } finally {
    iptables.close();
  }
}

/** Whether iptables (over nf_tables) has a chain FORWARD that does more than accept all. */
function hasForward(nftables: Nftables, family: IpFamily): boolean {
  const filter = table(family === 4 ? 'ip' : 'ip6', 'filter');
  if (!nftables.tables(filter.family).some(({ name }) => name === filter.name)) return false;
  const forward = nftables.chains(filter).find(({ name }) => name === 'FORWARD');
  if (!forward) return false;
  return forward.policy === 'drop' || nftables.rules(chain(filter, 'FORWARD')).length > 0;
}
