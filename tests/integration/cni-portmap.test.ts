/** The portmap plugin in the kernel: real connections through host ports, from everywhere. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { after, before, describe, test } from 'node:test';
import { conditional, portmapFamilies, portmapLayout } from '../../src/cni/plugins/portmap/table.ts';
import { convertResult } from '../../src/cni/spec/result.ts';
import { openConntrack } from '../../src/kernel/conntrack/conntrack.ts';
import { type Netns, currentNetns, withNetns } from '../../src/kernel/netns.ts';
import { flush, remove } from '../../src/kernel/nftables/commands.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { type Chain, elements } from '../../src/kernel/nftables/objects.ts';
import { missingPrograms } from '../../src/kernel/process.ts';
import { TABLE, openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { readSysctl, writeSysctl } from '../../src/kernel/sysctl.ts';
import { type Container, NODE, answer, startContainer, startNode } from './support/chained.ts';
import { type Call, type Command, ours } from './support/cni.ts';
import { type Target, connect } from './support/connect.ts';

const outside = startNode();
const nftables = openNftables();
let node: Netns;
let web: Container;
let neighbour: Container;

type Mapping = Readonly<Record<string, unknown>>;

function call(container: Container, mappings: readonly Mapping[], keys: Mapping = {}): Call {
  return {
    config: {
      type: 'portmap',
      capabilities: { portMappings: true },
      runtimeConfig: { portMappings: mappings },
      ...keys,
    },
    containerId: container.id,
    netns: container.netns,
    prevResult: container.result,
  };
}

const run = (command: Command, ...args: Parameters<typeof call>): ReturnType<typeof ours> =>
  ours(command, call(...args));

async function reach(
  from: Netns,
  address: string,
  port: number,
  more: Partial<Target> = {},
): Promise<string> {
  const [outcome] = await connect(from, { address, port, ...more });
  return outcome?.answer ?? outcome?.error ?? '';
}

function chainNamed(name: string): Chain {
  const found = portmapLayout.chains.find((chain) => chain.name === name);
  assert.ok(found);
  return found;
}

const holdings = (): number => portmapLayout.sets.flatMap((set) => nftables.elements(set)).length;

before(async () => {
  node = currentNetns();
  web = await startContainer('web', [80, 81]);
  neighbour = await startContainer('neighbour', [80]);
});

after(() => {
  web.close();
  neighbour.close();
  outside.close();
  node.close();
  nftables.close();
});

const httpPort = { hostPort: 8080, containerPort: 80, protocol: 'tcp' };
const udpPort = { hostPort: 8080, containerPort: 80, protocol: 'udp' };

describe('with TCP and UDP ports', () => {
  before(async () => {
    const result = await run('ADD', web, [httpPort, udpPort]);
    assert.deepEqual([result.ips, result.interfaces], [web.result.ips, web.result.interfaces]);
  });

  after(() => run('DEL', web, []));

  test('ADD opens the ports to others, who are seen with their own addresses', async () => {
    for (const protocol of ['tcp', 'udp'] as const) {
      assert.equal(await reach(outside, NODE[4], 8080, { protocol }), 'web 192.0.2.2', protocol);
      assert.equal(await reach(outside, NODE[6], 8080, { protocol }), 'web 2001:db8::2', protocol);
    }
  });

  test('the node reaches them by its own addresses and by loopback', async () => {
    assert.equal(await reach(node, NODE[4], 8080), `web ${NODE[4]}`);
    assert.equal(await reach(node, NODE[6], 8080), `web ${NODE[6]}`);
    assert.equal(await reach(node, '127.0.0.1', 8080), 'web 10.88.0.1');
    assert.equal(await reach(node, '127.0.0.1', 8080, { protocol: 'udp' }), 'web 10.88.0.1');
    assert.equal(await reach(node, '::1', 8080), 'ECONNREFUSED', 'IPv6 has no route_localnet');
  });

  test('the container reaches itself, and its neighbours reach it', async () => {
    for (const from of [web, neighbour]) {
      assert.equal(await reach(from.netns, NODE[4], 8080), 'web 10.88.0.1');
      assert.equal(await reach(from.netns, '10.88.0.1', 8080, { protocol: 'udp' }), 'web 10.88.0.1');
      assert.equal(await reach(from.netns, NODE[6], 8080), 'web fd88::1');
    }
  });

  test('other ports and other protocols stay closed', async () => {
    assert.equal(await reach(outside, NODE[4], 8081), 'ECONNREFUSED');
    assert.equal(await reach(outside, NODE[4], 80), 'ECONNREFUSED');
  });

  test('loopback addresses are let across the one bridge, and from nobody else', () => {
    assert.equal(readSysctl('net.ipv4.conf.cni0.route_localnet'), '1');
    assert.equal(readSysctl('net.ipv4.conf.up.route_localnet'), '0');
    assert.equal(readSysctl('net.ipv4.conf.all.route_localnet'), '0');
  });

  test('a neighbour cannot reach what listens on the node’s loopback', async () => {
    const close = await answer('node', node, 9999);
    try {
      assert.equal(await reach(node, '127.0.0.1', 9999), 'node 127.0.0.1');
      const door = openRtnl({ netns: neighbour.netns });
      door.deleteRoute({ dst: '127.0.0.0/8', type: 'local', link: 'lo', table: TABLE.local, scope: 'host' });
      door.replaceRoute({ dst: '127.99.0.0/16', gateway: '10.88.0.1' });
      door.close();
      withNetns(neighbour.netns, () => writeSysctl('net.ipv4.conf.eth0.route_localnet', 1));
      assert.equal(await reach(neighbour.netns, '127.99.0.1', 9999), 'timeout');
      nftables.apply([flush(chainNamed('loopback'))]);
      assert.equal(await reach(neighbour.netns, '127.99.0.1', 9999), 'node 10.88.0.3', 'else it would');
      await run('ADD', web, [httpPort, udpPort]);
    } finally {
      close();
    }
  });

  test('ADD again changes nothing; CHECK finds all in place', async () => {
    const held = holdings();
    await run('ADD', web, [httpPort, udpPort]);
    assert.equal(holdings(), held);
    await run('CHECK', web, [httpPort, udpPort]);
  });

  test('CHECK names what is missing, and ADD brings it back', async () => {
    const mappings = [httpPort, udpPort];
    const { any } = portmapFamilies[4];
    nftables.apply([flush(chainNamed('postrouting'))]);
    await assert.rejects(run('CHECK', web, mappings), /the rules of chain postrouting/);
    await run('ADD', web, mappings);
    await run('CHECK', web, mappings);
    nftables.apply([remove(elements(any, [{ key: ['tcp', 8080] }]))]);
    await assert.rejects(run('CHECK', web, mappings), /any-4 tcp \. 8080 of this container is missing/);
    await run('ADD', web, mappings);
    await run('CHECK', web, mappings);
    nftables.apply([remove(portmapLayout.table)]);
    await assert.rejects(run('CHECK', web, mappings), /table podnet-portmap/);
    await run('ADD', web, mappings);
    await run('CHECK', web, mappings);
    assert.equal(await reach(outside, NODE[4], 8080), 'web 192.0.2.2');
  });

  test('ADD refuses a port another container has, names it, and leaves nothing', async () => {
    const held = holdings();
    await assert.rejects(
      run('ADD', neighbour, [{ hostPort: 9000, containerPort: 80, protocol: 'tcp' }, httpPort]),
      /Host port 8080\/tcp is taken by container web \(interface eth0, network test\)/,
    );
    const onOneAddress = { ...httpPort, hostIP: NODE[4] };
    await assert.rejects(
      run('ADD', neighbour, [onOneAddress]),
      /Host port 8080\/tcp on 192\.0\.2\.1 is taken/,
    );
    assert.equal(holdings(), held);
  });
});

test('DEL closes exactly the container’s ports, whatever its configuration says, and twice', async () => {
  await run('ADD', web, [httpPort]);
  await run('ADD', neighbour, [{ hostPort: 8081, containerPort: 80, protocol: 'tcp' }]);
  await run('DEL', web, []);
  assert.equal(await reach(outside, NODE[4], 8080), 'ECONNREFUSED');
  assert.equal(await reach(outside, NODE[4], 8081), 'neighbour 192.0.2.2');
  await run('DEL', web, [httpPort]);
  await ours('DEL', { config: { type: 'portmap' }, containerId: 'neighbour' });
  assert.equal(holdings(), 0);
  await ours('DEL', { config: { type: 'portmap' }, containerId: 'never-added' });
});

test('hostIP opens the port on that address only', async () => {
  const mappings = [
    { ...httpPort, hostIP: NODE[4] },
    { ...httpPort, hostPort: 8082, hostIP: '127.0.0.1' },
    { ...httpPort, hostPort: 8083, hostIP: '::' },
  ];
  await run('ADD', web, mappings);
  await run('CHECK', web, mappings);
  assert.equal(await reach(outside, NODE[4], 8080), 'web 192.0.2.2');
  assert.equal(await reach(outside, NODE[6], 8080), 'ECONNREFUSED');
  assert.equal(await reach(node, '127.0.0.1', 8080), 'ECONNREFUSED');
  assert.equal(await reach(node, '127.0.0.1', 8082), 'web 10.88.0.1');
  assert.equal(await reach(outside, NODE[4], 8082), 'ECONNREFUSED');
  assert.equal(await reach(outside, NODE[6], 8083), 'web 2001:db8::2');
  assert.equal(await reach(outside, NODE[4], 8083), 'ECONNREFUSED');
  // Two containers may share a port on different addresses.
  await run('ADD', neighbour, [{ ...httpPort, hostIP: '10.88.0.1' }]);
  assert.equal(await reach(outside, '10.88.0.1', 8080), 'neighbour 192.0.2.2');
  await run('DEL', web, []);
  await run('DEL', neighbour, []);
});

test('masqAll hides who connects; without snat loopback stays closed', async () => {
  await run('ADD', web, [httpPort], { masqAll: true });
  assert.equal(await reach(outside, NODE[4], 8080), 'web 10.88.0.1');
  assert.equal(await reach(outside, web.address4, 80), 'web 192.0.2.2', 'not what comes another way');
  await run('DEL', web, []);
  assert.equal(holdings(), 0);
  await run('ADD', web, [httpPort], { snat: false });
  assert.equal(await reach(outside, NODE[4], 8080), 'web 192.0.2.2');
  assert.equal(holdings(), 2, 'one element of each family');
  await run('DEL', web, []);
});

test('conditions narrow who is let in', async () => {
  const conditions = { conditionsV4: ['!', '-s', '192.0.2.2/32', '-m', 'conntrack', '--ctstate', 'NEW'] };
  await run('ADD', web, [httpPort], conditions);
  await run('CHECK', web, [httpPort], conditions);
  assert.equal(await reach(outside, NODE[4], 8080), 'ECONNREFUSED');
  assert.equal(await reach(outside, NODE[6], 8080), 'web 2001:db8::2', 'they are of IPv4');
  assert.equal(await reach(neighbour.netns, NODE[4], 8080), 'web 10.88.0.1');
  // As iptables would have it, a second container may take what the first one's conditions leave.
  await run('ADD', neighbour, [httpPort], {
    conditionsV4: ['-s', '192.0.2.2'],
    conditionsV6: ['-i', 'none'],
  });
  assert.equal(await reach(outside, NODE[4], 8080), 'neighbour 192.0.2.2');
  await run('DEL', web, []);
  await run('DEL', neighbour, []);
  assert.equal(nftables.rules(conditional).length, 0);
});

test('a sender that goes on from the same UDP port finds the new container, and loses the old one', async () => {
  const conntrack = openConntrack();
  const flows = (): number =>
    conntrack.list({ protocol: 17, original: { destinationPort: 8080, destination: '127.0.0.1' } }).length;
  const socket = createSocket('udp4');
  socket.on('error', () => undefined).unref();
  const ask = async (): Promise<string> => {
    const [message] = await new Promise<[Buffer]>((done, fail) => {
      const timer = setTimeout(() => fail(new Error('no answer')), 2000);
      socket.once('message', (...args) => {
        clearTimeout(timer);
        done([args[0]]);
      });
      socket.send('?', 8080, '127.0.0.1');
    });
    return String(message).split(' ')[0] ?? '';
  };
  await new Promise((done) => socket.send('nobody hears this', 8080, '127.0.0.1', done));
  await run('ADD', web, [udpPort]);
  assert.equal(await ask(), 'web');
  assert.equal(flows(), 1);
  await run('DEL', web, []);
  assert.equal(flows(), 0);
  await run('ADD', neighbour, [udpPort]);
  assert.equal(await ask(), 'neighbour');
  await run('DEL', neighbour, []);
  socket.close();
  conntrack.close();
});

test('GC closes what is no valid attachment of the network, and no other network’s', async () => {
  const other = { name: 'other' };
  await run('ADD', web, [httpPort]);
  await run('ADD', neighbour, [{ ...httpPort, hostPort: 8081 }]);
  const third = await startContainer('third', [80]);
  await run('ADD', third, [{ ...httpPort, hostPort: 8082 }], other);
  const validAttachments = [{ containerId: 'web', ifName: 'eth0' }];
  await ours('GC', { config: { type: 'portmap' }, validAttachments });
  assert.equal(await reach(outside, NODE[4], 8080), 'web 192.0.2.2');
  assert.equal(await reach(outside, NODE[4], 8081), 'ECONNREFUSED');
  assert.equal(await reach(outside, NODE[4], 8082), 'third 192.0.2.2');
  third.close();
  await ours('GC', { config: { type: 'portmap' }, validAttachments: [] });
  await ours('GC', { config: { type: 'portmap', ...other }, validAttachments: [] });
  assert.equal(holdings(), 0);
});

test('an address that was given to another container before DEL changes hands', async () => {
  await run('ADD', web, [httpPort]);
  const successor = { ...web, id: 'successor' };
  await run('ADD', successor, [{ ...httpPort, hostPort: 8081 }]);
  await run('DEL', web, []);
  await run('CHECK', successor, [{ ...httpPort, hostPort: 8081 }]);
  await run('DEL', successor, []);
  assert.equal(holdings(), 0);
});

test('every version’s prevResult is understood and passed on', async () => {
  for (const cniVersion of ['0.3.0', '0.3.1', '0.4.0', '1.0.0']) {
    const config = { ...call(web, [httpPort]).config, cniVersion };
    const prevResult = convertResult(web.result, cniVersion) as unknown as Call['prevResult'];
    const result = await ours('ADD', { containerId: 'web', netns: web.netns, config, prevResult });
    assert.equal(result.ips?.[0]?.address, `${web.address4}/24`, cniVersion);
    assert.equal(await reach(outside, NODE[4], 8080), 'web 192.0.2.2');
    await ours('DEL', { containerId: 'web', config });
  }
});

test('bad configurations are refused with their key', async () => {
  const refused = (mappings: readonly Mapping[], keys: Mapping, message: RegExp): Promise<void> =>
    assert.rejects(run('ADD', web, mappings, keys), message);
  await refused([httpPort], { backend: 'ebpf' }, /backend: must be nftables or iptables/);
  await refused([httpPort], { markMasqBit: 32 }, /markMasqBit: must be a whole number from 0 to 31/);
  await refused(
    [httpPort],
    { externalSetMarkChain: 'KUBE-MARK-MASQ', markMasqBit: 3 },
    /externalSetMarkChain/,
  );
  await refused(
    [httpPort],
    { conditionsV4: ['-m', 'string', '--string', 'x'] },
    /conditionsV4: the extension string/,
  );
  await refused(
    [httpPort],
    { conditionsV6: ['-s', '10.0.0.1'] },
    /conditionsV6: "10\.0\.0\.1" is no IPv6 address/,
  );
  await refused([httpPort, { ...httpPort, containerPort: 81 }], {}, /Host port 8080\/tcp is mapped twice/);
  await ours('STATUS', { config: { type: 'portmap' } });
  assert.equal(holdings(), 0);
});

const withoutNft = missingPrograms(['nft']).length > 0 && 'nft is not installed';

test('nft(8) lists the table', { skip: withoutNft }, async () => {
  await run('ADD', web, [httpPort, { ...udpPort, hostIP: NODE[6] }, { ...httpPort, protocol: 'sctp' }]);
  const text = execFileSync('nft', ['list', 'table', 'inet', 'podnet-portmap'], { encoding: 'utf8' });
  await run('DEL', web, []);
  assert.match(text, /tcp \. 8080 comment "test web eth0" : 10\.88\.0\.2 \. 80/);
  assert.match(text, /2001:db8::1 \. udp \. 8080 comment "test web eth0" : fd88::2 \. 80/);
  assert.match(text, /sctp \. 8080/);
  assert.match(text, /dnat ip to meta l4proto \. th dport map @any-4/);
  assert.match(text, /10\.88\.0\.0\/24 \. 10\.88\.0\.2/);
});
