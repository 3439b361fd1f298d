/** What the kernel and the fake must do alike. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type NftCommand, add, create, destroy, flush, insert, remove, replace } from './commands.ts';
import { tcp } from './expressions.ts';
import { NftablesError, isAlreadyExists, isNotFound, isOutdated } from './nftables-error.ts';
import type { Nftables } from './nftables.ts';
import { chain, elements, map, namedCounter, rule, set, table } from './objects.ts';
import { accept, counter, drop, goto, jump, match, vmap } from './statements.ts';

const t = table('inet', 'conformance', { comment: 'a table' });
const a = chain(t, 'a', { comment: 'a chain' });
const b = chain(t, 'b');
const ports = set(t, 'ports', { key: ['inet_service'], comment: 'a set' });
const services = map(t, 'services', {
  key: ['ipv4_addr', 'inet_service'],
  data: ['ipv4_addr', 'inet_service'],
});
const verdicts = map(t, 'verdicts', { key: ['inet_service'], data: 'verdict' });
const hits = namedCounter(t, 'hits');
const everything = [t, a, b, ports, services, verdicts, hits].map(add);

export function testNftables(name: string, create_: () => Nftables): void {
  const withTable = (): Nftables => {
    const nftables = create_();
    nftables.apply(everything);
    return nftables;
  };
  const refuses = (nftables: Nftables, command: NftCommand, predicate: (error: unknown) => boolean): void => {
    const generation = nftables.generation();
    assert.throws(
      () => nftables.apply([add(chain(t, 'made-before')), command]),
      (error) => {
        assert.ok(error instanceof NftablesError);
        assert.equal(error.command, command);
        return predicate(error);
      },
    );
    assert.equal(nftables.generation(), generation, 'nothing was applied');
    assert.ok(!nftables.chains(t).some((listed) => listed.name === 'made-before'));
  };

  describe(name, () => {
    test('add is fine with what exists, create is not', () => {
      const nftables = withTable();
      nftables.apply(everything);
      for (const object of [t, a, ports, services, hits]) refuses(nftables, create(object), isAlreadyExists);
      nftables.apply([add(elements(ports, [{ key: [80] }])), add(elements(ports, [{ key: [80] }]))]);
      refuses(nftables, create(elements(ports, [{ key: [80] }])), isAlreadyExists);
      nftables.close();
    });

    test('apply with ifGeneration does nothing when somebody changed something since', () => {
      const nftables = withTable();
      const generation = nftables.generation();
      nftables.apply([add(chain(t, 'first'))], { ifGeneration: generation });
      assert.throws(
        () => nftables.apply([add(chain(t, 'second'))], { ifGeneration: generation }),
        isOutdated,
      );
      const names = new Set(nftables.chains(t).map((listed) => listed.name));
      assert.deepEqual([names.has('first'), names.has('second')], [true, false]);
      nftables.close();
    });

    test('delete and flush need what they name, destroy does not', () => {
      const nftables = withTable();
      const missing = [
        table('inet', 'no'),
        chain(t, 'no'),
        set(t, 'no', { key: ['mark'] }),
        namedCounter(t, 'no'),
        elements(ports, [{ key: [81] }]),
        rule(a, [], { handle: 999n }),
      ];
      for (const object of missing) refuses(nftables, remove(object), isNotFound);
      refuses(nftables, flush(chain(t, 'no')), isNotFound);
      nftables.apply([
        destroy(chain(t, 'no')),
        destroy(set(t, 'no', { key: ['mark'] })),
        destroy(table('inet', 'no')),
      ]);
      nftables.apply([destroy(b), destroy(hits)]);
      assert.deepEqual(
        nftables.chains(t).map((listed) => listed.name),
        ['a'],
      );
      nftables.close();
    });

    test('rules keep their order over add, insert, replace and delete', () => {
      const nftables = withTable();
      const named = (comment: string, handle?: bigint) =>
        rule(a, [accept], { comment, ...(handle === undefined ? {} : { handle }) });
      const order = (): string =>
        nftables
          .rules(a)
          .map(({ comment }) => comment)
          .join(' ');
      const handleOf = (comment: string): bigint => {
        const found = nftables.rules(a).find((listed) => listed.comment === comment);
        assert.ok(found);
        return found.handle;
      };
      nftables.apply([add(named('1')), add(named('2')), insert(named('0'))]);
      assert.equal(order(), '0 1 2');
      nftables.apply([add(named('1b', handleOf('1'))), insert(named('1a', handleOf('1')))]);
      assert.equal(order(), '0 1a 1 1b 2');
      nftables.apply([replace(named('one', handleOf('1'))), remove(named('', handleOf('0')))]);
      assert.equal(order(), '1a one 1b 2');
      nftables.apply([flush(a)]);
      assert.equal(order(), '');
      nftables.close();
    });

    test('elements are read back as they were written', () => {
      const nftables = withTable();
      const list = [
        { key: ['10.0.0.1', 80], value: ['192.168.0.1', 8080], comment: 'first' },
        { key: ['10.0.0.1', 443], value: ['192.168.0.2', 8443] },
      ];
      nftables.apply([
        add(elements(services, list)),
        add(elements(verdicts, [{ key: [80], value: goto(b) }])),
      ]);
      const sorted = nftables.elements(services).toSorted((x, y) => Number(x.key[1]) - Number(y.key[1]));
      assert.deepEqual(sorted, list);
      assert.deepEqual(nftables.elements(verdicts), [{ key: [80], value: goto(b) }]);
      const [first] = list;
      assert.ok(first);
      const moved = elements(services, [{ key: first.key, value: ['192.168.0.3', 8080] }]);
      refuses(nftables, add(moved), isAlreadyExists);
      nftables.apply([remove(moved), add(moved)]);
      assert.deepEqual(nftables.elements(services).find(({ key }) => key[1] === 80)?.value, [
        '192.168.0.3',
        8080,
      ]);
      nftables.apply([flush(services)]);
      assert.deepEqual(nftables.elements(services), []);
      nftables.close();
    });

    test('what a rule or an element names must exist', () => {
      const nftables = withTable();
      refuses(nftables, add(rule(a, [jump('no')])), isNotFound);
      refuses(
        nftables,
        add(rule(a, [match(tcp.dport, 'in', set(t, 'no', { key: ['inet_service'] }))])),
        isNotFound,
      );
      refuses(nftables, add(rule(chain(t, 'no'), [drop])), isNotFound);
      refuses(nftables, add(rule(a, [counter(namedCounter(t, 'no'))])), isNotFound);
      refuses(nftables, add(elements(verdicts, [{ key: [1], value: goto('no') }])), isNotFound);
      nftables.close();
    });

    test('what is in use is not deleted', () => {
      const nftables = withTable();
      const isBusy = (error: unknown): boolean => error instanceof NftablesError && error.code === 'EBUSY';
      nftables.apply([
        add(rule(a, [match(tcp.dport, 'in', ports), jump(b)])),
        add(rule(a, [vmap(tcp.dport, verdicts)])),
        add(rule(a, [counter(hits)])),
      ]);
      for (const object of [b, ports, verdicts, hits]) refuses(nftables, remove(object), isBusy);
      nftables.apply([flush(a), ...[b, ports, verdicts, hits].map(remove)]);
      nftables.apply([add(b), add(verdicts), add(elements(verdicts, [{ key: [1], value: goto(b) }]))]);
      refuses(nftables, remove(b), isBusy);
      nftables.close();
    });

    test('comments are read back', () => {
      const nftables = withTable();
      assert.equal(nftables.tables('inet')[0]?.comment, 'a table');
      assert.equal(nftables.chains(t)[0]?.comment, 'a chain');
      assert.equal(nftables.sets(t).find((listed) => listed.name === 'ports')?.comment, 'a set');
      nftables.close();
    });

    test('reading from a table that does not exist is ENOENT', () => {
      const nftables = create_();
      for (const read of [
        () => nftables.chains(t),
        () => nftables.sets(t),
        () => nftables.rules(a),
        () => nftables.elements(ports),
      ]) {
        assert.throws(read, isNotFound);
      }
      nftables.close();
    });

    test('a value that does not fit its type is a RangeError and changes nothing', () => {
      const nftables = withTable();
      for (const [object, message] of [
        [elements(ports, [{ key: [70_000] }]), /70000.* as inet_service/u],
        [elements(ports, [{ key: ['http'] }]), /"http" as inet_service/u],
        [elements(services, [{ key: ['10.0.0.1'], value: ['10.0.0.1', 1] }]), /Expected 2 fields, got 1/u],
        [elements(services, [{ key: ['10.1', 1], value: ['10.0.0.1', 1] }]), /"10.1" as ipv4_addr/u],
        [rule(a, [match(tcp.dport, '==', -1)]), /"-1" as inet_service/u],
        [rule(a, [accept], { comment: 'x'.repeat(128) }), /at most 127 bytes/u],
      ] as const) {
        assert.throws(
          () => nftables.apply([add(object)]),
          (error) => error instanceof RangeError && message.test(error.message),
        );
      }
      nftables.close();
    });
  });
}
