import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { PodnetError } from '../model/errors.ts';
import { createIpam, type Ipam, type IpamOptions } from './ipam.ts';

function ipam(options: Partial<IpamOptions> = {}): Ipam {
  return createIpam({
    podCidrs: ['10.244.1.0/29'],
    databasePath: ':memory:',
    nodeName: 'node-1',
    ...options,
  });
}

const owner = (containerId: string): Parameters<Ipam['allocate']>[0] => ({
  containerId,
  namespace: 'default',
  name: `pod-${containerId}`,
});

function file(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-ipam-'));
  t.after(() => rmSync(directory, { recursive: true }));
  return join(directory, 'node.db');
}

function throwsCode(run: () => unknown, code: string): void {
  assert.throws(run, (error) => error instanceof PodnetError && error.code === code);
}

test('allocate gives addresses in turn and the same ones to the same container', () => {
  const addresses = ipam();
  assert.deepEqual(addresses.allocate(owner('a')), ['10.244.1.2']);
  assert.deepEqual(addresses.allocate(owner('b')), ['10.244.1.3']);
  assert.deepEqual(addresses.allocate(owner('a')), ['10.244.1.2']);
});

test('allocate gives a released address again only after all others', () => {
  const addresses = ipam();
  addresses.allocate(owner('a'));
  assert.deepEqual(addresses.release('a'), ['10.244.1.2']);
  const next = ['b', 'c', 'd', 'e', 'f'].map((id) => addresses.allocate(owner(id))[0]);
  assert.deepEqual(next, ['10.244.1.3', '10.244.1.4', '10.244.1.5', '10.244.1.6', '10.244.1.2']);
});

test('allocate says which range of which node is full', () => {
  const addresses = ipam();
  for (const id of ['a', 'b', 'c', 'd', 'e']) addresses.allocate(owner(id));
  assert.throws(
    () => addresses.allocate(owner('f')),
    (error) =>
      error instanceof PodnetError &&
      error.code === 'pod-cidr-full' &&
      error.message === 'No address is left in 10.244.1.0/29: all 5 are in use' &&
      error.where === 'node node-1 spec.podCIDRs: 10.244.1.0/29',
  );
  addresses.release('c');
  assert.deepEqual(addresses.allocate(owner('f')), ['10.244.1.4']);
});

test('allocate gives one address of each family, and none at all when one of the ranges is full', () => {
  const addresses = ipam({ podCidrs: ['10.244.1.0/24', 'fd00:1::/126'] });
  assert.deepEqual(addresses.allocate(owner('a')), ['10.244.1.2', 'fd00:1::2']);
  throwsCode(() => addresses.allocate(owner('b')), 'pod-cidr-full');
  assert.equal(addresses.allocations().length, 2);
});

test('createIpam remembers addresses and whose turn it is', (t) => {
  const databasePath = file(t);
  const before = ipam({ databasePath });
  for (const id of ['a', 'b', 'c']) before.allocate(owner(id));
  before.release('b');
  before.close();
  const after = ipam({ databasePath });
  assert.deepEqual(after.allocate(owner('a')), ['10.244.1.2']);
  assert.deepEqual(after.allocate(owner('d')), ['10.244.1.5']);
  assert.deepEqual(after.reconcile(['a', 'unknown']), ['c', 'd']);
  assert.deepEqual(
    after.allocations().map(({ address, name }) => `${address} ${name}`),
    ['10.244.1.2 pod-a'],
  );
  after.close();
});

test('createIpam gives new addresses when the node has another pod CIDR than before', (t) => {
  const databasePath = file(t);
  const before = ipam({ databasePath });
  before.allocate(owner('a'));
  before.close();
  const after = ipam({ databasePath, podCidrs: ['10.244.9.0/24'] });
  assert.deepEqual(after.allocate(owner('a')), ['10.244.9.2']);
  assert.equal(after.allocations().length, 1);
  after.close();
});

test('createIpam refuses CIDRs it cannot use and a damaged file', (t) => {
  throwsCode(() => ipam({ podCidrs: [] }), 'bad-pod-cidr');
  throwsCode(() => ipam({ podCidrs: ['10.244.1.0'] }), 'bad-pod-cidr');
  throwsCode(() => ipam({ podCidrs: ['10.244.1.0/24', '10.244.2.0/24'] }), 'bad-pod-cidr');
  throwsCode(() => ipam({ podCidrs: ['10.244.1.0/31'] }), 'pod-cidr-too-small');
  const databasePath = file(t);
  writeFileSync(databasePath, 'this is no database, whatever the name says'.repeat(100));
  throwsCode(() => ipam({ databasePath }), 'ipam-unreadable');
  throwsCode(() => ipam({ databasePath: '/nonexistent/node.db' }), 'ipam-unreadable');
});

test('release of a container without addresses is nothing', () => {
  assert.deepEqual(ipam().release('never'), []);
});
