import assert from 'node:assert/strict';
import { test } from 'node:test';
import { add } from './commands.ts';
import { ip, tcp } from './expressions.ts';
import { createFakeNftables } from './fake-nftables.ts';
import { testNftables } from './nftables-conformance.ts';
import { chain, elements, rule, set, table } from './objects.ts';
import { accept, match } from './statements.ts';

testNftables('createFakeNftables', createFakeNftables);

test('createFakeNftables dump() prints the whole state', () => {
  const nftables = createFakeNftables();
  const t = table('ip', 'filter');
  const input = chain(t, 'input', { base: { type: 'filter', hook: 'input', priority: 0, policy: 'drop' } });
  const friends = set(t, 'friends', { key: ['ipv4_addr'], flags: ['interval'] });
  nftables.apply([
    ...[t, input, friends].map(add),
    add(elements(friends, [{ key: ['10.0.0.0/8'], comment: 'inside' }])),
    add(rule(input, [match(ip.saddr, 'in', friends), match(tcp.dport, 'in', [22, 80]), accept])),
  ]);
  assert.equal(
    nftables.dump(),
    `\
add table ip filter
add set ip filter friends { type ipv4_addr; flags interval; }
  10.0.0.0/8 comment "inside"
add chain ip filter input { type filter hook input priority 0; policy drop; }
  ip saddr @friends tcp dport { 22, 80 } accept
`,
  );
});
