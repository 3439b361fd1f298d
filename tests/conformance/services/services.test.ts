/** Every backend against every case, with real packets; IPVS runs where there is a kernel for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backendNames } from '../../../src/services/backends/switching.ts';
import { backendsUnderTest, tryOpen } from './backends.ts';
import { startNetwork } from './network.ts';
import { printTable, runSuite } from './suite.ts';

for (const name of backendNames) {
  test(`${name} does with every packet what the objects say`, async (t) => {
    const network = await startNetwork();
    t.after(() => network.close());
    const opened = tryOpen(name, network.netns);
    if (typeof opened === 'string') {
      t.skip(opened);
      return;
    }
    t.after(() => opened.close());
    const { skip } = backendsUnderTest[name];
    const rows = await runSuite(network, opened.backend, skip === undefined ? {} : { skip });
    const table = printTable(name, rows);
    for (const line of table.trimEnd().split('\n')) t.diagnostic(line);
    assert.deepEqual(
      rows.flatMap(({ failure }) => failure ?? []),
      [],
    );
    opened.backend.cleanup();
  });
}
