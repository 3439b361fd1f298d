/** The kernel's conntrack, asked and told by netlink, with flows of real packets. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestFlow, testConntrack } from '../../src/kernel/conntrack/conntrack-conformance.ts';
import { openConntrack } from '../../src/kernel/conntrack/conntrack.ts';
import { socketAddress } from '../../src/kernel/datagram-socket.ts';
import { closeFd } from '../../src/kernel/ffi.ts';
import { AF, SOCK, SOL, bind, connect, listen, setsockopt, socket } from '../../src/kernel/ffi-sockets.ts';
import { type Netns, createNetns, withNetns } from '../../src/kernel/netns.ts';
import { add } from '../../src/kernel/nftables/commands.ts';
import { ip, ip6, udp } from '../../src/kernel/nftables/expressions.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { chain, rule, table } from '../../src/kernel/nftables/objects.ts';
import { dnat, match } from '../../src/kernel/nftables/statements.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';

const IPV6_V6ONLY = 26;
/** The one that goes through NAT, to port 5353. */
const NATTED_PORT = 4002;

testConntrack('openConntrack', async () => {
  const netns = createNetns();
  const rtnl = openRtnl({ netns });
  rtnl.setLink('lo', { up: true });
  rtnl.close();
  const nftables = openNftables({ netns });
  for (const [family, destination, address] of [
    ['ip', ip.daddr, '127.0.0.1'],
    ['ip6', ip6.daddr, '::1'],
  ] as const) {
    const nat = table(family, 'nat');
    const output = chain(nat, 'output', { base: { type: 'nat', hook: 'output', priority: -100 } });
    nftables.apply([
      add(nat),
      add(output),
      add(
        rule(output, [
          match(destination, '==', address),
          match(udp.sport, '==', NATTED_PORT),
          dnat({ to: address, port: 5353 }),
        ]),
      ),
    ]);
  }
  const conntrack = openConntrack({ netns });
  const open: { close(): void }[] = [];
  const remember = async (flow: TestFlow): Promise<void> => {
    open.push(...(await (flow.protocol === 'udp' ? sendDatagram : openConnection)(netns, flow)));
  };
  const close = (): void => {
    for (const one of open) one.close();
    nftables.close();
    conntrack.close();
    netns.close();
  };
  await Promise.resolve();
  return { conntrack, addresses: { 4: '127.0.0.1', 6: '::1' }, remember, close };
});

/** Nobody need listen: the kernel remembers the flow when the datagram leaves. */
async function sendDatagram(netns: Netns, flow: TestFlow): Promise<readonly { close(): void }[]> {
  const sender = createSocket({
    type: flow.source.includes(':') ? 'udp6' : 'udp4',
    lookup: (host, _options, done) => done(null, host, 4),
  });
  const bound = once(sender, 'listening');
  withNetns(netns, () => sender.bind(flow.sourcePort, flow.source));
  await bound;
  await new Promise((resolve) => sender.send('?', flow.destinationPort, flow.destination, resolve));
  sender.close();
  return [];
}

async function openConnection(netns: Netns, flow: TestFlow): Promise<readonly { close(): void }[]> {
  // node:net would connect later, when the thread is back in its own namespace.
  const family = flow.source.includes(':') ? AF.INET6 : AF.INET;
  const server = withNetns(netns, () => socket(family, SOCK.STREAM));
  if (family === AF.INET6) setsockopt(server, SOL.IPV6, IPV6_V6ONLY, 1);
  bind(server, socketAddress(flow.destination, flow.destinationPort));
  listen(server, 1);
  const client = withNetns(netns, () => socket(family, SOCK.STREAM));
  bind(client, socketAddress(flow.source, flow.sourcePort));
  connect(client, socketAddress(flow.destination, flow.destinationPort));
  await Promise.resolve();
  return [client, server].map((fd) => ({ close: () => closeFd(fd) }));
}
