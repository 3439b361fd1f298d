/** What Debian's plugins do otherwise than the specification says: docs/cni-compliance.md explains each. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { failures, kit, root } from './support.ts';

const directory = '/usr/lib/cni';
const skip = !existsSync(join(directory, 'bridge')) && 'containernetworking-plugins is not installed';

/** Their library's. */
const everywhere = ['error-version', 'missing-command'];

/** Of containernetworking-plugins 1.1.1. */
const known: Readonly<Record<string, readonly string[]>> = {
  bridge: ['del-dead-namespace'],
  ptp: ['del-dead-namespace'],
  loopback: ['add-versions', 'check-without-previous'],
  'host-local': ['check-without-previous'],
  portmap: ['add-twice', 'check'],
  bandwidth: [],
  firewall: [],
  tuning: [],
};

suite('podnet cni test', { concurrency: 2, skip }, () => {
  const document = readFileSync(join(root, 'docs/cni-compliance.md'), 'utf8');
  for (const [plugin, cases] of Object.entries(known))
    test(`finds in Debian's ${plugin} what docs/cni-compliance.md explains`, async () => {
      const failed = failures(await kit(join(directory, plugin)));
      const explained = [...cases, ...everywhere];
      // A later version may do better.
      const unexpected = Object.entries(failed).filter(([name]) => !explained.includes(name));
      assert.deepEqual(unexpected, []);
      assert.deepEqual(
        explained.filter((name) => !document.includes(`\`${name}\``)),
        [],
      );
    });
});
