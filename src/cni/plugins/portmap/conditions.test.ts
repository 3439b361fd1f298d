import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printStatement } from '../../../kernel/nftables/print-statement.ts';
import { CniError } from '../../spec/error.ts';
import { parseConditions } from './conditions.ts';

const v4 = { family: 4, key: 'conditionsV4' } as const;

function translated(...words: string[]): string[] {
  return parseConditions(words, v4).map((match) => printStatement(match, 'inet'));
}

test('parseConditions translates iptables’ options', () => {
  assert.deepEqual(translated(), []);
  assert.deepEqual(translated('-s', '10.0.0.0/8'), ['ip saddr { 10.0.0.0/8 }']);
  assert.deepEqual(translated('!', '--dst', '192.0.2.1'), ['ip daddr != { 192.0.2.1/32 }']);
  assert.deepEqual(translated('-s', '!', '192.0.2.1,192.0.2.9'), [
    'ip saddr != { 192.0.2.1/32, 192.0.2.9/32 }',
  ]);
  assert.deepEqual(translated('-i', 'eth0'), ['iifname "eth0"']);
  assert.deepEqual(translated('-m', 'conntrack', '--ctstate', 'NEW,RELATED'), ['ct state new,related']);
  assert.deepEqual(translated('-m', 'addrtype', '--src-type', 'LOCAL'), ['fib saddr type local']);
  assert.deepEqual(translated('-m', 'comment', '--comment', 'what for'), []);
  assert.deepEqual(translated('-m', 'iprange', '--src-range', '10.0.0.1-10.0.0.9'), [
    'ip saddr 10.0.0.1-10.0.0.9',
  ]);
  assert.equal(translated('-m', 'mark', '!', '--mark', '0x10/0x10').length, 1);
});

test('parseConditions refuses what it cannot translate, naming the key and the option', () => {
  for (const [words, message] of [
    [['-m', 'string'], /^conditionsV4: the extension string is not supported$/],
    [['-p', 'tcp'], /^conditionsV4: -p is not supported$/],
    [['-s'], /^conditionsV4: -s needs a value$/],
    [['-s', '2001:db8::1'], /"2001:db8::1" is no IPv4 address or network/],
    [['ip', 'saddr'], /expected an option of iptables, not "ip"/],
    [['-i', 'eth+'], /“\+” is not supported/],
    [['!', '--ctstate', 'NEW'], /negated/],
    [['--mark', 'x'], /--mark needs a number/],
    [['--src-range', '10.0.0.1'], /needs two IPv4 addresses/],
    [['--dst-type', 'PROHIBIT'], /--dst-type PROHIBIT is not supported/],
  ] as const) {
    assert.throws(
      () => parseConditions(words, v4),
      (error) => error instanceof CniError && error.code === 7 && message.test(error.message),
      words.join(' '),
    );
  }
});
