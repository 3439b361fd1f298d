import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeRtnl, type FakeRtnl } from '../kernel/rtnl/rtnl.ts';
import { PodnetError } from '../model/errors.ts';
import { hostInterfaceName } from './pod-link-plan.ts';
import type { Sandbox } from './pod-network.ts';
import { createPodNetwork, type NodePodNetwork } from './podnet.ts';

let inode = 0n;

function sandbox(containerId: string): Sandbox {
  inode += 1n;
  const netns = { fd: -1, inode, close() {} };
  return { containerId, namespace: 'default', name: 'pod', uid: 'u', netns };
}

function subject(options: { podCidr?: string; world?: FakeRtnl; mtuBytes?: number } = {}): {
  world: FakeRtnl;
  network: NodePodNetwork;
  sysctls: string[];
} {
  const { world = createFakeRtnl(), podCidr = '10.244.1.0/24', mtuBytes } = options;
  const sysctls: string[] = [];
  const network = createPodNetwork({
    podCidr,
    databasePath: ':memory:',
    openRtnl: world.open,
    setSysctl: (name, value) => sysctls.push(`${name} = ${value}`),
    ...(mtuBytes !== undefined && { mtuBytes }),
  });
  return { world, network, sysctls };
}

test('createPodNetwork: add twice is add once', async () => {
  const { network, world, sysctls } = subject();
  const pod = sandbox('a');
  const attachment = await network.add(pod);
  assert.deepEqual(attachment, {
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

test('createPodNetwork: reconcile takes back what dead sandboxes had', async () => {
  const { network, world } = subject();
  for (const id of ['a', 'b', 'c']) await network.add(sandbox(id));
  assert.deepEqual([...network.reconcile(['b'])].sort(), ['a', 'c']);
  assert.deepEqual(
    network.allocations().map(({ containerId }) => containerId),
    ['b'],
  );
  assert.equal(world.open().links().length, 2);
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
