/**
 * A node (the namespace the test's thread is in) with the bridge `cni0`, containers on it, and a host outside:
 *
 *     container 10.88.0.N fd88::N ─┬─ cni0 10.88.0.1 fd88::1 · node · up 192.0.2.1 2001:db8::1 ─── eth0 192.0.2.2 outside
 *     container ───────────────────┘
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import type { CniResult } from '../../../src/cni/spec/result.ts';
import { type Netns, createNetns, enterNetns, withNetns } from '../../../src/kernel/netns.ts';
import { openRtnl } from '../../../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../../../src/kernel/sysctl.ts';
import { netnsPath } from './cni.ts';

export const NODE = { 4: '192.0.2.1', 6: '2001:db8::1' } as const;

/** Moves this thread into a new namespace, makes the bridge there, and the host outside, whose namespace it returns. */
export function startNode(): Netns {
  enterNetns(createNetns());
  const outside = createNetns();
  const node = openRtnl();
  const far = openRtnl({ netns: outside });
  writeSysctl('net.ipv4.ip_forward', 1);
  writeSysctl('net.ipv6.conf.all.forwarding', 1);
  node.setLink('lo', { up: true });
  node.addLink({ kind: 'veth', name: 'up', up: true, peer: { name: 'eth0', netns: outside } });
  far.setLink('lo', { up: true });
  far.setLink('eth0', { up: true });
  node.addLink({ kind: 'bridge', name: 'cni0', mac: '02:00:00:88:00:01', up: true });
  for (const [door, link, address, prefixLength] of [
    [node, 'up', NODE[4], 24],
    [node, 'up', NODE[6], 64],
    [node, 'cni0', '10.88.0.1', 24],
    [node, 'cni0', 'fd88::1', 64],
    [far, 'eth0', '192.0.2.2', 24],
    [far, 'eth0', '2001:db8::2', 64],
  ] as const) {
    door.addAddress({ link, address, prefixLength, noDad: true });
  }
  far.replaceRoute({ dst: '10.88.0.0/24', gateway: NODE[4] });
  far.replaceRoute({ dst: 'fd88::/64', gateway: NODE[6] });
  node.close();
  far.close();
  return outside;
}

export interface Container {
  readonly id: string;
  readonly netns: Netns;
  readonly address4: string;
  readonly address6: string;
  readonly hostInterface: string;
  /** What a plugin that made the interface would have answered. */
  readonly result: CniResult;
  close(): void;
}

let count = 1;

/** A container on the bridge that answers on these ports, over TCP and UDP, with its id and whom it saw. */
export async function startContainer(id: string, ports: readonly number[] = []): Promise<Container> {
  const number = ++count;
  const netns = createNetns();
  const hostInterface = `veth${number}`;
  const [address4, address6] = [`10.88.0.${number}`, `fd88::${number}`];
  const [node, inside] = [openRtnl(), openRtnl({ netns })];
  const peer = { name: 'eth0', netns };
  node.addLink({ kind: 'veth', name: hostInterface, master: 'cni0', up: true, peer });
  node.setLink(hostInterface, { bridgePort: { hairpin: true } });
  for (const link of ['lo', 'eth0']) inside.setLink(link, { up: true });
  inside.addAddress({ link: 'eth0', address: address4, prefixLength: 24 });
  inside.addAddress({ link: 'eth0', address: address6, prefixLength: 64, noDad: true });
  inside.replaceRoute({ dst: '0.0.0.0/0', gateway: '10.88.0.1' });
  inside.replaceRoute({ dst: '::/0', gateway: 'fd88::1' });
  const mac = node.link(hostInterface)?.mac ?? '';
  const ownMac = inside.link('eth0')?.mac ?? '';
  node.close();
  inside.close();
  const servers = await Promise.all(ports.map((port) => answer(id, netns, port)));
  return {
    id,
    netns,
    address4,
    address6,
    hostInterface,
    result: {
      cniVersion: '1.1.0',
      interfaces: [
        { name: 'cni0', mac: '02:00:00:88:00:01' },
        { name: hostInterface, mac },
        { name: 'eth0', mac: ownMac, sandbox: netnsPath(netns) },
      ],
      ips: [
        { address: `${address4}/24`, gateway: '10.88.0.1', interface: 2 },
        { address: `${address6}/64`, gateway: 'fd88::1', interface: 2 },
      ],
    },
    close() {
      for (const close of servers) close();
      netns.close();
    },
  };
}

/** Says `ID SOURCE` to everybody who comes to the port. */
export async function answer(id: string, netns: Netns, port: number): Promise<() => void> {
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end(`${id} ${socket.remoteAddress?.replace('::ffff:', '')}`);
  });
  withNetns(netns, () => tcp.listen(port));
  const udp = createSocket({ type: 'udp6', lookup: (host, _options, done) => done(null, host, 6) });
  udp.on('message', (_message, from) =>
    udp.send(`${id} ${from.address.replace('::ffff:', '')}`, from.port, from.address),
  );
  const bound = new Promise<void>((resolve) => udp.once('listening', () => resolve()));
  withNetns(netns, () => udp.bind(port, '::'));
  await bound;
  return () => {
    tcp.close();
    udp.close();
  };
}
