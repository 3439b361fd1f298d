import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeMessage } from '../wire/message.ts';
import { parseQuery } from '../wire/query.ts';
import type { Seen } from './block-metrics.ts';
import { createDnsLook, type DnsLook } from './look.ts';

function show(look: DnsLook, ...all: readonly Seen[]): void {
  for (const each of all) look.see?.(each);
}

function seen(name: string, { waited = false }: { waited?: boolean } = {}): Seen {
  const questions = [{ name, type: 1 }];
  const empty = { answers: [], authority: [], additional: [] };
  const message = encodeMessage({ id: 7, flags: 0x100, questions, ...empty });
  const answer = encodeMessage({ id: 7, flags: 0x8503, questions, ...empty });
  const query = parseQuery(message);
  assert.ok(typeof query === 'object' && 'key' in query);
  const client = { address: '10.244.1.3', port: 4000 };
  const request = { message, length: message.length, query, transport: 'udp', family: 4 } as const;
  return {
    request: { ...request, client: () => client },
    answer,
    length: answer.length,
    seconds: 0.001,
    waited,
  };
}

test('createDnsLook sees nothing until somebody looks, and no longer than that', () => {
  let now = 1_000_000;
  const look = createDnsLook({ nameOf: () => 'default/shell', now: () => now });
  assert.equal(look.see, undefined);
  assert.equal(look.top(5).questions, 0);
  show(look, seen('web.default'), seen('web.default'), seen('example.com', { waited: true }));
  now += 2000;
  const top = look.top(1);
  assert.equal(top.questions, 3);
  assert.equal(top.seconds, 2);
  assert.deepEqual(top.names, [{ key: 'web.default A', count: 2, error: 0 }]);
  assert.deepEqual(top.clients, [{ key: 'default/shell', count: 3, error: 0 }]);
  assert.deepEqual(top.rcodes, [{ key: 'NXDOMAIN', count: 3, error: 0 }]);
  now += 11_000;
  assert.equal(look.see, undefined);
  assert.equal(look.top(1).questions, 0);
});

test('createDnsLook gives each entry of the log once, with the pod’s name', () => {
  const look = createDnsLook({ nameOf: () => 'default/shell', now: () => 5 });
  const { next } = look.log(0);
  show(look, seen('web.default'));
  const page = look.log(next);
  assert.deepEqual(
    page.entries.map(({ pod, name, type, rcode, from }) => [pod, name, type, rcode, from]),
    [['default/shell', 'web.default', 'A', 'NXDOMAIN', 'zone']],
  );
  assert.deepEqual(look.log(page.next).entries, []);
});
