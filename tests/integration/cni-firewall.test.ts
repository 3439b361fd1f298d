/** The firewall plugin in the kernel: what is forwarded, beside an iptables that forwards nothing. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fieldText } from '../../src/cni/attachment/owned-table.ts';
import { firewallLayout } from '../../src/cni/plugins/firewall/table.ts';
import { convertResult } from '../../src/cni/spec/result.ts';
import type { Netns } from '../../src/kernel/netns.ts';
import { flush, remove } from '../../src/kernel/nftables/commands.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { missingPrograms } from '../../src/kernel/process.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { type Container, answer, startContainer, startNode } from './support/chained.ts';
import { type Call, type Command, debian, ours, withoutDebianPlugins } from './support/cni.ts';
import { connect } from './support/connect.ts';

const outside = startNode();
const nftables = openNftables();
let first: Container;
let second: Container;
let closeServer: () => void;

function call(container: Container, keys: Readonly<Record<string, unknown>> = {}): Call {
  return {
    config: { type: 'firewall', ...keys },
    containerId: container.id,
    netns: container.netns,
    prevResult: container.result,
  };
}

const run = (command: Command, ...args: Parameters<typeof call>): ReturnType<typeof ours> =>
  ours(command, call(...args));

async function reach(from: Netns, address: string, port = 80): Promise<string> {
  const [outcome] = await connect(from, { address, port });
  return outcome?.answer ?? outcome?.error ?? '';
}

const holdings = (): number => firewallLayout.sets.flatMap((set) => nftables.elements(set)).length;

before(async () => {
  first = await startContainer('first', [80]);
  second = await startContainer('second', [80]);
  closeServer = await answer('outside', outside, 80);
});

after(() => {
  closeServer();
  first.close();
  second.close();
  outside.close();
  nftables.close();
});

const iptables = (...args: string[]): string => execFileSync('iptables', args, { encoding: 'utf8' });
const withoutIptables = missingPrograms(['iptables']).length > 0 && 'iptables is not installed';

test('ADD, CHECK, DEL keep one element an address; ADD repairs', async () => {
  const result = await run('ADD', first);
  assert.deepEqual(result.ips, first.result.ips);
  await run('ADD', first);
  assert.equal(holdings(), 2);
  await run('CHECK', first);
  const [of] = firewallLayout.chains;
  assert.ok(of);
  nftables.apply([flush(of)]);
  await assert.rejects(run('CHECK', first), /the rules of chain forward/);
  await run('ADD', first);
  nftables.apply([flush(firewallLayout.sets[1] ?? assert.fail())]);
  await assert.rejects(run('CHECK', first), /containers-6 does not have fd88::/);
  nftables.apply([remove(firewallLayout.table)]);
  await assert.rejects(run('CHECK', first), /table podnet-firewall/);
  await run('ADD', first);
  await run('CHECK', first);
  await run('DEL', first);
  await run('DEL', first);
  assert.equal(holdings(), 0);
});

test(
  'containers are accepted where iptables drops what it does not know',
  { skip: withoutIptables },
  async () => {
    iptables('-P', 'FORWARD', 'DROP');
    assert.equal(await reach(first.netns, '192.0.2.2'), 'timeout');
    await run('ADD', first);
    await run('ADD', first);
    await run('ADD', second, { iptablesAdminChainName: 'OPERATORS' });
    assert.equal(await reach(first.netns, '192.0.2.2'), `outside ${first.address4}`);
    assert.equal(await reach(outside, first.address4), 'timeout', 'others are not let in by it');
    await run('CHECK', first);
    const rules = iptables('-S', 'CNI-FORWARD').trim().split('\n');
    assert.match(rules[1] ?? '', /-j OPERATORS$/, 'administrators first');
    assert.equal(rules.length, 7);
    iptables('-D', 'CNI-FORWARD', '-s', `${first.address4}/32`, '-j', 'ACCEPT');
    await assert.rejects(run('CHECK', first), /iptables has no rule -s/);
    await run('ADD', first);
    await run('CHECK', first);
    await run('DEL', first);
    assert.equal(await reach(first.netns, '192.0.2.2'), 'timeout');
    assert.equal(await reach(second.netns, '192.0.2.2'), `outside ${second.address4}`);
    await run('DEL', second);
    assert.doesNotMatch(iptables('-S', 'CNI-FORWARD'), /ACCEPT/);
  },
);

test(
  'Debian’s plugin deletes and checks what ours accepted in iptables',
  { skip: withoutDebianPlugins || withoutIptables },
  async () => {
    const base = call(first, { backend: 'iptables' });
    execFileSync('ip6tables', ['-P', 'FORWARD', 'DROP']);
    await run('ADD', first);
    await debian('CHECK', base);
    await debian('DEL', base);
    assert.doesNotMatch(iptables('-S', 'CNI-FORWARD'), /ACCEPT/);
    await run('DEL', first);
    for (const program of ['iptables', 'ip6tables']) execFileSync(program, ['-P', 'FORWARD', 'ACCEPT']);
  },
);

test('same-bridge keeps bridges apart, open does not, isolated keeps containers apart too', async () => {
  // A second bridge, with the second container on it.
  const rtnl = openRtnl();
  rtnl.addLink({ kind: 'bridge', name: 'cni1', up: true });
  rtnl.setLink(second.hostInterface, { master: 'cni1' });
  rtnl.addAddress({ link: 'cni1', address: '10.88.0.1', prefixLength: 32, scope: 'link' });
  rtnl.replaceRoute({ dst: `${second.address4}/32`, link: 'cni1' });
  const inside = openRtnl({ netns: second.netns });
  inside.replaceRoute({ dst: '10.88.0.1/32', link: 'eth0' });
  inside.replaceRoute({ dst: `${first.address4}/32`, gateway: '10.88.0.1' });
  inside.close();
  const other = openRtnl({ netns: first.netns });
  other.replaceRoute({ dst: `${second.address4}/32`, gateway: '10.88.0.1' });
  other.close();
  const moved = {
    ...second,
    result: {
      ...second.result,
      interfaces: [{ name: 'cni1' }, ...(second.result.interfaces?.slice(1) ?? [])],
    },
  };
  await run('ADD', first);
  await run('ADD', moved);
  assert.equal(await reach(first.netns, second.address4), `second ${first.address4}`);

  const policy = { ingressPolicy: 'same-bridge' };
  await run('ADD', first, policy);
  assert.equal(await reach(first.netns, second.address4), `second ${first.address4}`, 'one has no policy');
  await run('ADD', moved, policy);
  await run('CHECK', moved, policy);
  assert.equal(await reach(first.netns, second.address4), 'timeout');
  assert.equal(await reach(outside, first.address4), 'first 192.0.2.2', 'from outside it is open');
  assert.equal(await reach(second.netns, '192.0.2.2'), `outside ${second.address4}`);

  const names = (): string[] =>
    firewallLayout.sets
      .slice(2)
      .flatMap((set) => nftables.elements(set).map(({ key }) => key.map(fieldText).join(' ')));
  assert.deepEqual(names().toSorted(), ['cni0', 'cni0 cni0', 'cni1', 'cni1 cni1']);
  await run('ADD', first, { ingressPolicy: 'isolated' });
  assert.deepEqual(names().toSorted(), ['cni0', 'cni1', 'cni1 cni1']);
  await ours('GC', {
    config: { type: 'firewall' },
    validAttachments: [{ containerId: 'first', ifName: 'eth0' }],
  });
  assert.equal(holdings(), 5);
  await ours('GC', { config: { type: 'firewall' } });
  assert.equal(holdings(), 0);
  rtnl.close();
});

test('a policy without a bridge, firewalld and unknown values are refused with their key', async () => {
  const without = {
    ...first,
    result: { ...first.result, interfaces: first.result.interfaces?.slice(1) ?? [], ips: [] },
  };
  await assert.rejects(run('ADD', without, { ingressPolicy: 'same-bridge' }), /same-bridge needs a bridge/);
  await assert.rejects(run('ADD', first, { backend: 'firewalld' }), /backend: firewalld is not supported/);
  await assert.rejects(run('ADD', first, { firewalldZone: 'trusted' }), /firewalldZone: firewalld is not/);
  await assert.rejects(run('ADD', first, { ingressPolicy: 'closed' }), /ingressPolicy: must be open/);
  await assert.rejects(run('ADD', first, { iptablesAdminChainName: 'a b' }), /iptablesAdminChainName/);
});

test('every version’s prevResult is understood and passed on', async () => {
  for (const cniVersion of ['0.3.0', '0.3.1', '0.4.0', '1.0.0']) {
    const prevResult = convertResult(first.result, cniVersion) as unknown as Call['prevResult'];
    const base = { containerId: first.id, netns: first.netns, config: { type: 'firewall', cniVersion } };
    const result = await ours('ADD', { ...base, prevResult });
    assert.equal(result.ips?.[0]?.address, `${first.address4}/24`, cniVersion);
    assert.equal(holdings(), 2);
    await ours('DEL', base);
  }
});
