import { openIptables } from '../../../kernel/iptables/iptables.ts';
import type { PluginRequest } from '../../spec/plugin.ts';
import { definePlugin } from '../../spec/plugin.ts';
import { containerAddresses, isInContainer, passOn } from '../../attachment/container-addresses.ts';
import { type NodeDoors, withNodeDoors } from '../../attachment/node-doors.ts';
import { type FirewallConfig, parseFirewallConfig } from './config.ts';
import {
  type FirewallAttachment,
  type FirewallDoors,
  applyFirewall,
  checkFirewall,
  collectFirewall,
  removeFirewall,
} from './firewall.ts';

type Request = PluginRequest<FirewallConfig>;

function attachmentOf(request: Request, { rtnl }: NodeDoors): FirewallAttachment {
  const { containerId, ifName, network, config, prevResult } = request;
  const bridge = prevResult?.interfaces?.find(
    (each) => !isInContainer(each) && rtnl.link(each.name)?.kind === 'bridge',
  );
  return {
    ...config,
    network: network.name,
    containerId,
    ifName,
    addresses: containerAddresses(request),
    bridge: bridge?.name,
  };
}

function withFirewallDoors<T>(run: (doors: FirewallDoors, node: NodeDoors) => T): T {
  return withNodeDoors((node) => run({ nftables: node.nftables, openIptables: () => openIptables() }, node));
}

/** Lets the node forward for the container. */
export const plugin = definePlugin<FirewallConfig>({
  type: 'firewall',
  chained: true,
  parse: parseFirewallConfig,
  add(request) {
    withFirewallDoors((doors, node) => applyFirewall(attachmentOf(request, node), doors));
    return passOn(request);
  },
  del({ containerId, ifName, network }) {
    withFirewallDoors((doors) => removeFirewall({ network: network.name, containerId, ifName }, doors));
  },
  check(request) {
    withFirewallDoors((doors, node) => checkFirewall(attachmentOf(request, node), doors));
  },
  gc({ network, validAttachments }) {
    withFirewallDoors((doors) => collectFirewall(network.name, validAttachments, doors));
  },
});
