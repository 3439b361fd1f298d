import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkChainName, comment, parseSaved, quoteWord } from './rule-text.ts';

test('quoteWord quotes as iptables-save does and refuses what could end the line', () => {
  assert.equal(quoteWord('web-1'), 'web-1');
  assert.equal(quoteWord('default/web:http'), '"default/web:http"');
  assert.equal(quoteWord(`a"b\\c'd`), String.raw`"a\"b\\c\'d"`);
  for (const bad of ['a\nCOMMIT', 'a\0', '\u007f']) assert.throws(() => quoteWord(bad), RangeError);
});

test('comment is cut at what the kernel takes, between characters', () => {
  assert.equal(comment('é'.repeat(200)), `-m comment --comment "${'é'.repeat(127)}"`);
});

test('checkChainName takes 28 characters and no more', () => {
  assert.equal(checkChainName('A'.repeat(28)), 'A'.repeat(28));
  for (const bad of ['', 'A'.repeat(29), 'A B', 'A\n']) assert.throws(() => checkChainName(bad), RangeError);
});

test('parseSaved gives tables, chains and rules in order', () => {
  const text = `# Generated
*nat
:PREROUTING ACCEPT [0:0]
:A - [0:0]
-A PREROUTING -m comment --comment "x y" -j A
-A A
-A A -j RETURN
COMMIT
`;
  assert.deepEqual(
    parseSaved(text),
    new Map([
      [
        'nat',
        new Map([
          ['PREROUTING', ['-m comment --comment "x y" -j A']],
          ['A', ['', '-j RETURN']],
        ]),
      ],
    ]),
  );
});
