/** Whatever order changes come in, the kernel ends as a full load of the last state would leave it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createNetns } from '../../src/kernel/netns.ts';
import { type Nftables, openNftables } from '../../src/kernel/nftables/nftables.ts';
import { destroy } from '../../src/kernel/nftables/commands.ts';
import { type NftSet, elements, set, table } from '../../src/kernel/nftables/objects.ts';
import { printElements } from '../../src/kernel/nftables/print.ts';
import { objectKey } from '../../src/model/objects.ts';
import { createNftablesBackend } from '../../src/services/backends/nftables.ts';
import { Space } from '../../src/services/backends/nftables-space.ts';
import { servicesTable } from '../../src/services/backends/nftables-table.ts';
import { type ServiceCompiler, createServiceCompiler } from '../../src/services/compile.ts';
import { UNKNOWN_NODE } from '../../src/services/plan.ts';
import { printPlan } from '../../src/services/print-plan.ts';
import { testService, testSlice } from '../../src/services/test-objects.ts';

const ports = [
  { name: 'web', port: 80 },
  { name: 'dns', port: 53, protocol: 'UDP' },
  { name: 'dns', port: 53, protocol: 'TCP' },
  { name: 'sctp', port: 9, protocol: 'SCTP' },
] as const;
const names = ['a', 'b', 'c', 'd'];

const name = fc.constantFrom(...names);
const somePorts = fc.subarray([...ports]);
const serviceObject = fc
  .tuple(name, fc.constantFrom('10.96.0.1', '10.96.0.2', '10.96.0.3', 'fd00::1', 'None'), somePorts)
  .map(([service, address, list]) => testService(service, address, list));
const endpoint = fc.record({
  address: fc.integer({ min: 1, max: 8 }).map((host) => `10.244.0.${host}`),
  ready: fc.boolean(),
  serving: fc.boolean(),
  terminating: fc.boolean(),
  nodeName: fc.constantFrom('node-1', 'node-2'),
});
const sliceObject = fc
  .tuple(name, fc.constantFrom('x', 'y'), somePorts, fc.array(endpoint, { maxLength: 6 }), fc.boolean())
  .map(([service, suffix, list, endpoints, ipv6]) =>
    testSlice(
      service,
      suffix,
      list.map((port) => ({ ...port, port: port.port + 8000 })),
      endpoints.map((each) => ({
        ...each,
        address: ipv6 ? each.address.replace('10.244.0.', 'fd00:1::') : each.address,
      })),
    ),
  );

type Step = (compiler: ServiceCompiler) => void;
const step: fc.Arbitrary<Step> = fc.oneof(
  serviceObject.map(
    (service): Step =>
      (compiler) =>
        compiler.setService(service),
  ),
  {
    weight: 3,
    arbitrary: sliceObject.map(
      (slice): Step =>
        (compiler) =>
          compiler.setSlice(slice),
    ),
  },
  serviceObject.map(
    (service): Step =>
      (compiler) =>
        compiler.deleteService(objectKey(service)),
  ),
  sliceObject.map(
    (slice): Step =>
      (compiler) =>
        compiler.deleteSlice(objectKey(slice)),
  ),
);
/** Steps that reach the kernel together. */
const batches = fc.array(fc.array(step, { minLength: 1, maxLength: 4 }), { maxLength: 12 });

/** All sets, but with the endpoints of each port in the order of their text: which index each got does not matter. */
function readBack(nftables: Nftables): unknown {
  return ([4, 6] as const).map((family) => {
    const of = servicesTable(family);
    const { table: tableOf, front: frontKey } = of.header;
    const [endpoints] = new Space('services', of.header, frontKey).sets();
    assert.ok(endpoints);
    if (!nftables.tables().some((each) => each.family === tableOf.family)) return 'no table';
    const sets = nftables.sets(tableOf).map((listed) => listed.name);
    const print = (each: NftSet): string[] =>
      nftables
        .elements(each)
        .map((element) => printElements('add', elements(each, [element])))
        .sort();
    const counts = sets
      .flatMap((each) => /^services-(\d+)$/u.exec(each)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
    const targets = new Map<string, string[]>();
    const indexes = new Map<string, number[]>();
    for (const { key, value } of nftables.elements(endpoints)) {
      const front = key
        .slice(0, 3)
        .map((field) => JSON.stringify(field))
        .join(' ');
      targets.set(front, [...(targets.get(front) ?? []), JSON.stringify(value)].sort());
      indexes.set(
        front,
        [...(indexes.get(front) ?? []), Number(key[3])].sort((a, b) => a - b),
      );
    }
    for (const [front, list] of indexes) assert.deepEqual(list, [...list.keys()], `indexes of ${front}`);
    const rules = nftables
      .rules(tableOf)
      .map(({ chain, expressions }) => `${chain}: ${expressions.join(' ')}`);
    const choices = rules.filter((text) => text.endsWith(' nat'));
    assert.equal(choices.length, counts.length);
    return {
      // Empty sets may stay from before.
      services: counts
        .map((count) => print(set(tableOf, `services-${count}`, { key: frontKey })))
        .filter((list) => list.length > 0),
      others: [of.clusterIps, of.hairpin].map(print),
      targets: Object.fromEntries(targets),
      rules: rules.filter((text) => !text.endsWith(' nat')),
    };
  });
}

/** So that `isIntact` has to look. */
function changeSomethingElse(nftables: Nftables): void {
  nftables.apply([destroy(table('ip', 'unrelated'))]);
}

test('ServiceCompiler and NftablesBackend: changes in any order equal a full load of the result', () => {
  const [incremental, full] = [createNetns(), createNetns()];
  const [here, there] = [openNftables({ netns: incremental }), openNftables({ netns: full })];
  fc.assert(
    fc.property(batches, (list) => {
      const compiler = createServiceCompiler({
        node: { ...UNKNOWN_NODE, name: 'node-1' },
        localAddresses: ['10.96.0.3'],
      });
      const backend = createNftablesBackend({ nftables: here });
      backend.sync(compiler.plan);
      for (const steps of list) {
        for (const apply of steps) apply(compiler);
        backend.apply(compiler.takeChange());
        // Nothing is left for the next batch: whoever looks in between sees the plan.
        changeSomethingElse(here);
        assert.ok(backend.isIntact());
      }
      const inOneGo = createServiceCompiler({
        node: { ...UNKNOWN_NODE, name: 'node-1' },
        localAddresses: ['10.96.0.3'],
      });
      for (const apply of list.flat()) apply(inOneGo);
      inOneGo.takeChange();
      const fullLoad = createNftablesBackend({ nftables: there });
      fullLoad.sync(inOneGo.plan);

      assert.equal(printPlan(compiler.plan), printPlan(inOneGo.plan));
      const [a, b] = [readBack(here), readBack(there)];
      // The table of IPv6 comes with the first Service that needs it, and stays until the next full load.
      if (Array.isArray(a) && Array.isArray(b) && b[1] === 'no table') assert.deepEqual(a[0], b[0]);
      else assert.deepEqual(a, b);
      backend.cleanup();
      fullLoad.cleanup();
    }),
    { numRuns: 400 },
  );
  here.close();
  there.close();
  incremental.close();
  full.close();
});
