import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ConntrackEntry, IP_PROTOCOL, printTuple } from '../kernel/conntrack/conntrack-entry.ts';
import { createFakeConntrack, fakeEntry } from '../kernel/conntrack/fake-conntrack.ts';
import type { Service } from '../model/objects.ts';
import { createServiceCompiler } from './compile.ts';
import { createConntrackCleaner } from './conntrack-cleaner.ts';
import { flowRulesOfChange, flowRulesOfPlan, mergeFlowRules, staleFlows } from './conntrack-cleaning.ts';
import { type TestEndpoint, testService, testSlice } from './test-objects.ts';

const DNS = '10.96.0.53';
const NODE = '172.18.0.2';
const node = {
  name: 'node-1',
  addresses: [NODE],
  podCidrs: ['10.244.0.0/24'],
  nodePortAddresses: ['0.0.0.0/0'],
};
const ports = [
  { name: 'dns', port: 53, protocol: 'UDP' },
  { name: 'dns-tcp', port: 53 },
] as const;
const one: TestEndpoint = { address: '10.244.0.2' };
const two: TestEndpoint = { address: '10.244.0.3' };
let clientPort = 40_000;

function flow(
  destination: string,
  port: number,
  to?: string,
  protocol: 'udp' | 'tcp' = 'udp',
): ConntrackEntry {
  clientPort += 1;
  const tuple = {
    protocol: IP_PROTOCOL[protocol],
    source: '10.244.0.9',
    sourcePort: clientPort,
    destination,
    destinationPort: port,
  };
  return fakeEntry(tuple, to === undefined ? undefined : { address: to, port: 5353 });
}

function load(endpoints: readonly TestEndpoint[], spec: Service['spec'] = {}) {
  const compiler = createServiceCompiler({ node });
  const setEndpoints = (list: readonly TestEndpoint[]): void =>
    compiler.setSlice(
      testSlice(
        'dns',
        'a',
        ports.map((port) => ({ ...port, port: 5353 })),
        list,
      ),
    );
  compiler.setService(testService('dns', DNS, ports, spec));
  setEndpoints(endpoints);
  compiler.takeChange();
  return { compiler, setEndpoints };
}

const stale = (
  entries: readonly ConntrackEntry[],
  ...[rules, plan]: [Parameters<typeof staleFlows>[1], Parameters<typeof staleFlows>[2]]
): readonly string[] => staleFlows(entries, rules, plan).map(({ original }) => printTuple(original));

describe('staleFlows', () => {
  test('has the flows to a removed endpoint, and no others', () => {
    const { compiler, setEndpoints } = load([one, two]);
    setEndpoints([two]);
    const rules = flowRulesOfChange(compiler.takeChange());
    const gone = flow(DNS, 53, '10.244.0.2');
    const entries = [gone, flow(DNS, 53, '10.244.0.3'), flow('10.96.0.54', 53, '10.244.0.2'), flow(DNS, 54)];
    assert.deepEqual(stale(entries, rules, compiler.plan), [printTuple(gone.original)]);
  });

  test('has the flows that began before the Service had an endpoint', () => {
    const { compiler, setEndpoints } = load([]);
    setEndpoints([one]);
    const rules = flowRulesOfChange(compiler.takeChange());
    const early = flow(DNS, 53);
    assert.deepEqual(stale([early, flow(DNS, 53, '10.244.0.2')], rules, compiler.plan), [
      printTuple(early.original),
    ]);
  });

  test('leaves what a terminating endpoint has as long as it serves', () => {
    const { compiler, setEndpoints } = load([one, two]);
    const leaving = { ...one, ready: false, terminating: true };
    setEndpoints([{ ...leaving, serving: true }, two]);
    assert.equal(flowRulesOfChange(compiler.takeChange()).size, 0, 'not even a look at the flows');
    setEndpoints([{ ...leaving, serving: false }, two]);
    assert.equal(
      staleFlows([flow(DNS, 53, '10.244.0.2')], flowRulesOfChange(compiler.takeChange()), compiler.plan)
        .length,
      1,
    );
  });

  test('has those of a Service that is gone, but not what else goes to its address', () => {
    const { compiler } = load([one]);
    compiler.deleteService('default/dns');
    const rules = flowRulesOfChange(compiler.takeChange());
    const gone = flow(DNS, 53, '10.244.0.2');
    assert.deepEqual(stale([gone, flow(DNS, 53)], rules, compiler.plan), [printTuple(gone.original)]);
  });

  test('has those of a node port that changed, on the addresses of this node only', () => {
    const nodePort = (port: number): Service['spec'] => ({
      type: 'NodePort',
      ports: [{ ...ports[0], nodePort: port }],
    });
    const { compiler } = load([one], nodePort(30_053));
    compiler.setService(testService('dns', DNS, ports, nodePort(30_054)));
    const rules = flowRulesOfChange(compiler.takeChange());
    const old = flow(NODE, 30_053, '10.244.0.2');
    const before = flow(NODE, 30_054);
    const entries = [
      old,
      before,
      flow('192.0.2.1', 30_053),
      flow(NODE, 30_054, '10.244.0.2'),
      flow('192.0.2.1', 30_054),
    ];
    assert.deepEqual(
      stale(entries, rules, compiler.plan),
      [old, before].map(({ original }) => printTuple(original)),
    );
  });

  test('at the start has none that is valid', () => {
    const { compiler } = load([one, two], { type: 'NodePort', ports: [{ ...ports[0], nodePort: 30_053 }] });
    const valid = [flow(DNS, 53, '10.244.0.2'), flow(NODE, 30_053, '10.244.0.3'), flow('192.0.2.1', 53)];
    const gone = flow(DNS, 53, '10.244.0.4');
    assert.deepEqual(stale([...valid, gone], flowRulesOfPlan(compiler.plan), compiler.plan), [
      printTuple(gone.original),
    ]);
  });
});

test('flowRulesOfChange leaves TCP alone', () => {
  const { compiler, setEndpoints } = load([one]);
  compiler.setService(testService('dns', DNS, [ports[1]]));
  compiler.takeChange();
  setEndpoints([]);
  assert.equal(flowRulesOfChange(compiler.takeChange()).size, 0);
});

test('mergeFlowRules keeps the last word on a front', () => {
  const keep = (...texts: readonly string[]) => new Map([['f', { keep: new Set(texts) }]]);
  const forget = (...texts: readonly string[]) => new Map([['f', { forget: new Set(texts) }]]);
  assert.deepEqual(mergeFlowRules(keep('a'), keep('b')), keep('b'));
  assert.deepEqual(mergeFlowRules(forget('a'), keep('b')), keep('b'));
  assert.deepEqual(mergeFlowRules(forget('a'), forget('b')), forget('a', 'b'));
});

describe('createConntrackCleaner', () => {
  test('reads the flows once for many changes, and never for TCP', async () => {
    const { compiler, setEndpoints } = load([one, two]);
    const conntrack = createFakeConntrack();
    const cleaner = createConntrackCleaner({ conntrack });
    cleaner.planned(compiler.plan);
    const first = conntrack.lists;
    conntrack.add(flow(DNS, 53, '10.244.0.2'));
    for (let i = 0; i < 1000; i += 1) {
      setEndpoints(i % 2 === 0 ? [two] : [one, two]);
      cleaner.changed(compiler.takeChange(), compiler.plan);
    }
    setEndpoints([two]);
    cleaner.changed(compiler.takeChange(), compiler.plan);
    const deadline = performance.now() + 5000;
    while (conntrack.count() > 0 && performance.now() < deadline)
      await new Promise((resolve) => setImmediate(resolve));
    assert.equal(conntrack.count(), 0);
    assert.ok(conntrack.lists - first < 500, `${conntrack.lists - first} readings for 1,001 changes`);
    const before = conntrack.lists;
    compiler.setService(testService('web', '10.96.0.80', [{ port: 80 }]));
    cleaner.changed(compiler.takeChange(), compiler.plan);
    assert.equal(conntrack.lists, before);
    cleaner.stop?.();
  });
});
