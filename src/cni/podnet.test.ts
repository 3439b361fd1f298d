import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFakeRtnl, type FakeRtnl } from '../kernel/rtnl/rtnl.ts';
import { PodnetError } from '../model/errors.ts';
import { hostInterfaceName } from './pod-link-plan.ts';
import type { Sandbox } from './pod-network.ts';
import { createPodNetwork, type NodePodNetwork, type PodNetworkOptions } from './podnet.ts';

let inode = 0n;

function sandbox(containerId: string): Sandbox {
  inode += 1n;
  const netns = { fd: -1, inode, close() {} };
  return { containerId, namespace: 'default', name: 'pod', uid: 'u', netns };
}

function subject(options: Partial<PodNetworkOptions> & { world?: FakeRtnl } = {}): {
  world: FakeRtnl;
  network: NodePodNetwork;
  sysctls: string[];
} {
  const { world = createFakeRtnl(), ...rest } = options;
  const sysctls: string[] = [];
  const network = createPodNetwork({
    podCidr: '10.244.1.0/24',
    databasePath: ':memory:',
    openRtnl: world.open,
    setSysctl: (name, value) => sysctls.push(`${name} = ${value}`),
    bridgeNetfilter: true,
    ...rest,
  });
  return { world, network, sysctls };
}

test('createPodNetwork: add twice is add once', async () => {
  const { network, world, sysctls } = subject();
  const pod = sandbox('a');
  const attachment = await network.add(pod);
  const { plan, ...told } = attachment;
  assert.equal(plan.pod.interface, 'eth0');
  assert.deepEqual(told, {
    addresses: ['10.244.1.2'],
    mac: '0a:58:0a:f4:01:02',
    hostInterface: hostInterfaceName('a'),
    mtuBytes: 1500,
  });
  world.open({ netns: pod.netns }).deleteRoute({ dst: '0.0.0.0/0' });
  assert.deepEqual(await network.add(pod), attachment);
  assert.equal(world.open({ netns: pod.netns }).routeTo('192.0.2.1')?.gateway, '169.254.1.1', 'repaired');
  assert.equal(world.open().links().length, 2);
  assert.equal(sysctls[0], `net.ipv4.conf.${attachment.hostInterface}.rp_filter = 1`);
});

test('createPodNetwork: the MTU is the uplink’s', async () => {
  const world = createFakeRtnl();
  const host = world.open();
  host.addLink({ kind: 'veth', name: 'uplink', mtuBytes: 1400, peer: { name: 'far' } });
  host.setLink('uplink', { up: true });
  host.replaceRoute({ dst: '0.0.0.0/0', link: 'uplink' });
  const attachment = await subject({ world }).network.add(sandbox('a'));
  assert.equal(attachment.mtuBytes, 1400);
  assert.equal((await subject({ mtuBytes: 1300 }).network.add(sandbox('b'))).mtuBytes, 1300);
});

test('createPodNetwork: del frees the address, empties the pod’s route, and is fine without add', async () => {
  const { network, world } = subject({ podCidr: '10.244.1.0/30' });
  await network.add(sandbox('a'));
  await assert.rejects(
    network.add(sandbox('b')),
    (error) => error instanceof PodnetError && error.code === 'pod-cidr-full',
  );
  await network.del({ containerId: 'a' });
  await network.del({ containerId: 'a' });
  await network.del({ containerId: 'never' });
  assert.deepEqual(world.open().routes(), []);
  assert.deepEqual((await network.add(sandbox('b'))).addresses, ['10.244.1.2']);
  await network.collect();
  assert.deepEqual(
    world
      .open()
      .links()
      .map(({ name }) => name),
    ['lo', hostInterfaceName('b')],
  );
});

test('createPodNetwork: a container that comes back in a new sandbox gets a link to that one', async () => {
  const { network, world } = subject();
  await network.add(sandbox('a'));
  await network.del({ containerId: 'a' });
  const again = sandbox('a');
  await network.add(again);
  assert.equal(world.open({ netns: again.netns }).link('eth0')?.up, true);
  await network.collect();
  assert.equal(world.open({ netns: again.netns }).link('eth0')?.up, true, 'the trash did not hold it');
});

test('createPodNetwork: an eth0 of somebody else is an error that leaves nothing behind', async () => {
  const { network, world } = subject();
  const pod = sandbox('a');
  world.open({ netns: pod.netns }).addLink({ kind: 'bridge', name: 'eth0' });
  await assert.rejects(
    network.add(pod),
    (error) => error instanceof PodnetError && error.code === 'pod-interface-exists',
  );
  assert.deepEqual(network.allocations(), []);
  assert.equal(world.open().links().length, 1);
});

test('createPodNetwork: a container id that could be a path or an option is refused', async () => {
  const { network } = subject();
  for (const containerId of ['', '../a', 'a b', 'a'.repeat(65)]) {
    await assert.rejects(
      network.add(sandbox(containerId)),
      (error) => error instanceof PodnetError && error.code === 'bad-container-id',
    );
  }
});

test('createPodNetwork: reconcile takes back what has no link any more, and removes what was never finished', async () => {
  const { network, world } = subject();
  const host = world.open();
  for (const id of ['a', 'b', 'c']) await network.add(sandbox(id));
  host.deleteLink(hostInterfaceName('a')); // its namespace is gone
  host.setLink(hostInterfaceName('b'), { alias: '' }); // its ADD was killed
  assert.deepEqual(
    network.reconcile().map(({ containerId }) => containerId),
    ['a', 'b'],
  );
  assert.deepEqual(
    network.allocations().map(({ containerId }) => containerId),
    ['c'],
  );
  await network.collect();
  assert.deepEqual(
    host.links().map(({ name }) => name),
    ['lo', hostInterfaceName('c')],
  );
});

test('createPodNetwork: what a damaged file forgot is read from the links', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const databasePath = join(directory, 'node.db');
  const before = subject({ databasePath });
  await before.network.add(sandbox('a'));
  await before.network.add(sandbox('b'));
  const allocations = before.network.allocations();
  before.network.close();
  for (const suffix of ['', '-wal', '-shm'])
    writeFileSync(`${databasePath}${suffix}`, 'damaged'.repeat(1000));
  const told: string[] = [];
  const { network } = subject({ databasePath, world: before.world, onDamaged: (path) => told.push(path) });
  assert.equal(told.length, 1);
  assert.deepEqual(network.allocations(), allocations);
  assert.deepEqual((await network.add(sandbox('c'))).addresses, ['10.244.1.4']);
  network.close();
});

test('createPodNetwork: retain takes off the network what CNI’s GC does not name, and nothing of other networks', async () => {
  const { network, world } = subject();
  for (const id of ['a', 'b']) await network.add({ ...sandbox(id), network: 'one' });
  await network.add({ ...sandbox('c'), network: 'two' });
  const gone = network.retain('one', [{ containerId: 'a', interfaceName: 'eth0' }]);
  assert.deepEqual(gone, [{ containerId: 'b', interfaceName: 'eth0' }]);
  assert.deepEqual(
    network.allocations().map(({ containerId }) => containerId),
    ['a', 'c'],
  );
  assert.equal(world.open().link(hostInterfaceName('b'))?.up, false);
});

test('createPodNetwork: a pod has several interfaces, each with its own address', async () => {
  const { network, world } = subject();
  const pod = sandbox('a');
  const first = await network.add(pod);
  const second = await network.add({ ...pod, interfaceName: 'net1' });
  assert.notDeepEqual(first.addresses, second.addresses);
  await network.del({ containerId: 'a', interfaceName: 'net1' });
  assert.equal(world.open().link(first.hostInterface)?.up, true);
  assert.deepEqual(
    network.allocations().map(({ interfaceName }) => interfaceName),
    ['eth0'],
  );
});

test('createPodNetwork: addresses of another IPAM are used as they are, and written down nowhere', async () => {
  const { network } = subject();
  const { addresses } = await network.add({
    ...sandbox('a'),
    assignedAddresses: ['192.0.2.7'],
    mac: '02:00:00:00:00:07',
  });
  assert.deepEqual(addresses, ['192.0.2.7']);
  assert.deepEqual(network.allocations(), []);
});

test('createPodNetwork: in bridge mode links are ports of cbr0, and del leaves none of their routes', async () => {
  const { network, world, sysctls } = subject({ linkMode: 'bridge' });
  const host = world.open();
  const attachment = await network.add(sandbox('a'));
  const bridge = host.link('cbr0');
  const port = host.link(attachment.hostInterface);
  assert.deepEqual([port?.master, port?.bridgePort], [bridge?.index, { hairpin: true, isolated: false }]);
  assert.equal(bridge?.mac, '0a:58:0a:f4:01:01');
  assert.ok(sysctls.includes('net.bridge.bridge-nf-call-iptables = 1'));
  await network.add(sandbox('b'));
  await network.del({ containerId: 'a' });
  const address = attachment.addresses[0] ?? '';
  assert.deepEqual(
    host.routes().map(({ dst }) => dst),
    ['10.244.1.3/32'],
  );
  assert.ok(host.neighbours().every((neighbour) => neighbour.address !== address));
});

test('createPodNetwork: a bridge that somebody deleted is made again, and one of another MTU is set right', async () => {
  const { network, world } = subject({ linkMode: 'bridge' });
  const host = world.open();
  await network.add(sandbox('a'));
  host.deleteLink('cbr0');
  await network.add(sandbox('a'));
  assert.equal(host.link(hostInterfaceName('a'))?.master, host.link('cbr0')?.index);
  host.setLink('cbr0', { mtuBytes: 1300 });
  await network.add(sandbox('b'));
  assert.equal(host.link('cbr0')?.mtuBytes, 1500);
});

test('createPodNetwork: reconcile removes the routes of pods that left the bridge by themselves', async () => {
  const { network, world } = subject({ linkMode: 'bridge' });
  const host = world.open();
  for (const id of ['a', 'b']) await network.add(sandbox(id));
  host.deleteLink(hostInterfaceName('a'));
  network.reconcile();
  assert.deepEqual(
    host.routes().map(({ dst }) => dst),
    ['10.244.1.3/32'],
  );
});

test('createPodNetwork: tunnels and encryption take their part of the MTU, and too little is left with an error', async () => {
  assert.equal((await subject({ overheadBytes: 50 }).network.add(sandbox('a'))).mtuBytes, 1450);
  await assert.rejects(
    subject({ mtuBytes: 300 }).network.add(sandbox('b')),
    (error) => error instanceof PodnetError && error.code === 'bad-mtu',
  );
});

test('createPodNetwork: an address stays taken as long as its link cannot be put out of service', async () => {
  const { network, world } = subject();
  await network.add(sandbox('a'));
  const host = world.open(); // the same door as the network's
  const setLink = host.setLink.bind(host);
  host.setLink = () => {
    throw new Error('EPERM');
  };
  await assert.rejects(network.del({ containerId: 'a' }), /EPERM/);
  assert.equal(network.allocations().length, 1);
  host.setLink = setLink;
  await network.del({ containerId: 'a' });
  assert.deepEqual(network.allocations(), []);
});
