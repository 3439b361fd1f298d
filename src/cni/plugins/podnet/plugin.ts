/**
 * podnet: the cluster's own plugin. In the agent it connects pods to the agent's network; alone, with podCIDR or ipam
 * in its configuration, it keeps a network by itself.
 */
import type { Rtnl } from '../../../kernel/rtnl/rtnl.ts';
import { PodnetError } from '../../../model/errors.ts';
import { checkContainer, checkHostEnd, notAsAdded } from '../../attachment/check.ts';
import { type ContainerDoors, withDoors } from '../../attachment/doors.ts';
import { type IpamAnswer, passToIpam, resultDns, withAddresses } from '../../attachment/ipam.ts';
import { POD_LINK_GROUP, type PodLinkPlan, hostInterfaceName, readAlias } from '../../pod-link-plan.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import { type Plugin, type PluginRequest, type PluginResult, definePlugin } from '../../spec/plugin.ts';
import type { CniInterface } from '../../spec/result.ts';
import { formatCidr, tryParseCidr } from '../../../model/ip.ts';
import { requireFreeName } from '../../attachment/veth.ts';
import { addChained, collectChained, runChained } from './chained.ts';
import { type PodnetConfig, parsePodnetConfig, withoutPrefix } from './config.ts';
import { type AgentNetwork, openLinks, withNetwork } from './network.ts';

type Request = PluginRequest<PodnetConfig>;

/** The plugin of a process without an agent. */
export const plugin = createPodnetPlugin();

export function createPodnetPlugin(agent?: AgentNetwork): Plugin {
  const open = ({ longLived }: Request): Parameters<typeof withNetwork>[1] => ({ agent, longLived });
  return definePlugin<PodnetConfig>({
    type: 'podnet',
    parse: parsePodnetConfig,
    add: async (request) => add(request, open(request)),
    del: async (request) => del(request, open(request)),
    check: async (request) => check(request, open(request)),
    gc: async (request) => gc(request, open(request)),
    status: async (request) => status(request, open(request)),
  });
}

type Opening = Parameters<typeof withNetwork>[1];

async function add(request: Request, opening: Opening): Promise<PluginResult> {
  const { ifName, netns, network } = request;
  return withDoors(async (all) => {
    const { node } = all;
    const doors = all.container(netns);
    requireFreeName(ifName, doors, node);
    return withAddresses(request, async (ipam) => {
      try {
        const plan = await spoken(() => connect(request, { opening, ipam, doors }));
        const dns = resultDns(network, ipam.dns);
        const result = { ...resultOf(plan, { netns, node }), ...(dns && { dns }) };
        await addChained(request, result);
        return result;
      } catch (error) {
        await del(request, opening).catch(() => undefined);
        throw error;
      }
    });
  });
}

interface Connecting {
  readonly opening: Opening;
  readonly ipam: IpamAnswer;
  readonly doors: ContainerDoors;
}

async function connect(request: Request, { opening, ipam, doors }: Connecting): Promise<PodLinkPlan> {
  const { config, containerId, ifName, args } = request;
  const { network, wanted, mac } = config;
  const namespace = args.get('K8S_POD_NAMESPACE') ?? '';
  const name = args.get('K8S_POD_NAME') ?? containerId;
  const assignedAddresses = ipam.ips.map(({ address }) => withoutPrefix(address));
  const common = { containerId, interfaceName: ifName, network, ...(mac !== undefined && { mac }) };
  if (assignedAddresses.length > 0 && !opening.agent) {
    const cidrs = ipam.ips.flatMap(({ address }) => tryParseCidr(address)?.network ?? []).map(formatCidr);
    const links = openLinks(config, cidrs);
    try {
      return links.connect({ ...common, pod: `${namespace}/${name}`, addresses: assignedAddresses }, doors);
    } finally {
      links.close();
    }
  }
  return withNetwork(config, opening, async (pods) => {
    const uid = args.get('K8S_POD_UID') ?? '';
    const sandbox = { ...common, namespace, name, uid, ...doors, requestedAddresses: wanted };
    const assigned = assignedAddresses.length > 0 ? { assignedAddresses } : {};
    return (await pods.add({ ...sandbox, ...assigned })).plan;
  });
}

function resultOf(
  { pod, host, mtuBytes: mtu }: PodLinkPlan,
  { netns, node }: { netns: string; node: Rtnl },
): Omit<PluginResult, 'dns'> {
  const ofNode = (name: string): CniInterface => {
    const mac = node.link(name)?.mac;
    return { name, ...(mac !== undefined && { mac }), mtu };
  };
  const interfaces = [
    ...(host.port ? [ofNode(host.port.bridge)] : []),
    ofNode(host.interface),
    { name: pod.interface, mac: pod.mac, mtu, sandbox: netns },
  ];
  const gateways = new Map(pod.routes.map(({ dst, gateway }) => [dst, gateway]));
  return {
    interfaces,
    ips: pod.addresses.map(({ address, prefixLength }) => {
      const gateway = gateways.get(defaultRoute(address));
      return {
        address: `${address}/${prefixLength}`,
        ...(gateway !== undefined && { gateway }),
        interface: interfaces.length - 1,
      };
    }),
    routes: pod.addresses.map(({ address }) => {
      const gw = gateways.get(defaultRoute(address));
      return { dst: defaultRoute(address), ...(gw !== undefined && { gw }) };
    }),
  };
}

function defaultRoute(address: string): string {
  return address.includes(':') ? '::/0' : '0.0.0.0/0';
}

async function disconnect(
  { config, containerId, ifName, longLived }: Request,
  opening: Opening,
): Promise<void> {
  const key = { containerId, interfaceName: ifName };
  let failure: unknown;
  if (config.podCidrs.length > 0 || opening.agent?.network()) {
    try {
      await withNetwork(config, opening, async (pods) => {
        await pods.del(key);
        if (!longLived) pods.collectNow();
      });
      return;
    } catch (error) {
      failure = error;
    }
  }
  // Without a network, or one whose addresses cannot be read, there is perhaps a link.
  const links = openLinks(config, []);
  try {
    links.disconnect(key);
    if (!longLived) links.collectNow();
  } finally {
    links.close();
  }
  if (failure !== undefined) throw failure;
}

/** The pod leaves the network whatever becomes of its ports; its addresses are free only when no link has them. */
async function del(request: Request, opening: Opening): Promise<void> {
  const [ports] = await Promise.allSettled([runChained(request, 'DEL')]);
  await spoken(async () => disconnect(request, opening));
  await passToIpam(request);
  if (ports.status === 'rejected') throw ports.reason;
}

async function check(request: Request, opening: Opening): Promise<void> {
  const { config, prevResult, containerId, ifName, netns } = request;
  await passToIpam(request);
  if (!prevResult) return;
  await withDoors((doors) => {
    const { node } = doors;
    const link = checkContainer(prevResult, ifName, doors.container(netns));
    const host = checkHostEnd(link, node.link(hostInterfaceName(containerId, ifName)));
    const owner = readAlias(host.alias);
    if (host.group !== POD_LINK_GROUP || owner?.containerId !== containerId)
      throw notAsAdded(`${host.name} says it belongs to ${owner?.containerId ?? 'nobody'}`);
    if (link.mtuBytes !== host.mtuBytes)
      throw notAsAdded(`${ifName} has an MTU of ${link.mtuBytes}, ${host.name} one of ${host.mtuBytes}`);
    const leading = new Set(node.routes().map((route) => `${route.dst} ${route.link}`));
    const device = host.master ?? host.index;
    const lost = owner.addresses.find(
      (one) => !leading.has(`${one}/${one.includes(':') ? 128 : 32} ${device}`),
    );
    if (lost !== undefined) throw notAsAdded(`The node has no route to ${lost}`);
  });
  if (config.ipam === undefined) {
    await withNetwork(config, opening, (pods) => {
      const own = pods
        .allocations()
        .some((one) => one.containerId === containerId && one.interfaceName === ifName);
      if (!own)
        throw notAsAdded(`No address of network ${config.network} is kept for container ${containerId}`);
    });
  }
  await runChained(request, 'CHECK', prevResult);
}

async function gc(request: Request, opening: Opening): Promise<void> {
  const { config, validAttachments, longLived } = request;
  const keys = validAttachments.map(({ containerId, ifName }) => ({ containerId, interfaceName: ifName }));
  await passToIpam(request);
  await collectChained(request);
  if (config.podCidrs.length === 0 && !opening.agent) return retainLinks(request, keys);
  await spoken(() =>
    withNetwork(config, opening, (pods) => {
      pods.retain(config.network, keys);
      if (!longLived) pods.collectNow();
    }),
  );
}

/** With another IPAM plugin the links are all there is. */
function retainLinks(
  { config, longLived }: Request,
  keys: readonly { containerId: string; interfaceName: string }[],
): void {
  const kept = new Set(
    keys.map(({ containerId, interfaceName }) => hostInterfaceName(containerId, interfaceName)),
  );
  const links = openLinks(config, []);
  try {
    for (const holder of links.holders()) {
      const name = hostInterfaceName(holder.containerId, holder.interfaceName);
      if (holder.network === config.network && !kept.has(name)) links.disconnect(holder);
    }
    // No ADD runs beside GC, so a link that does not say whose it is was left by one that was killed.
    links.sweep([]);
    if (!longLived) links.collectNow();
  } finally {
    links.close();
  }
}

async function status(request: Request, opening: Opening): Promise<void> {
  const { config } = request;
  await passToIpam(request);
  if (config.ipam !== undefined && !opening.agent) return;
  try {
    await withNetwork(config, opening, (pods) => pods.probe());
  } catch (error) {
    if (!(error instanceof PodnetError || error instanceof CniError)) throw error;
    const details = error instanceof PodnetError ? error.fix : error.details;
    throw new CniError(error.message, { code: cniErrorCodes.pluginNotAvailable, details, cause: error });
  }
  const limitation = opening.agent?.limitation();
  if (limitation !== undefined) throw new CniError(limitation, { code: cniErrorCodes.limitedConnectivity });
}

/** Which errors of the pod network the specification has numbers for; the others are podnet's own. */
const codes: Readonly<Record<string, number>> = {
  'ipam-read-only': cniErrorCodes.io,
  'ipam-disk-full': cniErrorCodes.io,
  'ipam-unreadable': cniErrorCodes.io,
  'ipam-damaged': cniErrorCodes.io,
  'ipam-version': cniErrorCodes.io,
  'ipam-busy': cniErrorCodes.tryAgainLater,
  'pod-cidr-full': cniErrorCodes.tryAgainLater,
  'pod-cidr-too-small': cniErrorCodes.invalidConfig,
  'bad-pod-cidr': cniErrorCodes.invalidConfig,
  'bad-mtu': cniErrorCodes.invalidConfig,
  'bad-container-id': cniErrorCodes.invalidEnvironment,
  'bad-interface-name': cniErrorCodes.invalidEnvironment,
  'address-outside-pod-cidr': cniErrorCodes.invalidConfig,
  'address-reserved': cniErrorCodes.invalidConfig,
};

async function spoken<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const code = error instanceof PodnetError ? codes[error.code] : undefined;
    if (!(error instanceof PodnetError) || code === undefined) throw error;
    const details = [error.where && `Where: ${error.where}`, error.fix].filter(Boolean).join('. ');
    throw new CniError(error.message, { code, details: details || undefined, cause: error });
  }
}
