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
import type { IpFamily } from '../../model/ip.ts';
import { mtuBytes, underlayAddresses, type UnderlayAddresses } from './addresses.ts';

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

function uplink(
  netns: Netns,
  networks: readonly { address: string; gateway: string; prefixLength: number }[],
): void {
  configure(netns, (rtnl) => {
    rtnl.setLink('lo', { up: true });
    rtnl.setLink('eth0', { up: true });
    for (const { address, gateway, prefixLength } of networks) {
      rtnl.addAddress({ link: 'eth0', address, prefixLength, noDad: true });
      rtnl.replaceRoute({ dst: defaultRoute(address), gateway, link: 'eth0' });
    }
  });
}

const defaultRoute = (like: string): string => (like.includes(':') ? '::/0' : '0.0.0.0/0');

/** `families`: those the cluster's pods and Services have; IPv4 is always there, for the API server. */
export function createUnderlay(families: readonly IpFamily[]): Underlay {
  const networks = underlayNetworks(families);
  const switchNetns = createNetns();
  const worldNetns = createNetns();
  const ports = openRtnl({ netns: switchNetns });
  ports.setLink('lo', { up: true });
  ports.addLink({ kind: 'bridge', name: 'br0', mtuBytes });
  ports.setLink('br0', { up: true });
  ports.addLink({
    kind: 'veth',
    name: 'world',
    mtuBytes,
    peer: { name: 'eth0', netns: worldNetns, mtuBytes },
  });
  ports.setLink('world', { up: true });
  for (const { prefixLength, router, worldGateway } of networks) {
    ports.addAddress({ link: 'br0', address: router, prefixLength, noDad: true });
    ports.addAddress({ link: 'world', address: worldGateway, prefixLength, noDad: true });
  }
  withNetns(switchNetns, () => {
    for (const { family } of networks) writeSysctl(forwarding[family], '1');
  });
  uplink(
    worldNetns,
    networks.map(({ world, worldGateway, prefixLength }) => ({
      address: world,
      gateway: worldGateway,
      prefixLength,
    })),
  );
  return {
    switchNetns,
    worldNetns,
    plugIn({ name, index, netns }) {
      ports.addLink({ kind: 'veth', name, mtuBytes, peer: { name: 'eth0', netns, mtuBytes } });
      ports.setLink(name, { master: 'br0', up: true });
      uplink(
        netns,
        networks.map(({ node, router, prefixLength }) => ({
          address: node(index),
          gateway: router,
          prefixLength,
        })),
      );
    },
    close() {
      ports.close();
      switchNetns.close();
      worldNetns.close();
    },
  };
}

const forwarding = { 4: 'net.ipv4.ip_forward', 6: 'net.ipv6.conf.all.forwarding' } as const;

function underlayNetworks(families: readonly IpFamily[]): readonly UnderlayAddresses[] {
  return families.includes(6) ? [underlayAddresses[4], underlayAddresses[6]] : [underlayAddresses[4]];
}
