import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodnetError } from '../../model/errors.ts';
import { parseCorefile, type Directive } from './parse.ts';

/** Directives without their line numbers, as nested arrays. */
function shape(directives: readonly Directive[]): unknown[] {
  return directives.map(({ name, args, block }) =>
    block.length > 0 ? [name, ...args, shape(block)] : [name, ...args],
  );
}

function refusal(text: string): string {
  try {
    parseCorefile(text);
  } catch (error) {
    if (error instanceof PodnetError) return `${error.where}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

test('parseCorefile reads server blocks, directives and their blocks, with line numbers', () => {
  const blocks = parseCorefile(`
# what kubeadm writes, in essence
.:53 {
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure   # the old way
       ttl 30
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
}
corp.example,
lab.example {
    forward . 10.0.0.53
}
`);
  assert.deepEqual(
    blocks.map(({ keys }) => keys),
    [['.:53'], ['corp.example', 'lab.example']],
  );
  assert.deepEqual(shape(blocks[0]?.directives ?? []), [
    ['errors'],
    [
      'kubernetes',
      'cluster.local',
      'in-addr.arpa',
      'ip6.arpa',
      [
        ['pods', 'insecure'],
        ['ttl', '30'],
      ],
    ],
    ['forward', '.', '/etc/resolv.conf', [['max_concurrent', '1000']]],
  ]);
  assert.deepEqual(
    blocks[0]?.directives.map(({ line }) => line),
    [4, 5, 9],
  );
});

test('parseCorefile puts snippets in the place of their imports, and takes quotes and joined lines', () => {
  const [block] = parseCorefile(`
(inner) {
  cache 30
}
(common) {
  log
  import inner
}
example.org {
  import common
  template IN A {
    answer "{{ .Name }} 60 IN A \\
10.0.0.1"
  }
  rewrite name \\
    a.example b.example
}`);
  assert.deepEqual(shape(block?.directives ?? []), [
    ['log'],
    ['cache', '30'],
    ['template', 'IN', 'A', [['answer', '{{ .Name }} 60 IN A \\\n10.0.0.1']]],
    ['rewrite', 'name', 'a.example', 'b.example'],
  ]);
});

test('parseCorefile takes one block without braces', () => {
  const [block] = parseCorefile('example.org\nlog\nforward . 10.0.0.53\n');
  assert.deepEqual(shape(block?.directives ?? []), [['log'], ['forward', '.', '10.0.0.53']]);
});

const refused: readonly (readonly [text: string, why: string])[] = [
  ['. {\n log', 'Corefile line 1: A block has no end'],
  ['. {\n}\n}', 'Corefile line 3: A } closes nothing'],
  ['. {\n log "x', 'Corefile line 2: A quotation has no end'],
  ['{\n log\n}', 'Corefile line 1: A server block has no zone'],
  [
    '. {\n import nothing\n}',
    'Corefile line 2: import nothing: there is no snippet and no file of that name',
  ],
  [
    '. {\n import ../../etc/passwd\n}',
    'Corefile line 2: import ../../etc/passwd: there is no snippet and no file of that name',
  ],
  ['(a) {\n import a\n}\n. {\n import a\n}', 'Corefile line 2: Imports are nested deeper than 16'],
  ['. {\n forward . {$UPSTREAM}\n}', 'Corefile line 2: {$UPSTREAM} names an environment variable'],
  [`. ${'{\n a '.repeat(20)}`, 'Corefile line 11: Blocks are nested deeper than 8'],
  ['x'.repeat(1 << 19), 'Corefile line 1: A Corefile of 524288 characters is too large'],
];

test('parseCorefile refuses with the line that is wrong', () => {
  for (const [text, why] of refused) assert.equal(refusal(text), why, text.slice(0, 80));
});
