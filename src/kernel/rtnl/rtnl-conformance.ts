/** What every Rtnl must do: run against the kernel in tests/integration, and against the fake beside it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isErrno } from '../ffi.ts';
import type { Netns } from '../netns.ts';
import type { Rtnl } from './rtnl.ts';

export interface Subject {
  /** A door to a new, empty namespace, and that namespace. */
  readonly create: () => { rtnl: Rtnl; netns: Netns };
}

function fails(run: () => void, code: string): void {
  assert.throws(run, (error) => isErrno(error, code));
}

export function testRtnl(name: string, { create }: Subject): void {
  const withVeth = (): Rtnl => {
    const { rtnl } = create();
    rtnl.setLink('lo', { up: true });
    rtnl.addLink({ kind: 'veth', name: 'a', mac: '02:00:00:00:00:0a', peer: { name: 'b' } });
    rtnl.setLink('a', { up: true, ipv6AddressGeneration: 'none' });
    rtnl.setLink('b', { up: true });
    return rtnl;
  };

  test(`${name}: a new namespace has a loopback that is down`, () => {
    const { rtnl } = create();
    const [lo, ...rest] = rtnl.links();
    assert.deepEqual([lo?.name, lo?.index, lo?.loopback, lo?.up, rest.length], ['lo', 1, true, false, 0]);
  });

  test(`${name}: addLink makes the veth peer inside another namespace`, () => {
    const [near, far] = [create(), create()];
    const peer = { name: 'eth0', mac: '02:00:00:00:00:02', mtuBytes: 1400, netns: far.netns };
    near.rtnl.addLink({ kind: 'veth', name: 'pod1', group: 7, mtuBytes: 1400, up: true, peer });
    const [here, there] = [near.rtnl.link('pod1'), far.rtnl.link('eth0')];
    assert.deepEqual([here?.kind, here?.up, here?.group, here?.mtuBytes], ['veth', true, 7, 1400]);
    assert.deepEqual([there?.kind, there?.up, there?.mac, there?.mtuBytes], ['veth', false, peer.mac, 1400]);
    assert.deepEqual([here?.peerIndex, there?.peerIndex], [there?.index, here?.index]);
    far.rtnl.setLink('eth0', { up: true });
    assert.equal(near.rtnl.link('pod1')?.operState, 'up');
    near.rtnl.deleteLink('pod1');
    assert.equal(far.rtnl.link('eth0'), undefined);
  });

  test(`${name}: a taken name is EEXIST, a missing link ENODEV, a bad name a RangeError`, () => {
    const rtnl = withVeth();
    fails(() => rtnl.addLink({ kind: 'bridge', name: 'a' }), 'EEXIST');
    fails(() => rtnl.addLink({ kind: 'veth', name: 'c', peer: { name: 'b' } }), 'EEXIST');
    fails(() => rtnl.deleteLink('none'), 'ENODEV');
    fails(() => rtnl.setLink('none', { up: true }), 'ENODEV');
    fails(() => rtnl.addAddress({ link: 'none', address: '10.0.0.1', prefixLength: 24 }), 'ENODEV');
    assert.throws(() => rtnl.addLink({ kind: 'bridge', name: 'far too long a name' }), RangeError);
    assert.equal(rtnl.link('none'), undefined);
  });

  test(`${name}: setLink renames, regroups, enslaves, moves`, () => {
    const { rtnl } = create();
    const other = create();
    rtnl.addLink({ kind: 'bridge', name: 'br0', up: true });
    rtnl.addLink({ kind: 'veth', name: 'a', peer: { name: 'b' } });
    rtnl.setLink('a', { name: 'port', master: 'br0', mtuBytes: 1300 });
    assert.equal(rtnl.link('port')?.master, rtnl.link('br0')?.index);
    assert.equal(rtnl.link('port')?.mtuBytes, 1300);
    rtnl.setLink('port', { master: null });
    assert.equal(rtnl.link('port')?.master, undefined);
    rtnl.setLink('b', { netns: other.netns });
    assert.equal(rtnl.link('b'), undefined);
    assert.equal(other.rtnl.link('b')?.peerIndex, rtnl.link('port')?.index);
  });

  test(`${name}: deleteLinkGroup deletes the group's links and no others`, () => {
    const { rtnl } = create();
    for (const link of ['a', 'b', 'c'])
      rtnl.addLink({ kind: 'veth', name: link, peer: { name: `${link}-peer` } });
    rtnl.setLink('a', { group: 9 });
    rtnl.setLink('b', { group: 9 });
    rtnl.deleteLinkGroup(9);
    assert.deepEqual(
      rtnl
        .links()
        .map((link) => link.name)
        .toSorted(),
      ['c', 'c-peer', 'lo'],
    );
    rtnl.deleteLinkGroup(9);
    assert.throws(() => rtnl.deleteLinkGroup(0), RangeError);
  });

  test(`${name}: deleteLinkGroupInBackground deletes the group's links`, async () => {
    const { rtnl } = create();
    for (const link of ['a', 'b']) rtnl.addLink({ kind: 'bridge', name: link, group: 9 });
    await rtnl.deleteLinkGroupInBackground(9);
    assert.deepEqual(
      rtnl.links().map((link) => link.name),
      ['lo'],
    );
    await rtnl.deleteLinkGroupInBackground(9);
    await assert.rejects(async () => rtnl.deleteLinkGroupInBackground(0), RangeError);
  });

  test(`${name}: addresses come and go, of both families`, () => {
    const rtnl = withVeth();
    rtnl.addAddress({ link: 'a', address: '10.1.2.3', prefixLength: 32 });
    rtnl.addAddress({ link: 'a', address: '10.1.2.3', prefixLength: 32 });
    rtnl.addAddress({ link: 'a', address: '2001:db8::1', prefixLength: 64, noDad: true });
    const [v4, v6] = [rtnl.addresses({ link: 'a', family: 4 }), rtnl.addresses({ link: 'a', family: 6 })];
    assert.deepEqual(
      [v4, v6].map((list) => list.map((each) => `${each.address}/${each.prefixLength} ${each.scope}`)),
      [['10.1.2.3/32 universe'], ['2001:db8::1/64 universe']],
    );
    assert.equal(v6[0]?.tentative, false);
    rtnl.deleteAddress({ link: 'a', address: '10.1.2.3', prefixLength: 32 });
    assert.deepEqual(rtnl.addresses({ link: 'a', family: 4 }), []);
    fails(() => rtnl.deleteAddress({ link: 'a', address: '10.1.2.3', prefixLength: 32 }), 'EADDRNOTAVAIL');
  });

  test(`${name}: routes are replaced, found by longest prefix, deleted`, () => {
    const rtnl = withVeth();
    const index = rtnl.link('a')?.index;
    rtnl.replaceRoute({ dst: '169.254.1.1/32', link: 'a' });
    rtnl.replaceRoute({ dst: '0.0.0.0/0', gateway: '169.254.1.1', link: 'a', protocol: 91 });
    rtnl.replaceRoute({ dst: '10.9.0.0/16', gateway: '10.200.0.1', link: 'a', onlink: true });
    rtnl.replaceRoute({ dst: '10.9.1.0/24', type: 'unreachable', protocol: 90 });
    rtnl.replaceRoute({ dst: '::/0', gateway: 'fe80::1', link: 'a' });
    assert.deepEqual(
      rtnl
        .routes({ family: 4 })
        .map(({ dst, type, gateway, link, scope, protocol, onlink }) =>
          [dst, type, gateway, link, scope, protocol, onlink].join(' '),
        )
        .toSorted(),
      [
        `0.0.0.0/0 unicast 169.254.1.1 ${index} universe 91 false`,
        `10.9.0.0/16 unicast 10.200.0.1 ${index} universe 4 true`,
        '10.9.1.0/24 unreachable   universe 90 false',
        `169.254.1.1/32 unicast  ${index} link 4 false`,
      ],
    );
    assert.equal(rtnl.routes({ family: 6 }).find(({ dst }) => dst === '::/0')?.gateway, 'fe80::1');
    assert.deepEqual(
      rtnl.routes({ protocol: 90 }).map(({ dst }) => dst),
      ['10.9.1.0/24'],
    );
    assert.equal(rtnl.routeTo('10.9.2.1')?.gateway, '10.200.0.1');
    assert.equal(rtnl.routeTo('10.9.1.1'), undefined);
    rtnl.replaceRoute({ dst: '10.9.0.0/16', gateway: '10.200.0.2', link: 'a', onlink: true });
    assert.equal(rtnl.routeTo('10.9.2.1')?.gateway, '10.200.0.2');
    rtnl.deleteRoute({ dst: '10.9.0.0/16' });
    assert.equal(rtnl.routeTo('10.9.2.1')?.gateway, '169.254.1.1');
    fails(() => rtnl.deleteRoute({ dst: '10.9.0.0/16' }), 'ESRCH');
    fails(() => rtnl.replaceRoute({ dst: '10.8.0.0/16', gateway: '192.0.2.1', link: 'a' }), 'ENETUNREACH');
    assert.throws(() => rtnl.replaceRoute({ dst: '10.9.0.1/16', link: 'a' }), RangeError);
  });

  test(`${name}: routes live in tables of their own, large numbers included`, () => {
    const rtnl = withVeth();
    rtnl.replaceRoute({
      dst: '10.9.0.0/16',
      link: 'a',
      table: 1000,
      mtuBytes: 1300,
      advertisedMssBytes: 1200,
    });
    assert.deepEqual(
      rtnl
        .routes({ table: 1000 })
        .map(({ dst, table, mtuBytes, advertisedMssBytes }) => [dst, table, mtuBytes, advertisedMssBytes]),
      [['10.9.0.0/16', 1000, 1300, 1200]],
    );
    assert.deepEqual(rtnl.routes({ table: 1001 }), []);
    assert.ok(!rtnl.routes({ family: 4 }).some(({ dst }) => dst === '10.9.0.0/16'));
    assert.ok(rtnl.routes({ table: 'all' }).some(({ dst }) => dst === '10.9.0.0/16'));
  });

  test(`${name}: a link that goes down takes its routes and neighbours along, not its IPv4 addresses`, () => {
    const rtnl = withVeth();
    rtnl.addAddress({ link: 'a', address: '10.1.2.3', prefixLength: 32 });
    rtnl.replaceRoute({ dst: '10.9.0.0/16', link: 'a' });
    rtnl.replaceNeighbour({ link: 'a', address: '10.9.0.1', mac: '02:00:00:00:00:05' });
    rtnl.setLink('a', { up: false });
    assert.deepEqual(rtnl.routes({ family: 4 }), []);
    assert.deepEqual(rtnl.neighbours({ link: 'a', family: 4 }), []);
    assert.equal(rtnl.addresses({ link: 'a', family: 4 }).length, 1);
  });

  test(`${name}: rules`, () => {
    const { rtnl } = create();
    rtnl.addRule({ priority: 100, from: '10.0.0.0/8', table: 1000, mark: 0x10, mask: 0xff });
    rtnl.addRule({ priority: 101, to: '2001:db8::/32', action: 'prohibit' });
    const ours = rtnl.rules().filter(({ priority }) => priority >= 100 && priority < 200);
    assert.deepEqual(
      ours.map(({ family, from, to, mark, mask, table, action }) => ({
        family,
        from,
        to,
        mark,
        mask,
        table,
        action,
      })),
      [
        { family: 4, from: '10.0.0.0/8', to: undefined, mark: 16, mask: 255, table: 1000, action: 'lookup' },
        {
          family: 6,
          from: undefined,
          to: '2001:db8::/32',
          mark: undefined,
          mask: undefined,
          table: 0,
          action: 'prohibit',
        },
      ],
    );
    fails(
      () => rtnl.addRule({ priority: 100, from: '10.0.0.0/8', table: 1000, mark: 0x10, mask: 0xff }),
      'EEXIST',
    );
    rtnl.deleteRule({ priority: 100, from: '10.0.0.0/8', table: 1000, mark: 0x10, mask: 0xff });
    fails(
      () => rtnl.deleteRule({ priority: 100, from: '10.0.0.0/8', table: 1000, mark: 0x10, mask: 0xff }),
      'ENOENT',
    );
  });

  test(`${name}: neighbours, of both families`, () => {
    const rtnl = withVeth();
    rtnl.replaceNeighbour({ link: 'a', address: '10.9.0.1', mac: '02:00:00:00:00:05' });
    rtnl.replaceNeighbour({ link: 'a', address: '10.9.0.1', mac: '02:00:00:00:00:06' });
    rtnl.replaceNeighbour({ link: 'a', address: 'fe80::1', mac: 'EE:EE:EE:EE:EE:EE' });
    const permanent = rtnl.neighbours({ link: 'a' }).filter(({ state }) => state === 'permanent');
    assert.deepEqual(permanent.map(({ address, mac }) => `${address} ${mac}`).toSorted(), [
      '10.9.0.1 02:00:00:00:00:06',
      'fe80::1 ee:ee:ee:ee:ee:ee',
    ]);
    rtnl.deleteNeighbour({ link: 'a', address: '10.9.0.1' });
    fails(() => rtnl.deleteNeighbour({ link: 'a', address: '10.9.0.99' }), 'ENOENT');
    assert.throws(() => rtnl.replaceNeighbour({ link: 'a', address: '10.9.0.1', mac: '02:00' }), RangeError);
  });

  test(`${name}: a VXLAN keeps what it was made with, and forwards to several nodes`, () => {
    const { rtnl } = create();
    rtnl.addLink({ kind: 'vxlan', name: 'vx', id: 77, local: '192.0.2.1', port: 8472, learning: false });
    const { id, local, port, learning } = rtnl.link('vx')?.vxlan ?? {};
    assert.deepEqual([id, local, port, learning], [77, '192.0.2.1', 8472, false]);
    const everyone = '00:00:00:00:00:00';
    rtnl.replaceForwardingEntry({ link: 'vx', mac: everyone, destination: '192.0.2.2' });
    rtnl.replaceForwardingEntry({ link: 'vx', mac: everyone, destination: '192.0.2.3' });
    rtnl.deleteForwardingEntry({ link: 'vx', mac: everyone, destination: '192.0.2.2' });
    assert.deepEqual(
      rtnl.forwardingEntries({ link: 'vx' }).map(({ mac, destination, self }) => [mac, destination, self]),
      [[everyone, '192.0.2.3', true]],
    );
  });

  test(`${name}: a link has an alias, and can be promiscuous`, () => {
    const rtnl = withVeth();
    rtnl.setLink('a', { alias: 'pod default/web', promiscuous: true });
    assert.deepEqual([rtnl.link('a')?.alias, rtnl.link('a')?.promiscuous], ['pod default/web', true]);
    assert.equal(rtnl.link('a')?.up, true, 'other flags stay');
    rtnl.setLink('a', { alias: '', promiscuous: false });
    assert.deepEqual([rtnl.link('a')?.alias, rtnl.link('a')?.promiscuous], [undefined, false]);
  });

  test(`${name}: a bridge and its ports have properties`, () => {
    const { rtnl } = create();
    rtnl.addLink({ kind: 'bridge', name: 'br0', multicastSnooping: false });
    rtnl.addLink({ kind: 'veth', name: 'a', master: 'br0', peer: { name: 'b' } });
    assert.deepEqual(rtnl.link('br0')?.bridge, { vlanFiltering: false, multicastSnooping: false });
    rtnl.setLink('br0', { bridge: { multicastSnooping: true } });
    assert.equal(rtnl.link('br0')?.bridge?.multicastSnooping, true);
    assert.deepEqual(rtnl.link('a')?.bridgePort, { hairpin: false, isolated: false });
    rtnl.setLink('a', { bridgePort: { hairpin: true } });
    rtnl.setLink('a', { bridgePort: { isolated: true } });
    assert.deepEqual(rtnl.link('a')?.bridgePort, { hairpin: true, isolated: true });
    assert.equal(rtnl.link('b')?.bridgePort, undefined);
    fails(() => rtnl.setLink('b', { bridgePort: { hairpin: true } }), 'EOPNOTSUPP');
    rtnl.deleteLink('br0');
    assert.deepEqual([rtnl.link('a')?.master, rtnl.link('a')?.bridgePort], [undefined, undefined]);
  });

  test(`${name}: VLANs of a bridge and its ports`, (t) => {
    const { rtnl } = create();
    try {
      rtnl.addLink({ kind: 'bridge', name: 'br0', vlanFiltering: true });
    } catch (error) {
      if (!isErrno(error, 'EOPNOTSUPP')) throw error;
      t.skip('this kernel has no bridge VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)');
      return;
    }
    assert.equal(rtnl.link('br0')?.bridge?.vlanFiltering, true);
    rtnl.addLink({ kind: 'veth', name: 'a', master: 'br0', peer: { name: 'b' } });
    const vlans = (link: string): string[] =>
      rtnl.bridgeVlans({ link }).map(({ first, last, pvid, untagged }) => {
        const range = first === last ? `${first}` : `${first}-${last}`;
        return `${range}${pvid ? ' pvid' : ''}${untagged ? ' untagged' : ''}`;
      });
    assert.deepEqual([vlans('a'), vlans('br0')], [['1 pvid untagged'], ['1 pvid untagged']]);
    rtnl.addBridgeVlan({ link: 'a', first: 100, pvid: true, untagged: true });
    rtnl.addBridgeVlan({ link: 'a', first: 200, last: 205 });
    rtnl.addBridgeVlan({ link: 'br0', first: 100, self: true });
    rtnl.deleteBridgeVlan({ link: 'a', first: 202, last: 203 });
    assert.deepEqual(vlans('a'), ['1 untagged', '100 pvid untagged', '200-201', '204-205']);
    assert.deepEqual(vlans('br0'), ['1 pvid untagged', '100']);
    rtnl.deleteBridgeVlan({ link: 'a', first: 1 });
    assert.equal(vlans('a').includes('1 untagged'), false);
    fails(() => rtnl.addBridgeVlan({ link: 'a', first: 300, last: 310, pvid: true }), 'EINVAL');
    fails(() => rtnl.addBridgeVlan({ link: 'b', first: 5 }), 'EOPNOTSUPP');
    assert.throws(() => rtnl.addBridgeVlan({ link: 'a', first: 4095 }), RangeError);
  });

  test(`${name}: batch does all it can, then throws the first error unless it is tolerated`, () => {
    const rtnl = withVeth();
    const changes: Parameters<Rtnl['batch']>[0] = (to) => {
      to.deleteLink('none');
      to.addAddress({ link: 'a', address: '10.1.2.3', prefixLength: 32 });
    };
    fails(() => rtnl.batch(changes), 'ENODEV');
    assert.equal(rtnl.addresses({ link: 'a', family: 4 }).length, 1);
    rtnl.batch(changes, { tolerate: (error) => error.code === 'ENODEV' });
    rtnl.batch(() => {});
  });

  test(`${name}: events tell of links, addresses and routes`, async () => {
    const rtnl = withVeth();
    const seen: string[] = [];
    const done = Promise.withResolvers<void>();
    const events = rtnl.events({
      kinds: ['link', 'address', 'route'],
      onOverflow: () => {},
      onEvent: (event) => {
        if (event.kind === 'link') seen.push(`link ${event.change} ${event.link.name}`);
        if (event.kind === 'address') seen.push(`address ${event.change} ${event.address.address}`);
        if (event.kind === 'route' && event.route.protocol === 91)
          seen.push(`route ${event.change} ${event.route.dst}`);
        if (event.kind === 'link' && event.change === 'delete' && event.link.name === 'c') done.resolve();
      },
    });
    rtnl.addAddress({ link: 'a', address: '10.1.2.3', prefixLength: 32 });
    rtnl.replaceRoute({ dst: '10.9.0.0/16', link: 'a', protocol: 91 });
    rtnl.deleteRoute({ dst: '10.9.0.0/16' });
    rtnl.addLink({ kind: 'bridge', name: 'c' });
    rtnl.deleteLink('c');
    await done.promise;
    events.stop();
    for (const expected of [
      'address new 10.1.2.3',
      'route new 10.9.0.0/16',
      'route delete 10.9.0.0/16',
      'link new c',
      'link delete c',
    ]) {
      assert.ok(seen.includes(expected), `${expected} in ${seen.join(', ')}`);
    }
  });
}
