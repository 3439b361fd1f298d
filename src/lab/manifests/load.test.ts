import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PodnetError } from '../../model/errors.ts';
import { loadManifests, parseFieldPath } from './load.ts';

const folder = mkdtempSync(join(tmpdir(), 'podnet-load-'));
after(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function refusal(text: string): string {
  const path = file('bad.yaml', text);
  try {
    loadManifests([path]);
  } catch (error) {
    if (error instanceof PodnetError)
      return `${error.where?.replace(path, 'bad.yaml') ?? ''}: ${error.message.replaceAll(path, 'bad.yaml')}`;
    throw error;
  }
  return 'accepted';
}

test('parseFieldPath reads the paths Kubernetes writes', () => {
  assert.deepEqual(parseFieldPath('spec.ports[0].nodePort'), ['spec', 'ports', 0, 'nodePort']);
  assert.deepEqual(parseFieldPath('metadata.labels[app.kubernetes.io/name]'), [
    'metadata',
    'labels',
    'app.kubernetes.io/name',
  ]);
  assert.deepEqual(parseFieldPath('spec.containers[1].ports[2].containerPort').slice(-2), [
    2,
    'containerPort',
  ]);
});

test('loadManifests knows the line of every field, of absent ones that of the nearest ancestor', () => {
  const path = file(
    'two.yaml',
    [
      '# comment',
      'apiVersion: v1',
      'kind: Service',
      'metadata: { name: a }',
      'spec:',
      '  ports:',
      '    - port: 80',
      '    - port: 81',
      '---',
      'apiVersion: v1',
      'kind: Pod',
      'metadata:',
      '  name: b',
      '',
    ].join('\n'),
  );
  const [service, pod] = loadManifests([path]);
  assert.equal(service?.title, 'Service a');
  assert.equal(service.where('spec.ports[1].port'), `${path}:8`);
  assert.equal(service.where('spec.ports[1].nodePort'), `${path}:8`);
  assert.equal(service.where('spec.clusterIP'), `${path}:6`);
  assert.equal(pod?.where('metadata.name'), `${path}:13`);
});

test('loadManifests reads folders in order, lists, JSON and empty documents', () => {
  const sub = mkdtempSync(join(folder, 'many-'));
  writeFileSync(join(sub, 'b.json'), '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"second"}}');
  writeFileSync(
    join(sub, 'a.yaml'),
    '---\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Namespace, metadata: {name: first}}\n',
  );
  writeFileSync(join(sub, 'notes.txt'), 'not a manifest');
  assert.deepEqual(
    loadManifests([sub]).map(({ title }) => title),
    ['Namespace first', 'Namespace second'],
  );
});

test('loadManifests refuses with file and line', () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['apiVersion: v1\nkind: Pod\n  metadata: x\n', /^bad\.yaml:2: The YAML is not valid: Nested mappings/],
    [
      'apiVersion: v1\nkind: Pod\nkind: Pod\n',
      /^bad\.yaml:3: The YAML is not valid: Map keys must be unique/,
    ],
    ['kind: Pod\nmetadata: {name: a}\n', /^bad\.yaml:1: apiVersion is missing$/],
    ['apiVersion: v1\nmetadata: {name: a}\n', /^bad\.yaml:1: kind is missing$/],
    ['# x\napiVersion: v1\nkind: Pod\n', /^bad\.yaml:2: Pod: metadata\.name is missing$/],
    ['just text\n', /^bad\.yaml:1: A manifest is an object/],
    [
      'apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\n',
      /^bad\.yaml:7: Pod a is written twice, first at bad\.yaml:1$/,
    ],
  ];
  for (const [text, message] of rows) assert.match(refusal(text).replaceAll(folder + '/', ''), message);
});

test('loadManifests bounds aliases', () => {
  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x]'];
  for (const [from, to] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg'])
    bomb.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(', ')}]`);
  assert.throws(() => loadManifests([file('bomb.yaml', bomb.join('\n'))]), /alias/i);
});

test('loadManifests says what is wrong with a path', () => {
  assert.throws(() => loadManifests([join(folder, 'none.yaml')]), /Cannot read .*none\.yaml: ENOENT/);
  const empty = mkdtempSync(join(folder, 'empty-'));
  assert.throws(() => loadManifests([empty]), /There is no manifest in /);
});
