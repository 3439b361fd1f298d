import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
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
  interfaceName: 'eth0',
  network: 'podnet',
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
  assert.deepEqual(addresses.release(owner('a')), ['10.244.1.2']);
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
  addresses.release(owner('c'));
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
  before.release(owner('b'));
  before.close();
  const after = ipam({ databasePath });
  assert.deepEqual(after.allocate(owner('a')), ['10.244.1.2']);
  assert.deepEqual(after.allocate(owner('d')), ['10.244.1.5']);
  const gone = after.retain('podnet', [owner('a'), owner('unknown')]);
  assert.deepEqual(
    gone.map(({ containerId }) => containerId),
    ['c', 'd'],
  );
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

test('createIpam refuses CIDRs it cannot use, and a directory that does not exist', () => {
  throwsCode(() => ipam({ podCidrs: [] }), 'bad-pod-cidr');
  throwsCode(() => ipam({ podCidrs: ['10.244.1.0'] }), 'bad-pod-cidr');
  throwsCode(() => ipam({ podCidrs: ['10.244.1.0/24', '10.244.2.0/24'] }), 'bad-pod-cidr');
  throwsCode(() => ipam({ podCidrs: ['10.244.1.0/31'] }), 'pod-cidr-too-small');
  throwsCode(() => ipam({ databasePath: '/nonexistent/node.db' }), 'ipam-unreadable');
});

test('createIpam sets a damaged file aside and begins with an empty one', (t) => {
  const databasePath = file(t);
  const text = 'this is no database, whatever the name says'.repeat(100);
  writeFileSync(databasePath, text);
  const addresses = ipam({ databasePath });
  assert.equal(readFileSync(addresses.damaged ?? '', 'utf8'), text);
  assert.deepEqual(addresses.allocate(owner('a')), ['10.244.1.2']);
  addresses.close();
  const again = ipam({ databasePath });
  assert.equal(again.damaged, undefined);
  again.close();
});

test('createIpam notices damage in the middle of a file', (t) => {
  const databasePath = file(t);
  const before = ipam({ databasePath, podCidrs: ['10.244.0.0/16'] });
  for (let index = 0; index < 500; index++) before.allocate(owner(`c${index}`));
  before.close();
  const bytes = readFileSync(databasePath);
  bytes.fill(0x5a, 4096 * 3, 4096 * 6);
  writeFileSync(databasePath, bytes);
  const after = ipam({ databasePath, podCidrs: ['10.244.0.0/16'] });
  assert.match(after.damaged ?? '', /damaged/);
  assert.deepEqual(after.allocations(), []);
  after.close();
});

test('createIpam does not touch a file of a later version', (t) => {
  const databasePath = file(t);
  ipam({ databasePath }).close();
  const database = new DatabaseSync(databasePath);
  database.exec('PRAGMA user_version = 99');
  database.close();
  throwsCode(() => ipam({ databasePath }), 'ipam-version');
});

test('createIpam forgets all after a reboot, and whose turn it is not', (t) => {
  const databasePath = file(t);
  const before = ipam({ databasePath, bootId: 'first' });
  before.allocate(owner('a'));
  before.close();
  const after = ipam({ databasePath, bootId: 'second' });
  assert.deepEqual(after.allocations(), []);
  assert.deepEqual(after.allocate(owner('b')), ['10.244.1.3']);
  after.close();
  const same = ipam({ databasePath, bootId: 'second' });
  assert.equal(same.allocations().length, 1);
  same.close();
});

test('a clock that jumps changes nothing', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: Date.parse('2026-06-01') });
  const addresses = ipam();
  const given: string[] = [];
  for (const [id, now] of Object.entries({
    a: '2026-06-01',
    b: '1970-01-01',
    c: '2099-12-31',
    d: '2020-02-29',
  })) {
    t.mock.timers.setTime(Date.parse(now));
    given.push(...addresses.allocate(owner(id)));
    addresses.release(owner(id));
  }
  assert.deepEqual(given, ['10.244.1.2', '10.244.1.3', '10.244.1.4', '10.244.1.5']);
});

test('allocate gives a wanted address when it is free, and the others in turn', () => {
  const addresses = ipam({ podCidrs: ['10.244.1.0/29', 'fd00:1::/64'] });
  assert.deepEqual(addresses.allocate(owner('a'), ['10.244.1.4']), ['10.244.1.4', 'fd00:1::2']);
  assert.deepEqual(
    addresses.allocate(owner('a'), ['10.244.1.4']),
    ['10.244.1.4', 'fd00:1::2'],
    'asked again',
  );
  assert.deepEqual(addresses.allocate(owner('b')), ['10.244.1.2', 'fd00:1::3']);
  throwsCode(() => addresses.allocate(owner('c'), ['10.244.1.4']), 'address-taken');
  throwsCode(() => addresses.allocate(owner('c'), ['10.244.1.1']), 'address-reserved');
  throwsCode(() => addresses.allocate(owner('c'), ['10.9.9.9']), 'address-outside-pod-cidr');
  assert.deepEqual(addresses.addressesOf(owner('c')), [], 'a refusal leaves nothing behind');
});

test('two that have the same file open never give the same address', (t) => {
  const databasePath = file(t);
  const [one, two] = [ipam({ databasePath }), ipam({ databasePath })];
  const given = [one.allocate(owner('a')), two.allocate(owner('b')), one.allocate(owner('c'))].flat();
  assert.deepEqual(given, ['10.244.1.2', '10.244.1.3', '10.244.1.4']);
  two.release(owner('a'));
  assert.deepEqual(one.addressesOf(owner('a')), []);
  for (const each of [one, two]) each.close();
});

test('reconcile gives back what nobody has, writes down what is missing, and leaves other processes’ work alone', (t) => {
  const databasePath = file(t);
  const addresses = ipam({ databasePath });
  for (const id of ['a', 'b', 'c']) addresses.allocate(owner(id));
  const database = new DatabaseSync(databasePath);
  const set = database.prepare('UPDATE addresses SET process = ? WHERE container_id = ?');
  set.run(`${process.ppid}:${startOf(process.ppid)}`, 'b');
  set.run(`${process.ppid}:1`, 'c');
  database.close();
  const holder = { ...owner('found'), addresses: ['10.244.1.6', '192.0.2.1'] };
  assert.deepEqual(
    addresses.reconcile([holder]).map(({ containerId }) => containerId),
    ['a', 'c'],
  );
  assert.deepEqual(
    addresses.allocations().map(({ address, containerId }) => `${address} ${containerId}`),
    ['10.244.1.3 b', '10.244.1.6 found'],
  );
  addresses.close();
});

function startOf(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? '';
}

test('probe throws when a range is full, and takes nothing when it is not', () => {
  const addresses = ipam();
  addresses.probe();
  assert.deepEqual(addresses.allocations(), []);
  for (const id of ['a', 'b', 'c', 'd', 'e']) addresses.allocate(owner(id));
  throwsCode(() => addresses.probe(), 'pod-cidr-full');
});

test('release of a container without addresses is nothing', () => {
  assert.deepEqual(ipam().release(owner('never')), []);
});
