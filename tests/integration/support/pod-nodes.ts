/**
 * Two nodes with the real pod network on a network they share.
 *
 * ```
 *   pods ── node-1 172.18.0.2, fd00:18::2 ┐
 *                                         ├ br0 172.18.0.1
 *   pods ── node-2 172.18.0.3, fd00:18::3 ┘
 * ```
 */
import assert from 'node:assert/strict';
import { createPodNetwork, type NodePodNetwork, type PodNetworkOptions } from '../../../src/cni/podnet.ts';
import type { PodAttachment } from '../../../src/cni/pod-network.ts';
import { applyRoutes } from '../../../src/fabric/apply-routes.ts';
import { compile } from '../../../src/fabric/compile.ts';
import { openDatagramSocket, readSocketAddress, socketAddress } from '../../../src/kernel/datagram-socket.ts';
import { createNetns, withNetns, type Netns } from '../../../src/kernel/netns.ts';
import { openRtnl, type Rtnl } from '../../../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../../../src/kernel/sysctl.ts';
import type { Node } from '../../../src/model/objects.ts';

const PORT = 4000;

export interface PodNode {
  readonly netns: Netns;
  readonly rtnl: Rtnl;
  readonly network: NodePodNetwork;
  /** `172.18.0.2`, `fd00:18::2` */
  readonly addresses: readonly [string, string];
  readonly addPod: (name: string) => Promise<TestPod>;
}

export interface TestPod {
  readonly netns: Netns;
  readonly attachment: PodAttachment;
  /** IPv4, IPv6. */
  readonly addresses: readonly [string, string];
}

export interface PodNodes {
  readonly nodes: readonly [PodNode, PodNode];
  /** Ends every server too. */
  readonly close: () => void;
}

const objects = [1, 2].map((index): Node => ({
  metadata: { name: `node-${index}` },
  spec: { podCIDRs: [`10.244.${index}.0/24`, `fd00:244:0:${index}::/64`] },
  status: {
    addresses: [
      { type: 'InternalIP', address: `172.18.0.${index + 1}` },
      { type: 'InternalIP', address: `fd00:18::${index + 1}` },
    ],
  },
}));

/** Makes both nodes. `options` are for their pod networks; `uplinkMtuBytes` is 1500 unless told. */
export function createPodNodes(
  options: Partial<PodNetworkOptions> = {},
  { uplinkMtuBytes = 1500 }: { uplinkMtuBytes?: number } = {},
): PodNodes {
  const router = createNetns();
  const ports = openRtnl({ netns: router });
  ports.addLink({ kind: 'bridge', name: 'br0', up: true });
  ports.addAddress({ link: 'br0', address: '172.18.0.1', prefixLength: 24 });
  const made = [1, 2].map((index) => createNode(ports, { index, options, uplinkMtuBytes }));
  const [first, second] = made;
  assert.ok(first && second);
  return {
    nodes: [first, second],
    close() {
      for (const server of servers) server.close();
      servers.clear();
      for (const { network, rtnl, netns } of made) {
        network.close();
        rtnl.close();
        netns.close();
      }
      ports.close();
      router.close();
    },
  };
}

interface NodeOptions {
  readonly index: number;
  readonly options: Partial<PodNetworkOptions>;
  readonly uplinkMtuBytes: number;
}

function createNode(ports: Rtnl, { index, options, uplinkMtuBytes: mtuBytes }: NodeOptions): PodNode {
  const netns = createNetns();
  const rtnl = openRtnl({ netns });
  const name = `node-${index}`;
  withNetns(netns, () => {
    // Until duplicate address detection has ended a node does not ask for its neighbours.
    writeSysctl('net.ipv6.conf.default.accept_dad', 0);
    writeSysctl('net.ipv4.ip_forward', 1);
    writeSysctl('net.ipv6.conf.all.forwarding', 1);
  });
  ports.addLink({ kind: 'veth', name, mtuBytes, peer: { name: 'eth0', netns, mtuBytes } });
  ports.setLink(name, { master: 'br0', up: true });
  rtnl.setLink('lo', { up: true });
  rtnl.setLink('eth0', { up: true });
  const addresses = [`172.18.0.${index + 1}`, `fd00:18::${index + 1}`] as const;
  rtnl.addAddress({ link: 'eth0', address: addresses[0], prefixLength: 24 });
  rtnl.addAddress({ link: 'eth0', address: addresses[1], prefixLength: 64, noDad: true });
  rtnl.replaceRoute({ dst: '0.0.0.0/0', gateway: '172.18.0.1' });
  const clusterCidrs = ['10.244.0.0/16', 'fd00:244::/56'];
  assert.deepEqual(applyRoutes(rtnl, compile(objects, { nodeName: name, clusterCidrs })).errors, []);
  const network = createPodNetwork({
    netns,
    rtnl,
    podCidr: `10.244.${index}.0/24,fd00:244:0:${index}::/64`,
    databasePath: ':memory:',
    ...options,
  });
  return {
    netns,
    rtnl,
    network,
    addresses,
    async addPod(containerId) {
      const pod = createNetns();
      const sandbox = { containerId, namespace: 'default', name: containerId, uid: '', netns: pod };
      const attachment = await network.add(sandbox);
      const [v4, v6] = attachment.addresses;
      assert.ok(v4 !== undefined && v6 !== undefined);
      return { netns: pod, attachment, addresses: [v4, v6] };
    },
  };
}

/** Open ones: a socket that is polled keeps the process alive. */
const servers = new Set<{ close(): void }>();

/** Answers each datagram that reaches `address` in `netns` with the address it came from. */
export function serve(netns: Netns, address: string, port = PORT): { close(): void } {
  const server = withNetns(netns, () =>
    openDatagramSocket({
      address,
      port,
      onError: assert.ifError,
      answer: (_message, _length, out, peer) => out.write(readSocketAddress(peer.copy()).address),
    }),
  );
  servers.add(server);
  return server;
}

/** The source that the server at `to` sees when `from` sends it a datagram; undefined when nothing comes back. */
export async function sourceSeen(
  from: Netns,
  to: string,
  { port = PORT, timeoutMs = 5000 }: { port?: number; timeoutMs?: number } = {},
): Promise<string | undefined> {
  const answer = Promise.withResolvers<string | undefined>();
  const client = withNetns(from, () =>
    openDatagramSocket({
      address: to.includes(':') ? '::' : '0.0.0.0',
      port: 0,
      onError: answer.reject,
      answer(message, length) {
        answer.resolve(message.toString('utf8', 0, length));
        return 0;
      },
    }),
  );
  const deadline = setTimeout(() => answer.resolve(undefined), timeoutMs);
  try {
    client.send(Buffer.from('who am I?'), socketAddress(to, port));
    return await answer.promise;
  } finally {
    clearTimeout(deadline);
    client.close();
  }
}
