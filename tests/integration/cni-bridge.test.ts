import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { unfinishedGroup } from '../../src/cni/attachment/host-interface.ts';
import { type Netns, createNetns, enterNetns, withNetns } from '../../src/kernel/netns.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import {
  AnsweredError,
  type Call,
  debian,
  installPlugin,
  netnsPath,
  ours,
  withoutDebianPlugins,
} from './support/cni.ts';
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

/*
 *   pods ── bridges ── node, the namespace of this thread ── outside 192.0.2.2, 2001:db8::2
 */
const scratch = mkdtempSync(join(tmpdir(), 'podnet-bridge-'));
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

/** A bridge network of its own: 10.N.0.0/24 and fd00:N::/64. */
function network(
  keys: Readonly<Record<string, unknown>> = {},
): Call['config'] & { readonly name: string; readonly bridge: string } {
  const index = ++networks;
  return {
    type: 'bridge',
    name: `net${index}`,
    bridge: `br${index}`,
    isDefaultGateway: true,
    ipam: {
      type: 'host-local',
      dataDir: scratch,
      ranges: [[{ subnet: `10.${index}.0.0/24` }], [{ subnet: `fd00:${index}::/64` }]],
    },
    ...keys,
  };
}

function inPod({ netns }: { readonly netns: Netns }, ...command: readonly string[]): string {
  const [file = '', ...args] = command;
  return withNetns(netns, () => execFileSync(file, args, { encoding: 'utf8' }));
}

function tables(): string[] {
  const nftables = openNftables();
  const names = nftables.tables().map(({ family, name }) => `${family} ${name}`);
  nftables.close();
  return names;
}

const code =
  (expected: number, message: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof AnsweredError, String(error));
    assert.match(error.message, message);
    assert.equal(error.code, expected);
    return true;
  };

test('pods of a bridge reach each other and the gateway, in both families', async () => {
  const config = network();
  const [a, b] = [await addPod({ config }), await addPod({ config })];
  const [v4 = '', v6 = ''] = b.addresses;
  const gateways = (a.result.ips ?? []).map(({ gateway }) => gateway ?? '');
  const seen = await Promise.all([v4, v6, ...gateways].map((to) => sourceSeen(a.netns, to)));
  assert.deepEqual(seen, [...a.addresses, ...a.addresses]);
  assert.equal(await sourceSeen(currentNode, v4), gateways[0], 'and the node reaches them');
});

test('the result has bridge, node’s end and container’s end, addresses and routes', async () => {
  const config = network({ mtu: 1400, dns: { nameservers: ['192.0.2.53'] } });
  const { result, netns } = await addPod({ config });
  const [bridge, host, container] = result.interfaces ?? [];
  assert.deepEqual([bridge?.name, container?.name], [config.bridge, 'eth0']);
  assert.deepEqual(
    [bridge, host].map((each) => each?.mac),
    [bridge, host].map((each) => node.link(each?.name ?? '')?.mac),
  );
  const inside = openRtnl({ netns });
  assert.equal(container?.mac, inside.link('eth0')?.mac);
  assert.deepEqual(
    [bridge, host, container].map((each) => each?.mtu),
    [1400, 1400, 1400],
  );
  assert.deepEqual([node.link(host?.name ?? '')?.mtuBytes, inside.link('eth0')?.mtuBytes], [1400, 1400]);
  inside.close();
  assert.deepEqual(result.ips, [
    { address: `10.${networks}.0.2/24`, gateway: `10.${networks}.0.1`, interface: 2 },
    { address: `fd00:${networks}::2/64`, gateway: `fd00:${networks}::1`, interface: 2 },
  ]);
  assert.deepEqual(result.routes, [
    { dst: '0.0.0.0/0', gw: `10.${networks}.0.1` },
    { dst: '::/0', gw: `fd00:${networks}::1` },
  ]);
  assert.deepEqual(result.dns, { nameservers: ['192.0.2.53'] });
});

test('ipMasq gives traffic to the outside the node’s address, and its table goes with the last pod', async () => {
  const config = network({ ipMasq: true, ipMasqBackend: 'nftables' });
  const [a, b] = [await addPod({ config }), await addPod({ config })];
  const seen = await Promise.all([...outside.addresses, ...b.addresses].map((to) => sourceSeen(a.netns, to)));
  assert.deepEqual(seen, [...outside.node, ...a.addresses]);
  const table = `inet podnet-masq-${config.name}`;
  await ours('DEL', a.call);
  assert.equal(await sourceSeen(b.netns, outside.addresses[0]), outside.node[0]);
  await ours('DEL', b.call);
  assert.ok(!tables().includes(table));
  await ours('DEL', b.call);
});

test('without ipMasq nothing comes back from the outside', async () => {
  const pod = await addPod({ config: network() });
  assert.equal(await sourceSeen(pod.netns, outside.addresses[0]), 'timeout');
});

test('DEL removes interface and address, with and without the namespace', async () => {
  const config = network();
  const [a, b] = [await addPod({ config }), await addPod({ config })];
  const ends = [a, b].map(({ result }) => result.interfaces?.[1]?.name ?? '');
  await ours('DEL', a.call);
  await ours('DEL', { ...b.call, netns: undefined, prevResult: undefined });
  assert.deepEqual(
    ends.map((name) => node.link(name)),
    [undefined, undefined],
  );
  await ours('DEL', { config, containerId: 'never-added', netns: newNetns() });
});

test('a second ADD fails and leaves the first as it is', async () => {
  const config = network({ ipMasq: true, macspoofchk: true });
  const pod = await addPod({ config });
  await assert.rejects(ours('ADD', pod.call), code(111, /has an interface eth0 already/));
  await ours('CHECK', pod.call);
  assert.equal(await sourceSeen(pod.netns, outside.addresses[0]), outside.node[0]);
});

test('in a long-lived process DEL is over before the link is deleted, and ADD works at once', async () => {
  const config = network();
  const pod = await addPod({ config, longLived: true });
  const name = pod.result.interfaces?.[1]?.name ?? '';
  await ours('DEL', pod.call);
  assert.equal(node.link(name)?.up ?? false, false);
  const again = await ours('ADD', { ...pod.call, prevResult: undefined });
  assert.equal(again.ips?.[0]?.address, `10.${networks}.0.3/24`);
  await ours('DEL', { ...pod.call, prevResult: again });
  const deadline = performance.now() + 5000;
  while (node.link(name) && performance.now() < deadline) await new Promise((done) => setTimeout(done, 20));
  assert.equal(node.link(name), undefined);
});

test('macspoofchk drops frames from another MAC address', async () => {
  const config = network({ macspoofchk: true });
  const [a, b] = [await addPod({ config }), await addPod({ config })];
  const [to = ''] = b.addresses;
  assert.equal(await sourceSeen(a.netns, to), a.addresses[0]);
  const own = a.result.interfaces?.[2]?.mac ?? '';
  inPod(a, 'ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:66');
  assert.match(await sourceSeen(a.netns, to), /timeout|EHOSTUNREACH/);
  inPod(a, 'ip', 'link', 'set', 'eth0', 'address', own);
  assert.equal(await sourceSeen(a.netns, to), a.addresses[0]);
  for (const pod of [a, b]) await ours('DEL', pod.call);
  assert.ok(!tables().includes(`bridge podnet-macspoof-${config.name}`));
});

test('portIsolation parts pods, not pod and gateway', async () => {
  const config = network({ portIsolation: true });
  const [a, b] = [await addPod({ config }), await addPod({ config })];
  const [to = ''] = b.addresses;
  const [apart, gateway] = await Promise.all([
    sourceSeen(a.netns, to),
    sourceSeen(a.netns, a.result.ips?.[0]?.gateway ?? ''),
  ]);
  assert.match(apart, /timeout|EHOSTUNREACH/);
  assert.equal(gateway, a.addresses[0]);
});

/** Two namespaces behind one port of the bridge, which talk to each other by the bridge alone (macvlan, VEPA). */
async function behindOnePort(pod: TestPod): Promise<{ readonly from: Netns; readonly to: string }> {
  const inside = openRtnl({ netns: pod.netns });
  const [from, to] = [newNetns(), newNetns()];
  for (const [index, netns] of [from, to].entries()) {
    inPod(pod, 'ip', 'link', 'add', 'link', 'eth0', 'name', `m${index}`, 'type', 'macvlan', 'mode', 'vepa');
    inside.setLink(`m${index}`, { netns });
    const rtnl = openRtnl({ netns });
    rtnl.addAddress({ link: `m${index}`, address: `198.51.100.${index + 1}`, prefixLength: 24 });
    rtnl.setLink(`m${index}`, { up: true });
    rtnl.close();
  }
  inside.close();
  await serve(to);
  return { from, to: '198.51.100.2' };
}

test('hairpinMode sends frames back by the port they came from', async () => {
  const [on, off] = await Promise.all(
    [true, false].map(async (hairpinMode) => {
      const { from, to } = await behindOnePort(await addPod({ config: network({ hairpinMode }) }));
      return sourceSeen(from, to);
    }),
  );
  assert.equal(on, '198.51.100.1');
  assert.match(off ?? '', /timeout|EHOSTUNREACH/);
});

test('promiscMode, mac and ips are as asked for', async () => {
  const config = network({
    promiscMode: true,
    args: { cni: { mac: '02:00:00:00:00:01' } },
    runtimeConfig: { mac: '02:00:00:00:00:02', ips: [`10.${networks + 1}.0.99`] },
  });
  const { result } = await addPod({ config, args: 'IgnoreUnknown=1;MAC=02:00:00:00:00:03' });
  assert.equal(result.interfaces?.[2]?.mac, '02:00:00:00:00:02');
  assert.equal(result.ips?.[0]?.address, `10.${networks}.0.99/24`);
  assert.equal(node.link(`br${networks}`)?.promiscuous, true);
  const fromArgs = await addPod({ config: network(), args: 'IgnoreUnknown=1;MAC=02:00:00:00:00:03' });
  assert.equal(fromArgs.result.interfaces?.[2]?.mac, '02:00:00:00:00:03');
});

test('disableContainerInterface makes a link that stays down, without addresses', async () => {
  const config = network({ disableContainerInterface: true, isDefaultGateway: false, ipam: {} });
  const { result, netns } = await addPod({ config });
  const inside = openRtnl({ netns });
  assert.deepEqual([result.ips, inside.link('eth0')?.up], [undefined, false]);
  inside.close();
});

test('enabledad finds an address that another pod has', async () => {
  const shared = { bridge: 'brdad', enabledad: true };
  const ipam = (set: number): object => ({
    type: 'host-local',
    dataDir: join(scratch, `dad${set}`),
    ranges: [[{ subnet: 'fd00:dad::/64' }]],
  });
  const first = await addPod({ config: network({ ...shared, ipam: ipam(1) }) });
  assert.equal(await sourceSeen(first.netns, 'fd00:dad::1'), 'fd00:dad::2');
  await assert.rejects(
    addPod({ config: network({ ...shared, ipam: ipam(2) }) }),
    code(110, /has the address fd00:dad::2 already/),
  );
});

test('forceAddress replaces the bridge’s address; without it the ADD fails and leaves nothing', async () => {
  const first = network();
  await addPod({ config: first });
  const second = network({ bridge: first.bridge });
  const links = node.links().length;
  await assert.rejects(addPod({ config: second }), code(113, /in the way of 10\.\d+\.0\.1\/24/));
  assert.equal(node.links().length, links);
  const forced = await addPod({ config: { ...second, forceAddress: true } });
  const addresses = node.addresses({ link: first.bridge, family: 4 }).map(({ address }) => address);
  assert.deepEqual(addresses, [forced.result.ips?.[0]?.gateway]);
});

test('configuration that makes no sense is invalid', async () => {
  for (const keys of [
    { hairpinMode: true, promiscMode: true },
    { vlan: 4095 },
    { vlanTrunk: [{ minID: 5 }] },
    { vlanTrunk: [{ minID: 9, maxID: 5 }] },
    { bridge: 'much-too-long-a-name' },
    { mtu: 10 },
    { disableContainerInterface: true },
    { isGateway: 'yes' },
    { ipMasqBackend: 'pf' },
  ]) {
    const call = { config: network(keys), containerId: 'a', netns: newNetns() };
    await assert.rejects(
      ours('ADD', call),
      code(7, new RegExp(Object.keys(keys)[0] ?? '')),
      JSON.stringify(keys),
    );
  }
});

test('CHECK finds what was changed', async () => {
  const config = network({ ipMasq: true, macspoofchk: true, hairpinMode: true });
  const tamper: readonly (readonly [RegExp, (pod: TestPod, host: string) => void])[] = [
    [
      /lacks the address 10\./,
      (pod) => inPod(pod, 'ip', 'address', 'flush', 'dev', 'eth0', 'scope', 'global'),
    ],
    [/lacks the route to 0\.0\.0\.0\/0/, (pod) => inPod(pod, 'ip', 'route', 'del', 'default')],
    [/eth0 is down/, (pod) => inPod(pod, 'ip', 'link', 'set', 'eth0', 'down')],
    [/MAC address 02:00/, (pod) => inPod(pod, 'ip', 'link', 'set', 'eth0', 'address', '02:00:00:00:00:66')],
    [/no interface eth0/, (pod) => inPod(pod, 'ip', 'link', 'del', 'eth0')],
    [/is no port of/, (_, host) => node.setLink(host, { master: null })],
    [/hairpin of .* is false/, (_, host) => node.setLink(host, { bridgePort: { hairpin: false } })],
    [/lacks the gateway's address/, () => execFileSync('ip', ['address', 'flush', 'dev', config.bridge])],
  ];
  for (const [message, change] of tamper) {
    const pod = await addPod({ config });
    await ours('CHECK', pod.call);
    change(pod, pod.result.interfaces?.[1]?.name ?? '');
    await assert.rejects(ours('CHECK', pod.call), code(112, message));
    await ours('DEL', pod.call);
  }
  const pod = await addPod({ config });
  for (const table of [`inet podnet-masq-${config.name}`, `bridge podnet-macspoof-${config.name}`]) {
    execFileSync('nft', ['flush', 'table', ...table.split(' ')]);
    await assert.rejects(ours('CHECK', pod.call), code(112, /podnet-/));
  }
});

test('GC removes interfaces, rules and addresses of attachments that are not valid', async () => {
  const config = network({ ipMasq: true });
  const [a, b] = [await addPod({ config }), await addPod({ config })];
  const other = await addPod({ config: network({ bridge: config.bridge, forceAddress: true }) });
  await ours('GC', { config, validAttachments: [{ containerId: b.containerId, ifName: 'eth0' }] });
  const ends = [a, b, other].map(({ result }) => node.link(result.interfaces?.[1]?.name ?? '') !== undefined);
  assert.deepEqual(ends, [false, true, true]);
  await ours('CHECK', b.call).catch((error: unknown) => assert.match(String(error), /gateway's address/));
  await ours('GC', { config, validAttachments: [] });
  assert.ok(!tables().includes(`inet podnet-masq-${config.name}`));
  await ours('STATUS', { config });
});

test('GC removes what an ADD left that was killed before its link said whose it is', async () => {
  const [config, other] = [network(), network()];
  const netns = newNetns();
  const make = (name: string, of: string, ifName: string): void =>
    node.addLink({
      kind: 'veth',
      name,
      group: unfinishedGroup(of),
      peer: { name: ifName, netns },
    });
  make('veth00000000001', config.name, 'eth0');
  make('veth00000000002', other.name, 'eth1');
  const { result } = await addPod({ config });
  const finished = node.link(result.interfaces?.[1]?.name ?? '');
  assert.equal(finished?.group, 0);
  await ours('GC', { config, validAttachments: [] });
  const left = [1, 2].map((index) => node.link(`veth0000000000${index}`) !== undefined);
  assert.deepEqual([...left, node.link(finished.index) !== undefined], [false, true, false]);
  await ours('GC', { config: other, validAttachments: [] });
  assert.equal(node.link('veth00000000002'), undefined);
});

/** ADDs and DELs containers of one namespace without end, telling of each before it begins. */
const BUSY = `
import { plugin } from ${JSON.stringify(join(import.meta.dirname, '../../src/cni/plugins/bridge/plugin.ts'))};
import { pluginNamed } from ${JSON.stringify(join(import.meta.dirname, '../../src/cni/plugins/registry.ts'))};
const [stdin, CNI_NETNS] = process.argv.slice(1);
for (let index = 0; ; index++) {
  const CNI_CONTAINERID = process.pid + '-' + index;
  for (const CNI_COMMAND of ['ADD', 'DEL']) {
    process.stdout.write(CNI_CONTAINERID + '\\n');
    const environment = { CNI_COMMAND, CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME: 'eth0' };
    const { exitCode, stdout } = await plugin.answer({ environment, stdin, findPlugin: pluginNamed });
    if (exitCode !== 0) throw new Error(stdout);
    await new Promise((next) => setImmediate(next));
  }
}`;

test('kill -9 in the middle of ADD or DEL leaves nothing that DEL does not remove', async () => {
  const config = network({ ipMasq: true, macspoofchk: true, cniVersion: '1.1.0' });
  const netns = newNetns();
  const links = node.links().length;
  for (let round = 0; round < 16; round++) {
    const args = ['--input-type=module', '-e', BUSY, '--', JSON.stringify(config), netnsPath(netns)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const gone = new Promise((done) => child.once('close', done));
    let told = '';
    const busy = Promise.withResolvers<void>();
    child.stdout.on('data', (chunk) => {
      told += String(chunk);
      if (told.split('\n').length > 3 + (round % 8)) busy.resolve();
    });
    await busy.promise;
    // At another moment of the work each time.
    await new Promise((later) => setTimeout(later, round * 0.7));
    child.kill('SIGKILL');
    await gone;
    const containerId = told.trim().split('\n').at(-1) ?? '';
    await ours('DEL', { config, containerId, netns });
    assert.equal(node.links().length, links + 1, `the bridge alone, after round ${round}`);
  }
  const { addresses } = await addPod({ config });
  assert.equal(await sourceSeen(currentNode, addresses[0] ?? ''), `10.${networks}.0.1`);
  const reserved = readdirSync(join(scratch, config.name)).filter((name) => /^[0-9a-f.:]+$/.test(name));
  assert.deepEqual(reserved.toSorted(), addresses.toSorted());
});

/** What both implementations should leave alike, their names and MAC addresses aside. */
function state(pod: TestPod, bridge: string): unknown {
  const inside = openRtnl({ netns: pod.netns });
  const host = node.link(pod.result.interfaces?.[1]?.name ?? '');
  const addressesOf = (rtnl: typeof node, link: string): string[] =>
    rtnl
      .addresses({ link })
      .filter(({ scope }) => scope === 'universe')
      .map(({ address, prefixLength }) => `${address}/${prefixLength}`)
      .toSorted();
  const { up, mtuBytes, promiscuous } = node.link(bridge) ?? {};
  const found = {
    result: {
      ...pod.result,
      interfaces: pod.result.interfaces?.map(({ name, sandbox }) => (sandbox ? name : name.slice(0, 4))),
    },
    addresses: addressesOf(inside, 'eth0'),
    routes: inside
      .routes()
      .map(({ dst, gateway, metric, scope }) => `${dst} via ${gateway} metric ${metric} scope ${scope}`)
      .toSorted(),
    mtu: inside.link('eth0')?.mtuBytes,
    bridge: { up, mtuBytes, promiscuous, addresses: addressesOf(node, bridge) },
    port: { up: host?.up, port: host?.bridgePort, isPort: host?.master === node.link(bridge)?.index },
  };
  inside.close();
  return found;
}

test('bridge leaves what Debian’s does', { skip: withoutDebianPlugins }, async () => {
  for (const keys of [
    {},
    { isDefaultGateway: false, isGateway: true },
    { isDefaultGateway: false, hairpinMode: true },
    { promiscMode: true, mtu: 1300 },
  ]) {
    const config = { cniVersion: '1.0.0', ...network(keys) };
    const states: unknown[] = [];
    for (const by of [ours, debian]) {
      const pod = await addPod({ config }, by);
      states.push(state(pod, config.bridge));
      await by('CHECK', pod.call);
      await by('DEL', pod.call);
      node.deleteLink(config.bridge);
      rmSync(join(scratch, config.name), { recursive: true });
    }
    assert.deepEqual(states[0], states[1], JSON.stringify(keys));
  }
});

test('either implementation deletes what the other one added', { skip: withoutDebianPlugins }, async () => {
  const config = { cniVersion: '1.0.0', ...network() };
  const links = node.links().length;
  for (const [add, del] of [
    [ours, debian],
    [debian, ours],
  ] as const) {
    const pod = await addPod({ config }, add);
    await del('CHECK', pod.call);
    await del('DEL', pod.call);
    assert.equal(node.links().length, links + 1, 'the bridge');
  }
});

test('IPAM of Debian serves our bridge', { skip: withoutDebianPlugins }, async () => {
  const config = { cniVersion: '1.0.0', ...network() };
  const pod = await addPod({ config, path: '/usr/lib/cni' });
  await ours('CHECK', pod.call);
  await ours('DEL', pod.call);
  await assert.rejects(
    addPod({ config: { ...config, ipam: { type: 'dhcp-of-nobody' } } }),
    code(7, /No plugin "dhcp-of-nobody"/),
  );
});

test('our IPAM serves Debian’s bridge', { skip: withoutDebianPlugins }, async () => {
  const path = join(scratch, 'bin');
  installPlugin(path, 'host-local');
  const config = network();
  const pod = await addPod({ config, path }, debian);
  assert.equal(pod.addresses[0], `10.${networks}.0.2`);
  await debian('CHECK', pod.call);
  await debian('DEL', pod.call);
});
