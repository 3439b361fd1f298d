import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { PodnetError } from '../../model/errors.ts';
import { parseNetworkConfigList } from '../spec/config.ts';
import { CniError, cniErrorCodes } from '../spec/error.ts';
import type { JsonObject } from '../spec/json.ts';
import { type Plugin, type PluginDefinition, definePlugin } from '../spec/plugin.ts';
import type { NetworkConfig } from '../spec/config.ts';
import type { CniVersion } from '../spec/versions.ts';
import { createResultCache } from './result-cache.ts';
import { type CniRuntime, createCniRuntime } from './runtime.ts';

interface Scene {
  readonly runtime: CniRuntime;
  readonly cacheDirectory: string;
  /** `COMMAND type` of every plugin that was called, VERSION left out. */
  readonly calls: string[];
  /** What each call read from stdin. */
  readonly configs: JsonObject[];
}

/** Plugins that write down how they were called; `first` answers an interface, the others pass on what they got. */
function scene(
  t: TestContext,
  changes: Readonly<Record<string, Partial<PluginDefinition<NetworkConfig>>>> = {},
): Scene {
  const cacheDirectory = mkdtempSync(join(tmpdir(), 'podnet-runtime-'));
  t.after(() => rmSync(cacheDirectory, { recursive: true }));
  const calls: string[] = [];
  const configs: JsonObject[] = [];
  const plugins = ['first', 'second', 'third'].map((type): Plugin => {
    const plugin = definePlugin({
      type,
      add: ({ prevResult, ifName, netns }) =>
        prevResult ?? {
          interfaces: [{ name: ifName, sandbox: netns, mtu: 1400 }],
          ips: [{ address: '10.1.0.2/24', interface: 0 }],
        },
      del: () => {},
      ...changes[type],
    });
    return {
      ...plugin,
      async answer(input) {
        const command = input.environment['CNI_COMMAND'] ?? '';
        if (command !== 'VERSION') {
          calls.push(`${command} ${type}`);
          configs.push(JSON.parse(input.stdin) as JsonObject);
        }
        return plugin.answer(input);
      },
    };
  });
  const runtime = createCniRuntime({
    pluginDirectories: ['/nonexistent'],
    cacheDirectory,
    findPlugin: (type) => Promise.resolve(plugins.find((plugin) => plugin.type === type)),
  });
  return { runtime, cacheDirectory, calls, configs };
}

const network = (more: JsonObject = {}): ReturnType<typeof parseNetworkConfigList> =>
  parseNetworkConfigList(
    JSON.stringify({
      cniVersion: '1.1.0',
      name: 'net',
      plugins: [{ type: 'first' }, { type: 'second', capabilities: { mac: true, bandwidth: false } }],
      ...more,
    }),
    'test',
  );

const attachment = { containerId: 'c1', ifName: 'eth0', netns: '/proc/self/ns/net' };

const prevResultOf = (config: JsonObject | undefined): JsonObject =>
  (config?.['prevResult'] ?? {}) as JsonObject;

function throwsCni(code: number, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof CniError, String(error));
    assert.match(error.message, message);
    return error.code === code;
  };
}

test('add runs plugins in order, each with the result before it and the capabilities it declares', async (t) => {
  const { runtime, calls, configs } = scene(t);
  const capabilityArgs = { mac: '02:00:00:00:00:01', bandwidth: { ingressRate: 1 } };
  const result = await runtime.add(network(), { ...attachment, capabilityArgs });
  assert.deepEqual(calls, ['ADD first', 'ADD second']);
  assert.deepEqual(
    result.ips?.map(({ address }) => address),
    ['10.1.0.2/24'],
  );
  assert.deepEqual(configs[0], { type: 'first', name: 'net', cniVersion: '1.1.0' });
  assert.deepEqual(configs[1]?.['runtimeConfig'], { mac: '02:00:00:00:00:01' });
  assert.deepEqual(prevResultOf(configs[1])['interfaces'], [
    { name: 'eth0', mtu: 1400, sandbox: '/proc/self/ns/net' },
  ]);
});

test('add remembers the result where and as libcni does', async (t) => {
  const { runtime, cacheDirectory } = scene(t);
  const list = network({ cniVersion: '0.4.0' });
  await runtime.add(list, {
    ...attachment,
    args: [['K8S_POD_NAME', 'web']],
    capabilityArgs: { aliases: ['web'] },
  });
  const text = readFileSync(join(cacheDirectory, 'results/net-c1-eth0'), 'utf8');
  const { config, ...rest } = JSON.parse(text) as JsonObject;
  assert.deepEqual(rest, {
    kind: 'cniCacheV1',
    containerId: 'c1',
    ifName: 'eth0',
    networkName: 'net',
    netns: '/proc/self/ns/net',
    cniArgs: [['K8S_POD_NAME', 'web']],
    capabilityArgs: { aliases: ['web'] },
    result: {
      cniVersion: '0.4.0',
      interfaces: [{ name: 'eth0', sandbox: '/proc/self/ns/net' }],
      ips: [{ version: '4', address: '10.1.0.2/24', interface: 0 }],
      dns: {},
    },
  });
  assert.equal(
    parseNetworkConfigList(Buffer.from(String(config), 'base64').toString(), 'cache').plugins.length,
    2,
  );
});

test('del runs plugins in reverse with the remembered result, forgets it, and succeeds again', async (t) => {
  const { runtime, calls, configs, cacheDirectory } = scene(t);
  await runtime.add(network(), attachment);
  calls.length = configs.length = 0;
  await runtime.del(network(), attachment);
  await runtime.del(network(), attachment);
  assert.deepEqual(calls, ['DEL second', 'DEL first', 'DEL second', 'DEL first']);
  assert.deepEqual(
    configs.map((config) => 'prevResult' in config),
    [true, true, false, false],
  );
  assert.deepEqual(readdirSync(join(cacheDirectory, 'results')), []);
});

test('del passes no result to plugins of a version that has none', async (t) => {
  const { runtime, configs } = scene(t);
  const list = network({ cniVersion: '0.3.1' });
  await runtime.add(list, attachment);
  configs.length = 0;
  await runtime.del(list, attachment);
  assert.ok(configs.every((config) => !('prevResult' in config)));
});

test('add that fails names the plugin, deletes with all of them and remembers nothing', async (t) => {
  const fail = (): never => {
    throw new CniError('no room', { code: 111, details: 'really' });
  };
  const { runtime, calls, cacheDirectory } = scene(t, { second: { add: fail } });
  await assert.rejects(runtime.add(network(), attachment), throwsCni(111, /^second: no room$/));
  assert.deepEqual(calls, ['ADD first', 'ADD second', 'DEL second', 'DEL first']);
  assert.throws(() => readdirSync(join(cacheDirectory, 'results')), { code: 'ENOENT' });
});

test('add that fails says what could not be deleted either', async (t) => {
  const { runtime } = scene(t, {
    first: {
      del: () => {
        throw new Error('device is busy');
      },
    },
    second: {
      add: () => {
        throw new Error('no room');
      },
    },
  });
  await assert.rejects(
    runtime.add(network(), attachment),
    (error) =>
      error instanceof CniError &&
      error.message === 'second: no room' &&
      error.details === 'Undoing it failed as well: first: device is busy',
  );
});

test('add refuses what is attached already, and containers and interfaces that cannot be', async (t) => {
  const { runtime } = scene(t);
  await runtime.add(network(), attachment);
  await assert.rejects(
    runtime.add(network(), attachment),
    (error) => error instanceof PodnetError && error.code === 'already-attached',
  );
  for (const wrong of [{ containerId: '../c' }, { ifName: 'a/b' }])
    await assert.rejects(
      runtime.add(network(), { ...attachment, ...wrong }),
      throwsCni(cniErrorCodes.invalidEnvironment, /no container id|name of an interface/),
    );
});

test('what was attached and cannot be read is an error that says where', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-cache-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const cache = createResultCache(directory);
  mkdirSync(join(directory, 'results', 'net-c1-eth0'), { recursive: true });
  assert.throws(() => cache.get({ network: 'net', containerId: 'c1', ifName: 'eth0' }), {
    code: 'cni-cache-unreadable',
    where: join(directory, 'results', 'net-c1-eth0'),
  });
  assert.equal(cache.get({ network: 'net', containerId: 'c2', ifName: 'eth0' }), undefined);
});

test('operations for one container wait for one another', async (t) => {
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { runtime, calls } = scene(t, { first: { add: () => gate.then(() => ({})) } });
  const adding = runtime.add(network(), attachment);
  const deleting = runtime.del(network(), attachment);
  const other = runtime.del(network(), { ...attachment, containerId: 'c2' });
  await other;
  assert.deepEqual(calls, ['ADD first', 'DEL second', 'DEL first']);
  open();
  await Promise.all([adding, deleting]);
  assert.deepEqual(calls.slice(3), ['ADD second', 'DEL second', 'DEL first']);
});

test('check passes the final result to all, and does nothing with disableCheck', async (t) => {
  const { runtime, calls, configs } = scene(t);
  await assert.rejects(
    runtime.check(network(), attachment),
    throwsCni(cniErrorCodes.unknownContainer, /c1 has no eth0/),
  );
  await runtime.add(network(), attachment);
  calls.length = configs.length = 0;
  await runtime.check(network(), attachment);
  await runtime.check(network({ disableCheck: true }), attachment);
  assert.deepEqual(calls, ['CHECK first', 'CHECK second']);
  assert.ok(configs.every((config) => 'prevResult' in config));
  await assert.rejects(
    runtime.check(network({ cniVersion: '0.3.1' }), attachment),
    throwsCni(cniErrorCodes.incompatibleVersion, /has no CHECK/),
  );
});

test('gc deletes what is not valid, tells plugins of the rest, and does nothing with disableGC', async (t) => {
  const { runtime, calls, configs } = scene(t);
  for (const containerId of ['c1', 'c2', 'c3']) await runtime.add(network(), { ...attachment, containerId });
  await runtime.add(network({ name: 'other' }), { ...attachment, containerId: 'c4' });
  calls.length = configs.length = 0;
  const valid = [{ containerId: 'c2', ifName: 'eth0' }];
  assert.deepEqual(await runtime.gc(network({ disableGC: true }), valid), []);
  assert.deepEqual(calls, []);
  assert.deepEqual(await runtime.gc(network(), valid), [
    { containerId: 'c1', ifName: 'eth0' },
    { containerId: 'c3', ifName: 'eth0' },
  ]);
  assert.deepEqual(calls.slice(-2), ['GC first', 'GC second']);
  assert.deepEqual(configs.at(-1)?.['cni.dev/valid-attachments'], [{ containerID: 'c2', ifname: 'eth0' }]);
  assert.deepEqual(
    runtime.cache.list().map(({ containerId }) => containerId),
    ['c2', 'c4'],
  );
});

test('status asks every plugin, and passes the error of one on', async (t) => {
  const { runtime, calls } = scene(t, {
    second: {
      status: () => {
        throw new CniError('no addresses', { code: cniErrorCodes.limitedConnectivity });
      },
    },
  });
  await assert.rejects(runtime.status(network()), throwsCni(51, /^second: no addresses$/));
  assert.deepEqual(calls, ['STATUS first', 'STATUS second']);
  await assert.rejects(runtime.status(network({ plugins: [{ type: 'none' }] })), throwsCni(7, /"none"/));
  calls.length = 0;
  await runtime.status(network({ cniVersion: '1.0.0' }));
  assert.deepEqual(calls, []);
});

test('a list of several versions is used in the latest that all plugins speak', async (t) => {
  const versions: CniVersion[] = ['0.4.0', '1.0.0'];
  const { runtime, configs } = scene(t, { second: { versions } });
  await runtime.add(network({ cniVersions: ['0.4.0', '1.0.0', '1.1.0', '2.0.0'] }), attachment);
  assert.deepEqual(
    configs.map(({ cniVersion }) => cniVersion),
    ['1.0.0', '1.0.0'],
  );
  await assert.rejects(
    runtime.status(network()),
    (error) =>
      error instanceof CniError &&
      error.code === cniErrorCodes.incompatibleVersion &&
      error.details === 'second speaks 0.4.0, 1.0.0. Set cniVersion to one they have in common.',
  );
});

test('result files of other runtimes are read: without a kind, or of another version', async (t) => {
  const { runtime, cacheDirectory, configs } = scene(t);
  await runtime.add(network(), attachment);
  writeFileSync(
    join(cacheDirectory, 'results/net-c1-eth0'),
    '{"cniVersion":"0.3.1","ips":[{"version":"4","address":"10.9.0.9/24"}]}',
  );
  await runtime.check(network(), attachment);
  assert.deepEqual(prevResultOf(configs.at(-1))['ips'], [{ address: '10.9.0.9/24' }]);
  writeFileSync(join(cacheDirectory, 'results/net-c1-eth0'), '{"kind":"cniCacheV1","contai');
  await runtime.del(network(), attachment);
  assert.deepEqual(readdirSync(join(cacheDirectory, 'results')), []);
});
