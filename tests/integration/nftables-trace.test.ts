/** The trace monitor hears of every step of a marked packet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createNetns } from '../../src/kernel/netns.ts';
import { add } from '../../src/kernel/nftables/commands.ts';
import { meta, udp } from '../../src/kernel/nftables/expressions.ts';
import { type NftTraceEvent, openNftTrace } from '../../src/kernel/nftables/nft-trace.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { chain, rule, table } from '../../src/kernel/nftables/objects.ts';
import { accept, assign, jump, match, reject } from '../../src/kernel/nftables/statements.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { connect } from './support/connect.ts';

test('openNftTrace tells of each rule, return and policy, with the packet', async () => {
  const netns = createNetns();
  const rtnl = openRtnl({ netns });
  rtnl.setLink('lo', { up: true });
  const lo = rtnl.link('lo')?.index;
  rtnl.close();
  const nftables = openNftables({ netns });
  const t = table('inet', 'traced');
  const output = chain(t, 'output', { base: { type: 'filter', hook: 'output', priority: 0 } });
  const input = chain(t, 'input', { base: { type: 'filter', hook: 'input', priority: 0 } });
  const other = chain(t, 'other');
  nftables.apply([
    ...[t, output, input, other].map(add),
    add(rule(output, [match(udp.dport, '==', 5353), assign(meta.nftrace, 1), assign(meta.mark, 7)])),
    add(rule(output, [jump(other)])),
    add(rule(other, [match(udp.dport, '==', 1), accept])),
    add(rule(input, [match(udp.dport, '==', 5353), reject()])),
  ]);
  const [first, second] = nftables.rules(output);
  const [rejecting] = nftables.rules(input);

  const trace = openNftTrace({ netns });
  const events: NftTraceEvent[] = [];
  trace.listen({ event: (event) => events.push(event) });
  const [outcome] = await connect(netns, { address: '127.0.0.1', port: 5353, protocol: 'udp' });
  assert.equal(outcome?.error, 'ECONNREFUSED');
  const deadline = performance.now() + 5000;
  while (events.filter(({ chain: of }) => of === 'input').length === 0 && performance.now() < deadline)
    await sleep(5);
  trace.close();

  const outgoing = events.filter(({ chain: of }) => of !== 'input');
  const brief = outgoing.map(({ chain: of, type, ruleHandle, verdict, policy }) => ({
    of,
    type,
    ruleHandle,
    verdict,
    policy,
  }));
  assert.deepEqual(brief, [
    {
      of: 'output',
      type: 'rule',
      ruleHandle: first?.handle,
      verdict: { kind: 'verdict', verdict: 'continue' },
      policy: undefined,
    },
    { of: 'output', type: 'rule', ruleHandle: second?.handle, verdict: jump(other), policy: undefined },
    {
      of: 'other',
      type: 'return',
      ruleHandle: undefined,
      verdict: { kind: 'verdict', verdict: 'continue' },
      policy: undefined,
    },
    {
      of: 'output',
      type: 'return',
      ruleHandle: undefined,
      verdict: { kind: 'verdict', verdict: 'continue' },
      policy: undefined,
    },
    { of: 'output', type: 'policy', ruleHandle: undefined, verdict: undefined, policy: 'accept' },
  ]);
  const [start] = outgoing;
  assert.deepEqual(
    { ...start?.packet, sourcePort: undefined },
    {
      source: '127.0.0.1',
      destination: '127.0.0.1',
      protocol: 17,
      sourcePort: undefined,
      destinationPort: 5353,
    },
  );
  assert.equal(start?.family, 'inet');
  assert.equal(start.table, 'traced');
  assert.equal(start.outputInterface, lo);
  assert.equal(start.mark, 7);
  assert.equal(new Set(outgoing.map(({ packetId }) => packetId)).size, 1);

  const incoming = events.find(({ chain: of }) => of === 'input');
  assert.equal(incoming?.ruleHandle, rejecting?.handle);
  assert.equal(incoming?.inputInterface, lo);
  assert.equal(incoming?.verdict?.verdict, 'drop');
  nftables.close();
  netns.close();
});
