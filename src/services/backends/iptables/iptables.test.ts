import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeIptables } from '../../../kernel/iptables/fake-iptables.ts';
import type { PlanChange, PlannedPort } from '../../plan.ts';
import { chainName } from './chain-names.ts';
import { createIptablesBackend } from './iptables.ts';
import { everyKind, testChoice, testNode, testPlan, testPort } from './test-ports.ts';

test("chainName gives kube-proxy's names", () => {
  const api = { service: 'default/kubernetes', portName: 'https', protocol: 'tcp' } as const;
  const dns = { service: 'kube-system/kube-dns', portName: 'dns', protocol: 'udp' } as const;
  assert.equal(chainName('KUBE-SVC-', api), 'KUBE-SVC-NPX46M4PTMTKRN6Y');
  assert.equal(chainName('KUBE-SVC-', dns), 'KUBE-SVC-TCOU7JCQXEZGVUNU');
  assert.equal(
    chainName('KUBE-SVC-', { ...dns, portName: 'dns-tcp', protocol: 'tcp' }),
    'KUBE-SVC-ERIFXISQEP7F7OF4',
  );
});

function change(parts: Partial<PlanChange>): PlanChange {
  return { set: [], removed: [], before: new Map(), services: new Set(), ...parts };
}

const web = testPort({
  kind: 'clusterIP',
  address: '10.96.0.1',
  port: 80,
  inside: testChoice(['10.244.0.2 8080', '10.244.1.2 8080']),
});
const api: PlannedPort = testPort({
  kind: 'clusterIP',
  address: '10.96.0.2',
  port: 80,
  service: 'default/api',
  inside: testChoice(['10.244.0.3 8080']),
});

test('sync() writes the chains of a Service as kube-proxy draws them', () => {
  const iptables = createFakeIptables();
  createIptablesBackend({ iptables }).sync(testPlan([web]));
  const nat = iptables.tables(4).get('nat');
  const svc = chainName('KUBE-SVC-', web);
  const [one, two] = web.inside.endpoints.map((endpoint) => chainName('KUBE-SEP-', web, endpoint));
  assert.deepEqual(nat?.get('KUBE-SERVICES'), [
    `-d 10.96.0.1/32 -p tcp -m comment --comment "default/web:http cluster IP" -m tcp --dport 80 -j ${svc}`,
    '-d 10.96.0.1/32 -m comment --comment "no port of the Service" -j KUBE-MARK-REJECT',
    '-d 172.18.0.11/32 -m comment --comment "kubernetes service nodeports; NOTE: this must be the last rule in this chain" -j KUBE-NODEPORTS',
  ]);
  assert.deepEqual(nat?.get(svc), [
    '! -s 10.244.0.0/24 -d 10.96.0.1/32 -p tcp -m comment --comment "default/web:http cluster IP" -m addrtype ! --src-type LOCAL -m tcp --dport 80 -j KUBE-MARK-MASQ',
    `-m comment --comment "default/web:http -> 10.244.0.2:8080" -m statistic --mode random --probability 0.50000000000 -j ${one}`,
    `-m comment --comment "default/web:http -> 10.244.1.2:8080" -j ${two}`,
  ]);
  assert.deepEqual(nat?.get(one ?? ''), [
    '-s 10.244.0.2/32 -m comment --comment "default/web:http" -j KUBE-MARK-MASQ',
    '-p tcp -m comment --comment "default/web:http" -m tcp -j DNAT --to-destination 10.244.0.2:8080',
  ]);
});

test('apply() writes only the chains that change', () => {
  const iptables = createFakeIptables();
  const backend = createIptablesBackend({ iptables });
  backend.sync(testPlan([web, api]));
  const moved = { ...web, inside: testChoice(['10.244.0.2 8080', '10.244.2.2 8080']) };
  backend.apply(change({ set: [{ ...moved, outside: moved.inside }] }));
  const script = iptables.scripts.at(-1) ?? '';
  const [kept, gone] = web.inside.endpoints.map((endpoint) => chainName('KUBE-SEP-', web, endpoint));
  const come = chainName('KUBE-SEP-', web, { address: '10.244.2.2', port: 8080 });
  assert.deepEqual(
    new Set([...script.matchAll(/^:(\S+)/gmu)].map(([, name]) => name)),
    new Set([chainName('KUBE-SVC-', web), come, gone]),
  );
  assert.ok(script.includes(`-X ${gone}\n`) && !script.includes(`:${kept}`), script);
});

test('apply() of any change comes to what sync() of the result would', () => {
  const ports = [...everyKind(4), ...everyKind(6)];
  const iptables = createFakeIptables();
  const backend = createIptablesBackend({ iptables });
  backend.sync(testPlan([]));
  assert.equal(iptables.tables(6).size, 0, 'no table of IPv6 without need');
  for (const port of ports) backend.apply(change({ set: [port] }));
  const node = { ...testNode, addresses: ['172.18.0.12'], podCidrs: ['10.244.1.0/24', '10.245.0.0/24'] };
  for (const [now, what] of [
    [testNode, change({})],
    [node, change({ node })],
  ] as const) {
    backend.apply(what);
    const whole = createFakeIptables();
    createIptablesBackend({ iptables: whole }).sync(testPlan(ports, now));
    for (const family of [4, 6] as const) assert.deepEqual(sorted(iptables, family), sorted(whole, family));
  }
  assert.ok(backend.isIntact());
  backend.apply(change({ removed: ports }));
  const empty = createFakeIptables();
  createIptablesBackend({ iptables: empty }).sync(testPlan([], node));
  assert.deepEqual(sorted(iptables, 4), sorted(empty, 4));
});

test('a front that goes from one Service to another takes its rules along', () => {
  const iptables = createFakeIptables();
  const backend = createIptablesBackend({ iptables });
  backend.sync(testPlan([web, api]));
  const taken = { ...api, address: web.address };
  const before = new Map([['10.96.0.1:80/tcp', web]]);
  backend.apply(change({ set: [taken], removed: [api], before }));
  const whole = createFakeIptables();
  createIptablesBackend({ iptables: whole }).sync(testPlan([taken]));
  assert.deepEqual(sorted(iptables, 4), sorted(whole, 4));
});

test('text from objects cannot leave its comment', () => {
  const iptables = createFakeIptables();
  const backend = createIptablesBackend({ iptables });
  backend.sync(testPlan([{ ...web, portName: 'a" -j ACCEPT' }]));
  assert.match(iptables.scripts.join(''), /--comment "default\/web:a\\" -j ACCEPT cluster IP"/u);
  assert.throws(() => backend.sync(testPlan([{ ...web, portName: 'a\nCOMMIT' }])), RangeError);
});

function sorted(iptables: ReturnType<typeof createFakeIptables>, family: 4 | 6): unknown {
  return [...iptables.tables(family)].map(([name, chains]) => [
    name,
    Object.fromEntries([...chains].sort(([a], [b]) => (a < b ? -1 : 1))),
  ]);
}
