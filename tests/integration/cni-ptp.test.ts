import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createNetns, enterNetns, withNetns } from '../../src/kernel/netns.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { AnsweredError, type Call, debian, ours, withoutDebianPlugins } from './support/cni.ts';
import {
  type Outside,
  type TestPod,
  addOutside,
  addPod,
  closeAll,
  newNetns,
  serve,
  sourceSeen,
} from './support/cni-pods.ts';

const scratch = mkdtempSync(join(tmpdir(), 'podnet-ptp-'));
const currentNode = createNetns();
enterNetns(currentNode);
const node = openRtnl();
let outside: Outside;

before(async () => {
  node.setLink('lo', { up: true });
  outside = await addOutside();
  await serve(currentNode);
});
after(() => {
  closeAll();
  node.close();
  rmSync(scratch, { recursive: true });
});

let networks = 0;

/** A network of its own: 10.N.0.0/24 and fd00:N::/64, with default routes. */
function network(keys: Readonly<Record<string, unknown>> = {}): Call['config'] & { readonly name: string } {
  const index = ++networks;
  return {
    type: 'ptp',
    name: `net${index}`,
    ipam: {
      type: 'host-local',
      dataDir: scratch,
      ranges: [[{ subnet: `10.${index}.0.0/24` }], [{ subnet: `fd00:${index}::/64` }]],
      routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
    },
    ...keys,
  };
}

test('pods reach each other and the node through their own links, in both families', async () => {
  const config = network({ mtu: 1400, dns: { search: ['a.test'] } });
  const [a, b] = [await addPod({ config }), await addPod({ config })];
  const gateways = (a.result.ips ?? []).map(({ gateway }) => gateway ?? '');
  const seen = await Promise.all([...b.addresses, ...gateways].map((to) => sourceSeen(a.netns, to)));
  assert.deepEqual(seen, [...a.addresses, ...a.addresses]);
  assert.equal(await sourceSeen(currentNode, b.addresses[0] ?? ''), gateways[0]);
  const [host, container] = a.result.interfaces ?? [];
  assert.equal(node.link(host?.name ?? '')?.mac, host?.mac);
  assert.deepEqual([host?.mtu, container?.mtu, container?.name], [1400, 1400, 'eth0']);
  assert.deepEqual(a.result.dns, { search: ['a.test'] });
});

test('ipMasq gives traffic to the outside the node’s address', async () => {
  const config = network({ ipMasq: true });
  const [a, b] = [await addPod({ config }), await addPod({ config })];
  const seen = await Promise.all([...outside.addresses, ...b.addresses].map((to) => sourceSeen(a.netns, to)));
  assert.deepEqual(seen, [...outside.node, ...a.addresses]);
  for (const pod of [a, b]) await ours('DEL', pod.call);
  const nftables = openNftables();
  assert.ok(!nftables.tables().some(({ name }) => name === `podnet-masq-${config.name}`));
  nftables.close();
});

test('DEL removes the link and the route; twice, without namespace, and before any ADD', async () => {
  const config = network();
  const [a, b] = [await addPod({ config }), await addPod({ config })];
  await ours('DEL', a.call);
  await ours('DEL', { ...b.call, netns: undefined });
  await ours('DEL', b.call);
  const left = node.routes({ family: 4 }).filter(({ dst }) => dst.startsWith(`10.${networks}.`));
  assert.deepEqual(left, []);
  await ours('DEL', { config, containerId: 'never-added', netns: newNetns() });
});

test('ADD needs IPAM with gateways, and a free interface name', async () => {
  const netns = newNetns();
  const call = { containerId: 'a', netns };
  await assert.rejects(ours('ADD', { ...call, config: network({ ipam: {} }) }), /ipam: must be an object/);
  const pod = await addPod({ config: network() });
  await assert.rejects(ours('ADD', pod.call), /has an interface eth0 already/);
  await ours('CHECK', pod.call);
});

test('CHECK finds what was changed', async () => {
  const config = network({ ipMasq: true });
  const inPod = (pod: TestPod, ...args: string[]): void => {
    withNetns(pod.netns, () => execFileSync('ip', args));
  };
  const tamper: readonly (readonly [RegExp, (pod: TestPod, host: string) => void])[] = [
    [/lacks the address/, (pod) => inPod(pod, 'address', 'flush', 'dev', 'eth0', 'scope', 'global')],
    [/lacks the route/, (pod) => inPod(pod, 'route', 'del', 'default')],
    [/no interface eth0/, (pod) => inPod(pod, 'link', 'del', 'eth0')],
    [/is down/, (_, host) => node.setLink(host, { up: false })],
    [/no route to 10\./, (pod) => node.deleteRoute({ dst: `${pod.addresses[0]}/32` })],
    [/podnet-masq/, () => execFileSync('nft', ['flush', 'table', 'inet', `podnet-masq-${config.name}`])],
  ];
  for (const [message, change] of tamper) {
    const pod = await addPod({ config });
    await ours('CHECK', pod.call);
    change(pod, pod.result.interfaces?.[0]?.name ?? '');
    await assert.rejects(ours('CHECK', pod.call), (error) => {
      assert.ok(error instanceof AnsweredError);
      assert.match(error.message, message);
      return true;
    });
    await ours('DEL', pod.call);
  }
});

test('GC removes what belongs to no valid attachment; STATUS asks IPAM', async () => {
  const config = network();
  const [a, b] = [await addPod({ config }), await addPod({ config })];
  await ours('GC', { config, validAttachments: [{ containerId: b.containerId, ifName: 'eth0' }] });
  const left = [a, b].map(({ result }) => node.link(result.interfaces?.[0]?.name ?? '') !== undefined);
  assert.deepEqual(left, [false, true]);
  await ours('CHECK', b.call);
  await ours('STATUS', { config });
});

/** What both implementations should leave alike, their names and MAC addresses aside. */
function state(pod: TestPod): unknown {
  const inside = openRtnl({ netns: pod.netns });
  const host = node.link(pod.result.interfaces?.[0]?.name ?? '');
  const of = (rtnl: typeof node, link: number | undefined): unknown => ({
    mtu: rtnl.link(link ?? 0)?.mtuBytes,
    addresses: rtnl
      .addresses()
      .filter((each) => each.link === link && each.scope === 'universe')
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`)
      .toSorted(),
    routes: rtnl
      .routes()
      .filter((each) => each.link === link)
      .map(({ dst, gateway, source, metric }) => `${dst} via ${gateway} src ${source} metric ${metric}`)
      .toSorted(),
  });
  const found = {
    result: {
      ...pod.result,
      interfaces: pod.result.interfaces?.map(({ sandbox }) => sandbox && 'container'),
    },
    container: of(inside, inside.link('eth0')?.index),
    host: of(node, host?.index),
  };
  inside.close();
  return found;
}

test('ptp leaves what Debian’s does', { skip: withoutDebianPlugins }, async () => {
  for (const keys of [{}, { mtu: 1300, dns: { nameservers: ['192.0.2.53'] } }]) {
    const config = { cniVersion: '1.0.0', ...network(keys) };
    const states: unknown[] = [];
    for (const by of [ours, debian]) {
      const pod = await addPod({ config }, by);
      states.push(state(pod));
      await (by === ours ? debian : ours)('CHECK', pod.call);
      await by('DEL', pod.call);
      rmSync(join(scratch, config.name), { recursive: true });
    }
    assert.deepEqual(states[0], states[1], JSON.stringify(keys));
  }
});
