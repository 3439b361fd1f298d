import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readJsonPath } from './json-path.ts';

const object = {
  metadata: { labels: { 'app.kubernetes.io/name': 'gw' } },
  spec: { hosts: ['a', 'b'], listeners: [{ port: 80 }, { port: 443 }] },
  status: {
    conditions: [
      { type: 'Accepted', status: 'True' },
      { type: 'Programmed', status: 'False', observed: 3 },
    ],
  },
};

test('readJsonPath reads the paths that custom columns use', () => {
  const cases: [string, unknown[]][] = [
    ['.spec.hosts', [['a', 'b']]],
    ['.spec.hosts[*]', ['a', 'b']],
    ['.spec.hosts[0]', ['a']],
    ['.spec.hosts[-1]', ['b']],
    ['.spec.listeners[*].port', [80, 443]],
    [".spec['hosts'][1]", ['b']],
    ['{.spec.hosts[1]}', ['b']],
    ['$.spec.hosts[1]', ['b']],
    ['spec.hosts[1]', ['b']],
    ['.status.conditions[?(@.type=="Programmed")].status', ['False']],
    [".status.conditions[?(@.type == 'Accepted')].status", ['True']],
    ['.status.conditions[?(@.observed==3)].type', ['Programmed']],
    ['.metadata.labels.app\\.kubernetes\\.io/name', ['gw']],
  ];
  for (const [path, found] of cases) assert.deepEqual(readJsonPath(path, object), found, path);
});

test('readJsonPath finds nothing behind missing fields and in paths it cannot read', () => {
  for (const path of [
    '.spec.none.deeper',
    '.spec.hosts[7]',
    '.spec..hosts',
    '.spec[?(',
    '.__proto__.x',
    '',
  ]) {
    assert.deepEqual(readJsonPath(path, object), [], path);
  }
});
