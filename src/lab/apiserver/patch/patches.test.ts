import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Loose } from '../json-value.ts';
import { schemaFor } from '../openapi/schema.ts';
import { applyJsonPatch } from './json-patch.ts';
import { applyMergePatch } from './merge-patch.ts';
import { PatchError } from './patch-error.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

test('applyJsonPatch: RFC 6902, appendix A', () => {
  const cases: readonly (readonly [unknown, object[], unknown])[] = [
    [{ foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { foo: 'bar', baz: 'qux' }],
    [{ foo: ['bar', 'baz'] }, [{ op: 'add', path: '/foo/1', value: 'qux' }], { foo: ['bar', 'qux', 'baz'] }],
    [{ baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    [{ foo: ['bar', 'qux', 'baz'] }, [{ op: 'remove', path: '/foo/1' }], { foo: ['bar', 'baz'] }],
    [{ baz: 'qux' }, [{ op: 'replace', path: '/baz', value: 'boo' }], { baz: 'boo' }],
    [
      { foo: { bar: 'baz', waldo: 'fred' }, qux: {} },
      [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      { foo: { bar: 'baz' }, qux: { thud: 'fred' } },
    ],
    [
      { foo: ['all', 'grass', 'cows', 'eat'] },
      [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      { foo: ['all', 'cows', 'eat', 'grass'] },
    ],
    [
      { baz: 'qux', foo: ['a', 2] },
      [
        { op: 'test', path: '/baz', value: 'qux' },
        { op: 'test', path: '/foo/1', value: 2 },
      ],
      { baz: 'qux', foo: ['a', 2] },
    ],
    [
      { foo: 'bar' },
      [{ op: 'add', path: '/child', value: { grandchild: {} } }],
      { foo: 'bar', child: { grandchild: {} } },
    ],
    [{ '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '/': 9, '~1': 10 }],
    [{ foo: ['bar'] }, [{ op: 'add', path: '/foo/-', value: ['abc'] }], { foo: ['bar', ['abc']] }],
    [{ a: { b: 1 } }, [{ op: 'copy', from: '/a', path: '/c' }], { a: { b: 1 }, c: { b: 1 } }],
    [{ a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }], { b: 2 }],
  ];
  for (const [document, patch, expected] of cases)
    assert.deepEqual(applyJsonPatch(document, patch), expected);
});

test('applyJsonPatch refuses what does not fit and leaves the document as it was', () => {
  const document = { foo: 'bar', list: [1] };
  const patches = [
    [{ op: 'test', path: '/foo', value: 'baz' }],
    [{ op: 'remove', path: '/nope' }],
    [{ op: 'replace', path: '/nope', value: 1 }],
    [{ op: 'add', path: '/nope/x', value: 1 }],
    [{ op: 'add', path: '/list/5', value: 1 }],
    [{ op: 'add', path: '/list/01', value: 1 }],
    [{ op: 'add', path: '/x' }],
    [{ op: 'jump', path: '/foo' }],
    [{ path: '/foo' }],
    [{ op: 'move', from: '/foo', path: '/foo/x' }],
    { op: 'add' },
    [{ op: 'add', path: 'foo', value: 1 }],
    [{ op: 'add', path: '/__proto__/polluted', value: 1 }],
  ];
  for (const patch of patches)
    assert.throws(() => applyJsonPatch(document, patch), PatchError, JSON.stringify(patch));
  assert.deepEqual(document, { foo: 'bar', list: [1] });
  assert.equal(({} as Loose)['polluted'], undefined);
});

test('applyMergePatch: RFC 7396, appendix A', () => {
  const cases: readonly (readonly [unknown, unknown, unknown])[] = [
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, expected] of cases) assert.deepEqual(applyMergePatch(target, patch), expected);
});

const deployment = schemaFor({ group: 'apps', version: 'v1', kind: 'Deployment' });
assert.ok(deployment);
const service = schemaFor({ group: '', version: 'v1', kind: 'Service' });
assert.ok(service);

/** The same value as a deployment's containers. */
function containers(list: unknown): Loose {
  return { spec: { template: { spec: { containers: list } } } };
}

test('applyStrategicMergePatch: lists with merge keys', () => {
  const web = { name: 'web', image: 'a', env: [{ name: 'A', value: '1' }], ports: [{ containerPort: 80 }] };
  const log = { name: 'log', image: 'l' };
  const cases: readonly (readonly [string, unknown, unknown, unknown])[] = [
    ['merges by name', [web], [{ name: 'web', image: 'b' }], [{ ...web, image: 'b' }]],
    ['adds at the end', [web], [log], [web, log]],
    [
      'merges nested lists',
      [web],
      [{ name: 'web', env: [{ name: 'B', value: '2' }] }],
      [{ ...web, env: [...web.env, { name: 'B', value: '2' }] }],
    ],
    ['removes by directive', [web, log], [{ $patch: 'delete', name: 'web' }], [log]],
    [
      'replaces one item',
      [web],
      [{ $patch: 'replace', name: 'web', image: 'c' }],
      [{ name: 'web', image: 'c' }],
    ],
    ['replaces the list', [web], [{ $patch: 'replace' }, log], [log]],
    ['drops nulls of new items', [], [{ name: 'x', image: 'y', command: null }], [{ name: 'x', image: 'y' }]],
    [
      'removes members by null',
      [web],
      [{ name: 'web', env: null }],
      [{ name: 'web', image: 'a', ports: web.ports }],
    ],
    [
      'replaces lists without a merge key',
      [{ ...web, command: ['a', 'b'] }],
      [{ name: 'web', command: ['c'] }],
      [{ ...web, command: ['c'] }],
    ],
  ];
  for (const [what, before, patch, after] of cases) {
    assert.deepEqual(
      applyStrategicMergePatch(containers(before), containers(patch), deployment),
      containers(after),
      what,
    );
  }
});

test('applyStrategicMergePatch: $setElementOrder orders named items and keeps others in place', () => {
  const item = (name: string): Loose => ({ name, image: name });
  const patch = {
    spec: {
      template: {
        spec: {
          '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }, { name: 'n' }],
          containers: [{ name: 'n', image: 'n' }],
        },
      },
    },
  };
  const result = applyStrategicMergePatch(
    containers([item('a'), item('server'), item('c')]),
    patch,
    deployment,
  );
  assert.deepEqual(result, containers([item('server'), item('c'), item('a'), item('n')]));
});

test('applyStrategicMergePatch: $retainKeys, $deleteFromPrimitiveList, $patch on maps', () => {
  const rolling = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } };
  const recreate = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } };
  assert.deepEqual(applyStrategicMergePatch(rolling, recreate, deployment), {
    spec: { strategy: { type: 'Recreate' } },
  });
  const held = { metadata: { finalizers: ['a', 'b', 'c'] } };
  assert.deepEqual(
    applyStrategicMergePatch(
      held,
      { metadata: { '$deleteFromPrimitiveList/finalizers': ['b'] } },
      deployment,
    ),
    {
      metadata: { finalizers: ['a', 'c'] },
    },
  );
  assert.deepEqual(applyStrategicMergePatch(held, { metadata: { finalizers: ['c', 'd'] } }, deployment), {
    metadata: { finalizers: ['a', 'b', 'c', 'd'] },
  });
  const selecting = { spec: { selector: { a: '1', b: '2' } } };
  assert.deepEqual(
    applyStrategicMergePatch(selecting, { spec: { selector: { $patch: 'replace', c: '3' } } }, service),
    {
      spec: { selector: { c: '3' } },
    },
  );
});

test('applyStrategicMergePatch: Service ports merge by port', () => {
  const before = { spec: { ports: [{ port: 80, targetPort: 8080 }, { port: 443 }] } };
  const after = applyStrategicMergePatch(
    before,
    { spec: { ports: [{ port: 80, targetPort: 9090 }] } },
    service,
  );
  assert.deepEqual(after, { spec: { ports: [{ port: 80, targetPort: 9090 }, { port: 443 }] } });
});

test('applyStrategicMergePatch refuses unknown directives and items without their key', () => {
  assert.throws(() => applyStrategicMergePatch({}, { spec: { $patch: 'explode' } }, deployment), PatchError);
  assert.throws(
    () => applyStrategicMergePatch(containers([]), containers([{ image: 'x' }]), deployment),
    /merge key: name/,
  );
  assert.throws(() => applyStrategicMergePatch({}, [], deployment), PatchError);
});
