/** bridge: connects containers to a bridge of the node. */
import type { Link } from '../../../kernel/rtnl/rtnl.ts';
import { checkContainer, checkHostEnd, notAsAdded } from '../../attachment/check.ts';
import { type Doors, withDoors } from '../../attachment/doors.ts';
import { identityOf } from '../../attachment/host-interface.ts';
import { passToIpam, resultDns, withAddresses } from '../../attachment/ipam.ts';
import { masqueradeElements, masqueradeLayout } from '../../attachment/masquerade.ts';
import { findTableDamage, holdElements } from '../../attachment/network-table.ts';
import { collectAttachments, deleteAttachment, tryRemoveAttachment } from '../../attachment/remove.ts';
import { interfaceOf, requireFreeName } from '../../attachment/veth.ts';
import type { TableLayout } from '../../attachment/owned-table.ts';
import { ownerOf } from '../../attachment/owner.ts';
import type { CniResult } from '../../spec/result.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import { type PluginRequest, type PluginResult, definePlugin } from '../../spec/plugin.ts';
import { applyBridge, applyGateway, applyInterfaces, applyPort } from './apply.ts';
import { type BridgeConfig, macOfArgs, parseBridgeConfig } from './config.ts';
import { macSpoofingElements, macSpoofingLayout } from './mac-spoofing.ts';
import { type BridgePlan, bridgePlan } from './plan.ts';

export const plugin = definePlugin<BridgeConfig>({
  type: 'bridge',
  parse: parseBridgeConfig,
  add,
  del: async (request) => deleteAttachment(request, tablesInUse(request.config)),
  check,
  gc: async (request) => collectAttachments(request, tables(request.config)),
  status,
});

type Request = PluginRequest<BridgeConfig>;

/** The tables of the network. */
function tables({ network }: BridgeConfig): readonly TableLayout[] {
  return [macSpoofingLayout(network), masqueradeLayout(network)];
}

/** Those that the configuration asks for. */
function tablesInUse({ network, checkMac, ipMasq }: BridgeConfig): readonly TableLayout[] {
  return [...(checkMac ? [macSpoofingLayout(network)] : []), ...(ipMasq ? [masqueradeLayout(network)] : [])];
}

async function add(request: Request): Promise<PluginResult> {
  const { config, containerId, ifName, args, netns, network } = request;
  const mac = macOfArgs(args);
  return withDoors(async (doors) => {
    requireFreeName(ifName, doors.container(netns), doors.node);
    return withAddresses(request, async (ipam) => {
      const plan = bridgePlan({ config, ipam, containerId, ifName, mac });
      try {
        const interfaces = await apply(plan, request, doors);
        const dns = resultDns(network, ipam.dns);
        const { ips, routes } = plan;
        return {
          interfaces,
          ...(ips.length > 0 && { ips }),
          ...(routes.length > 0 && { routes }),
          ...(dns && { dns }),
        };
      } catch (error) {
        tryRemoveAttachment(request, doors, tablesInUse(config));
        throw error;
      }
    });
  });
}

async function apply(
  plan: BridgePlan,
  request: Request,
  doors: Doors,
): Promise<NonNullable<CniResult['interfaces']>> {
  const { netns, network } = request;
  const { node } = doors;
  const container = doors.container(netns);
  const bridge = applyBridge(plan.bridge, node);
  applyGateway(plan.gateway, bridge, node);
  const veth = applyPort(plan, bridge, { node, container });
  const owner = ownerOf(identityOf(request));
  if (plan.checkMac) {
    const wanted = macSpoofingElements(network.name, plan.port.name, veth.container.mac ?? '');
    holdElements(doors.nftables, macSpoofingLayout(network.name), { owner, wanted });
  }
  if (plan.masquerade.length > 0) {
    const wanted = masqueradeElements(network.name, plan.masquerade);
    holdElements(doors.nftables, masqueradeLayout(network.name, plan.masquerade), { owner, wanted });
  }
  await applyInterfaces(plan, veth, { node, container });
  return [interfaceOf(bridge), interfaceOf(veth.host), { ...interfaceOf(veth.container), sandbox: netns }];
}

async function check(request: Request): Promise<void> {
  const { config, prevResult, containerId, ifName, netns } = request;
  await passToIpam(request);
  if (!prevResult) return;
  await withDoors((doors) => {
    const { node } = doors;
    const bridge = node.link(config.bridge);
    if (bridge?.kind !== 'bridge') throw notAsAdded(`The node has no bridge ${config.bridge}`);
    const container = checkContainer(prevResult, ifName, doors.container(netns));
    const host = checkHostEnd(
      container,
      container.peerIndex === undefined ? undefined : node.link(container.peerIndex),
    );
    if (host.master !== bridge.index) throw notAsAdded(`${host.name} is no port of ${config.bridge}`);
    const ipam = { ips: prevResult.ips ?? [], routes: [] };
    const plan = bridgePlan({ config, ipam, containerId, ifName });
    checkPort(plan, host);
    checkVlans(plan, doors.node.bridgeVlans({ link: host.index }), host);
    checkGateway(plan, doors);
    checkTables(plan, { request, doors, host, mac: container.mac ?? '' });
  });
}

function checkPort({ port }: BridgePlan, host: Link): void {
  const { hairpin = false, isolated = false } = host.bridgePort ?? {};
  if (hairpin !== port.hairpin) throw notAsAdded(`hairpin of ${host.name} is ${hairpin}`);
  if (isolated !== port.isolated) throw notAsAdded(`isolation of ${host.name} is ${isolated}`);
}

function checkVlans(
  { port }: BridgePlan,
  present: ReturnType<Doors['node']['bridgeVlans']>,
  host: Link,
): void {
  for (const { first, last = first, pvid = false } of port.vlans) {
    const found = present.some((each) => each.first <= first && last <= each.last && (!pvid || each.pvid));
    if (!found)
      throw notAsAdded(`${host.name} is not in VLAN ${first === last ? first : `${first}-${last}`}`);
  }
}

function checkGateway({ gateway }: BridgePlan, { node }: Doors): void {
  if (gateway.addresses.length === 0) return;
  const link = node.link(gateway.interface);
  if (!link) throw notAsAdded(`The node has no interface ${gateway.interface}`);
  const present = node.addresses({ link: link.index });
  for (const { address, prefixLength } of gateway.addresses) {
    if (!present.some((each) => each.address === address && each.prefixLength === prefixLength))
      throw notAsAdded(`${gateway.interface} lacks the gateway's address ${address}/${prefixLength}`);
  }
}

interface Checked {
  readonly request: Request;
  readonly doors: Doors;
  readonly host: Link;
  readonly mac: string;
}

function checkTables(plan: BridgePlan, { request, doors, host, mac }: Checked): void {
  const { name } = request.network;
  const owner = ownerOf(identityOf(request));
  const damage =
    (plan.checkMac &&
      findTableDamage(doors.nftables, macSpoofingLayout(name), {
        owner,
        wanted: macSpoofingElements(name, host.name, mac),
      })) ||
    (plan.masquerade.length > 0 &&
      findTableDamage(doors.nftables, masqueradeLayout(name, plan.masquerade), {
        owner,
        wanted: masqueradeElements(name, plan.masquerade),
      }));
  if (damage) throw notAsAdded(damage);
}

async function status(request: Request): Promise<void> {
  await withDoors(({ node }) => {
    const found = node.link(request.config.bridge);
    if (!found || found.kind === 'bridge') return;
    throw new CniError(`Interface ${request.config.bridge} exists and is no bridge`, {
      code: cniErrorCodes.pluginNotAvailable,
    });
  });
  await passToIpam(request);
}
