/**
 * The lab's physical network: a switch that is also the router, a port for every node, and the world behind it.
 *
 * ```
 *             switch (namespace)                          world (namespace)
 *   node-1 ── node-1 ┐
 *   node-2 ── node-2 ┤ br0 172.18.0.1/24 ── router ── world 203.0.113.1/24 ── eth0 203.0.113.10/24
 *   node-3 ── node-3 ┘
 * ```
 */
import { createNetns, withNetns, type Netns } from '../../kernel/netns.ts';
import { openRtnl, type Rtnl } from '../../kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../../kernel/sysctl.ts';
import {
  mtuBytes,
  nodeAddress,
  routerAddress,
  underlayPrefixLength,
  worldAddress,
  worldGateway,
} from './addresses.ts';

export interface Underlay {
  readonly switchNetns: Netns;
  readonly worldNetns: Netns;
  /** Connects a node's namespace: its `eth0`, its address, its default route. */
  plugIn(node: { name: string; index: number; netns: Netns }): void;
  close(): void;
}

function configure(netns: Netns, run: (rtnl: Rtnl) => void): void {
  const rtnl = openRtnl({ netns });
  try {
    run(rtnl);
  } finally {
    rtnl.close();
  }
}

function uplink(netns: Netns, { address, gateway }: { address: string; gateway: string }): void {
  configure(netns, (rtnl) => {
    rtnl.setLink('lo', { up: true });
    rtnl.setLink('eth0', { up: true });
    rtnl.addAddress({ link: 'eth0', address, prefixLength: underlayPrefixLength });
    rtnl.replaceRoute({ dst: '0.0.0.0/0', gateway, link: 'eth0' });
  });
}

export function createUnderlay(): Underlay {
  const switchNetns = createNetns();
  const worldNetns = createNetns();
  const ports = openRtnl({ netns: switchNetns });
  ports.setLink('lo', { up: true });
  ports.addLink({ kind: 'bridge', name: 'br0', mtuBytes });
  ports.setLink('br0', { up: true });
  ports.addAddress({ link: 'br0', address: routerAddress, prefixLength: underlayPrefixLength });
  ports.addLink({
    kind: 'veth',
    name: 'world',
    mtuBytes,
    peer: { name: 'eth0', netns: worldNetns, mtuBytes },
  });
  ports.setLink('world', { up: true });
  ports.addAddress({ link: 'world', address: worldGateway, prefixLength: underlayPrefixLength });
  withNetns(switchNetns, () => writeSysctl('net.ipv4.ip_forward', '1'));
  uplink(worldNetns, { address: worldAddress, gateway: worldGateway });
  return {
    switchNetns,
    worldNetns,
    plugIn({ name, index, netns }) {
      ports.addLink({ kind: 'veth', name, mtuBytes, peer: { name: 'eth0', netns, mtuBytes } });
      ports.setLink(name, { master: 'br0', up: true });
      uplink(netns, { address: nodeAddress(index), gateway: routerAddress });
    },
    close() {
      ports.close();
      switchNetns.close();
      worldNetns.close();
    },
  };
}
