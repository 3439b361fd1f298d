import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtInKinds, createRegistry, type ServedKind } from '../registry.ts';
import { describedFields, describeDefinition } from './descriptions.ts';
import { createApiDocuments } from './documents.ts';
import type { Model } from './models.ts';
import type { DocumentV2 } from './openapi-v2.ts';
import type { DocumentV3 } from './openapi-v3.ts';
import { definitionNamed, schemaFor } from './schema.ts';

const GNOSTIC = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
const widget: ServedKind = {
  group: 'example.org',
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  singular: 'widget',
  shortNames: [],
  categories: [],
  namespaced: true,
  verbs: ['create', 'get', 'list', 'patch', 'update'],
  subresources: [],
  storage: 'widgets.example.org',
  custom: true,
};

function setUp() {
  const registry = createRegistry();
  const documents = createApiDocuments({
    registry,
    version: 'v1.34.0',
    customSchema: () => ({
      type: 'object',
      properties: { spec: { type: 'object', properties: { port: { 'x-kubernetes-int-or-string': true } } } },
    }),
  });
  const v2 = (): DocumentV2 =>
    JSON.parse(documents.openApiV2('application/json').body.toString()) as DocumentV2;
  const v3 = (path: string): DocumentV3 =>
    JSON.parse(documents.openApiV3(path)?.body.toString() ?? 'null') as DocumentV3;
  return { registry, documents, v2, v3 };
}

/** Every reference in a document. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, one]) =>
    key === '$ref' && typeof one === 'string' ? [one] : references(one),
  );
}

/** Fields of a protocol buffer message: number and bytes or value, as far as OpenAPI needs them. */
function* fields(message: Buffer): Generator<{ field: number; bytes: Buffer }> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = message.readUInt8(at);
      at += 1;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const length = (tag & 7) === 2 ? varint() : 0;
    if ((tag & 7) === 0) varint();
    yield { field: tag >>> 3, bytes: message.subarray(at, at + length) };
    at += length;
  }
}

function fieldsOf(message: Buffer, wanted: number): Buffer[] {
  return [...fields(message)].filter(({ field }) => field === wanted).map(({ bytes }) => bytes);
}

test('openApiV2 tells clients what they need to validate, merge and dry-run', () => {
  const document = setUp().v2();
  const podSpec = document.definitions['io.k8s.api.core.v1.PodSpec'];
  assert.deepEqual(podSpec?.properties?.['containers'], {
    description: 'The containers; at least one, and none can be added later.',
    type: 'array',
    items: { $ref: '#/definitions/io.k8s.api.core.v1.Container' },
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
    'x-kubernetes-patch-merge-key': 'name',
    'x-kubernetes-patch-strategy': 'merge',
  });
  assert.deepEqual(podSpec?.required, ['containers']);
  assert.deepEqual(document.definitions['io.k8s.api.core.v1.Pod']?.['x-kubernetes-group-version-kind'], [
    { group: '', version: 'v1', kind: 'Pod' },
  ]);
  assert.equal(podSpec?.properties?.['terminationGracePeriodSeconds']?.format, 'int64');
  const patch = document.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']?.patch;
  assert.ok(patch);
  assert.ok(patch.parameters.some(({ name }) => name === 'dryRun'));
  assert.ok(patch.parameters.some(({ name }) => name === 'fieldValidation'));
  assert.deepEqual(patch['x-kubernetes-group-version-kind'], {
    group: 'apps',
    version: 'v1',
    kind: 'Deployment',
  });
});

test('openApiV2 and openApiV3 refer only to models they contain', () => {
  const { v2, v3, documents } = setUp();
  const whole = v2();
  for (const ref of references(whole)) assert.ok(ref.replace('#/definitions/', '') in whole.definitions, ref);
  const index = v3('/openapi/v3') as unknown as { paths: Record<string, { serverRelativeURL: string }> };
  assert.ok('api/v1' in index.paths && 'apis/apps/v1' in index.paths);
  for (const { serverRelativeURL } of Object.values(index.paths)) {
    const [path = '', query = ''] = serverRelativeURL.split('?');
    assert.match(query, /^hash=[0-9A-F]{64}$/);
    assert.equal(documents.openApiV3(path)?.etag, `"${query.slice(5).toLowerCase()}"`);
    const { components } = v3(path);
    for (const ref of references(v3(path)))
      assert.ok(ref.replace('#/components/schemas/', '') in components.schemas, ref);
  }
});

test('openApiV2 writes the same definitions and paths as gnostic protobuf', () => {
  const { documents, v2 } = setUp();
  const { contentType, body } = documents.openApiV2(GNOSTIC);
  assert.match(contentType, /protobuf/);
  const [definitions = Buffer.alloc(0)] = fieldsOf(body, 9);
  const named = fieldsOf(definitions, 1).map((message) => fieldsOf(message, 1)[0]?.toString());
  assert.deepEqual(named, Object.keys(v2().definitions));
  const [paths = Buffer.alloc(0)] = fieldsOf(body, 8);
  const pathNames = fieldsOf(paths, 2).map((message) => fieldsOf(message, 1)[0]?.toString());
  assert.deepEqual(pathNames, Object.keys(v2().paths));
  const podSpec = fieldsOf(definitions, 1).find((message) =>
    fieldsOf(message, 1)[0]?.toString().endsWith('.v1.PodSpec'),
  );
  const [schema = Buffer.alloc(0)] = fieldsOf(podSpec ?? Buffer.alloc(0), 2);
  assert.deepEqual(fieldsOf(schema, 19).map(String), ['containers']);
});

test('every served kind is described, and every described field exists', () => {
  for (const kind of builtInKinds) {
    const { name } = schemaFor(kind) ?? assert.fail(kind.kind);
    assert.ok(describeDefinition(name), name);
  }
  for (const [definition, field] of describedFields()) {
    assert.ok(definitionNamed(definition).fields.has(field), `${definition} ${field}`);
  }
});

test('openApiV2 chooses the form the client prefers', () => {
  const { documents } = setUp();
  const form = (accept: string): string => documents.openApiV2(accept).contentType;
  assert.match(form(GNOSTIC), /protobuf/);
  assert.match(
    form('application/com.github.proto-openapi.spec.v2.v1.0+protobuf;q=1, application/json;q=0.5'),
    /protobuf/,
  );
  for (const accept of ['application/json', '*/*', '', `application/json,${GNOSTIC}`]) {
    assert.equal(form(accept), 'application/json');
  }
});

test('documents follow the registry', () => {
  const { registry, documents, v2, v3 } = setUp();
  const name = 'org.example.v1.Widget';
  assert.ok(!(name in v2().definitions));
  assert.equal(documents.openApiV3('/openapi/v3/apis/example.org/v1'), undefined);
  assert.equal(documents.openApiV2(GNOSTIC), documents.openApiV2(GNOSTIC), 'kept until something changes');
  registry.setCustom('widgets.example.org', [widget]);
  const port = (model: Model | undefined): Model | undefined =>
    model?.properties?.['spec']?.properties?.['port'];
  assert.deepEqual(port(v2().definitions[name]), { type: 'string', format: 'int-or-string' });
  const custom = v3('/openapi/v3/apis/example.org/v1').components.schemas;
  assert.deepEqual(port(custom[name]), { 'x-kubernetes-int-or-string': true });
  assert.deepEqual(custom[name]?.['x-kubernetes-group-version-kind'], [
    { group: 'example.org', version: 'v1', kind: 'Widget' },
  ]);
  assert.ok(`${name}List` in custom);
  registry.setCustom('widgets.example.org', []);
  assert.ok(!(name in v2().definitions));
});

test('openApiV3 knows only what is served', () => {
  const { documents } = setUp();
  for (const path of ['/openapi/v3/apis/none/v1', '/openapi/v3/api/v2', '/openapi/v3/version']) {
    assert.equal(documents.openApiV3(path), undefined, path);
  }
});
