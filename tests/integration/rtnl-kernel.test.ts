import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { createNetns, withNetns, type Netns } from '../../src/kernel/netns.ts';
import { missingPrograms } from '../../src/kernel/process.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { testRtnl } from '../../src/kernel/rtnl/rtnl-conformance.ts';

testRtnl('openRtnl', {
  create() {
    const netns = createNetns();
    return { rtnl: openRtnl({ netns }), netns };
  },
});

/** The fields these tests look at, of all that `ip -j` prints. */
interface Json {
  readonly ifindex?: number;
  readonly ifname?: string;
  readonly mtu?: number;
  readonly operstate?: string;
  readonly address?: string;
  readonly master?: string;
  readonly group?: string;
  readonly flags?: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number }[];
  readonly dst?: string;
  readonly dstlen?: number;
  readonly src?: string;
  readonly srclen?: number;
  readonly lladdr?: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly via?: { readonly host?: string };
  readonly prefsrc?: string;
  readonly metric?: number;
  readonly metrics?: readonly { readonly mtu?: number }[];
  readonly nexthops?: readonly { readonly gateway?: string; readonly weight?: number }[];
  readonly priority?: number;
  readonly iif?: string;
}

/** `ip -j`: what iproute2 reads in the same namespace. */
function ip(netns: Netns, ...args: string[]): Json[] {
  const text = withNetns(netns, () => execFileSync('ip', ['-j', '-d', ...args], { encoding: 'utf8' }));
  const list = JSON.parse(text || '[]') as Json[];
  return list.filter((each) => Object.keys(each).length > 0);
}

const withoutIp = missingPrograms(['ip']).length > 0 && 'ip is not installed';

test('links(), addresses() and neighbours() read what ip -j reads', { skip: withoutIp }, () => {
  const netns = createNetns();
  const rtnl = openRtnl({ netns });
  rtnl.setLink('lo', { up: true });
  rtnl.addLink({ kind: 'bridge', name: 'br0', up: true, mac: '02:00:00:00:00:01' });
  rtnl.addLink({ kind: 'veth', name: 'a', peer: { name: 'b' }, master: 'br0', mtuBytes: 1400, group: 5 });
  rtnl.addLink({ kind: 'vxlan', name: 'vx', id: 9, remote: '192.0.2.1', local: '192.0.2.2', link: 'br0' });
  rtnl.setLink('b', { up: true });
  rtnl.addAddress({ link: 'br0', address: '10.0.0.1', prefixLength: 24 });
  rtnl.addAddress({ link: 'br0', address: '2001:db8::1', prefixLength: 64, noDad: true });
  rtnl.replaceNeighbour({ link: 'br0', address: '10.0.0.9', mac: '02:00:00:00:00:09' });

  const links = rtnl.links();
  const nameOf = (index: number | undefined): string | undefined =>
    links.find((each) => each.index === index)?.name;
  assert.deepEqual(
    links.map((link) => ({
      ifindex: link.index,
      ifname: link.name,
      mtu: link.mtuBytes,
      operstate: link.operState.toUpperCase(),
      address: link.mac,
      master: nameOf(link.master),
      group: link.group === 0 ? 'default' : `${link.group}`,
      up: link.up,
      kind: link.kind,
    })),
    ip(netns, 'link').map((link) => ({
      ifindex: link.ifindex,
      ifname: link.ifname,
      mtu: link.mtu,
      operstate: link.operstate,
      address: link.address,
      master: link.master,
      group: link.group,
      up: link.flags?.includes('UP'),
      kind: link.linkinfo?.info_kind,
    })),
  );
  assert.deepEqual(
    rtnl
      .addresses()
      .map((each) => `${nameOf(each.link)} ${each.address}/${each.prefixLength}`)
      .toSorted(),
    ip(netns, 'address')
      .flatMap((link) =>
        (link.addr_info ?? []).map((each) => `${link.ifname} ${each.local}/${each.prefixlen}`),
      )
      .toSorted(),
  );
  assert.deepEqual(
    rtnl
      .neighbours()
      .filter(({ state }) => state === 'permanent')
      .map((each) => `${each.address} ${each.mac}`),
    ip(netns, 'neigh', 'show', 'nud', 'permanent').map((each) => `${each.dst} ${each.lladdr}`),
  );
});

test('routes() and rules() read what ip -j reads', { skip: withoutIp }, () => {
  const netns = createNetns();
  const rtnl = openRtnl({ netns });
  rtnl.setLink('lo', { up: true });
  rtnl.addLink({ kind: 'veth', name: 'a', peer: { name: 'b' } });
  for (const link of ['a', 'b']) rtnl.setLink(link, { up: true });
  rtnl.addAddress({ link: 'a', address: '10.0.0.1', prefixLength: 24 });
  rtnl.addAddress({ link: 'a', address: '2001:db8::1', prefixLength: 64, noDad: true });
  const hops = ['10.0.0.2', '10.0.0.3'].map((gateway, index) => ({ gateway, link: 'a', weight: index + 1 }));
  rtnl.replaceRoute({ dst: '0.0.0.0/0', nextHops: hops });
  rtnl.replaceRoute({
    dst: '10.1.0.0/16',
    gateway: '10.0.0.2',
    source: '10.0.0.1',
    mtuBytes: 1400,
    metric: 7,
  });
  rtnl.replaceRoute({ dst: '10.2.0.0/16', gateway: 'fe80::2', link: 'a' });
  rtnl.replaceRoute({ dst: '10.3.0.0/16', type: 'blackhole', table: 5000 });
  rtnl.replaceRoute({ dst: '2001:db8:1::/48', gateway: '2001:db8::2', protocol: 91 });
  rtnl.replaceRoute({
    dst: '::/0',
    nextHops: [
      { gateway: '2001:db8::3', link: 'a' },
      { gateway: '2001:db8::4', link: 'a' },
    ],
  });
  rtnl.addRule({ priority: 10, from: '10.0.0.0/8', to: '192.0.2.0/24', inputInterface: 'a', table: 5000 });

  for (const [family, flag] of [
    [4, '-4'],
    [6, '-6'],
  ] as const) {
    const prefix = (dst: string): string => (dst === 'default' ? (family === 4 ? '0.0.0.0/0' : '::/0') : dst);
    const full = (dst: string): string => (dst.includes('/') ? dst : `${dst}/${family === 4 ? 32 : 128}`);
    assert.deepEqual(
      rtnl.routes({ table: 'all', family }).map((route) => ({
        dst: route.dst,
        type: route.type,
        gateway: route.gateway,
        source: route.source,
        metric: route.metric,
        mtu: route.mtuBytes,
        hops: route.nextHops.map(({ gateway, weight }) => ({ gateway, weight })),
      })),
      ip(netns, flag, 'route', 'show', 'table', 'all').map((route) => ({
        dst: full(prefix(String(route.dst))),
        type: route.type,
        gateway: route.gateway ?? route.via?.host,
        source: route.prefsrc,
        metric: route.metric ?? 0,
        mtu: route.metrics?.[0]?.mtu,
        hops: (route.nexthops ?? []).map(({ gateway, weight }) => ({ gateway, weight })),
      })),
      flag,
    );
  }
  assert.deepEqual(
    rtnl.rules({ family: 4 }).map((rule) => [rule.priority, rule.from, rule.to, rule.inputInterface]),
    ip(netns, '-4', 'rule').map((rule) => [
      rule.priority,
      rule.src === 'all' ? undefined : `${rule.src}/${rule.srclen}`,
      rule.dst === undefined ? undefined : `${rule.dst}/${rule.dstlen}`,
      rule.iif,
    ]),
  );
  assert.equal(rtnl.routeTo('10.1.2.3', { match: true })?.dst, '10.1.0.0/16');
  assert.equal(rtnl.routeTo('192.0.2.5', { from: '10.0.0.9', inputInterface: 'a', match: true }), undefined);
});

test('links made by ip(8) read the same', { skip: withoutIp }, () => {
  const netns = createNetns();
  const rtnl = openRtnl({ netns });
  withNetns(netns, () =>
    execFileSync('ip', [
      'link',
      'add',
      'vx',
      'type',
      'vxlan',
      'id',
      '5',
      'dstport',
      '4789',
      'local',
      '2001:db8::1',
    ]),
  );
  assert.deepEqual(rtnl.link('vx')?.vxlan, { id: 5, port: 4789, learning: true, local: '2001:db8::1' });
});
