/** Our plugins, installed and called as runtimes do, meet the whole specification. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { findProgram } from '../../../src/kernel/process.ts';
import { failures, kit, root } from './support.ts';

const skip = !findProgram('musl-gcc') && !findProgram('cc') && 'no C compiler is installed';
const plugins = ['podnet', 'bridge', 'ptp', 'loopback', 'host-local', 'portmap', 'bandwidth', 'firewall'];

suite('podnet cni test', { concurrency: 2, skip }, () => {
  for (const plugin of plugins)
    test(`finds nothing wrong with ${plugin}`, async () => {
      const report = await kit(plugin);
      assert.deepEqual(failures(report), {});
      assert.deepEqual(report.versions, ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']);
      assert.ok(report.passed >= 28, `${report.passed} cases passed`);
    });

  test('finds nothing wrong with podnet in bridge mode', async () => {
    const report = await kit('podnet', '--config', join(import.meta.dirname, 'podnet-bridge.json'));
    assert.deepEqual(failures(report), {});
    assert.ok(report.passed >= 30, `${report.passed} cases passed`);
  });

  test('finds nothing wrong with the example plugin, chained behind ptp', async () => {
    const example = join(root, 'examples/cni-plugin/hosts-record');
    const report = await kit(example, '--config', `${example}.json`, '--before');
    assert.deepEqual(failures(report), {});
    assert.ok(report.passed >= 30, `${report.passed} cases passed`);
  });
});
