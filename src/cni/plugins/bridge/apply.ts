/** Makes the kernel equal to the plan of a bridge's attachment. */
import { createHash, randomBytes } from 'node:crypto';
import { isErrno } from '../../../kernel/ffi.ts';
import type { Address, Link, Rtnl } from '../../../kernel/rtnl/rtnl.ts';
import { cidrsOverlap, parseCidr } from '../../../model/ip.ts';
import { applyContainerEnd, familyOf } from '../../attachment/container-end.ts';
import type { ContainerDoors } from '../../attachment/doors.ts';
import { enableForwarding, setSysctl, skipDuplicateDetection } from '../../attachment/sysctls.ts';
import { type Veth, createVeth } from '../../attachment/veth.ts';
import { CniError } from '../../spec/error.ts';
import type { BridgePlan, GatewayAddress } from './plan.ts';

const CONFLICT = 113;

/** The bridge, made or found. @throws CniError when something else has its name or its kernel lacks VLANs */
export function applyBridge(plan: BridgePlan['bridge'], node: Rtnl): Link {
  const { name, mtuBytes, vlanFiltering, promiscuous } = plan;
  let found = node.link(name);
  if (!found) {
    needsVlans(vlanFiltering, () =>
      tolerate('EEXIST', () =>
        node.addLink({
          kind: 'bridge',
          name,
          // Chosen, for otherwise the kernel changes it whenever a port comes or goes.
          mac: randomMac(),
          ...(mtuBytes !== undefined && { mtuBytes }),
          ...(vlanFiltering && { vlanFiltering }),
        }),
      ),
    );
    setSysctl(`net/ipv6/conf/${name}/accept_ra`, '0');
    skipDuplicateDetection(name);
    found = node.link(name);
  }
  if (found?.kind !== 'bridge' || !found.bridge)
    throw new CniError(`Interface ${name} exists and is no bridge`, {
      code: CONFLICT,
      details: 'Choose another name for the key bridge, or remove the interface.',
    });
  if (vlanFiltering && !found.bridge.vlanFiltering)
    needsVlans(true, () => node.setLink(name, { bridge: { vlanFiltering } }));
  const promisc = promiscuous && !found.promiscuous;
  if (!found.up || promisc) node.setLink(name, { up: true, ...(promisc && { promiscuous }) });
  return found;
}

function needsVlans(wanted: boolean, change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!wanted || !isErrno(error, 'EOPNOTSUPP')) throw error;
    throw new CniError('This kernel has no VLANs in bridges', {
      code: CONFLICT,
      details: 'The keys vlan and vlanTrunk need CONFIG_BRIDGE_VLAN_FILTERING.',
      cause: error,
    });
  }
}

function randomMac(): string {
  const bytes = randomBytes(6);
  // Locally administered, not a group's.
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return bytes.toString('hex').replaceAll(/..(?!$)/g, '$&:');
}

/** Gives the gateway its addresses and lets the node forward. */
export function applyGateway(plan: BridgePlan['gateway'], bridge: Link, node: Rtnl): void {
  const { addresses, vlan, forceAddress } = plan;
  if (addresses.length === 0) return;
  const link = vlan === undefined ? bridge : vlanInterface(plan.interface, vlan, { bridge, node });
  for (const wanted of addresses) {
    const present = node.addresses({ link: link.index, family: familyOf(wanted.address) });
    if (present.some((each) => isSame(each, wanted))) continue;
    for (const other of present) {
      if (!isInTheWay(other, wanted)) continue;
      if (!forceAddress) throw conflict(plan.interface, other, wanted);
      node.deleteAddress(other);
    }
    node.addAddress({ link: link.index, ...wanted, noDad: true });
  }
  for (const family of new Set(addresses.map(({ address }) => familyOf(address)))) enableForwarding(family);
}

function isSame(a: GatewayAddress, b: GatewayAddress): boolean {
  return a.address === b.address && a.prefixLength === b.prefixLength;
}

/** A bridge has one IPv4 address, and IPv6 addresses of subnets that do not overlap. */
function isInTheWay(other: Address, wanted: GatewayAddress): boolean {
  if (other.family === 4) return true;
  if (other.scope !== 'universe') return false;
  const [a, b] = [other, wanted].map(({ address, prefixLength }) => parseCidr(`${address}/${prefixLength}`));
  return a !== undefined && b !== undefined && cidrsOverlap(a, b);
}

function conflict(name: string, other: Address, wanted: GatewayAddress): CniError {
  const text = ({ address, prefixLength }: GatewayAddress): string => `${address}/${prefixLength}`;
  return new CniError(`${name} has the address ${text(other)}, which is in the way of ${text(wanted)}`, {
    code: CONFLICT,
    details: 'forceAddress lets podnet replace it.',
  });
}

/** The node's own interface in a VLAN of the bridge: one end of a veth pair whose other end is a port of the VLAN. */
function vlanInterface(
  name: string,
  vlan: number,
  { bridge, node }: { readonly bridge: Link; readonly node: Rtnl },
): Link {
  const found = node.link(name);
  if (found) return found;
  const port = `veth${createHash('sha256').update(`gateway\0${name}`).digest('hex').slice(0, 11)}`;
  tolerate('EEXIST', () =>
    node.addLink({
      kind: 'veth',
      name: port,
      mtuBytes: bridge.mtuBytes,
      master: bridge.index,
      peer: { name, mtuBytes: bridge.mtuBytes },
    }),
  );
  skipDuplicateDetection(name);
  node.batch((to) => {
    to.addBridgeVlan({ link: port, first: vlan, pvid: true, untagged: true });
    to.setLink(port, { up: true, alias: `port of ${name}` });
    to.setLink(name, { up: true });
  });
  const made = node.link(name);
  if (made) return made;
  throw new CniError(`Interface ${name} vanished while it was set up`, { code: CONFLICT });
}

/** Whether there is more to limit the port than what one change of it does. */
function isLimited({ port, checkMac }: Pick<BridgePlan, 'port' | 'checkMac'>): boolean {
  return checkMac || port.leaveDefaultVlan || port.vlans.length > 0;
}

/** Makes the pair: everything that limits the port is in force before it is up. */
export function applyPort(
  plan: Pick<BridgePlan, 'port' | 'bridge' | 'container' | 'checkMac'>,
  bridge: Link,
  doors: { readonly node: Rtnl; readonly container: ContainerDoors },
): Veth {
  const { port, container } = plan;
  const veth = createVeth(
    {
      name: port.name,
      unfinishedGroup: port.unfinishedGroup,
      ifName: container.ifName,
      mac: container.mac,
      mtuBytes: plan.bridge.mtuBytes,
      master: bridge.index,
    },
    doors.container,
    doors.node,
  );
  const { index } = veth.host;
  doors.node.batch((to) => {
    const { hairpin, isolated } = port;
    to.setLink(index, {
      alias: port.alias,
      group: 0,
      ...((hairpin || isolated) && { bridgePort: { hairpin, isolated } }),
      ...(!isLimited(plan) && { up: true }),
    });
    if (port.leaveDefaultVlan) to.deleteBridgeVlan({ link: index, first: 1 });
    for (const vlan of port.vlans) to.addBridgeVlan({ link: index, ...vlan });
  });
  return veth;
}

/** Lets the packets flow. */
export async function applyInterfaces(
  plan: Pick<BridgePlan, 'container' | 'port' | 'checkMac'>,
  veth: Veth,
  doors: { readonly node: Rtnl; readonly container: ContainerDoors },
): Promise<void> {
  if (isLimited(plan)) doors.node.setLink(veth.host.index, { up: true });
  if (!plan.container.up) return;
  await applyContainerEnd(plan.container, { ...doors.container, link: veth.container.index });
}

function tolerate(code: string, change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!isErrno(error, code)) throw error;
  }
}
