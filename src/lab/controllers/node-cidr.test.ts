import assert from 'node:assert/strict';
import { test } from 'node:test';
import { events, nodes } from '../../cluster/resources.ts';
import { parseCidr } from '../../model/ip.ts';
import { createCidrRange, createNodeCidrController } from './node-cidr.ts';
import { startControllers, type ControllerScene } from './scene.ts';

const start = (...clusterCidrs: readonly string[]): Promise<ControllerScene> =>
  startControllers((context) => [createNodeCidrController(context, { clusterCidrs })]);

const cidrs = async ({ client }: ControllerScene): Promise<unknown> =>
  Object.fromEntries(
    (await client.list(nodes)).items.map(({ metadata, spec }) => [metadata?.name, spec?.podCIDRs?.join()]),
  );

test('nodes get parts of the cluster CIDR, of every family', async () => {
  const scene = await start('10.244.0.0/16', 'fd00:244::/56');
  for (const name of ['a', 'b']) await scene.client.create(nodes, { metadata: { name } });
  await scene.quiet();
  assert.deepEqual(await cidrs(scene), {
    a: '10.244.0.0/24,fd00:244::/64',
    b: '10.244.1.0/24,fd00:244:0:1::/64',
  });
  assert.equal((await scene.client.get(nodes, { name: 'a' })).spec?.podCIDR, '10.244.0.0/24');
  await scene.stop();
});

test('a part that a node already has is not given to another', async () => {
  const scene = await start('10.244.0.0/16');
  await scene.client.create(nodes, { metadata: { name: 'a' }, spec: { podCIDR: '10.244.0.0/23' } });
  await scene.client.create(nodes, { metadata: { name: 'b' } });
  await scene.quiet();
  assert.equal((await scene.client.get(nodes, { name: 'b' })).spec?.podCIDR, '10.244.2.0/24');
  await scene.stop();
});

test('a node is told when no part is left, and gets the part of a node that goes', async () => {
  const scene = await start('10.244.0.0/23');
  for (const name of ['a', 'b', 'c']) await scene.client.create(nodes, { metadata: { name } });
  await scene.quiet();
  assert.deepEqual(await cidrs(scene), { a: '10.244.0.0/24', b: '10.244.1.0/24', c: undefined });
  const [event] = (await scene.client.list(events)).items;
  assert.equal(event?.reason, 'CIDRNotAvailable');
  assert.match(event?.message ?? '', /No part of the cluster CIDR 10\.244\.0\.0\/23 is free/);
  await scene.client.delete(nodes, { name: 'a' });
  await scene.quiet();
  assert.deepEqual(await cidrs(scene), { b: '10.244.1.0/24', c: '10.244.0.0/24' });
  await scene.stop();
});

test('createCidrRange refuses parts larger than the whole, and takes foreign CIDRs calmly', () => {
  assert.throws(() => createCidrRange(parseCidr('10.0.0.0/25'), 24), /cannot be divided into parts of \/24/);
  const range = createCidrRange(parseCidr('10.0.0.0/23'), 24);
  for (const foreign of ['192.168.0.0/16', 'fd00::/64', 'nonsense']) range.occupy(foreign);
  assert.equal(range.allocate(), '10.0.0.0/24');
  range.occupy('0.0.0.0/0');
  assert.equal(range.allocate(), undefined);
});
