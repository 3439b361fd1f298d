import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodnetError } from '../../model/errors.ts';
import { compileExpression, type ExpressionFacts } from './expression.ts';

const facts: ExpressionFacts = {
  name: 'web.example.org.',
  type: 'AAAA',
  class: 'IN',
  proto: 'udp',
  clientIp: '10.244.1.9',
  port: 40_000,
  bufsize: 1232,
  dnssecOk: false,
  id: 7,
  size: 33,
};

test('compileExpression decides as it is written', () => {
  const rows: readonly (readonly [string, boolean])[] = [
    [`incidr(client_ip(), '10.244.0.0/16')`, true],
    [`incidr(client_ip(), "192.168.0.0/16")`, false],
    [`type() == 'A' || type() == 'AAAA'`, true],
    [`type() in ['A', 'AAAA'] && !(proto() == 'tcp')`, true],
    [`name() endsWith '.example.org.' and name() startsWith "web"`, true],
    [`name() contains 'mail'`, false],
    [`bufsize() >= 1232 && size() < 100`, true],
    [`not do()`, true],
    [`type() == 'A' && true || id() == 7`, true],
    [`client_ip()`, false],
  ];
  for (const [text, decision] of rows) assert.equal(compileExpression(text, 1)(facts), decision, text);
});

test('compileExpression refuses what it does not know, with the line', () => {
  for (const text of [
    '',
    `metadata('geoip/country')`,
    `name( == 'x'`,
    `constructor()`,
    `type() == 'A' &&`,
    `type() == 'A' 'B'`,
    `incidr(client_ip(), 'nowhere')`,
    `name() == "unfinished`,
    '('.repeat(100),
  ])
    assert.throws(
      () => compileExpression(text, 9),
      (error) => error instanceof PodnetError && error.where === 'Corefile line 9',
      text,
    );
});
