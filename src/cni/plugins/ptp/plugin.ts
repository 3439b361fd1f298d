/** ptp: connects containers to the node by a link of their own each, which the node routes to. */
import type { Rtnl } from '../../../kernel/rtnl/rtnl.ts';
import { checkContainer, checkHostEnd, notAsAdded } from '../../attachment/check.ts';
import { applyContainerEnd } from '../../attachment/container-end.ts';
import { type ContainerDoors, type Doors, withDoors } from '../../attachment/doors.ts';
import { identityOf } from '../../attachment/host-interface.ts';
import { passToIpam, resultDns, withAddresses } from '../../attachment/ipam.ts';
import { masqueradeElements, masqueradeLayout } from '../../attachment/masquerade.ts';
import { findTableDamage, holdElements } from '../../attachment/network-table.ts';
import { collectAttachments, deleteAttachment, tryRemoveAttachment } from '../../attachment/remove.ts';
import { enableForwarding, skipDuplicateDetection } from '../../attachment/sysctls.ts';
import { type Veth, createVeth, interfaceOf, requireFreeName } from '../../attachment/veth.ts';
import type { TableLayout } from '../../attachment/owned-table.ts';
import { ownerOf } from '../../attachment/owner.ts';
import { type PluginRequest, type PluginResult, definePlugin } from '../../spec/plugin.ts';
import { type PtpConfig, parsePtpConfig } from './config.ts';
import { type PtpPlan, ptpPlan } from './plan.ts';

export const plugin = definePlugin<PtpConfig>({
  type: 'ptp',
  parse: parsePtpConfig,
  add,
  del: async (request) => deleteAttachment(request, tablesInUse(request.config)),
  check,
  gc: async (request) => collectAttachments(request, [masqueradeLayout(request.config.network)]),
  status: passToIpam,
});

type Request = PluginRequest<PtpConfig>;

function tablesInUse({ network, ipMasq }: PtpConfig): readonly TableLayout[] {
  return ipMasq ? [masqueradeLayout(network)] : [];
}

async function add(request: Request): Promise<PluginResult> {
  const { config, containerId, ifName, netns, network } = request;
  return withDoors(async (doors) => {
    const container = doors.container(netns);
    requireFreeName(ifName, container, doors.node);
    return withAddresses(request, async (ipam) => {
      const plan = ptpPlan({ config, ipam, containerId, ifName });
      try {
        const veth = await apply(plan, { request, doors, container });
        const dns = resultDns(network, ipam.dns);
        return {
          interfaces: [interfaceOf(veth.host), { ...interfaceOf(veth.container), sandbox: netns }],
          ips: plan.ips,
          ...(plan.routes.length > 0 && { routes: plan.routes }),
          ...(dns && { dns }),
        };
      } catch (error) {
        tryRemoveAttachment(request, doors, tablesInUse(config));
        throw error;
      }
    });
  });
}

interface Applying {
  readonly request: Request;
  readonly doors: Doors;
  readonly container: ContainerDoors;
}

async function apply(plan: PtpPlan, { request, doors, container }: Applying): Promise<Veth> {
  const { node } = doors;
  const { host, mtuBytes } = plan;
  const veth = createVeth(
    { name: host.name, unfinishedGroup: host.unfinishedGroup, ifName: plan.container.ifName, mtuBytes },
    container,
    node,
  );
  if (plan.masquerade.length > 0) {
    const { name } = request.network;
    const owner = ownerOf(identityOf(request));
    const wanted = masqueradeElements(name, plan.masquerade);
    holdElements(doors.nftables, masqueradeLayout(name, plan.masquerade), { owner, wanted });
  }
  for (const family of host.families) enableForwarding(family);
  skipDuplicateDetection(host.name);
  applyHostEnd(host, veth.host.index, node);
  await applyContainerEnd(plan.container, { ...container, link: veth.container.index });
  return veth;
}

function applyHostEnd({ alias, addresses, routes }: PtpPlan['host'], link: number, node: Rtnl): void {
  node.batch((to) => {
    to.setLink(link, { alias, group: 0, up: true });
    for (const address of addresses) to.addAddress({ link, ...address });
    for (const route of routes) to.replaceRoute({ link, ...route });
  });
}

async function check(request: Request): Promise<void> {
  const { config, prevResult, containerId, ifName, netns } = request;
  await passToIpam(request);
  if (!prevResult) return;
  await withDoors((doors) => {
    const { node } = doors;
    const container = checkContainer(prevResult, ifName, doors.container(netns));
    const peer = container.peerIndex === undefined ? undefined : node.link(container.peerIndex);
    const host = checkHostEnd(container, peer);
    const ipam = { ips: (prevResult.ips ?? []).filter(({ gateway }) => gateway), routes: [] };
    const plan = ptpPlan({ config, ipam, containerId, ifName });
    const routes = node.routes();
    const lost = plan.host.routes.find(
      ({ dst }) => !routes.some((route) => route.dst === dst && route.link === host.index),
    );
    if (lost) throw notAsAdded(`The node has no route to ${lost.dst} by ${host.name}`);
    if (plan.masquerade.length === 0) return;
    const owner = ownerOf(identityOf(request));
    const wanted = masqueradeElements(config.network, plan.masquerade);
    const layout = masqueradeLayout(config.network, plan.masquerade);
    const damage = findTableDamage(doors.nftables, layout, { owner, wanted });
    if (damage !== undefined) throw notAsAdded(damage);
  });
}
