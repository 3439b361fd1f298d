/** A node with pods, an endpoint on another node, and a world outside, for tests of Service backends. */
import type { Server } from 'node:net';
import { createPodNetwork } from '../../../src/cni/podnet.ts';
import { type Netns, createNetns, withNetns } from '../../../src/kernel/netns.ts';
import { type Nftables, openNftables } from '../../../src/kernel/nftables/nftables.ts';
import { type Rtnl, openRtnl } from '../../../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../../../src/kernel/sysctl.ts';
import type { NodeFacts } from '../../../src/services/plan.ts';
import { startLineServer } from './live-connection.ts';

export const SERVER_PORT = 8080;
export const NODE = { v4: '172.18.0.2', v6: 'fd00:18::2' } as const;
export const WORLD = { v4: '172.18.0.1', v6: 'fd00:18::1' } as const;
/** Of the endpoint `far`, which is beyond the world. */
export const FAR = { v4: '10.244.1.2', v6: 'fd00:244:1::2' } as const;

export const facts: NodeFacts = {
  name: 'node-1',
  addresses: [NODE.v4, NODE.v6],
  podCidrs: ['10.244.0.0/24', 'fd00:244::/64'],
  nodePortAddresses: ['0.0.0.0/0', '::/0'],
};

export interface ServicePod {
  readonly netns: Netns;
  readonly v4: string;
  readonly v6: string;
}

export interface ServiceNode {
  readonly netns: Netns;
  readonly world: Netns;
  readonly nftables: Nftables;
  readonly rtnl: Rtnl;
  /** Serve on `SERVER_PORT` under the names `one` and `two`. */
  readonly one: ServicePod;
  readonly two: ServicePod;
  readonly client: ServicePod;
  close(): void;
}

export async function startServiceNode(): Promise<ServiceNode> {
  const [netns, world] = [createNetns(), createNetns()];
  const rtnl = openRtnl({ netns });
  rtnl.setLink('lo', { up: true });
  rtnl.addLink({ kind: 'veth', name: 'eth0', peer: { name: 'eth0', netns: world } });
  rtnl.addAddress({ link: 'eth0', address: NODE.v4, prefixLength: 24 });
  rtnl.addAddress({ link: 'eth0', address: NODE.v6, prefixLength: 64, noDad: true });
  rtnl.setLink('eth0', { up: true });
  const outside = openRtnl({ netns: world });
  for (const link of ['lo', 'eth0']) outside.setLink(link, { up: true });
  outside.addAddress({ link: 'eth0', address: WORLD.v4, prefixLength: 24 });
  outside.addAddress({ link: 'eth0', address: WORLD.v6, prefixLength: 64, noDad: true });
  outside.addAddress({ link: 'lo', address: FAR.v4, prefixLength: 32 });
  outside.addAddress({ link: 'lo', address: FAR.v6, prefixLength: 128, noDad: true });
  outside.replaceRoute({ dst: '0.0.0.0/0', gateway: NODE.v4 });
  outside.replaceRoute({ dst: '::/0', gateway: NODE.v6 });
  outside.close();
  rtnl.replaceRoute({ dst: '0.0.0.0/0', gateway: WORLD.v4 });
  rtnl.replaceRoute({ dst: '::/0', gateway: WORLD.v6 });
  withNetns(netns, () => {
    writeSysctl('net.ipv4.ip_forward', 1);
    writeSysctl('net.ipv6.conf.all.forwarding', 1);
    writeSysctl('net.ipv4.conf.all.send_redirects', 0);
    writeSysctl('net.ipv4.conf.default.send_redirects', 0);
  });
  const podCidr = facts.podCidrs.join();
  const network = createPodNetwork({ netns, rtnl, podCidr, databasePath: ':memory:' });
  const servers: Server[] = [startLineServer(world, 'far', SERVER_PORT)];
  const namespaces: Netns[] = [];
  const addPod = async (name: string): Promise<ServicePod> => {
    const own = createNetns();
    namespaces.push(own);
    const sandbox = { containerId: name, namespace: 'default', name, uid: '', netns: own };
    const { addresses } = await network.add(sandbox);
    servers.push(startLineServer(own, name, SERVER_PORT));
    return { netns: own, v4: addresses[0] ?? '', v6: addresses[1] ?? '' };
  };
  const nftables = openNftables({ netns });
  const pods = { one: await addPod('one'), two: await addPod('two'), client: await addPod('client') };
  return {
    netns,
    world,
    nftables,
    rtnl,
    ...pods,
    close() {
      for (const server of servers) server.close();
      nftables.close();
      network.close();
      rtnl.close();
      for (const each of [...namespaces, world, netns]) each.close();
    },
  };
}
