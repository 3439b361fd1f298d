/** Every backend against every case, with real packets; IPVS runs where there is a kernel for it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { backendNames } from '../../../src/services/backends/switching.ts';
import { backendsUnderTest, tryOpen } from './backends.ts';
import type { ServiceCase } from './cases.ts';
import { startNetwork } from './network.ts';
import { printTable, runSuite } from './suite.ts';

const seed = Number(process.env['PODNET_TEST_SEED'] ?? Date.now() % 2 ** 31);
const RANDOM_CASES = 12;
const policy = fc.constantFrom('Cluster', 'Local');
/** Services nobody thought of; every backend gets the same ones. */
const randomCase = fc
  .record({
    type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
    externalTrafficPolicy: policy,
    internalTrafficPolicy: policy,
    sessionAffinity: fc.constantFrom('None', 'None', 'ClientIP'),
    ranges: fc.constantFrom(undefined, ['203.0.113.0/24', 'fd00:203::/64'], ['10.244.0.0/15']),
    hasExternalIp: fc.boolean(),
    endpoints: fc.uniqueArray(
      fc.record({
        at: fc.constantFrom('one', 'two', 'far', 'node'),
        conditions: fc.constantFrom(
          {},
          {},
          { ready: false },
          { ready: false, serving: true, terminating: true },
          { ready: false, serving: false, terminating: true },
        ),
      }),
      { selector: ({ at }) => at, maxLength: 3 },
    ),
  })
  .map(({ ranges, hasExternalIp, endpoints, type, ...spec }): ServiceCase => {
    const isBalancer = type === 'LoadBalancer';
    return {
      name: 'random',
      spec: { type, ...spec, ...(isBalancer && ranges && { loadBalancerSourceRanges: [...ranges] }) },
      endpoints,
      hasExternalIp,
      ...(isBalancer && { ipMode: 'VIP' as const }),
    };
  });

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
    const random = fc.sample(randomCase, { numRuns: RANDOM_CASES, seed });
    const more = await runSuite(network, opened.backend, { cases: random, ...(skip && { skip }) });
    const table = printTable(name, rows);
    for (const line of table.trimEnd().split('\n')) t.diagnostic(line);
    assert.deepEqual(
      [...rows, ...more].flatMap(({ probe, failure }) =>
        failure === undefined ? [] : [{ seed, failure, ...probe }],
      ),
      [],
    );
    opened.backend.cleanup();
  });
}
