import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { type Iptables, openIptables } from '../../src/kernel/iptables/iptables.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { type Netns, createNetns, withNetns } from '../../src/kernel/netns.ts';
import { findProgram } from '../../src/kernel/process.ts';
import { everyKind, testPlan } from '../../src/services/backends/iptables/test-ports.ts';
import { createIptablesBackend } from '../../src/services/backends/iptables/iptables.ts';

const skip = findProgram('iptables-restore') === undefined && 'iptables is not installed';

function run(netns: Netns, program: string, ...args: readonly string[]): string {
  const { stdout, stderr, status } = withNetns(netns, () => spawnSync(program, args, { encoding: 'utf8' }));
  assert.equal(status, 0, stderr);
  return stdout;
}

function withNode(body: (iptables: Iptables, netns: Netns) => void): void {
  const netns = createNetns();
  const iptables = openIptables({ netns });
  try {
    body(iptables, netns);
  } finally {
    iptables.close();
    netns.close();
  }
}

const plan = testPlan([...everyKind(4), ...everyKind(6)]);

test('sync() writes what iptables-save will print: a second one finds nothing to do', { skip }, () => {
  withNode((iptables) => {
    createIptablesBackend({ iptables }).sync(plan);
    const before = [iptables.tables(4), iptables.tables(6)];
    const generation = iptables.generation();
    createIptablesBackend({ iptables }).sync(plan);
    assert.deepEqual([iptables.tables(4), iptables.tables(6)], before);
    assert.equal(iptables.generation(), generation);
  });
});

test('sync() makes chains that iptables lists with the Services in their comments', { skip }, () => {
  withNode((iptables, netns) => {
    createIptablesBackend({ iptables }).sync(plan);
    const listed = run(netns, 'iptables', '-t', 'nat', '-L', 'KUBE-SERVICES', '-n');
    assert.match(
      listed,
      /^KUBE-SVC-\w{16} +(6|tcp) +-- +0\.0\.0\.0\/0 +10\.96\.0\.1 +\/\* default\/web:http cluster IP \*\/ tcp dpt:80$/mu,
    );
  });
});

test('isIntact() sees what others changed, sync() puts it right and leaves theirs alone', { skip }, () => {
  withNode((iptables, netns) => {
    const backend = createIptablesBackend({ iptables });
    backend.sync(plan);
    const before = run(netns, 'iptables-save', '-t', 'nat');
    run(netns, 'iptables', '-N', 'OTHERS');
    run(netns, 'iptables', '-A', 'INPUT', '-j', 'OTHERS');
    assert.ok(backend.isIntact(), 'a chain of somebody else');
    for (const damage of [
      ['-t', 'nat', '-D', 'KUBE-SERVICES', '1'],
      ['-t', 'nat', '-D', 'PREROUTING', '1'],
      ['-t', 'nat', '-A', 'KUBE-POSTROUTING', '-j', 'ACCEPT'],
      ['-t', 'nat', '-N', 'KUBE-SVC-AAAAAAAAAAAAAAAA'],
      ['-F', 'KUBE-PROXY-FIREWALL'],
    ]) {
      run(netns, 'iptables', ...damage);
      assert.ok(!backend.isIntact(), damage.join(' '));
      backend.sync(plan);
      assert.ok(backend.isIntact());
    }
    const rules = (text: string): string[] => text.split('\n').filter((line) => line.startsWith('-A'));
    assert.deepEqual(rules(run(netns, 'iptables-save', '-t', 'nat')), rules(before));
    backend.cleanup();
    assert.deepEqual(
      [...iptables.tables(4)].map(([name, chains]) => [name, [...chains.keys()].sort()]),
      [['filter', ['FORWARD', 'INPUT', 'OTHERS', 'OUTPUT']]],
    );
    assert.deepEqual(iptables.tables(4).get('filter')?.get('INPUT'), ['-j OTHERS']);
  });
});

test('cleanup() of another process leaves nothing, of either family', { skip }, () => {
  withNode((iptables, netns) => {
    createIptablesBackend({ iptables }).sync(plan);
    createIptablesBackend({ iptables }).cleanup();
    const nftables = openNftables({ netns });
    assert.deepEqual([nftables.tables('ip'), nftables.tables('ip6')], [[], []]);
    nftables.close();
  });
});
