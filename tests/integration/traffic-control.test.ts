import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createNetns, withNetns } from '../../src/kernel/netns.ts';
import { missingPrograms } from '../../src/kernel/process.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { INGRESS_FILTERS, tcHandle } from '../../src/kernel/traffic-control/handle.ts';
import { openTrafficControl } from '../../src/kernel/traffic-control/traffic-control.ts';
import { testTrafficControl } from '../../src/kernel/traffic-control/traffic-control-conformance.ts';

testTrafficControl('openTrafficControl', {
  create() {
    const netns = createNetns();
    return { rtnl: openRtnl({ netns }), tc: openTrafficControl({ netns }) };
  },
});

const withoutTc = missingPrograms(['tc']).length > 0 && 'tc is not installed';

test('tc(8) reads what openTrafficControl made', { skip: withoutTc }, () => {
  const netns = createNetns();
  const [rtnl, door] = [openRtnl({ netns }), openTrafficControl({ netns })];
  const tc = (...args: string[]): string =>
    withNetns(netns, () => execFileSync('tc', args, { encoding: 'utf8' })).replaceAll(/\s+/g, ' ');
  rtnl.addLink({ kind: 'veth', name: 'a', peer: { name: 'b' } });
  rtnl.addLink({ kind: 'ifb', name: 'shaper' });
  const tbf = { kind: 'tbf', rateBytesPerSecond: 125_000, burstBytes: 16_000, limitBytes: 19_125 } as const;
  door.addQdisc({ link: 'a', handle: tcHandle(1), options: tbf });
  assert.match(tc('qdisc', 'show', 'dev', 'a'), /tbf 1: root refcnt \d rate 1Mbit burst 16000b lat 25ms/);

  door.addQdisc({ link: 'a', options: { kind: 'ingress' } });
  door.addFilter({
    link: 'a',
    parent: INGRESS_FILTERS,
    priority: 3,
    match: { field: 'source', prefix: '10.1.0.0/16' },
    action: { kind: 'redirect', to: 'shaper' },
  });
  const filters = tc('filter', 'show', 'dev', 'a', 'ingress');
  assert.match(filters, /protocol ip pref 3 u32/);
  assert.match(filters, /match 0a010000\/ffff0000 at 12/);
  assert.match(filters, /mirred \(Egress Redirect to device shaper\) stolen/);

  withNetns(netns, () => execFileSync('tc', 'qdisc add dev b root handle 7: htb default 48'.split(' ')));
  withNetns(netns, () =>
    execFileSync('tc', 'class add dev b parent 7: classid 7:30 htb rate 8mbit'.split(' ')),
  );
  assert.deepEqual(
    door.qdiscs('b').map(({ handle, options }) => [handle, options]),
    [[tcHandle(7), { kind: 'htb', defaultClass: 0x48 }]],
  );
  assert.deepEqual(
    door.classes('b').map(({ handle, rateBytesPerSecond }) => [handle, rateBytesPerSecond]),
    [[tcHandle(7, 0x30), 1e6]],
  );
});
