import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createFakeNftables } from '../../kernel/nftables/fake-nftables.ts';
import { printCommand } from '../../kernel/nftables/print.ts';
import { createServiceCompiler } from '../compile.ts';
import { UNKNOWN_NODE } from '../plan.ts';
import { testService, testSlice } from '../test-objects.ts';
import { createNftablesBackend } from './nftables.ts';
import { placeTargets } from './nftables-space.ts';

const http = { name: 'http', port: 80 };
const http8080 = { name: 'http', port: 8080 };

function start() {
  const nftables = createFakeNftables();
  const backend = createNftablesBackend({ nftables });
  const compiler = createServiceCompiler({ node: { ...UNKNOWN_NODE, name: 'node-1' } });
  compiler.setService(testService('web', '10.96.0.1', [http]));
  compiler.setService(testService('none', '10.96.0.2', [{ port: 53, protocol: 'UDP' }]));
  const slice = (...addresses: readonly string[]) =>
    testSlice(
      'web',
      'a',
      [http8080],
      addresses.map((address) => ({ address, nodeName: address.replace(/.*\./u, 'node-') })),
    );
  compiler.setSlice(slice('10.244.0.1', '10.244.0.2', '10.244.0.3'));
  compiler.takeChange();
  backend.sync(compiler.plan);
  /** The commands of the last batch. */
  const last = (): string[] => (nftables.applied.at(-1) ?? []).map((command) => printCommand(command));
  const change = (): string[] => {
    const before = nftables.applied.length;
    backend.apply(compiler.takeChange());
    return nftables.applied.length === before ? [] : last();
  };
  return { nftables, backend, compiler, slice, change };
}

describe('NftablesBackend', () => {
  test('sync() makes one table with an element for each port and endpoint', () => {
    const text = start().nftables.dump();
    const lines = (of: string): string[] =>
      (`\n${text}`.split('\nadd ').find((part) => part.startsWith(of)) ?? '').trim().split('\n  ').slice(1);
    assert.deepEqual(lines('map ip podnet-services services-endpoints'), [
      '10.96.0.1 . tcp . 80 . 0 : 10.244.0.1 . 8080',
      '10.96.0.1 . tcp . 80 . 1 : 10.244.0.2 . 8080',
      '10.96.0.1 . tcp . 80 . 2 : 10.244.0.3 . 8080',
    ]);
    assert.deepEqual(lines('set ip podnet-services cluster-ips '), ['10.96.0.1', '10.96.0.2']);
    assert.deepEqual(lines('set ip podnet-services hairpin '), ['10.244.0.1 . 10.244.0.1']);
    assert.deepEqual(lines('set ip podnet-services services-3 '), ['10.96.0.1 . tcp . 80']);
    assert.deepEqual(lines('chain ip podnet-services services\n'), [
      'ip daddr . meta l4proto . th dport @services-3 dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @services-endpoints',
      'meta l4proto tcp reject with tcp reset comment "nothing answers"',
      'reject comment "nothing answers"',
    ]);
  });

  test('apply() moves as little as it can', () => {
    const { compiler, slice, change } = start();
    compiler.setSlice(slice('10.244.0.2', '10.244.0.3', '10.244.0.4'));
    assert.deepEqual(change(), [
      'delete element ip podnet-services services-endpoints { 10.96.0.1 . tcp . 80 . 0 }',
      'delete element ip podnet-services hairpin { 10.244.0.1 . 10.244.0.1 }',
      'add element ip podnet-services services-endpoints { 10.96.0.1 . tcp . 80 . 0 : 10.244.0.4 . 8080 }',
    ]);
    compiler.setSlice(slice('10.244.0.4', '10.244.0.3', '10.244.0.2'));
    assert.deepEqual(change(), [], 'the order of endpoints does not matter');
  });

  test('apply() closes the gap when an endpoint leaves', () => {
    const { compiler, slice, change } = start();
    compiler.setSlice(slice('10.244.0.2', '10.244.0.3'));
    const rules = [
      'flush chain ip podnet-services services',
      'add rule ip podnet-services services ip daddr . meta l4proto . th dport @services-2 dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 2 map @services-endpoints',
      'add rule ip podnet-services services ip daddr . meta l4proto . th dport @services-3 dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @services-endpoints',
      'add rule ip podnet-services services meta l4proto tcp reject with tcp reset comment "nothing answers"',
      'add rule ip podnet-services services reject comment "nothing answers"',
    ];
    assert.deepEqual(change(), [
      'delete element ip podnet-services services-endpoints { 10.96.0.1 . tcp . 80 . 0, 10.96.0.1 . tcp . 80 . 2 }',
      'delete element ip podnet-services services-3 { 10.96.0.1 . tcp . 80 }',
      'delete element ip podnet-services hairpin { 10.244.0.1 . 10.244.0.1 }',
      'add set ip podnet-services services-2 { typeof ip daddr . meta l4proto . th dport; }',
      'add element ip podnet-services services-endpoints { 10.96.0.1 . tcp . 80 . 0 : 10.244.0.3 . 8080 }',
      'add element ip podnet-services services-2 { 10.96.0.1 . tcp . 80 }',
      ...rules,
    ]);
    compiler.setSlice(slice('10.244.0.2', '10.244.0.3', '10.244.0.1'));
    assert.deepEqual(
      change(),
      [
        'delete element ip podnet-services services-2 { 10.96.0.1 . tcp . 80 }',
        'add element ip podnet-services services-endpoints { 10.96.0.1 . tcp . 80 . 2 : 10.244.0.1 . 8080 }',
        'add element ip podnet-services services-3 { 10.96.0.1 . tcp . 80 }',
        'add element ip podnet-services hairpin { 10.244.0.1 . 10.244.0.1 }',
      ],
      'the sets of both counts are kept',
    );
  });

  test('apply() keeps few empty sets', () => {
    const { nftables, compiler, slice, change } = start();
    for (let count = 1; count <= 20; count++) {
      compiler.setSlice(slice(...Array.from({ length: count }, (_, index) => `10.244.1.${index}`)));
      change();
      const sets = nftables.dump().match(/^add set ip podnet-services services-/gmu) ?? [];
      assert.ok(sets.length <= 5, `${sets.length} sets`);
    }
  });

  test('apply() makes the table of IPv6 when the first Service needs it', () => {
    const { nftables, backend, compiler } = start();
    assert.deepEqual(
      nftables.tables().map(({ family }) => family),
      ['ip'],
    );
    compiler.setService(testService('six', ['fd00::1'], [http]));
    backend.apply(compiler.takeChange());
    assert.deepEqual(
      nftables.tables().map(({ family }) => family),
      ['ip', 'ip6'],
    );
    assert.match(
      nftables.dump(),
      /add set ip6 podnet-services cluster-ips \{ type ipv6_addr; \}\n {2}fd00::1\n/u,
    );
    compiler.deleteService('default/six');
    compiler.takeChange();
    backend.sync(compiler.plan);
    assert.deepEqual(
      nftables.tables().map(({ family }) => family),
      ['ip'],
    );
  });

  test('isIntact() sees what others changed, sync() puts it right, cleanup() leaves nothing', () => {
    const { nftables, backend, compiler } = start();
    const before = nftables.dump();
    assert.ok(backend.isIntact());
    const others = createNftablesBackend({ nftables });
    others.sync(createServiceCompiler().plan);
    assert.ok(!backend.isIntact());
    backend.sync(compiler.plan);
    assert.equal(nftables.dump(), before);
    assert.ok(backend.isIntact());
    others.cleanup();
    assert.ok(!backend.isIntact());
    backend.sync(compiler.plan);
    backend.cleanup();
    assert.deepEqual(nftables.tables(), []);
  });
});

test('placeTargets keeps every endpoint that stays where it is, if its place still exists', () => {
  const targets = (text: string) => text.split('').map((letter) => ({ address: letter, port: 1 }));
  const source = { slice: 's', field: 'f' };
  const place = (before: string, after: string): string =>
    placeTargets(
      targets(before),
      targets(after).map((target) => ({ ...target, source })),
    )
      .map(({ address }) => address)
      .join('');
  assert.equal(place('', 'abc'), 'abc');
  assert.equal(place('abc', 'cba'), 'abc');
  assert.equal(place('abc', 'bcd'), 'dbc');
  assert.equal(place('abcd', 'bd'), 'db');
  assert.equal(place('abc', 'abcde'), 'abcde');
  assert.equal(place('abc', ''), '');
});
