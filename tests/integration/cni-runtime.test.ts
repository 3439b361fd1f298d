/** Lists of plugins, run as a container runtime does: ours, Debian's, and both in one list, with real packets. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { pluginNamed, pluginNames } from '../../src/cni/plugins/registry.ts';
import { installPlugins } from '../../src/cni/runtime/install-plugins.ts';
import { type CniRuntime, createCniRuntime } from '../../src/cni/runtime/runtime.ts';
import { buildShim } from '../../src/cni/server/build-shim.ts';
import { type CniServer, startCniServer } from '../../src/cni/server/server.ts';
import { type NetworkConfigList, parseNetworkConfigList } from '../../src/cni/spec/config.ts';
import { type CniResult, parseResult } from '../../src/cni/spec/result.ts';
import { cniVersions } from '../../src/cni/spec/versions.ts';
import { createNetns, currentNetns, type Netns, withNetns } from '../../src/kernel/netns.ts';
import { findProgram } from '../../src/kernel/process.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../../src/kernel/sysctl.ts';
import { until } from '../support/ground.ts';
import { connect } from './support/connect.ts';

const DEBIAN = '/usr/lib/cni';
const root = mkdtempSync(join(tmpdir(), 'podnet-cni-'));
const node = currentNetns();
let server: CniServer;

before(async () => {
  const rtnl = openRtnl();
  rtnl.setLink('lo', { up: true });
  rtnl.close();
  writeSysctl('net.ipv4.ip_forward', 1);
  installPlugins({
    directory: join(root, 'ours'),
    shim: await buildShim(),
    names: pluginNames,
    // Nothing answers if the server does not: the plugins are not run in a process of their own by mistake.
    config: { socket: join(root, 'cni.sock'), spool: join(root, 'spool'), program: '/nonexistent' },
  });
  server = await startCniServer({ socketPath: join(root, 'cni.sock'), findPlugin: pluginNamed });
});

after(async () => {
  await server.close();
  rmSync(root, { recursive: true });
});

interface Scene {
  readonly runtime: CniRuntime;
  /** Attaches a new container and returns its namespace and addresses. */
  add(network: NetworkConfigList, capabilityArgs?: Record<string, unknown>): Promise<Container>;
  del(network: NetworkConfigList, container: Container): Promise<void>;
  readonly dataDir: string;
}

interface Container {
  readonly id: string;
  readonly netns: Netns;
  readonly result: CniResult;
  /** Its first address, without the prefix length. */
  readonly address: string;
}

let count = 0;

/** A directory that has these plugins from us, and all others from Debian. */
function scene(t: TestContext, ours: readonly string[]): Scene {
  const directory = join(root, `scene-${++count}`);
  const plugins = join(directory, 'bin');
  mkdirSync(plugins, { recursive: true });
  for (const name of new Set([...readdirSync(DEBIAN), ...ours])) {
    const isOurs = ours.includes(name);
    if (isOurs) assert.ok(pluginNames.includes(name), `podnet has no plugin ${name}`);
    symlinkSync(isOurs ? join(root, 'ours', name) : join(DEBIAN, name), join(plugins, name));
  }
  const runtime = createCniRuntime({
    pluginDirectories: [plugins],
    cacheDirectory: join(directory, 'cache'),
  });
  const dataDir = join(directory, 'addresses');
  const linksBefore = nodeLinks();
  t.after(() =>
    until('nothing is left on the node', () => isDeepStrictEqual(nodeLinks(), linksBefore), 5000),
  );
  return {
    runtime,
    dataDir,
    async add(network, capabilityArgs = {}) {
      const netns = createNetns();
      t.after(() => netns.close());
      const id = `c${++count}`;
      const attachment = { containerId: id, ifName: 'eth0', netns: pathOf(netns), capabilityArgs };
      const result = await runtime.add(network, attachment);
      return { id, netns, result, address: result.ips?.[0]?.address.split('/')[0] ?? '' };
    },
    async del(network, { id, netns }) {
      await runtime.del(network, { containerId: id, ifName: 'eth0', netns: pathOf(netns) });
    },
  };
}

const pathOf = (netns: Netns): string => `/proc/${process.pid}/fd/${netns.fd}`;

/** Bridges stay for the next container. */
function nodeLinks(): readonly string[] {
  const rtnl = openRtnl();
  try {
    return rtnl.links().flatMap(({ kind, name }) => (kind === 'bridge' ? [] : [name]));
  } finally {
    rtnl.close();
  }
}

const network = (name: string, plugins: readonly object[], cniVersion = '1.0.0'): NetworkConfigList =>
  parseNetworkConfigList(JSON.stringify({ cniVersion, name, plugins }), name);

const bridge = (name: string, ipam: object): object => ({
  type: 'bridge',
  bridge: name,
  isDefaultGateway: true,
  ipMasq: false,
  ipam,
});
const hostLocal = (subnet: string, dataDir: string): object => ({
  type: 'host-local',
  ranges: [[{ subnet }]],
  dataDir,
});

/** A program in a namespace that answers one word on a port of its own. */
async function answering(netns: Netns, word: string, port = 0): Promise<number> {
  const listener = createServer((socket) => socket.end(word)).unref();
  await new Promise<void>((done) => {
    withNetns(netns, () => void listener.listen(port, done));
  });
  return (listener.address() as AddressInfo).port;
}

/** Both containers answer each other and the node, and the node's gateway answers them. */
async function assertConnected(a: Container, b: Container): Promise<void> {
  const ports = [await answering(a.netns, a.id), await answering(b.netns, b.id)] as const;
  const gateway = a.result.ips?.[0]?.gateway ?? '';
  const portOfNode = await answering(node, 'node');
  for (const [from, address, port, answer] of [
    [a.netns, b.address, ports[1], b.id],
    [b.netns, a.address, ports[0], a.id],
    [node, a.address, ports[0], a.id],
    [a.netns, gateway, portOfNode, 'node'],
  ] as const) {
    const [outcome] = await connect(from, { address, port });
    assert.equal(outcome?.answer, answer, `${address} from net:[${from.inode}]: ${outcome?.error}`);
  }
}

const whyNoDebian = (...programs: readonly string[]): string | undefined => {
  if (findProgram(`${DEBIAN}/bridge`) === undefined) return 'containernetworking-plugins is not installed';
  const missing = programs.find((program) => findProgram(program) === undefined);
  return missing === undefined ? undefined : `${missing} is not installed`;
};

const isOurs = (...names: readonly string[]): string | undefined => {
  const missing = names.find((name) => !pluginNames.includes(name));
  return missing === undefined ? undefined : `podnet has no plugin ${missing}`;
};

const files = (directory: string): string[] => readdirSync(directory, { recursive: true }).map(String).sort();

/** Two containers on one network, connected, checked, and gone. */
async function provePair(here: Scene, list: NetworkConfigList): Promise<readonly [Container, Container]> {
  const [a, b] = [await here.add(list), await here.add(list)];
  assert.notEqual(a.address, b.address);
  await assertConnected(a, b);
  for (const { id, netns } of [a, b])
    await here.runtime.check(list, { containerId: id, ifName: 'eth0', netns: pathOf(netns) });
  await here.del(list, a);
  await here.del(list, b);
  // A second time there is nothing, which is no error.
  await here.del(list, b);
  assert.deepEqual(
    files(here.dataDir).filter((file) => /\d\.\d|:/.test(file) && !file.includes('last_reserved')),
    [],
    'addresses are kept',
  );
  assert.deepEqual(here.runtime.cache.list(), []);
  return [a, b];
}

test('our bridge with our host-local', async (t) => {
  const why = whyNoDebian() ?? isOurs('bridge', 'host-local');
  if (why !== undefined) return t.skip(why);
  const here = scene(t, ['bridge', 'host-local']);
  await provePair(here, network('oo', [bridge('oo0', hostLocal('10.71.0.0/24', here.dataDir))]));
});

test('Debian’s bridge with our host-local', async (t) => {
  const why = whyNoDebian() ?? isOurs('host-local');
  if (why !== undefined) return t.skip(why);
  const here = scene(t, ['host-local']);
  const list = network('do', [bridge('do0', hostLocal('10.72.0.0/24', here.dataDir))]);
  const [a] = await provePair(here, list);
  assert.match(a.address, /^10\.72\.0\./);
});

test('our bridge with Debian’s host-local and Debian’s static', async (t) => {
  const why = whyNoDebian() ?? isOurs('bridge');
  if (why !== undefined) return t.skip(why);
  const here = scene(t, ['bridge']);
  await provePair(here, network('od', [bridge('od0', hostLocal('10.73.0.0/24', here.dataDir))]));
  const fixed = (host: number): NetworkConfigList =>
    network('os', [
      bridge('os0', {
        type: 'static',
        addresses: [{ address: `10.74.0.${host}/24`, gateway: '10.74.0.1' }],
        routes: [{ dst: '0.0.0.0/0' }],
      }),
    ]);
  const [a, b] = [await here.add(fixed(5)), await here.add(fixed(6))];
  assert.deepEqual([a.address, b.address], ['10.74.0.5', '10.74.0.6']);
  await assertConnected(a, b);
  await here.del(fixed(5), a);
  await here.del(fixed(6), b);
});

test('two of our and Debian’s host-local share a directory and never give an address twice', async (t) => {
  const why = whyNoDebian() ?? isOurs('host-local');
  if (why !== undefined) return t.skip(why);
  const [ours, debians] = [scene(t, ['host-local']), scene(t, [])];
  const list = network('sh', [bridge('sh0', hostLocal('10.75.0.0/28', ours.dataDir))]);
  const added: [Scene, Container][] = [];
  for (let index = 0; index < 12; index++) {
    const here = index % 2 === 0 ? ours : debians;
    added.push([here, await here.add(list)]);
  }
  assert.equal(new Set(added.map(([, { address }]) => address)).size, 12);
  // Each takes away what the other gave.
  for (const [here, container] of added) await (here === ours ? debians : ours).del(list, container);
  for (const [here, { id }] of added)
    here.runtime.cache.delete({ network: 'sh', containerId: id, ifName: 'eth0' });
  assert.deepEqual(
    files(ours.dataDir).filter((file) => /\/10\./.test(file)),
    [],
  );
});

/** Ports of the node lead into the container, whoever made the container's link. */
async function provePortmap(
  t: TestContext,
  here: Scene,
  list: NetworkConfigList,
  { hostPort, debiansPortmap = false }: { hostPort: number; debiansPortmap?: boolean },
): Promise<void> {
  const container = createNetns();
  t.after(() => container.close());
  await answering(container, 'mapped', 8080);
  const id = `c${++count}`;
  const attachment = {
    containerId: id,
    ifName: 'eth0',
    netns: pathOf(container),
    capabilityArgs: { portMappings: [{ hostPort, containerPort: 8080, protocol: 'tcp' }] },
  };
  const result = await here.runtime.add(list, attachment);
  const gateway = result.ips?.[0]?.gateway ?? '';
  const client = await here.add(list);
  const [outcome] = await connect(client.netns, { address: gateway, port: hostPort });
  assert.equal(outcome?.answer, 'mapped', String(outcome?.error));
  // Debian's portmap looks for IPv6 rules of a container that has no IPv6 (plugins 1.1.1).
  if (!debiansPortmap) await here.runtime.check(list, attachment);
  await here.runtime.del(list, attachment);
  const [afterwards] = await connect(client.netns, { address: gateway, port: hostPort });
  assert.equal(afterwards?.error, 'ECONNREFUSED');
  await here.del(list, client);
}

test('Debian’s bridge and tuning, then our portmap', async (t) => {
  const why = whyNoDebian() ?? isOurs('portmap');
  if (why !== undefined) return t.skip(why);
  const here = scene(t, ['portmap']);
  const list = network('dp', [
    bridge('dp0', hostLocal('10.76.0.0/24', here.dataDir)),
    { type: 'tuning', mtu: 1400 },
    { type: 'portmap', capabilities: { portMappings: true }, snat: true },
  ]);
  await provePortmap(t, here, list, { hostPort: 7076 });
});

test('our bridge, then Debian’s tuning and portmap', async (t) => {
  const why = whyNoDebian('iptables') ?? isOurs('bridge', 'host-local');
  if (why !== undefined) return t.skip(why);
  const here = scene(t, ['bridge', 'host-local']);
  const list = network('op', [
    bridge('op0', hostLocal('10.77.0.0/24', here.dataDir)),
    { type: 'tuning', mtu: 1400 },
    { type: 'portmap', capabilities: { portMappings: true }, snat: true },
  ]);
  await provePortmap(t, here, list, { hostPort: 7077, debiansPortmap: true });
});

test('Debian’s tuning, then our portmap, bandwidth and firewall, in both orders with Debian’s bridge', async (t) => {
  const why = whyNoDebian('iptables') ?? isOurs('portmap', 'bandwidth', 'firewall');
  if (why !== undefined) return t.skip(why);
  const here = scene(t, ['portmap', 'bandwidth', 'firewall']);
  const chained = [
    { type: 'bandwidth', ingressRate: 100_000_000, ingressBurst: 10_000_000 },
    { type: 'tuning', mtu: 1380 },
    { type: 'firewall' },
  ];
  for (const [index, plugins] of [chained, chained.toReversed()].entries()) {
    const subnet = `10.78.${index}.0/24`;
    const list = network(`ch${index}`, [bridge(`ch${index}`, hostLocal(subnet, here.dataDir)), ...plugins]);
    await provePair(here, list);
  }
});

test('results of each version are as plugins of that version expect them', async (t) => {
  const why = whyNoDebian() ?? isOurs('bridge', 'host-local');
  if (why !== undefined) return t.skip(why);
  const here = scene(t, ['bridge', 'host-local']);
  for (const [index, version] of ['0.3.0', '0.3.1', '0.4.0', '1.0.0'].entries()) {
    const plugins = [
      bridge(`ve${index}`, hostLocal(`10.79.${index}.0/24`, here.dataDir)),
      { type: 'tuning', mtu: 1400 },
    ];
    const list = network(`ve${index}`, plugins, version);
    const container = await here.add(list);
    const [cached] = here.runtime.cache.list();
    assert.equal(cached?.result['cniVersion'], version);
    assert.equal(parseResult(cached?.result ?? {}, { version }).ips?.length, 1);
    await here.del(list, container);
  }
});

test('a list of ours is added, checked and deleted in every version, and answers in it', async (t) => {
  const here = scene(t, ['bridge', 'host-local', 'portmap', 'bandwidth', 'firewall']);
  for (const [index, version] of cniVersions.entries()) {
    const plugins = [
      bridge(`ov${index}`, hostLocal(`10.78.${index}.0/24`, here.dataDir)),
      { type: 'portmap', capabilities: { portMappings: true } },
      { type: 'bandwidth', capabilities: { bandwidth: true } },
      { type: 'firewall' },
    ];
    const list = network(`ov${index}`, plugins, version);
    const container = await here.add(list, {
      portMappings: [{ hostPort: 19_000 + index, containerPort: 80, protocol: 'tcp' }],
      bandwidth: { ingressRate: 8_000_000, ingressBurst: 800_000 },
    });
    const [cached] = here.runtime.cache.list();
    assert.equal(cached?.result['cniVersion'], version);
    const [ip] = parseResult(cached.result, { version }).ips ?? [];
    assert.equal(ip?.address, `10.78.${index}.2/24`);
    const [raw] = cached.result['ips'] as { version?: string }[];
    // Until 1.0.0 an address says its family; from 1.1.0 on interfaces say their MTU.
    assert.equal(raw?.version, version.startsWith('0.') ? '4' : undefined);
    const interfaces = cached.result['interfaces'] as { mtu?: number }[];
    assert.equal(interfaces[1]?.mtu !== undefined, version === '1.1.0');
    const attachment = { containerId: container.id, ifName: 'eth0', netns: pathOf(container.netns) };
    if (version < '0.4.0') await assert.rejects(here.runtime.check(list, attachment), /has no CHECK/);
    else await here.runtime.check(list, attachment);
    await here.del(list, container);
  }
});

test('add that fails in the middle leaves nothing', async (t) => {
  const why = whyNoDebian() ?? isOurs('bridge', 'host-local');
  if (why !== undefined) return t.skip(why);
  const here = scene(t, ['bridge', 'host-local']);
  const list = network('fa', [
    bridge('fa0', hostLocal('10.80.0.0/24', here.dataDir)),
    { type: 'tuning', sysctl: { 'net.ipv4.no_such_parameter': '1' } },
  ]);
  await assert.rejects(here.add(list), /^CniError: tuning: .*no_such_parameter/);
  assert.deepEqual(
    files(here.dataDir).filter((file) => /\/10\./.test(file)),
    [],
  );
});
