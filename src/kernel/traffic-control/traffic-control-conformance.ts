/** What every TrafficControl must do: run against the kernel in tests/integration, and against the fake beside it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isErrno } from '../ffi.ts';
import type { Rtnl } from '../rtnl/rtnl.ts';
import { INGRESS, INGRESS_FILTERS, ROOT, tcHandle } from './handle.ts';
import { sameTbf } from './same-tbf.ts';
import type { TbfOptions, TrafficControl } from './traffic-control.ts';

export interface Subject {
  /** Doors to a new namespace. */
  readonly create: () => { rtnl: Rtnl; tc: TrafficControl };
}

function fails(run: () => void, ...codes: string[]): void {
  assert.throws(run, (error) => isErrno(error, ...codes));
}

export function testTrafficControl(name: string, { create }: Subject): void {
  const withLinks = (): { rtnl: Rtnl; tc: TrafficControl; indexes: { a: number; shaper: number } } => {
    const { rtnl, tc } = create();
    rtnl.addLink({ kind: 'veth', name: 'a', peer: { name: 'b' } });
    rtnl.addLink({ kind: 'ifb', name: 'shaper' });
    for (const link of ['a', 'b', 'shaper']) rtnl.setLink(link, { up: true });
    const indexes = { a: rtnl.link('a')?.index ?? 0, shaper: rtnl.link('shaper')?.index ?? 0 };
    return { rtnl, tc, indexes };
  };

  test(`${name}: replaceQdisc puts a tbf at the root, and changes it`, () => {
    const { tc, indexes } = withLinks();
    assert.equal(tc.qdisc('a', ROOT), undefined, 'the default is none');
    assert.deepEqual(tc.qdiscs('a'), []);
    for (const rateBytesPerSecond of [125, 125_000, 1e9, 2 ** 32 + 1, 125e12]) {
      const options: TbfOptions = {
        kind: 'tbf',
        rateBytesPerSecond,
        burstBytes: 268_435_455,
        limitBytes: 10_000,
      };
      tc.replaceQdisc({ link: 'a', handle: tcHandle(1), options });
      const found = tc.qdisc('a', ROOT);
      assert.deepEqual(
        [found?.link, found?.parent, found?.handle, found?.kind],
        [indexes.a, ROOT, 0x1_0000, 'tbf'],
      );
      assert.ok(sameTbf(found?.options, options), JSON.stringify([found?.options, options]));
      assert.ok(!sameTbf(found?.options, { ...options, limitBytes: 10_001 }));
      assert.ok(!sameTbf(found?.options, { ...options, rateBytesPerSecond: rateBytesPerSecond * 2 }));
      assert.ok(!sameTbf(found?.options, { ...options, burstBytes: 200_000_000 }));
      assert.equal(tc.qdiscs('a').length, 1);
    }
    tc.deleteQdisc('a', ROOT);
    assert.equal(tc.qdisc('a', ROOT), undefined);
    fails(() => tc.deleteQdisc('a', ROOT), 'ENOENT');
  });

  test(`${name}: addQdisc refuses a second one, and a link that is not there`, () => {
    const { tc } = withLinks();
    const options: TbfOptions = {
      kind: 'tbf',
      rateBytesPerSecond: 1000,
      burstBytes: 2000,
      limitBytes: 3000,
    };
    tc.addQdisc({ link: 'a', options });
    fails(() => tc.addQdisc({ link: 'a', options }), 'EEXIST');
    fails(() => tc.addQdisc({ link: 'none', options }), 'ENODEV');
    fails(() => tc.qdiscs('none'), 'ENODEV');
    tc.addQdisc({ link: 'a', options: { kind: 'ingress' } });
    fails(() => tc.addQdisc({ link: 'a', options: { kind: 'ingress' } }), 'EEXIST');
    assert.deepEqual(
      tc.qdiscs('a').map(({ kind, parent }) => [kind, parent]),
      [
        ['tbf', ROOT],
        ['ingress', INGRESS],
      ],
    );
  });

  test(`${name}: a filter redirects what comes in, and goes with its qdisc`, () => {
    const { tc, indexes } = withLinks();
    tc.addQdisc({ link: 'a', options: { kind: 'ingress' } });
    const redirect = { kind: 'redirect', to: 'shaper' } as const;
    tc.addFilter({ link: 'a', parent: INGRESS_FILTERS, priority: 5, action: redirect });
    const expected = {
      link: indexes.a,
      parent: INGRESS_FILTERS,
      priority: 5,
      kind: 'u32',
      match: undefined,
      action: { kind: 'redirect', to: indexes.shaper },
    };
    assert.deepEqual(tc.filters('a', INGRESS_FILTERS), [expected]);
    fails(
      () =>
        tc.addFilter({ link: 'a', parent: INGRESS_FILTERS, priority: 5, action: { ...redirect, to: 'x' } }),
      'ENODEV',
    );
    tc.deleteFilters('a', INGRESS_FILTERS, 5);
    assert.deepEqual(tc.filters('a', INGRESS_FILTERS), []);
    tc.addFilter({ link: 'a', parent: INGRESS_FILTERS, priority: 5, action: redirect });
    tc.deleteQdisc('a', INGRESS);
    assert.deepEqual(tc.qdiscs('a'), []);
    tc.addQdisc({ link: 'a', options: { kind: 'ingress' } });
    assert.deepEqual(tc.filters('a', INGRESS_FILTERS), []);
  });

  test(`${name}: filters choose an htb's class by address, of both families`, () => {
    const { tc } = withLinks();
    const [root, limited] = [tcHandle(1), tcHandle(1, 0x30)];
    tc.addQdisc({ link: 'a', handle: root, options: { kind: 'htb', defaultClass: 0x30 } });
    tc.addClass({ link: 'a', parent: root, handle: limited, rateBytesPerSecond: 1000, burstBytes: 2000 });
    fails(
      () => tc.addClass({ link: 'a', parent: root, handle: limited, rateBytesPerSecond: 1, burstBytes: 1 }),
      'EEXIST',
    );
    const prefixes = ['10.0.0.0/8', '0.0.0.0/0', '192.0.2.1/32', '2001:db8::/33', '::/0', '2001:db8::1/128'];
    for (const [index, prefix] of prefixes.entries()) {
      const field = index % 2 === 0 ? ('source' as const) : ('destination' as const);
      const action = { kind: 'class', handle: root } as const;
      tc.addFilter({ link: 'a', parent: root, priority: index + 1, match: { field, prefix }, action });
    }
    assert.deepEqual(tc.qdisc('a', ROOT)?.options, { kind: 'htb', defaultClass: 0x30 });
    assert.deepEqual(
      tc.classes('a').map(({ handle, parent, rateBytesPerSecond }) => [handle, parent, rateBytesPerSecond]),
      [[limited, ROOT, 1000]],
    );
    assert.deepEqual(
      tc.filters('a', root).map(({ match, action }) => [match, action]),
      prefixes.map((prefix, index) => [
        { field: index % 2 === 0 ? 'source' : 'destination', prefix },
        { kind: 'class', handle: root },
      ]),
    );
  });

  test(`${name}: deleting a link takes its qdiscs along`, () => {
    const { rtnl, tc } = withLinks();
    tc.addQdisc({ link: 'a', options: { kind: 'clsact' } });
    assert.equal(tc.qdisc('a', INGRESS)?.kind, 'clsact');
    rtnl.deleteLink('a');
    assert.deepEqual(tc.qdiscs(), []);
    fails(() => tc.qdisc('a', INGRESS), 'ENODEV');
  });
}
