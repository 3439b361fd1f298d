/** Our encoding against nft's: what nft lists of our batches is what it lists after reading our text itself. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { type Netns, createNetns, withNetns } from '../../src/kernel/netns.ts';
import {
  type NftCommand,
  type Verb,
  add,
  create,
  destroy,
  flush,
  insert,
  remove,
  replace,
} from '../../src/kernel/nftables/commands.ts';
import {
  type Expression,
  concat,
  ct,
  ether,
  fib,
  icmp,
  icmpv6,
  ip,
  ip6,
  jhash,
  lookup,
  masked,
  meta,
  numgen,
  sctp,
  tcp,
  th,
  udp,
} from '../../src/kernel/nftables/expressions.ts';
import { NftablesError } from '../../src/kernel/nftables/nftables-error.ts';
import { testNftables } from '../../src/kernel/nftables/nftables-conformance.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import {
  type Element,
  type NftFamily,
  type NftObject,
  chain,
  elements,
  map,
  namedCounter,
  priorities,
  rule,
  set,
  table,
} from '../../src/kernel/nftables/objects.ts';
import { printCommands } from '../../src/kernel/nftables/print.ts';
import {
  type Statement,
  accept,
  addToSet,
  assign,
  continueVerdict,
  counter,
  deleteFromSet,
  dnat,
  drop,
  goto,
  jump,
  limit,
  log,
  masquerade,
  match,
  notrack,
  redirect,
  reject,
  returnVerdict,
  snat,
  updateSet,
  vmap,
} from '../../src/kernel/nftables/statements.ts';
import { missingPrograms } from '../../src/kernel/process.ts';

const skip = missingPrograms(['nft']).length > 0 && 'nft is not installed';

testNftables('openNftables', () => openNftables({ netns: createNetns() }));

function nft(netns: Netns, args: readonly string[], input = ''): string {
  return withNetns(netns, () => execFileSync('nft', args, { encoding: 'utf8', input }));
}

/** The rule set as nft lists it, as text and as JSON without what differs between two namespaces. */
function listing(netns: Netns): { text: string; json: unknown } {
  const json = JSON.parse(nft(netns, ['-j', 'list', 'ruleset']), (key, value: unknown) =>
    key === 'handle' || key === 'metainfo' || key === 'expires' ? undefined : value,
  ) as unknown;
  const text = nft(netns, ['list', 'ruleset']).replaceAll(/ expires \w+/gu, '');
  return { text, json };
}

/** Applies the batches one by one, and the same as text with nft, and compares; returns nft's text. */
function compare(...batches: readonly (readonly NftCommand[])[]): string {
  const ours = createNetns();
  const theirs = createNetns();
  try {
    const nftables = openNftables({ netns: ours });
    for (const batch of batches) {
      nftables.apply(batch);
      nft(theirs, ['-f', '-'], printCommands(batch));
    }
    nftables.close();
    const [a, b] = [listing(ours), listing(theirs)];
    assert.equal(a.text, b.text);
    assert.deepEqual(a.json, b.json);
    return a.text;
  } finally {
    ours.close();
    theirs.close();
  }
}

describe('every object with every verb is what nft makes of its text', { skip }, () => {
  const t = table('inet', 't', { comment: 'T' });
  const c = chain(t, 'c', { comment: 'C' });
  const base = chain(t, 'base', { base: { type: 'filter', hook: 'input', priority: -5, policy: 'drop' } });
  const s = set(t, 's', { key: ['ipv4_addr', 'inet_service'], comment: 'S', size: 100 });
  const m = map(t, 'm', { key: ['inet_service'], data: 'verdict', comment: 'M' });
  const hits = namedCounter(t, 'hits', { comment: 'H' });
  const contents = elements(m, [{ key: [80], value: goto(c), comment: 'E' }]);
  const first = rule(base, [match(tcp.dport, '==', 22), accept], { comment: 'R' });
  const second = rule(base, [drop]);
  const before = [t, c, base, s, m, hits, contents, first].map(add);
  /** The first rule's handle: the kernel counts handles of a table from 1, chains, sets and rules alike. */
  const at = (object: typeof first): typeof first => ({ ...object, handle: FIRST_HANDLE });
  const FIRST_HANDLE = handleOfFirst();

  function handleOfFirst(): bigint {
    if (skip !== false) return 0n;
    const netns = createNetns();
    const nftables = openNftables({ netns });
    nftables.apply(before);
    const handle = nftables.rules(base)[0]?.handle ?? 0n;
    nftables.close();
    netns.close();
    return handle;
  }

  const none = undefined;
  /** Batches that try a verb on an object; undefined where the type of NftCommand allows none. */
  const cases: Record<NftObject['kind'], Record<Verb, readonly (readonly NftCommand[])[] | undefined>> = {
    table: {
      add: [[add(t)]],
      create: [[create(t)]],
      delete: [before, [remove(t)]],
      destroy: [[add(table('ip', 'other'))], [destroy(t)], before, [destroy(t)]],
      flush: [before, [flush(t)]],
      insert: none,
      replace: none,
    },
    chain: {
      add: [[add(t), add(c), add(base)]],
      create: [[add(t), create(c), create(base)]],
      delete: [[add(t), add(c), add(base)], [remove(c)]],
      destroy: [
        [add(t), add(base)],
        [destroy(c), destroy(base)],
      ],
      flush: [before, [flush(base)]],
      insert: none,
      replace: none,
    },
    set: {
      add: [[add(t), add(s)]],
      create: [[add(t), create(s)]],
      delete: [before, [remove(s)]],
      destroy: [before, [destroy(s), destroy(set(t, 'x', { key: ['mark'] }))]],
      flush: [before, [add(elements(s, [{ key: ['10.0.0.1', 1] }])), flush(s)]],
      insert: none,
      replace: none,
    },
    map: {
      add: [[add(t), add(m)]],
      create: [[add(t), create(m)]],
      delete: [before, [remove(m)]],
      destroy: [before, [destroy(m)]],
      flush: [before, [flush(m)]],
      insert: none,
      replace: none,
    },
    counter: {
      add: [[add(t), add(hits)]],
      create: [[add(t), create(namedCounter(t, 'hits'))]],
      delete: [before, [remove(hits)]],
      destroy: [before, [destroy(hits)]],
      flush: none,
      insert: none,
      replace: none,
    },
    elements: {
      add: [[add(t), add(c), add(m), add(contents)]],
      create: [[add(t), add(c), add(m), create(contents)]],
      delete: [before, [remove(contents)]],
      destroy: none,
      flush: none,
      insert: none,
      replace: none,
    },
    rule: {
      add: [before, [add(second), add(at(rule(base, [accept])))]],
      create: none,
      delete: [before, [remove(at(first))]],
      destroy: none,
      flush: none,
      insert: [before, [insert(second)], [insert(at(rule(base, [accept])))]],
      replace: [before, [replace(at(second))]],
    },
  };
  for (const [kind, verbs] of Object.entries(cases)) {
    for (const [verb, batches] of Object.entries(verbs)) {
      if (batches !== undefined) test(`${verb} ${kind}`, () => void compare(...batches));
    }
  }
});

describe('every statement and expression is what nft makes of its text', { skip }, () => {
  /** The rules below are tried in each of these families, in chains of their own. */
  const families: readonly NftFamily[] = ['ip', 'ip6', 'inet'];

  function objects(family: NftFamily) {
    const t = table(family, 't');
    const nat = family === 'ip6' ? ip6.daddr : ip.daddr;
    const address = family === 'ip6' ? 'ipv6_addr' : 'ipv4_addr';
    return {
      t,
      nat,
      prerouting: chain(t, 'nat-pre', {
        base: { type: 'nat', hook: 'prerouting', priority: priorities.dstnat },
      }),
      postrouting: chain(t, 'nat-post', {
        base: { type: 'nat', hook: 'postrouting', priority: priorities.srcnat },
      }),
      filter: chain(t, 'filter', { base: { type: 'filter', hook: 'prerouting', priority: -300 } }),
      other: chain(t, 'other'),
      ports: set(t, 'ports', { key: ['inet_service'] }),
      seen: set(t, 'seen', { key: [address], flags: ['dynamic', 'timeout'], size: 1000 }),
      pairs: set(t, 'pairs', { key: [address, 'inet_service'] }),
      verdicts: map(t, 'verdicts', { key: [address, 'inet_proto', 'inet_service'], data: 'verdict' }),
      targets: map(t, 'targets', {
        key: [nat, meta.l4proto, th.dport, numgen('random', 8)],
        data: [nat, th.dport],
      }),
      addresses: map(t, 'addresses', { key: ['inet_service'], data: [address] }),
      counters: map(t, 'counters', { key: ['inet_service'], data: 'counter' }),
      hits: namedCounter(t, 'hits'),
    };
  }

  type Objects = ReturnType<typeof objects>;
  const inNat = (...statements: readonly Statement[]) => ({ place: 'prerouting', statements }) as const;
  const inPost = (...statements: readonly Statement[]) => ({ place: 'postrouting', statements }) as const;
  const inFilter = (...statements: readonly Statement[]) => ({ place: 'filter', statements }) as const;
  type Placed = ReturnType<typeof inNat> | ReturnType<typeof inPost> | ReturnType<typeof inFilter>;

  const statements: Record<Statement['kind'], (o: Objects) => readonly Placed[]> = {
    verdict: (o) =>
      [accept, drop, returnVerdict, continueVerdict, jump(o.other), goto(o.other)].map((verdict) =>
        inFilter(verdict),
      ),
    match: (o) => [
      inFilter(match(tcp.dport, '==', 80), accept),
      inFilter(match(tcp.dport, '!=', 80), accept),
      inFilter(match(tcp.dport, '<', 80), match(tcp.sport, '>=', 1024)),
      inFilter(match(udp.dport, '==', { from: 1000, to: 2000 })),
      inFilter(match(udp.dport, '!=', { from: 1000, to: 2000 })),
      inFilter(match(meta.mark, '>', 5)),
      inFilter(match(meta.mark, '==', { from: 5, to: 9 })),
      inFilter(match(tcp.dport, 'in', [80, 443])),
      inFilter(match(tcp.dport, 'not in', [{ from: 80, to: 90 }, 443])),
      inFilter(match(tcp.dport, 'in', o.ports)),
      inFilter(match(concat(o.nat, tcp.dport), 'in', o.pairs)),
      inFilter(
        match(concat(meta.l4proto, th.dport), 'in', [
          ['tcp', 80],
          ['udp', 53],
        ]),
      ),
      inFilter(match(ct.state, 'any', ['established', 'related']), accept),
      inFilter(match(meta.iifname, '==', 'eth0'), match(meta.oifname, '!=', 'veth*')),
      inFilter(match(masked(meta.mark, 0xff), '==', 3)),
      inFilter(match(masked(ct.mark, 0x10), '!=', 0)),
    ],
    vmap: (o) => [
      inFilter(vmap(concat(o.nat, meta.l4proto, th.dport), o.verdicts)),
      inFilter(
        vmap(tcp.dport, [
          [[22], accept],
          [[80], jump(o.other)],
        ]),
      ),
      inFilter(
        vmap(numgen('inc', 2), [
          [[0], accept],
          [[1], drop],
        ]),
      ),
    ],
    dnat: (o) => [
      inNat(dnat({ to: o.nat === ip6.daddr ? 'fd00::1' : '10.0.0.1', ...natFamily(o) })),
      inNat(match(tcp.dport, '==', 80), dnat({ to: someAddress(o), port: 8080, ...natFamily(o) })),
      inNat(match(tcp.dport, '==', 80), dnat({ to: lookup(tcp.dport, o.addresses), ...natFamily(o) })),
      inNat(
        dnat({
          to: lookup(concat(o.nat, meta.l4proto, th.dport, numgen('random', 3)), o.targets),
          ...natFamily(o),
        }),
      ),
    ],
    snat: (o) => [
      inPost(snat({ to: someAddress(o), persistent: true, ...natFamily(o) })),
      inPost(snat({ to: someAddress(o), fullyRandom: true, ...natFamily(o) })),
    ],
    masquerade: () => [
      inPost(masquerade()),
      inPost(masquerade({ fullyRandom: true })),
      inPost(masquerade({ random: true })),
    ],
    redirect: () => [inNat(redirect()), inNat(match(tcp.dport, '==', 80), redirect({ port: 8080 }))],
    reject: () => [
      inFilter(match(meta.l4proto, '==', 'tcp'), reject('tcp reset')),
      ...(['port-unreachable', 'host-unreachable', 'no-route', 'admin-prohibited'] as const).map((reason) =>
        inFilter(reject(reason)),
      ),
    ],
    counter: (o) => [
      inFilter(counter()),
      inFilter(counter(o.hits)),
      inFilter(counter(lookup(tcp.dport, o.counters))),
    ],
    limit: () => [
      inFilter(limit({ rate: 10, per: 'second' })),
      inFilter(limit({ rate: 10, per: 'minute', burst: 7, over: true })),
      inFilter(limit({ rate: 1000, per: 'second', unit: 'bytes' })),
    ],
    log: () => [
      inFilter(log({ prefix: 'dropped: ', level: 'info' })),
      inFilter(log({ group: 3, snaplen: 64 })),
      inFilter(log()),
    ],
    notrack: () => [inFilter(notrack)],
    assign: () => [
      inFilter(assign(meta.mark, 7)),
      inFilter(assign(meta.nftrace, 1)),
      inFilter(assign(ct.mark, meta.mark)),
      inFilter(assign(meta.mark, ct.mark)),
    ],
    'add to set': (o) => [inFilter(addToSet(o.seen, o.nat, { timeoutMs: 90_000 }))],
    'update set': (o) => [inFilter(updateSet(o.seen, o.nat))],
    'delete from set': (o) => [inFilter(deleteFromSet(o.seen, o.nat))],
  };

  function someAddress({ nat }: Objects): string {
    return nat === ip6.daddr ? 'fd00::1' : '10.0.0.1';
  }

  function natFamily({ t }: Objects): { family?: 'ip' } {
    return t.family === 'inet' ? { family: 'ip' } : {};
  }

  /** What each expression is compared with; undefined: it cannot stand in this family. */
  const expressions: Record<Expression['kind'], (family: NftFamily) => readonly Statement[]> = {
    payload: (family) => [
      match(tcp.sport, '==', 1),
      match(tcp.flags, 'any', ['syn', 'ack']),
      match(udp.sport, '==', 1),
      match(sctp.dport, '==', 1),
      match(ether.saddr, '==', '02:00:00:00:00:01'),
      ...(family === 'ip6'
        ? []
        : [
            match(ip.saddr, '==', '10.1.2.3'),
            match(ip.saddr, '!=', '10.0.0.0/8'),
            match(ip.daddr, '==', '10.1.0.0/17'),
            match(ip.daddr, 'in', ['10.0.0.0/8', '192.0.2.1', { from: '198.51.100.1', to: '198.51.100.9' }]),
            match(ip.ttl, '==', 1),
            match(ip.length, '>', 100),
            match(ip.protocol, '==', 'udp'),
            match(icmp.type, '==', 'echo-request'),
          ]),
      ...(family === 'ip'
        ? []
        : [
            match(ip6.saddr, '==', 'fd00::1'),
            match(ip6.daddr, '==', 'fd00::/9'),
            match(ip6.hoplimit, '==', 1),
            match(ip6.nexthdr, '==', 'tcp'),
            match(icmpv6.type, '==', 'nd-neighbor-solicit'),
          ]),
    ],
    meta: (family) => [
      match(meta.length, '<', 1500),
      match(meta.priority, '==', 0x10001),
      match(meta.iif, '==', 1),
      match(meta.iifgroup, '==', 5),
      match(meta.oifgroup, '!=', 5),
      match(meta.skuid, '==', 4242),
      match(meta.pkttype, '==', 'host'),
      ...(family === 'inet' ? [match(meta.nfproto, '==', 'ipv4')] : []),
      match(meta.l4proto, '!=', 'udp'),
      ...(family === 'inet' ? [match(meta.protocol, '==', 'ip6')] : []),
    ],
    ct: (family) => [
      match(ct.state, 'any', ['new']),
      match(ct.status, 'any', ['dnat', 'snat']),
      match(ct.direction, '==', 'reply'),
      match(ct.mark, '==', 9),
      ...(family === 'ip6'
        ? []
        : [match(ct.originalIpSaddr, '==', '10.0.0.1'), match(ct.replyIpDaddr, '==', '10.0.0.1')]),
      ...(family === 'ip'
        ? []
        : [match(ct.originalIp6Daddr, '==', 'fd00::1'), match(ct.replyIp6Saddr, '==', 'fd00::1')]),
    ],
    numgen: () => [match(numgen('random', 10), '<', 3), match(numgen('inc', 10, 5), '==', 7)],
    fib: () => [match(fib(['daddr'], 'type'), '==', 'local'), match(fib(['saddr', 'iif'], 'oif'), '!=', 0)],
    jhash: (family) => [match(jhash(family === 'ip6' ? ip6.saddr : ip.saddr, 8, { seed: 0x1234 }), '==', 3)],
    masked: () => [match(masked(meta.mark, 0xf0), '==', 0x10)],
    concat: () => [match(concat(meta.iifname, tcp.dport), 'in', [['eth0', 80]])],
    map: () => [],
  };

  for (const family of families) {
    const o = objects(family);
    const { nat: _, ...declared } = o;
    const setup = Object.values(declared).map(add);
    for (const [kind, placed] of Object.entries(statements)) {
      test(`${kind} in family ${family}`, () => {
        const text = compare([
          ...setup,
          ...placed(o).map(({ place, statements: list }) => add(rule(o[place], list, { comment: 'why' }))),
        ]);
        assert.equal(text.match(/comment "why"/gu)?.length, placed(o).length);
      });
    }
    for (const [kind, list] of Object.entries(expressions)) {
      if (list(family).length === 0) continue;
      test(`${kind} expressions in family ${family}`, () => {
        compare([...setup, ...list(family).map((statement) => add(rule(o.filter, [statement, counter()])))]);
      });
    }
  }
});

describe('every kind of set is what nft makes of its text and reads back', { skip }, () => {
  const t = table('inet', 't');
  const c = chain(t, 'c');
  const hits = namedCounter(t, 'hits');
  type Case = readonly [object: ReturnType<typeof set> | ReturnType<typeof map>, list: readonly Element[]];
  const cases: Record<string, Case> = {
    addresses: [
      set(t, 's', { key: ['ipv4_addr'] }),
      [{ key: ['10.0.0.1'] }, { key: ['10.0.0.2'], comment: 'two' }],
    ],
    'IPv6 addresses': [
      set(t, 's', { key: ['ipv6_addr'] }),
      [{ key: ['fd00::1'] }, { key: ['::ffff:10.0.0.1'] }],
    ],
    'names of interfaces': [
      set(t, 's', { key: ['ifname'] }),
      [{ key: ['eth0'] }, { key: ['veth0123456789a'] }],
    ],
    marks: [set(t, 's', { key: ['mark'] }), [{ key: [1] }, { key: [0xdeadbeef] }]],
    'Ethernet addresses': [set(t, 's', { key: ['ether_addr'] }), [{ key: ['02:00:00:00:00:0a'] }]],
    states: [set(t, 's', { key: ['ct_state'] }), [{ key: [2] }, { key: [8] }]],
    concatenations: [
      set(t, 's', { key: ['ipv4_addr', 'inet_proto', 'inet_service'] }),
      [{ key: ['10.0.0.1', 'tcp', 80] }, { key: ['10.0.0.1', 'udp', 53] }],
    ],
    'five fields': [
      set(t, 's', { key: ['ifname', 'ipv6_addr', 'ether_addr', 'inet_proto', 'inet_service'] }),
      [{ key: ['eth0', 'fd00::1', '02:00:00:00:00:0a', 'sctp', 1] }],
    ],
    intervals: [
      set(t, 's', { key: ['ipv4_addr'], flags: ['interval'] }),
      [
        { key: ['0.0.0.0/8'] },
        { key: ['10.0.0.0/8'], comment: 'ten' },
        { key: ['11.0.0.0'] },
        { key: [{ from: '192.0.2.3', to: '192.0.2.9' }] },
        { key: ['255.255.255.0/24'] },
      ],
    ],
    'intervals of ports': [
      set(t, 's', { key: ['inet_service'], flags: ['interval'] }),
      [{ key: [80] }, { key: [{ from: 1000, to: 1999 }] }, { key: [{ from: 65000, to: 65535 }] }],
    ],
    'IPv6 prefixes': [
      set(t, 's', { key: ['ipv6_addr'], flags: ['interval'] }),
      [{ key: ['fd00::/8'] }, { key: ['2001:db8::/33'] }],
    ],
    'intervals of concatenations': [
      set(t, 's', { key: ['ipv4_addr', 'inet_service'], flags: ['interval'] }),
      [{ key: ['10.0.0.0/8', { from: 80, to: 90 }], comment: 'c' }, { key: ['192.0.2.1', 443] }],
    ],
    timeouts: [
      set(t, 's', { key: ['ipv4_addr'], flags: ['timeout'], timeoutMs: 3_600_000, gcIntervalMs: 10_000 }),
      [{ key: ['10.0.0.1'], timeoutMs: 7_200_000 }, { key: ['10.0.0.2'] }],
    ],
    'elements with counters': [set(t, 's', { key: ['ipv4_addr'], counter: true }), [{ key: ['10.0.0.1'] }]],
    'maps of addresses and ports': [
      map(t, 'm', { key: ['ipv4_addr', 'inet_service'], data: ['ipv4_addr', 'inet_service'] }),
      [{ key: ['10.0.0.1', 80], value: ['192.0.2.1', 8080], comment: 'm' }],
    ],
    'maps of marks': [map(t, 'm', { key: ['inet_service'], data: ['mark'] }), [{ key: [80], value: [5] }]],
    'maps of verdicts': [
      map(t, 'm', { key: ['inet_service'], data: 'verdict' }),
      [
        { key: [1], value: accept },
        { key: [2], value: drop },
        { key: [3], value: jump(c) },
        { key: [4], value: goto(c) },
        { key: [5], value: returnVerdict },
        { key: [6], value: continueVerdict },
      ],
    ],
    'verdicts of intervals': [
      map(t, 'm', { key: ['ipv4_addr'], data: 'verdict', flags: ['interval'] }),
      [
        { key: ['10.0.0.0/8'], value: accept },
        { key: ['10.0.0.0/9'], value: drop },
      ].slice(0, 1),
    ],
    'maps of counters': [
      map(t, 'm', { key: ['inet_service'], data: 'counter' }),
      [{ key: [80], value: ['hits'] }],
    ],
    'keys by typeof': [
      map(t, 'm', {
        key: [ip.daddr, meta.l4proto, th.dport, numgen('random', 100)],
        data: [ip.daddr, th.dport],
      }),
      [{ key: ['10.0.0.1', 'tcp', 80, 3], value: ['192.0.2.1', 8080] }],
    ],
    'verdicts by typeof': [
      map(t, 'm', { key: [tcp.dport], data: 'verdict' }),
      [{ key: [80], value: accept }],
    ],
    'IPv6 by typeof': [
      map(t, 'm', { key: [ip6.daddr, udp.dport], data: [ip6.saddr] }),
      [{ key: ['fd00::1', 53], value: ['fd00::2'] }],
    ],
  };
  for (const [name, [object, list]] of Object.entries(cases)) {
    test(name, () => {
      const commands = [...[t, c, hits, object].map(add), add(elements(object, list))];
      compare(commands);
      compare(commands, [remove(elements(object, list.slice(0, 1)))]);

      const netns = createNetns();
      const nftables = openNftables({ netns });
      nftables.apply(commands);
      assert.deepEqual(bySize(nftables.elements(object)), bySize(list));
      nftables.close();
      netns.close();
    });
  }

  function bySize(list: readonly Element[]): readonly Element[] {
    return list.toSorted((a, b) => (JSON.stringify(a.key) < JSON.stringify(b.key) ? -1 : 1));
  }
});

test('Nftables apply() takes lists of elements of any length', () => {
  const netns = createNetns();
  const nftables = openNftables({ netns });
  const t = table('ip', 't');
  const s = set(t, 's', { key: ['ipv4_addr', 'inet_service'] });
  const list = Array.from({ length: 20_000 }, (_, index) => ({
    key: [`10.0.${index >> 8}.${index & 255}`, 80],
  }));
  nftables.apply([add(t), add(s), add(elements(s, list))]);
  assert.equal(nftables.elements(s).length, list.length);
  nftables.apply([remove(elements(s, list))]);
  assert.equal(nftables.elements(s).length, 0);

  const bad = { key: ['10.9.9.9', 9] };
  const refused = [remove(elements(s, [...list, bad])), add(chain(t, 'c'))];
  assert.throws(
    () => nftables.apply([add(elements(s, list)), ...refused]),
    (error) =>
      error instanceof NftablesError &&
      error.code === 'ENOENT' &&
      error.command === refused[0] &&
      error.message.includes('delete element ip t s { 10.9.9.9 . 9 }'),
  );
  assert.equal(nftables.elements(s).length, 0, 'nothing was applied');
  nftables.close();
  netns.close();
});

test('Nftables apply() names the first of several commands that fail', () => {
  const netns = createNetns();
  const nftables = openNftables({ netns });
  const t = table('ip', 't');
  const commands = [add(t), remove(chain(t, 'one')), remove(chain(t, 'two'))];
  assert.throws(
    () => nftables.apply(commands),
    (error) =>
      error instanceof NftablesError &&
      error.command === commands[1] &&
      /delete chain ip t one: ENOENT/u.test(error.message),
  );
  assert.deepEqual(nftables.tables(), []);
  nftables.close();
  netns.close();
});
