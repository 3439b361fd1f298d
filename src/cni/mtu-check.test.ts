import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MtuFact, judgeMtus } from './mtu-check.ts';

const facts: readonly MtuFact[] = [
  { place: 'node-1', role: 'uplink', interface: 'eth0', mtuBytes: 1500 },
  { place: 'node-2', role: 'uplink', interface: 'eth0', mtuBytes: 1500 },
  { place: 'node-1', role: 'bridge', interface: 'cbr0', mtuBytes: 1450 },
  { place: 'node-1', role: 'pod link', interface: 'pod1', mtuBytes: 1450, pod: 'shop/web' },
  { place: 'shop/web', role: 'pod', interface: 'eth0', mtuBytes: 1450, node: 'node-1' },
];
const probe = { from: 'shop/web', to: 'shop/db', address: '10.244.1.2', bytes: 1450, arrived: true };
const expectation = { overheadBytes: 50 };

function problemsOf(changed: Partial<MtuFact>, index: number, more = {}): string[] {
  const all = facts.map((fact, at) => (at === index ? { ...fact, ...changed } : fact));
  const { problems } = judgeMtus(all, { probes: [probe], expectation: { ...expectation, ...more } });
  return problems.map(({ problem, fix }) => `${problem} | ${fix}`);
}

test('judgeMtus: nothing is wrong when pods have what the uplinks carry, less the overhead', () => {
  assert.deepEqual(problemsOf({}, 0), []);
});

test('judgeMtus names the interface that is wrong, and the fix', () => {
  assert.deepEqual(problemsOf({ mtuBytes: 1400 }, 3), [
    'pod1 of node-1, the link of pod shop/web has an MTU of 1400, the others on its way 1450 | podnet enter node-1 -- ip link set dev pod1 mtu 1450',
  ]);
  assert.deepEqual(problemsOf({ mtuBytes: 1500 }, 4), [
    'eth0 of pod shop/web has an MTU of 1500, the others on its way 1450 | Make the pod again, on node-1: kubectl delete pod -n shop web',
  ]);
  const [uplink] = problemsOf({ mtuBytes: 1400 }, 1);
  assert.equal(
    uplink,
    'eth0 of node-2 has an MTU of 1400, the others on its way 1500 | podnet enter node-2 -- ip link set dev eth0 mtu 1500',
  );
});

test('judgeMtus: a setting that the network does not carry is a problem', () => {
  const problems = problemsOf({}, 0, { mtuBytes: 1480 });
  assert.match(problems.at(-1) ?? '', /carries 1450 of it at most \| Set data\.mtu of ConfigMap/);
});

test('judgeMtus: a probe that is lost is told when no interface explains it', () => {
  const lost = { ...probe, arrived: false, error: 'EMSGSIZE' };
  const { problems } = judgeMtus(facts, { probes: [lost], expectation });
  assert.match(
    problems[0]?.problem ?? '',
    /1450 bytes from pod shop\/web does not arrive at pod shop\/db: EMSGSIZE/,
  );
});
