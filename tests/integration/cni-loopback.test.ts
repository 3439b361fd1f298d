import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { createNetns } from '../../src/kernel/netns.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { debian, netnsPath, ours, withoutDebianPlugins } from './support/cni.ts';

const netns = createNetns();
const inside = openRtnl({ netns });
const call = { config: { type: 'loopback' }, containerId: 'a', ifName: 'lo', netns };
after(() => {
  inside.close();
  netns.close();
});

test('loopback sets lo up and down, and tells its addresses', async () => {
  const result = await ours('ADD', call);
  assert.equal(inside.link('lo')?.up, true);
  assert.deepEqual(result, {
    cniVersion: '1.1.0',
    interfaces: [{ name: 'lo', mac: '00:00:00:00:00:00', sandbox: netnsPath(netns) }],
    ips: [
      { address: '127.0.0.1/8', interface: 0 },
      { address: '::1/128', interface: 0 },
    ],
    dns: {},
  });
  await ours('CHECK', { ...call, prevResult: result });
  await ours('DEL', call);
  assert.equal(inside.link('lo')?.up, false);
  await assert.rejects(ours('CHECK', { ...call, prevResult: result }), /loopback interface is down/);
  await ours('DEL', call);
  await ours('DEL', { ...call, netns: undefined });
});

test('loopback passes the result of the plugin before it on', async () => {
  const prevResult = {
    cniVersion: '1.1.0',
    interfaces: [{ name: 'eth0', mac: '02:00:00:00:00:01' }],
    dns: {},
  };
  assert.deepEqual(await ours('ADD', { ...call, prevResult }), prevResult);
});

test('loopback answers as Debian’s does', { skip: withoutDebianPlugins }, async () => {
  const config = { ...call.config, cniVersion: '1.0.0' };
  const own = await ours('ADD', { ...call, config });
  assert.deepEqual(own, await debian('ADD', { ...call, config }));
  await debian('CHECK', { ...call, config, prevResult: own });
  await ours('DEL', { ...call, config });
});
