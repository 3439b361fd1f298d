/** `podnet cni` as a user types it, with podnet's own plugins, none of them installed. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { createNetns } from '../../src/kernel/netns.ts';

const podnet = resolve(import.meta.dirname, '../../podnet');
const root = mkdtempSync(join(tmpdir(), 'podnet-cni-commands-'));
const netns = createNetns();
const path = `/proc/${process.pid}/fd/${netns.fd}`;

before(() => {
  mkdirSync(join(root, 'net.d'));
  const ipam = { type: 'host-local', subnet: '10.91.0.0/24', dataDir: join(root, 'addresses') };
  const plugins = [{ type: 'bridge', bridge: 'cmd0', isGateway: true, ipam }];
  const list = { cniVersion: '1.0.0', name: 'mynet', plugins };
  writeFileSync(join(root, 'net.d/10-mynet.conflist'), JSON.stringify(list));
});

after(() => {
  netns.close();
  rmSync(root, { recursive: true });
});

function cni(...args: readonly string[]): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(podnet, ['cni', ...args], {
    encoding: 'utf8',
    env: {
      ...process.env,
      NETCONFPATH: join(root, 'net.d'),
      CNI_PATH: join(root, 'no-plugins'),
    },
  });
  return { code: status, stdout, stderr };
}

const cache = ['--cache-dir', join(root, 'cache')];

test('podnet cni add prints the result, check finds it as it was made, del takes it away', () => {
  const added = cni('add', 'mynet', path, ...cache);
  assert.equal(added.code, 0, added.stderr);
  const result = JSON.parse(added.stdout) as { cniVersion: string; ips: { address: string }[] };
  assert.deepEqual([result.cniVersion, result.ips[0]?.address], ['1.0.0', '10.91.0.2/24']);

  const again = cni('add', 'mynet', path, ...cache);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /is attached to the network mynet already/);

  assert.equal(cni('check', 'mynet', path, ...cache).code, 0);
  const inYaml = cni('add', 'mynet', path, '--ifname', 'net1', '-o', 'yaml', ...cache);
  assert.match(inYaml.stdout, /^ips:\n {2}- address: 10\.91\.0\.3\/24$/m, inYaml.stderr);

  // What the files say by now does not matter to what was made before.
  const file = join(root, 'net.d/10-mynet.conflist');
  const before_ = readFileSync(file, 'utf8');
  writeFileSync(file, before_.replace('host-local', 'no-such-plugin'));
  for (const ifname of ['eth0', 'net1']) {
    const deleted = cni('del', 'mynet', path, '--ifname', ifname, ...cache);
    assert.equal(deleted.code, 0, deleted.stderr);
  }
  writeFileSync(file, before_);
  assert.deepEqual(readdirSync(join(root, 'cache/results')), []);
  assert.equal(cni('del', 'mynet', path, ...cache).code, 0, 'a second time there is nothing');
  assert.match(cni('check', 'mynet', path, ...cache).stderr, /has no eth0 of it/);
});

test('podnet cni gc takes away what lost its namespace, and keeps the rest', () => {
  const gone = createNetns();
  const gonePath = `/proc/${process.pid}/fd/${gone.fd}`;
  assert.equal(cni('add', 'mynet', gonePath, '--container-id', 'gone', ...cache).code, 0);
  assert.equal(cni('add', 'mynet', path, '--container-id', 'here', ...cache).code, 0);
  gone.close();
  const { stdout, code, stderr } = cni('gc', 'mynet', '-o', 'json', ...cache);
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), [{ containerId: 'gone', ifName: 'eth0' }]);
  assert.equal(cni('check', 'mynet', path, '--container-id', 'here', ...cache).code, 0);
  assert.equal(cni('del', 'mynet', path, '--container-id', 'here', ...cache).code, 0);
});

test('podnet cni status shows plugins and versions', () => {
  const { stdout, code, stderr } = cni('status', 'mynet', '-o', 'json', ...cache);
  assert.equal(code, 0, stderr);
  const [plugin] = JSON.parse(stdout) as { type: string; versions: string[] }[];
  assert.equal(plugin?.type, 'bridge');
  assert.ok(plugin.versions.includes('1.1.0'));
});

test('podnet cni says what is wrong, where, and what to do', () => {
  const unknown = cni('add', 'other', path, ...cache);
  assert.equal(unknown.code, 1);
  assert.match(
    unknown.stderr,
    /There is no network named "other"\n {2}where: .*net\.d\n {2}fix: {3}There are: mynet\./,
  );
  const noNetns = cni('add', 'mynet', '/proc/self/ns/none', ...cache);
  assert.equal(noNetns.code, 1);
  assert.match(noNetns.stderr, /there is no network namespace at \/proc\/self\/ns\/none/);
  assert.match(noNetns.stderr, /fix: {3}It takes the path of one/);
  for (const [args, message] of [
    [['--ifname', 'a/b'], /CNI_IFNAME: "a\/b" cannot be .*\n.*\n {2}fix: {3}It has 15 bytes at most/],
    [['--container-id', '../x'], /CNI_CONTAINERID: .*\n.*\n {2}fix: {3}It begins with/],
    [['--args', 'x'], /CNI_ARGS: "x" is not KEY=VALUE\n.*\n {2}fix: {3}Pairs are/],
  ] as const) {
    const { code, stderr } = cni('add', 'mynet', path, ...args, ...cache);
    assert.equal(code, 1);
    assert.match(stderr, message);
  }
  for (const args of [
    ['--capability-args', '{'],
    ['--capability-args', '[]'],
  ])
    assert.equal(cni('add', 'mynet', path, ...args, ...cache).code, 2);
  assert.equal(cni('add', 'mynet').code, 2);
  assert.equal(cni('gc', 'mynet', '--keep', 'x', ...cache).code, 2);
});
