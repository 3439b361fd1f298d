import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { builtInKinds } from '../registry.ts';
import { definitionNamed, type ObjectSchema, schemaAt, schemaFor, type TypeSchema } from './schema.ts';

function pod(): ObjectSchema {
  const schema = schemaFor({ group: '', version: 'v1', kind: 'Pod' });
  assert.ok(schema);
  return schema;
}

test('every served kind and subresource body has a schema', () => {
  const optionsOnly = new Set(['PodAttachOptions', 'PodExecOptions', 'PodPortForwardOptions']);
  for (const kind of builtInKinds) {
    assert.ok(schemaFor(kind), `${kind.kind}.${kind.group}`);
    for (const subresource of kind.subresources) {
      if (!optionsOnly.has(subresource.kind)) assert.ok(schemaFor(subresource), subresource.kind);
    }
  }
});

test('every definition can be read and refers only to definitions that exist', () => {
  const seen = new Set<TypeSchema>();
  const visit = (schema: TypeSchema): void => {
    if (seen.has(schema)) return;
    seen.add(schema);
    if (schema.type === 'array') visit(schema.items);
    if (schema.type === 'map') visit(schema.values);
    if (schema.type === 'object') for (const field of schema.fields.values()) visit(field.schema);
  };
  for (const kind of builtInKinds) visit(schemaFor(kind) ?? pod());
  assert.ok(seen.size > 400, `${seen.size} types`);
});

test('schemaAt walks fields, items and values', () => {
  const types: [string, string][] = [
    ['spec.containers.*.env.*.value', 'string'],
    ['spec.containers.*.resources.limits.*', 'quantity'],
    ['spec.containers.*.livenessProbe.httpGet.port', 'int-or-string'],
    ['spec.activeDeadlineSeconds', 'integer'],
    ['metadata.creationTimestamp', 'time'],
    ['metadata.managedFields.*.fieldsV1', 'any'],
    ['spec.nodeSelector.*', 'string'],
  ];
  for (const [path, type] of types) assert.equal(schemaAt(pod(), path.split('.'))?.type, type, path);
  assert.equal(schemaAt(pod(), ['spec', 'none']), undefined);
  assert.equal(schemaAt(pod(), ['spec', 'hostname', 'deeper']), undefined);
});

test('lists know how they merge', () => {
  const spec = definitionNamed('core/v1.PodSpec').fields;
  const { listType, mapKeys, patchMergeKey, retainKeys } = spec.get('volumes') ?? assert.fail();
  assert.deepEqual(
    { listType, mapKeys, patchMergeKey, retainKeys },
    { listType: 'map', mapKeys: ['name'], patchMergeKey: 'name', retainKeys: true },
  );
  assert.equal(spec.get('tolerations')?.listType, 'atomic');
  assert.equal(spec.get('tolerations')?.patchMergeKey, undefined);
  const ports = definitionNamed('core/v1.ServiceSpec').fields.get('ports');
  assert.deepEqual(ports?.mapKeys, ['port', 'protocol']);
  assert.equal(ports?.patchMergeKey, 'port');
  const finalizers = definitionNamed('meta/v1.ObjectMeta').fields.get('finalizers');
  assert.equal(finalizers?.listType, 'set');
  assert.equal(finalizers?.patchMergeKey, '');
  assert.equal(definitionNamed('meta/v1.LabelSelector').atomic, true);
});

test('required fields are marked', () => {
  assert.equal(definitionNamed('core/v1.PodSpec').fields.get('containers')?.required, true);
  assert.equal(definitionNamed('core/v1.PodSpec').fields.get('hostname')?.required, false);
});

test('schemaFor knows nothing of other kinds, and definitionNamed refuses unknown names', () => {
  assert.equal(schemaFor({ group: 'example.org', version: 'v1', kind: 'Widget' }), undefined);
  assert.throws(() => definitionNamed('core/v1.None'), RangeError);
});

test('the generated schemas are up to date with their generator', () => {
  const tool = new URL('../../../../tools/generate-schemas.ts', import.meta.url).pathname;
  const { status, stderr } = spawnSync(process.execPath, [tool, '--check'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
});
