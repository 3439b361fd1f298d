/** The package as npm would install it: compiled, without the project's own sources around it. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { eventually, root, run, whyNoCluster } from './support/cluster.ts';

const place = mkdtempSync(join(tmpdir(), 'podnet-package-'));
const modules = join(place, 'node_modules');
const installed = join(modules, 'podnet');

before(async () => {
  const built = await run(process.execPath, [join(root, 'tools/package.ts')]);
  assert.equal(built.code, 0, built.stderr + built.stdout);
  mkdirSync(modules);
  cpSync(built.stdout.trim(), installed, { recursive: true });
  // What npm would fetch for it.
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(installed, 'package.json'), 'utf8'),
  ) as { dependencies: object; optionalDependencies: object };
  const fetched = [...Object.keys(dependencies), ...Object.keys(optionalDependencies), '@koromix'];
  for (const name of fetched) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
});

after(() => rmSync(place, { recursive: true, force: true }));

test('the installed package runs from compiled JavaScript and says its version', async () => {
  const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    version: string;
  };
  const said = await run(join(installed, 'podnet'), ['--version']);
  assert.deepEqual([said.stdout.trim(), said.code], [version, 0], said.stderr);
});

test('a plugin of somebody else imports podnet/cni from it', async () => {
  const plugin = join(place, 'plugin.mjs');
  writeFileSync(
    plugin,
    `import { definePlugin, runPlugin } from 'podnet/cni';
     await runPlugin(definePlugin({ type: 'plugin', add: ({ prevResult }) => prevResult ?? { cniVersion: '1.1.0' }, del() {} }));`,
  );
  const said = await run(process.execPath, [plugin], {
    env: { CNI_COMMAND: 'VERSION' },
    input: '{"cniVersion":"1.1.0"}',
  });
  assert.equal(said.code, 0, said.stderr);
  assert.ok((JSON.parse(said.stdout) as { supportedVersions: string[] }).supportedVersions.includes('1.1.0'));
});

test('it brings a cluster up', { skip: whyNoCluster() ?? false }, async () => {
  const podnet = join(installed, 'podnet');
  try {
    const up = await run(podnet, ['up', '-d', '--name', 'packaged', '--nodes', '1']);
    assert.equal(up.code, 0, up.stderr + up.stdout);
    const status = await run(podnet, ['status', '--name', 'packaged', '-o', 'json']);
    const { nodes } = JSON.parse(status.stdout) as { nodes: { ready: boolean }[] };
    assert.deepEqual(
      nodes.map(({ ready }) => ready),
      [true],
    );
  } finally {
    await run(podnet, ['down', '--name', 'packaged']);
  }
  await eventually('the cluster is gone', async () => {
    const list = await run(podnet, ['list', '-o', 'json']);
    return list.stdout.includes('packaged') ? undefined : true;
  });
});
