/** The conformance suite of Services with IPVS, as tests of the virtual machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backendsUnderTest, tryOpen } from '../../conformance/services/backends.ts';
import { startNetwork } from '../../conformance/services/network.ts';
import { type Probe, printTable, runSuite } from '../../conformance/services/suite.ts';

/** Six clients by two protocols by two families. */
const PROBES_OF_A_FRONT = 24;

/**
 * The machine is slow: one probe in eight, of every front three, and with each front others. All of them, in four
 * minutes or more: PODNET_VM_PROBES=all.
 */
function sample(): (probe: Probe) => string | undefined {
  let index = 0;
  return () => {
    const turn = index + Math.floor(index / PROBES_OF_A_FRONT);
    index += 1;
    return turn % 8 === 0 || process.env['PODNET_VM_PROBES'] === 'all'
      ? undefined
      : 'one of eight in the machine';
  };
}

test('ipvs does with every packet what the objects say', async (t) => {
  const network = await startNetwork();
  t.after(() => network.close());
  const opened = tryOpen('ipvs', network.netns);
  if (typeof opened === 'string') assert.fail(opened);
  t.after(() => opened.close());
  const sampled = sample();
  const own = backendsUnderTest.ipvs.skip;
  const rows = await runSuite(network, opened.backend, {
    // Ten times slower than outside.
    dropMs: 600,
    answerMs: 40_000,
    skip: (probe) => sampled(probe) ?? own?.(probe),
  });
  process.stderr.write(printTable('ipvs', rows));
  const tried = rows.filter(({ skipped }) => skipped === undefined).length;
  assert.ok(tried >= rows.length / 8, `${tried} of ${rows.length} were tried`);
  t.diagnostic(`${tried} of ${rows.length} probes`);
  assert.deepEqual(
    rows.flatMap(({ probe, failure }) => (failure === undefined ? [] : { failure, ...probe })),
    [],
  );
  opened.backend.cleanup();
});
