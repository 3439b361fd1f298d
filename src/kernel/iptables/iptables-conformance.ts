/** What every door to iptables does, told by values: run against the kernel and against the fake. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PodnetError } from '../../model/errors.ts';
import type { IpFamily } from '../../model/ip.ts';
import type { Iptables, TableEdits } from './iptables.ts';
import { comment } from './rule-text.ts';

const none: Omit<TableEdits, 'table'> = { chains: new Map(), deleted: [], jumps: [] };

/** `skip` says why a door cannot be tested here. */
export function testIptables(name: string, open: () => Iptables, skip: string | false = false): void {
  const withDoor = (run: (iptables: Iptables) => void) => () => {
    const iptables = open();
    try {
      run(iptables);
    } finally {
      iptables.close();
    }
  };

  describe(`${name}, as every Iptables`, { skip }, () => {
    for (const family of [4, 6] satisfies IpFamily[]) {
      const address = family === 4 ? '10.96.0.1/32' : 'fd00:96::1/128';
      const port = `-d ${address} -p tcp ${comment('default/web:http cluster IP')} -m tcp --dport 80 -j PODNET-A`;
      const jump = `${comment('to Services')} -j PODNET-B`;
      const made: TableEdits = {
        ...none,
        table: 'nat',
        chains: new Map([
          ['PODNET-A', ['-j RETURN']],
          ['PODNET-B', [port, '-j RETURN']],
        ]),
        jumps: [{ verb: 'insert', chain: 'PREROUTING', rule: jump }],
      };

      test(
        `IPv${family}: tables() gives the rules of edit() in its own words`,
        withDoor((iptables) => {
          iptables.edit(family, [made]);
          const nat = iptables.tables(family).get('nat');
          assert.deepEqual(nat?.get('PODNET-B'), [port, '-j RETURN']);
          assert.deepEqual(nat?.get('PREROUTING'), [jump]);
          assert.equal(iptables.tables(family).has('filter'), false);
        }),
      );

      test(
        `IPv${family}: edit() replaces the chains it names and leaves the rest alone`,
        withDoor((iptables) => {
          iptables.edit(family, [made]);
          iptables.edit(family, [{ ...none, table: 'nat', chains: new Map([['PODNET-A', []]]) }]);
          const nat = iptables.tables(family).get('nat');
          assert.deepEqual(nat?.get('PODNET-A'), []);
          assert.deepEqual(nat?.get('PODNET-B'), [port, '-j RETURN']);
          iptables.edit(family, [
            {
              ...none,
              table: 'nat',
              chains: new Map([['PODNET-B', []]]),
              deleted: ['PODNET-A'],
            },
          ]);
          assert.deepEqual([...(iptables.tables(family).get('nat')?.keys() ?? [])].sort(), [
            'INPUT',
            'OUTPUT',
            'PODNET-B',
            'POSTROUTING',
            'PREROUTING',
          ]);
        }),
      );

      test(
        `IPv${family}: edit() of a table happens wholly or not at all, and says which rule is wrong`,
        withDoor((iptables) => {
          iptables.edit(family, [made]);
          const wrong = new Map([
            ['PODNET-A', ['-j PODNET-B']],
            ['PODNET-C', ['-j PODNET-NOWHERE']],
          ]);
          assert.throws(
            () => iptables.edit(family, [{ ...none, table: 'nat', chains: wrong }]),
            (error) =>
              error instanceof PodnetError &&
              error.code === 'iptables-refused' &&
              error.message.includes('PODNET'),
          );
          const nat = iptables.tables(family).get('nat');
          assert.deepEqual(nat?.get('PODNET-A'), ['-j RETURN']);
          assert.equal(nat?.has('PODNET-C'), false);
        }),
      );

      test(
        `IPv${family}: removeEmptyTables() takes away what nobody uses, and only that`,
        withDoor((iptables) => {
          const other = new Map([['OTHERS', ['-j RETURN']]]);
          iptables.edit(family, [made, { ...none, table: 'filter', chains: other }]);
          iptables.removeEmptyTables(family);
          assert.deepEqual([...iptables.tables(family).keys()].sort(), ['filter', 'nat']);
          const gone = ['PODNET-A', 'PODNET-B'];
          const jumps = [{ verb: 'delete', chain: 'PREROUTING', rule: jump }] as const;
          iptables.edit(family, [{ ...none, table: 'nat', jumps, deleted: gone }]);
          iptables.removeEmptyTables(family);
          assert.deepEqual([...iptables.tables(family).keys()], ['filter']);
        }),
      );
    }

    test(
      'generation() changes with every edit() and stays otherwise',
      withDoor((iptables) => {
        const before = iptables.generation();
        assert.equal(iptables.generation(), before);
        iptables.edit(4, [{ ...none, table: 'nat', chains: new Map([['PODNET-A', []]]) }]);
        const after = iptables.generation();
        if (before !== undefined) assert.notEqual(after, before);
        iptables.tables(4);
        iptables.edit(4, []);
        assert.equal(iptables.generation(), after);
      }),
    );

    test(
      'edit() refuses names of chains that would end their line',
      withDoor((iptables) => {
        const chains = new Map([['A\n-F', []]]);
        assert.throws(() => iptables.edit(4, [{ ...none, table: 'nat', chains }]), RangeError);
      }),
    );
  });
}
