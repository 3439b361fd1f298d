/** podnet's own plugin, without an agent and in both link modes, meets the whole specification. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, test } from 'node:test';
import { findProgram } from '../../../src/kernel/process.ts';
import { failures, kit } from './support.ts';

const skip = !findProgram('musl-gcc') && !findProgram('cc') && 'no C compiler is installed';
const directory = mkdtempSync(join(tmpdir(), 'podnet-kit-'));
after(() => rmSync(directory, { recursive: true }));

suite('podnet cni test', { concurrency: 2, skip }, () => {
  for (const linkMode of ['routed', 'bridge'])
    test(`finds nothing wrong with podnet, ${linkMode}`, async () => {
      const config = join(directory, `${linkMode}.json`);
      const dataDir = '{stateDirectory}/networks';
      writeFileSync(config, JSON.stringify({ linkMode, podCIDR: '10.77.0.0/24,fd77::/112', dataDir }));
      const report = await kit('podnet', '--config', config);
      assert.deepEqual(failures(report), {});
      assert.deepEqual(report.versions, ['0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']);
      assert.ok(report.passed >= 28, `${report.passed} cases passed`);
    });
});
