import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutManagedFields } from './managed-fields.ts';

const cut = (value: unknown): unknown =>
  JSON.parse(cutManagedFields(Buffer.from(JSON.stringify(value))).toString());

const managedFields = [
  { manager: 'kubelet', fieldsV1: { 'f:status': { 'k:{"type":"Ready[]"}': {}, 'x\\"]': {} } } },
  { manager: 'kubectl', fieldsV1: {} },
];

test('cutManagedFields removes the field wherever it stands in the metadata', () => {
  const cases: readonly (readonly [given: object, expected: object])[] = [
    [{ metadata: { managedFields } }, { metadata: {} }],
    [{ metadata: { name: 'a', managedFields } }, { metadata: { name: 'a' } }],
    [{ metadata: { managedFields, name: 'a' } }, { metadata: { name: 'a' } }],
    [{ metadata: { uid: 'u', managedFields, name: 'a' } }, { metadata: { uid: 'u', name: 'a' } }],
  ];
  for (const [given, expected] of cases) assert.deepEqual(cut(given), expected);
});

test('cutManagedFields cuts every object of a list', () => {
  const items = Array.from({ length: 50 }, (_, index) => ({
    metadata: { name: `p${index}`, managedFields },
  }));
  const expected = items.map(({ metadata: { name } }) => ({ metadata: { name } }));
  assert.deepEqual(cut({ items }), { items: expected });
});

test('cutManagedFields leaves text alone that only looks like it', () => {
  const value = {
    metadata: { annotations: { last: JSON.stringify({ metadata: { managedFields } }) } },
    spec: { managedFields: ['a'], other: { managedFields: [] } },
  };
  assert.deepEqual(cut(value), value);
});

test('cutManagedFields leaves JSON that breaks off as it is', () => {
  const broken = '{"metadata":{"managedFields":[{"manager":"a"';
  assert.equal(cutManagedFields(Buffer.from(broken)).toString(), broken);
});
