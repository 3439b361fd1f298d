import assert from 'node:assert/strict';
import { test } from 'node:test';

import { APPLY_PATCH, createTestServer, MERGE_PATCH, type Answer, type TestServer } from '../fixture.ts';
import { listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import { schemaFor } from '../openapi/schema.ts';
import { fieldsOf, formatPath, fromFieldsV1, toFieldsV1 } from './field-set.ts';

const PATH = '/apis/apps/v1/namespaces/default/deployments/web';

function deployment(spec: Loose = {}, container: Loose = {}): Loose {
  const labels = { app: 'web' };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'web', image: 'nginx:1', ...container }] },
      },
      ...spec,
    },
  };
}

function apply(
  api: TestServer,
  manager: string,
  body: Loose,
  query: Record<string, string> = {},
): Promise<Answer> {
  return api.send('PATCH', PATH, body, { ...APPLY_PATCH, query: { fieldManager: manager, ...query } });
}

test('apply creates, and applying the same again writes nothing', async () => {
  await using api = createTestServer();
  const first = await apply(api, 'me', deployment({ replicas: 2 }));
  assert.equal(first.status, 201);
  const again = await apply(api, 'me', deployment({ replicas: 2 }));
  assert.deepEqual([again.status, again.body], [200, first.body]);
});

test('apply wants a manager', async () => {
  await using api = createTestServer();
  const { status, body } = await api.send('PATCH', PATH, deployment(), {
    ...APPLY_PATCH,
    query: { fieldManager: '' },
  });
  assert.equal(status, 400);
  assert.match(String(body.message), /fieldManager: Required value: is required for apply patch/);
});

test('two managers share an object; a field of the other is a conflict unless forced', async () => {
  await using api = createTestServer();
  await apply(api, 'owner', deployment({ replicas: 2 }));
  const partial = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web' },
    spec: { replicas: 5 },
  };
  const refused = await apply(api, 'scaler', partial);
  assert.equal(refused.status, 409);
  assert.equal(
    refused.body.message,
    'Apply failed with 1 conflict: conflict with "owner" using apps/v1: .spec.replicas',
  );
  assert.equal(refused.body.details?.causes?.[0]?.reason, 'FieldManagerConflict');
  const forced = await apply(api, 'scaler', partial, { force: 'true' });
  assert.equal(objectAt(forced.body, 'spec')['replicas'], 5);
  // The owner no longer has the field: leaving it out changes nothing.
  const after = await apply(api, 'owner', deployment());
  assert.equal(objectAt(after.body, 'spec')['replicas'], 5);
});

test('what a manager leaves out goes, unless somebody else wants it', async () => {
  await using api = createTestServer();
  const variable = (name: string): Loose => ({ name, value: '1' });
  await apply(api, 'me', deployment({ minReadySeconds: 3 }, { env: [variable('A'), variable('B')] }));
  await apply(api, 'other', deployment({}, { env: [variable('B')] }));
  const { body } = await apply(api, 'me', deployment());
  const [container] = listAt(body, 'spec', 'template', 'spec', 'containers');
  assert.deepEqual(
    listAt(container, 'env').map((item) => stringAt(item, 'name')),
    ['B'],
  );
  assert.equal(objectAt(body, 'spec')['minReadySeconds'], undefined);
});

test('updates take fields from appliers, and objects made otherwise belong to before-first-apply', async () => {
  await using api = createTestServer();
  await api.send('POST', PATH.slice(0, -4), deployment({ replicas: 1 }));
  const first = await apply(api, 'me', deployment({ replicas: 3 }));
  assert.match(
    String(first.body.message),
    /conflict with "before-first-apply" using apps\/v1: .spec.replicas/,
  );
  await apply(api, 'me', deployment({ replicas: 3 }), { force: 'true' });
  await api.send(
    'PATCH',
    PATH,
    { spec: { replicas: 9 } },
    { ...MERGE_PATCH, query: { fieldManager: 'hand' } },
  );
  const second = await apply(api, 'me', deployment({ replicas: 3 }));
  assert.match(String(second.body.message), /conflict with "hand" using apps\/v1: .spec.replicas/);
});

test('objects that were never applied carry no managed fields', async () => {
  await using api = createTestServer();
  const { body } = await api.send('POST', PATH.slice(0, -4), deployment());
  assert.equal(objectAt(body, 'metadata')['managedFields'], undefined);
});

test('fieldsOf, toFieldsV1 and fromFieldsV1 speak of the same fields', () => {
  const schema = schemaFor({ group: 'apps', version: 'v1', kind: 'Deployment' });
  const set = fieldsOf(deployment({ replicas: 1 }, { ports: [{ containerPort: 80 }] }), schema);
  const fields = toFieldsV1(set);
  assert.deepEqual(fields, {
    'f:spec': {
      'f:replicas': {},
      'f:selector': {},
      'f:template': {
        'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
        'f:spec': {
          'f:containers': {
            'k:{"name":"web"}': {
              '.': {},
              'f:image': {},
              'f:name': {},
              'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
            },
          },
        },
      },
    },
  });
  assert.deepEqual([...fromFieldsV1(fields).keys()].sort(), [...set.keys()].sort());
  assert.equal(
    formatPath(['f:spec', 'f:containers', 'k:{"name":"web"}', 'f:args', 'v:"x"']),
    '.spec.containers[name="web"].args[="x"]',
  );
});
