import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { isOwnShim } from '../spec/delegate.ts';
import { type InstallOptions, installPlugins, uninstallPlugins } from './install-plugins.ts';

function scene(t: TestContext): InstallOptions {
  const root = mkdtempSync(join(tmpdir(), 'podnet-install-'));
  t.after(() => rmSync(root, { recursive: true }));
  writeFileSync(join(root, 'shim'), 'forwarder');
  return {
    directory: join(root, 'cni/bin'),
    shim: join(root, 'shim'),
    names: ['bridge', 'portmap'],
    config: {
      socket: '/run/podnet/cni.sock',
      spool: '/var/lib/podnet/cni/spool',
      program: '/usr/bin/podnet',
    },
  };
}

const states = (files: ReturnType<typeof installPlugins>): string[] =>
  files.map(({ name, state }) => `${name} ${state}`);

test('installPlugins puts the forwarder under every name, and uninstallPlugins leaves nothing', (t) => {
  const options = scene(t);
  const { directory } = options;
  assert.deepEqual(states(installPlugins(options)), ['bridge installed', 'portmap installed']);
  assert.ok(isOwnShim(join(directory, 'bridge')));
  assert.equal(statSync(join(directory, 'bridge')).mode & 0o777, 0o755);
  assert.equal(
    readFileSync(join(directory, 'podnet-cni.conf'), 'utf8'),
    'socket=/run/podnet/cni.sock\nspool=/var/lib/podnet/cni/spool\nprogram=/usr/bin/podnet\n',
  );
  assert.deepEqual(states(installPlugins(options)), ['bridge unchanged', 'portmap unchanged']);
  assert.deepEqual(states(uninstallPlugins(directory)), ['bridge removed', 'portmap removed']);
  assert.deepEqual(readdirSync(directory), []);
});

test('installPlugins leaves plugins of others; with force they step aside and come back', (t) => {
  const options = scene(t);
  const { directory } = options;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'bridge'), 'theirs');
  assert.deepEqual(states(installPlugins(options)), ['bridge kept', 'portmap installed']);
  assert.equal(readFileSync(join(directory, 'bridge'), 'utf8'), 'theirs');
  assert.deepEqual(states(installPlugins({ ...options, force: true })), [
    'bridge replaced',
    'portmap unchanged',
  ]);
  assert.equal(readFileSync(join(directory, 'bridge'), 'utf8'), 'forwarder');
  assert.deepEqual(states(uninstallPlugins(directory)), ['bridge restored', 'portmap removed']);
  assert.deepEqual(readdirSync(directory), ['bridge']);
  assert.equal(readFileSync(join(directory, 'bridge'), 'utf8'), 'theirs');
});

test('installPlugins refuses paths that would break its configuration', (t) => {
  const options = scene(t);
  for (const socket of ['cni.sock', '/run/a\nprogram=/tmp/evil'])
    assert.throws(() => installPlugins({ ...options, config: { ...options.config, socket } }), {
      code: 'cni-uninstallable',
    });
});
