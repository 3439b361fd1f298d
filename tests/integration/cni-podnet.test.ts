import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { POD_LINK_GROUP, hostInterfaceName } from '../../src/cni/pod-link-plan.ts';
import { readHoldings } from '../../src/cni/attachment/owned-table.ts';
import { portmapLayout } from '../../src/cni/plugins/portmap/table.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { openTrafficControl } from '../../src/kernel/traffic-control/traffic-control.ts';
import { createPodNetwork } from '../../src/cni/podnet.ts';
import { createPodnetPlugin } from '../../src/cni/plugins/podnet/plugin.ts';
import { pluginNamed } from '../../src/cni/plugins/registry.ts';
import { type Netns, createNetns, currentNetns } from '../../src/kernel/netns.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { type Call, type Command, AnsweredError, netnsPath, ours } from './support/cni.ts';

const rtnl = openRtnl();
rtnl.setLink('lo', { up: true });

let count = 0;

interface Pod {
  readonly containerId: string;
  readonly netns: Netns;
}

function newPod(t: TestContext): Pod {
  const netns = createNetns();
  t.after(() => netns.close());
  return { containerId: `pod-${process.pid}-${++count}`, netns };
}

function configOf(t: TestContext, more: Readonly<Record<string, unknown>> = {}): Call['config'] {
  const dataDir = mkdtempSync(join(tmpdir(), 'podnet-cni-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  return { type: 'podnet', name: `net-${++count}`, dataDir, podCIDR: '10.9.0.0/24,fd09::/64', ...more };
}

const fails = (code: number, message: RegExp) => (error: unknown) =>
  error instanceof AnsweredError && error.code === code && message.test(error.message);

for (const linkMode of ['routed', 'bridge']) {
  test(`podnet, ${linkMode}: ADD, CHECK, DEL without an agent`, async (t) => {
    const config = configOf(t, { linkMode, mtu: 1400 });
    const pod = newPod(t);
    const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-1;K8S_POD_UID=u1';
    const result = await ours('ADD', { config, args, ...pod });
    const prefixes = linkMode === 'routed' ? [32, 128] : [24, 64];
    const gateways = linkMode === 'routed' ? ['169.254.1.1', 'fe80::1'] : ['10.9.0.1', 'fe80::1'];
    const index = linkMode === 'routed' ? 1 : 2;
    assert.deepEqual(result.ips, [
      { address: `10.9.0.2/${prefixes[0]}`, gateway: gateways[0], interface: index },
      { address: `fd09::2/${prefixes[1]}`, gateway: gateways[1], interface: index },
    ]);
    const eth0 = { name: 'eth0', mac: '0a:58:0a:09:00:02', mtu: 1400, sandbox: netnsPath(pod.netns) };
    assert.deepEqual(result.interfaces?.at(-1), eth0);
    const host = result.interfaces?.at(-2)?.name ?? '';
    assert.match(rtnl.link(host)?.alias ?? '', / eth0 net-\d+ shop\/web-1$/);
    await ours('CHECK', { config, ...pod, prevResult: result });
    await assert.rejects(ours('ADD', { config, ...pod }), fails(111, /already/));
    rtnl.setLink(host, { mtuBytes: 1300 });
    await assert.rejects(ours('CHECK', { config, ...pod, prevResult: result }), fails(112, /MTU of 1400/));
    await ours('DEL', { config, ...pod });
    await ours('DEL', { config, ...pod });
    assert.equal(rtnl.link(host), undefined);
    const next = await ours('ADD', { config, ...pod });
    assert.equal(next.ips?.[0]?.address, `10.9.0.3/${prefixes[0]}`, 'not the same address at once');
    await ours('DEL', { config, ...pod });
  });
}

test('podnet gives the wanted addresses and MAC', async (t) => {
  const config = configOf(t, { runtimeConfig: { ips: ['10.9.0.77/24'], mac: '02:00:00:00:00:4D' } });
  const result = await ours('ADD', { config, ...newPod(t) });
  assert.deepEqual(
    [result.ips?.map(({ address }) => address), result.interfaces?.at(-1)?.mac],
    [['10.9.0.77/32', 'fd09::2/128'], '02:00:00:00:00:4d'],
  );
  await assert.rejects(ours('ADD', { config, ...newPod(t) }), fails(999, /10\.9\.0\.77 is taken/));
});

test('podnet, bridge and ptp refuse the namespace of the node itself', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'podnet-cni-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: '10.5.0.0/24' }]] };
  const netns = currentNetns();
  t.after(() => netns.close());
  for (const config of [configOf(t), { type: 'bridge', bridge: 'self0', ipam }, { type: 'ptp', ipam }]) {
    const call = { config, containerId: 'self', netns, ifName: 'self' };
    await assert.rejects(ours('ADD', call), fails(4, /^CNI_NETNS: .* of the node itself/), config.type);
  }
  assert.equal(rtnl.link('self'), undefined);
});

test('podnet takes addresses of another IPAM plugin, and gives them back', async (t) => {
  for (const linkMode of ['routed', 'bridge']) {
    const dataDir = mkdtempSync(join(tmpdir(), 'podnet-cni-'));
    t.after(() => rmSync(dataDir, { recursive: true }));
    const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: '10.8.0.0/24' }]] };
    const config = { type: 'podnet', name: `ipam-${linkMode}`, linkMode, ipam };
    const [one, two] = [newPod(t), newPod(t)];
    const result = await ours('ADD', { config, ...one });
    await ours('ADD', { config, ...two });
    assert.equal(result.ips?.[0]?.address, linkMode === 'routed' ? '10.8.0.2/32' : '10.8.0.2/24');
    await ours('CHECK', { config, ...one, prevResult: result });
    await ours('STATUS', { config });
    await ours('GC', { config, validAttachments: [{ containerId: one.containerId, ifName: 'eth0' }] });
    const left = rtnl.links().filter(({ alias }) => alias?.includes(` ipam-${linkMode} `));
    assert.deepEqual(
      left.map(({ alias }) => alias?.split(' ')[1]),
      [one.containerId],
    );
    await ours('DEL', { config, ...one });
    rtnl.deleteLinkGroup(0x706f65);
    if (rtnl.link('cbr0')) rtnl.deleteLink('cbr0');
  }
});

/** The commands `nft` prints of podnet's host ports, and the qdiscs that limit. */
function limitsAndPorts(): { readonly ports: number; readonly limits: number } {
  const nftables = openNftables();
  const tc = openTrafficControl();
  try {
    const holdings = readHoldings(nftables, portmapLayout);
    return {
      ports: holdings?.elements.filter(({ set }) => set.name.startsWith('any-')).length ?? 0,
      limits: rtnl.links().filter((link) => tc.qdiscs(link.index).some(({ kind }) => kind === 'tbf')).length,
    };
  } finally {
    tc.close();
    nftables.close();
  }
}

for (const linkMode of ['routed', 'bridge']) {
  test(`podnet, ${linkMode}: portMappings and bandwidth are made, checked, deleted and collected`, async (t) => {
    const runtimeConfig = {
      portMappings: [{ hostPort: 18_080, containerPort: 80, protocol: 'tcp' }],
      bandwidth: {
        ingressRate: 8_000_000,
        ingressBurst: 800_000,
        egressRate: 8_000_000,
        egressBurst: 800_000,
      },
    };
    const plain = configOf(t, { linkMode });
    const config = { ...plain, runtimeConfig };
    const nothing = limitsAndPorts();
    const pod = newPod(t);
    const prevResult = await ours('ADD', { config, ...pod });
    const added = { ports: nothing.ports + 2, limits: nothing.limits + 2 };
    assert.deepEqual(limitsAndPorts(), added, 'one port in each family, one limit in each direction');
    await ours('CHECK', { config, ...pod, prevResult });
    const taken = { ...newPod(t), config };
    await assert.rejects(ours('ADD', taken), fails(999, /portmap: .*18080/));
    assert.deepEqual(limitsAndPorts(), added, 'what failed left nothing');
    await ours('DEL', { config, ...pod });
    assert.deepEqual(limitsAndPorts(), nothing);

    const lost = newPod(t);
    await ours('ADD', { config, ...lost });
    // GC knows of no capabilities: they are a container's.
    await ours('GC', {
      config: plain,
      validAttachments: [{ containerId: lost.containerId, ifName: 'eth0' }],
    });
    assert.deepEqual(limitsAndPorts(), added, 'GC keeps what is valid');
    await ours('GC', { config: plain, validAttachments: [] });
    assert.deepEqual(limitsAndPorts(), nothing);
  });
}

test('podnet: with another IPAM plugin GC removes what a killed ADD left', async (t) => {
  const dataDir = mkdtempSync(join(tmpdir(), 'podnet-cni-'));
  t.after(() => rmSync(dataDir, { recursive: true }));
  const ipam = { type: 'host-local', dataDir, ranges: [[{ subnet: '10.6.0.0/24' }]] };
  const config = { type: 'podnet', name: 'killed', ipam };
  const { netns } = newPod(t);
  rtnl.addLink({
    kind: 'veth',
    name: 'pod00000000001',
    group: POD_LINK_GROUP,
    peer: { name: 'eth0', netns },
  });
  const kept = newPod(t);
  await ours('ADD', { config, ...kept });
  await ours('GC', { config, validAttachments: [{ containerId: kept.containerId, ifName: 'eth0' }] });
  assert.equal(rtnl.link('pod00000000001'), undefined);
  assert.ok(rtnl.link(hostInterfaceName(kept.containerId, 'eth0')));
  await ours('DEL', { config, ...kept });
});

test('podnet: GC keeps what it is told to keep, and nothing of another network is touched', async (t) => {
  const [config, other] = [configOf(t), configOf(t, { podCIDR: '10.10.0.0/24' })];
  const [kept, lost, stranger] = [newPod(t), newPod(t), newPod(t)];
  for (const pod of [kept, lost]) await ours('ADD', { config, ...pod });
  await ours('ADD', { config: other, ...stranger });
  await ours('GC', { config, validAttachments: [{ containerId: kept.containerId, ifName: 'eth0' }] });
  const alive = new Set(rtnl.links().flatMap(({ alias }) => alias?.split(' ')[1] ?? []));
  assert.deepEqual(
    [kept, lost, stranger].map(({ containerId }) => alive.has(containerId)),
    [true, false, true],
  );
});

test('podnet says what is wrong with the configuration, naming the key', async (t) => {
  for (const [more, key] of [
    [{ linkMode: 'tap' }, 'linkMode'],
    [{ podCIDR: '10.9.0.0' }, 'podCIDR'],
    [{ podCIDRs: ['10.9.0.0/24', '10.10.0.0/24'], podCIDR: undefined }, 'podCIDRs'],
    [{ mtu: 100 }, 'mtu'],
    [{ dataDir: 'relative' }, 'dataDir'],
  ] as const) {
    await assert.rejects(
      ours('ADD', { config: configOf(t, more), ...newPod(t) }),
      fails(7, new RegExp(`^${key}:`)),
    );
  }
});

test('podnet: ADD without agent and range is to be tried later, and STATUS says so', async (t) => {
  const config = { type: 'podnet', name: 'nothing' };
  await assert.rejects(ours('ADD', { config, ...newPod(t) }), fails(11, /no agent/));
  await assert.rejects(ours('STATUS', { config }), fails(50, /no agent/));
  await ours('DEL', { config, ...newPod(t) });
});

test('podnet: a full range is code 11 for ADD and 50 for STATUS', async (t) => {
  const config = configOf(t, { podCIDR: '10.9.9.0/30' });
  await ours('STATUS', { config });
  await ours('ADD', { config, ...newPod(t) });
  await assert.rejects(ours('ADD', { config, ...newPod(t) }), fails(11, /No address is left/));
  await assert.rejects(ours('STATUS', { config }), fails(50, /No address is left/));
});

test('podnet: a damaged file is set aside and read from the links', async (t) => {
  const config = configOf(t, { podCIDR: '10.9.8.0/24' });
  const first = await ours('ADD', { config, ...newPod(t) });
  writeFileSync(join(String(config['dataDir']), `${String(config['name'])}.db`), 'nonsense'.repeat(1000));
  const second = await ours('ADD', { config, ...newPod(t) });
  assert.deepEqual(
    [first, second].map(({ ips }) => ips?.[0]?.address),
    ['10.9.8.2/32', '10.9.8.3/32'],
  );
});

test('podnet in an agent uses the agent’s network, and says when that is not ready', async (t) => {
  const network = createPodNetwork({ podCidr: '10.7.0.0/24', databasePath: ':memory:' });
  t.after(() => network.close());
  let isReady = false;
  const limitation = (): string | undefined => (isReady ? undefined : 'Services are not in the kernel yet');
  const call = async (agent: Parameters<typeof createPodnetPlugin>[0], command: Command): Promise<number> => {
    const pod = newPod(t);
    const { stdout } = await createPodnetPlugin(agent).answer({
      environment: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: pod.containerId,
        CNI_NETNS: netnsPath(pod.netns),
        CNI_IFNAME: 'eth0',
      },
      stdin: JSON.stringify({ cniVersion: '1.1.0', name: 'podnet', type: 'podnet' }),
      findPlugin: pluginNamed,
      longLived: true,
    });
    return stdout === '' ? 0 : ((JSON.parse(stdout) as { code?: number }).code ?? 0);
  };
  const early = { network: () => undefined, limitation };
  assert.deepEqual([await call(early, 'ADD'), await call(early, 'STATUS')], [11, 50]);
  const ready = { network: () => network, limitation };
  assert.equal(await call(ready, 'STATUS'), 51);
  isReady = true;
  assert.deepEqual([await call(ready, 'STATUS'), await call(ready, 'ADD')], [0, 0]);
  assert.deepEqual(
    network.allocations().map(({ address }) => address),
    ['10.7.0.2'],
  );
});
