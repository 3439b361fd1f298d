import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkObject } from './check.ts';
import { customObjectSchema } from './json-schema.ts';
import { type ObjectSchema, schemaFor } from './schema.ts';

const service = schemaFor({ group: '', version: 'v1', kind: 'Service' }) as ObjectSchema;
const deployment = schemaFor({ group: 'apps', version: 'v1', kind: 'Deployment' }) as ObjectSchema;

test('checkObject accepts what Kubernetes accepts', () => {
  const object = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'a', creationTimestamp: null, labels: { a: 'b' } },
    spec: {
      ports: [
        { port: 80, targetPort: 'http' },
        { port: 81, targetPort: 8081 },
      ],
      selector: null,
    },
    status: { loadBalancer: {} },
  };
  assert.deepEqual(checkObject(service, object), { unknown: [], mismatched: [] });
});

test('checkObject names unknown fields by their path', () => {
  const object = {
    spec: { port: 1, ports: [{ port: 80 }, { port: 81, protokol: 'TCP' }] },
    metadata: { labels: { anything: 'goes' }, nam: 'x' },
  };
  assert.deepEqual(checkObject(service, object).unknown, [
    'spec.port',
    'spec.ports[1].protokol',
    'metadata.nam',
  ]);
});

test('checkObject can remove unknown fields', () => {
  const object = { spec: { port: 1, ports: [{ port: 80, x: {} }] } };
  checkObject(service, object, { prune: true });
  assert.deepEqual(object, { spec: { ports: [{ port: 80 }] } });
});

test("checkObject words wrong types as Kubernetes' decoder does", () => {
  const cases: [ObjectSchema, object, string][] = [
    [
      deployment,
      { spec: { replicas: 'two' } },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      deployment,
      { spec: { replicas: 1.5 } },
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      service,
      { spec: { ports: {} } },
      'json: cannot unmarshal object into Go struct field ServiceSpec.spec.ports of type []v1.ServicePort',
    ],
    [
      service,
      { spec: { ports: ['x'] } },
      'json: cannot unmarshal string into Go struct field ServiceSpec.spec.ports of type v1.ServicePort',
    ],
    [
      service,
      { spec: [] },
      'json: cannot unmarshal array into Go struct field Service.spec of type v1.ServiceSpec',
    ],
    [
      service,
      { spec: { selector: { a: 1 } } },
      'json: cannot unmarshal number into Go struct field ServiceSpec.spec.selector.a of type string',
    ],
    [
      deployment,
      { spec: { template: { spec: { containers: [{ env: [{ name: 'a', value: true }] }] } } } },
      'json: cannot unmarshal bool into Go struct field EnvVar.spec.template.spec.containers.env.value of type string',
    ],
  ];
  for (const [schema, object, message] of cases) {
    assert.deepEqual(
      checkObject(schema, object).mismatched.map((one) => one.message),
      [message],
    );
  }
});

test('checkObject stops at nesting no client writes by hand', () => {
  const schema = schemaFor({
    group: 'apiextensions.k8s.io',
    version: 'v1',
    kind: 'CustomResourceDefinition',
  });
  let deep: object = {};
  for (let i = 0; i < 200; i += 1) deep = { properties: { a: deep } };
  const object = { spec: { versions: [{ schema: { openAPIV3Schema: deep } }] } };
  assert.match(
    checkObject(schema as ObjectSchema, object).mismatched[0]?.message ?? '',
    /exceeded max depth/,
  );
});

test('customObjectSchema reads a structural schema', () => {
  const schema = customObjectSchema({
    type: 'object',
    required: ['spec'],
    properties: {
      spec: {
        type: 'object',
        properties: {
          size: { type: 'integer' },
          port: { 'x-kubernetes-int-or-string': true },
          tags: { type: 'object', additionalProperties: { type: 'string' } },
          list: {
            type: 'array',
            items: { type: 'object', properties: { name: { type: 'string' } } },
            'x-kubernetes-list-type': 'map',
            'x-kubernetes-list-map-keys': ['name'],
          },
          free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
          half: {
            type: 'object',
            'x-kubernetes-preserve-unknown-fields': true,
            properties: { a: { type: 'integer' } },
          },
        },
      },
    },
  }) as ObjectSchema;
  const object = {
    apiVersion: 'example.org/v1',
    kind: 'Widget',
    metadata: { name: 'w', nam: 1 },
    spec: {
      size: 'x',
      port: true,
      tags: { a: 1 },
      list: [{ name: 1, other: 1 }],
      free: { any: [1] },
      half: { a: '', b: 1 },
      none: 1,
    },
  };
  const { unknown, mismatched } = checkObject(schema, object);
  assert.deepEqual(unknown, ['metadata.nam', 'spec.list[0].other', 'spec.none']);
  assert.deepEqual(
    mismatched.map(({ path }) => path),
    ['spec.size', 'spec.port', 'spec.tags.a', 'spec.list[0].name', 'spec.half.a'],
  );
  const spec = schema.fields.get('spec')?.schema as ObjectSchema;
  assert.deepEqual(spec.fields.get('list')?.mapKeys, ['name']);
});
