import assert from 'node:assert/strict';
import { test } from 'node:test';

import {
  createTestServer,
  JSON_PATCH,
  MERGE_PATCH,
  podManifest,
  STRATEGIC_PATCH,
  type Answer,
} from '../fixture.ts';
import { isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';

const PODS = '/api/v1/namespaces/default/pods';
const CONFIGS = '/api/v1/namespaces/default/configmaps';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';
const NODE = { metadata: { name: 'node-1' } };

function config(name: string, data: Loose = {}, metadata: Loose = {}): Loose {
  return { metadata: { name, ...metadata }, data };
}

function deployment(name: string, replicas = 1): Loose {
  const labels = { app: name };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'nginx:1' }] } };
  return { metadata: { name }, spec: { replicas, selector: { matchLabels: labels }, template } };
}

function names({ body }: Answer): string[] {
  return listAt(body, 'items').map((item) => stringAt(item, 'metadata', 'name'));
}

test('create fills metadata and refuses what is there already', async () => {
  await using api = createTestServer();
  const { status, body } = await api.send('POST', CONFIGS, config('a'));
  const metadata = objectAt(body, 'metadata');
  assert.equal(status, 201);
  assert.match(stringAt(metadata, 'uid'), /^[0-9a-f-]{36}$/);
  assert.match(stringAt(metadata, 'creationTimestamp'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  assert.equal(metadata['namespace'], 'default');
  const again = await api.send('POST', CONFIGS, config('a'));
  assert.equal(again.status, 409);
  assert.equal(again.body.message, 'configmaps "a" already exists');
  assert.equal(again.body.reason, 'AlreadyExists');
});

test('create: generateName, missing and foreign namespaces, missing names', async () => {
  await using api = createTestServer();
  const generated = await api.send('POST', CONFIGS, { metadata: { generateName: 'web-' } });
  assert.match(stringAt(generated.body, 'metadata', 'name'), /^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  const nowhere = await api.send('POST', '/api/v1/namespaces/nowhere/configmaps', config('a'));
  assert.deepEqual([nowhere.status, nowhere.body.message], [404, 'namespaces "nowhere" not found']);
  const foreign = await api.send('POST', CONFIGS, config('a', {}, { namespace: 'kube-system' }));
  assert.equal(
    foreign.body.message,
    'the namespace of the provided object does not match the namespace sent on the request',
  );
  const nameless = await api.send('POST', CONFIGS, { metadata: {} });
  assert.equal(nameless.status, 422);
  assert.match(
    String(nameless.body.message),
    /metadata.name: Required value: name or generateName is required/,
  );
  const versioned = await api.send('POST', CONFIGS, config('b', {}, { resourceVersion: '1' }));
  assert.equal(versioned.body.message, 'resourceVersion should not be set on objects to be created');
});

test('update: optimistic locking, identity, immutable metadata, no write without a change', async () => {
  await using api = createTestServer();
  const first = (await api.send('POST', CONFIGS, config('a', { k: '1' }))).body;
  const second = await api.send('PUT', `${CONFIGS}/a`, { ...first, data: { k: '2' } });
  assert.equal(second.status, 200);
  const stale = await api.send('PUT', `${CONFIGS}/a`, { ...first, data: { k: '3' } });
  assert.equal(stale.status, 409);
  assert.equal(
    stale.body.message,
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  );
  const same = await api.send('PUT', `${CONFIGS}/a`, second.body);
  assert.equal(
    stringAt(same.body, 'metadata', 'resourceVersion'),
    stringAt(second.body, 'metadata', 'resourceVersion'),
  );
  const renamed = await api.send('PUT', `${CONFIGS}/a`, config('b'));
  assert.equal(renamed.body.message, 'the name of the object (b) does not match the name on the URL (a)');
  const other = await api.send('PUT', `${CONFIGS}/a`, config('a', {}, { uid: 'x' }));
  assert.match(String(other.body.message), /Precondition failed: UID in precondition: x/);
  const missing = await api.send('PUT', `${CONFIGS}/none`, config('none'));
  assert.deepEqual([missing.status, missing.body.message], [404, 'configmaps "none" not found']);
});

test('generation counts changes of the spec, status is another door', async () => {
  await using api = createTestServer();
  await api.send('POST', DEPLOYMENTS, { ...deployment('web'), status: { replicas: 9 } });
  const read = async (): Promise<Loose> => (await api.send('GET', `${DEPLOYMENTS}/web`)).body;
  assert.equal(objectAt(await read(), 'status')['replicas'], undefined);
  await api.send(
    'PATCH',
    `${DEPLOYMENTS}/web`,
    { spec: { replicas: 3 }, status: { replicas: 9 } },
    MERGE_PATCH,
  );
  assert.equal(objectAt(await read(), 'metadata')['generation'], 2);
  await api.send('PATCH', `${DEPLOYMENTS}/web`, { metadata: { labels: { a: 'b' } } }, MERGE_PATCH);
  await api.send(
    'PATCH',
    `${DEPLOYMENTS}/web/status`,
    { spec: { replicas: 8 }, status: { replicas: 3 } },
    MERGE_PATCH,
  );
  const after = await read();
  assert.equal(objectAt(after, 'metadata')['generation'], 2);
  assert.deepEqual([objectAt(after, 'spec')['replicas'], objectAt(after, 'status')['replicas']], [3, 3]);
});

test('patches of every kind reach the object; others are refused', async () => {
  await using api = createTestServer();
  await api.send('POST', DEPLOYMENTS, deployment('web'));
  const path = `${DEPLOYMENTS}/web`;
  const container = { spec: { template: { spec: { containers: [{ name: 'web', image: 'nginx:2' }] } } } };
  const strategic = await api.send('PATCH', path, container, STRATEGIC_PATCH);
  assert.equal(strategic.status, 200);
  const json = await api.send(
    'PATCH',
    path,
    [{ op: 'replace', path: '/spec/replicas', value: 2 }],
    JSON_PATCH,
  );
  assert.equal(objectAt(json.body, 'spec')['replicas'], 2);
  const failed = await api.send(
    'PATCH',
    path,
    [{ op: 'test', path: '/spec/replicas', value: 7 }],
    JSON_PATCH,
  );
  assert.deepEqual([failed.status, failed.body.reason], [422, 'Invalid']);
  const wrong = await api.send('PATCH', path, { spec: { replicas: 'two' } }, MERGE_PATCH);
  assert.equal(wrong.status, 400);
  assert.match(
    String(wrong.body.message),
    /json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32/,
  );
  const plain = await api.send('PATCH', path, {}, { contentType: 'application/json' });
  assert.equal(plain.status, 415);
  const renamed = await api.send('PATCH', path, { metadata: { name: 'other' } }, MERGE_PATCH);
  assert.equal(renamed.status, 422);
  const selector = await api.send(
    'PATCH',
    path,
    { spec: { selector: { matchLabels: { app: 'x' } } } },
    MERGE_PATCH,
  );
  assert.match(String(selector.body.message), /spec.selector: Invalid value: .*: field is immutable/);
});

test('dryRun=All says what would be and writes nothing', async () => {
  await using api = createTestServer();
  const query = { dryRun: 'All' };
  const services = '/api/v1/namespaces/default/services';
  const before = await api.send('GET', services);
  const made = await api.send(
    'POST',
    services,
    { metadata: { name: 'web' }, spec: { ports: [{ port: 80 }] } },
    { query },
  );
  assert.equal(made.status, 201);
  assert.match(stringAt(made.body, 'spec', 'clusterIP'), /^10\.96\./);
  assert.deepEqual(names(await api.send('GET', services)), names(before));
  const wrong = await api.send('POST', services, {}, { query: { dryRun: 'Some' } });
  assert.equal(wrong.status, 400);
});

test('list: namespaces, selectors, order, unknown fields', async () => {
  await using api = createTestServer();
  for (const [name, labels] of [
    ['b', { app: 'web' }],
    ['a', { app: 'web', canary: 'yes' }],
    ['c', { app: 'db' }],
  ] as const) {
    await api.send('POST', PODS, podManifest(name, { nodeName: name === 'b' ? 'node-1' : '' }, { labels }));
  }
  const list = async (query: Record<string, string>, path = PODS): Promise<string[]> =>
    names(await api.send('GET', path, undefined, { query }));
  assert.deepEqual(await list({}), ['a', 'b', 'c']);
  assert.deepEqual(await list({ labelSelector: 'app in (web),!canary' }), ['b']);
  assert.deepEqual(await list({ fieldSelector: 'spec.nodeName=node-1' }), ['b']);
  assert.deepEqual(await list({ fieldSelector: 'spec.nodeName=' }), ['a', 'c']);
  assert.deepEqual(await list({ fieldSelector: 'metadata.name!=a,status.phase=Pending' }, '/api/v1/pods'), [
    'b',
    'c',
  ]);
  const unknown = await api.send('GET', PODS, undefined, { query: { fieldSelector: 'spec.colour=blue' } });
  assert.equal(unknown.status, 400);
  assert.match(String(unknown.body.message), /field label not supported: spec.colour/);
  const malformed = await api.send('GET', PODS, undefined, { query: { labelSelector: 'a in' } });
  assert.deepEqual([malformed.status, malformed.body.reason], [400, 'BadRequest']);
});

test('list pages through one consistent state', async () => {
  await using api = createTestServer();
  for (const name of ['a', 'b', 'c', 'd', 'e']) await api.send('POST', CONFIGS, config(name));
  const first = await api.send('GET', CONFIGS, undefined, { query: { limit: '2' } });
  assert.deepEqual(names(first), ['a', 'b']);
  const metadata = objectAt(first.body, 'metadata');
  assert.equal(metadata['remainingItemCount'], 3);
  await api.send('DELETE', `${CONFIGS}/d`);
  const next = { limit: '2', continue: stringAt(metadata, 'continue') };
  const second = await api.send('GET', CONFIGS, undefined, { query: next });
  assert.deepEqual(names(second), ['c', 'd']);
  assert.equal(stringAt(second.body, 'metadata', 'resourceVersion'), metadata['resourceVersion']);
  const last = { limit: '2', continue: stringAt(second.body, 'metadata', 'continue') };
  assert.deepEqual(names(await api.send('GET', CONFIGS, undefined, { query: last })), ['e']);
  const stale = await api.send('GET', CONFIGS, undefined, { query: { continue: 'nonsense' } });
  assert.deepEqual([stale.status, stale.body.reason], [410, 'Expired']);
});

test('a resource version from the future cannot be read yet', async () => {
  await using api = createTestServer();
  const { status, body } = await api.send('GET', PODS, undefined, { query: { resourceVersion: '99999' } });
  assert.equal(status, 504);
  assert.match(String(body.message), /Too large resource version/);
});

test('delete answers, preconditions, finalizers', async () => {
  await using api = createTestServer();
  await api.send('POST', CONFIGS, config('a', {}, { finalizers: ['example.com/hold'] }));
  const wrong = await api.send('DELETE', `${CONFIGS}/a`, { preconditions: { uid: 'x' } });
  assert.equal(wrong.status, 409);
  const held = await api.send('DELETE', `${CONFIGS}/a`);
  assert.ok(stringAt(held.body, 'metadata', 'deletionTimestamp'));
  const added = await api.send(
    'PATCH',
    `${CONFIGS}/a`,
    { metadata: { finalizers: ['example.com/hold', 'b.c/d'] } },
    MERGE_PATCH,
  );
  assert.match(String(added.body.message), /no new finalizers can be added if the object is being deleted/);
  await api.send('PATCH', `${CONFIGS}/a`, { metadata: { finalizers: null } }, MERGE_PATCH);
  assert.equal((await api.send('GET', `${CONFIGS}/a`)).status, 404);
  await api.send('POST', CONFIGS, config('b'));
  const gone = await api.send('DELETE', `${CONFIGS}/b`);
  assert.deepEqual([gone.status, gone.body['status'], gone.body['kind']], [200, 'Success', 'Status']);
  assert.equal((await api.send('DELETE', `${CONFIGS}/b`)).status, 404);
});

test('pods are deleted gracefully where a kubelet has them, at once elsewhere', async () => {
  await using api = createTestServer();
  await api.send('POST', PODS, podManifest('waiting'));
  await api.send('DELETE', `${PODS}/waiting`);
  assert.equal((await api.send('GET', `${PODS}/waiting`)).status, 404);
  await api.send(
    'POST',
    PODS,
    podManifest('running', { nodeName: 'node-1', terminationGracePeriodSeconds: 20 }),
  );
  const { body } = await api.send('DELETE', `${PODS}/running`);
  assert.equal(objectAt(body, 'metadata')['deletionGracePeriodSeconds'], 20);
  const shorter = await api.send('DELETE', `${PODS}/running`, { gracePeriodSeconds: 5 });
  assert.equal(objectAt(shorter.body, 'metadata')['deletionGracePeriodSeconds'], 5);
  const longer = await api.send('DELETE', `${PODS}/running`, { gracePeriodSeconds: 50 });
  assert.equal(objectAt(longer.body, 'metadata')['deletionGracePeriodSeconds'], 5);
  await api.send('DELETE', `${PODS}/running`, { gracePeriodSeconds: 0 });
  assert.equal((await api.send('GET', `${PODS}/running`)).status, 404);
});

test('deletecollection deletes what the selectors choose', async () => {
  await using api = createTestServer();
  for (const name of ['a', 'b', 'c'])
    await api.send('POST', CONFIGS, config(name, {}, { labels: { keep: name === 'c' ? 'yes' : 'no' } }));
  const { body } = await api.send('DELETE', CONFIGS, undefined, { query: { labelSelector: 'keep=no' } });
  assert.equal(listAt(body, 'items').length, 2);
  assert.deepEqual(names(await api.send('GET', CONFIGS)), ['c']);
});

test('a namespace terminates, refuses new content, and goes when it is finalized', async () => {
  await using api = createTestServer();
  await api.send('POST', '/api/v1/namespaces', { metadata: { name: 'temp' } });
  const { body } = await api.send('DELETE', '/api/v1/namespaces/temp');
  assert.equal(stringAt(body, 'status', 'phase'), 'Terminating');
  const refused = await api.send('POST', '/api/v1/namespaces/temp/configmaps', config('a'));
  assert.equal(refused.status, 403);
  assert.equal(
    refused.body.message,
    'configmaps "a" is forbidden: unable to create new content in namespace temp because it is being terminated',
  );
  await api.send('PUT', '/api/v1/namespaces/temp/finalize', { ...body, spec: { finalizers: [] } });
  assert.equal((await api.send('GET', '/api/v1/namespaces/temp')).status, 404);
  assert.equal((await api.send('DELETE', '/api/v1/namespaces/default')).status, 403);
});

test('scale, binding and eviction', async () => {
  await using api = createTestServer();
  await api.send('POST', '/api/v1/nodes', NODE);
  await api.send('POST', DEPLOYMENTS, deployment('web'));
  const scaled = await api.send('PATCH', `${DEPLOYMENTS}/web/scale`, { spec: { replicas: 4 } }, MERGE_PATCH);
  assert.deepEqual([scaled.body['kind'], objectAt(scaled.body, 'spec')['replicas']], ['Scale', 4]);
  assert.equal(stringAt(scaled.body, 'status', 'selector'), 'app=web');
  const put = await api.send('PUT', `${DEPLOYMENTS}/web/scale`, { ...scaled.body, spec: { replicas: 0 } });
  assert.equal(put.status, 200);
  assert.equal(objectAt((await api.send('GET', `${DEPLOYMENTS}/web`)).body, 'spec')['replicas'], 0);
  await api.send('POST', PODS, podManifest('web'));
  const binding = { metadata: { name: 'web' }, target: { kind: 'Node', name: 'node-1' } };
  const bound = await api.send('POST', `${PODS}/web/binding`, binding);
  assert.deepEqual([bound.status, bound.body['status']], [201, 'Success']);
  const pod = (await api.send('GET', `${PODS}/web`)).body;
  assert.equal(stringAt(pod, 'spec', 'nodeName'), 'node-1');
  assert.equal(stringAt(listAt(pod, 'status', 'conditions')[0], 'type'), 'PodScheduled');
  const twice = await api.send('POST', `${PODS}/web/binding`, binding);
  assert.match(String(twice.body.message), /pod web is already assigned to node "node-1"/);
  const evicted = await api.send('POST', `${PODS}/web/eviction`, { metadata: { name: 'web' } });
  assert.equal(evicted.status, 201);
  assert.ok(stringAt((await api.send('GET', `${PODS}/web`)).body, 'metadata', 'deletionTimestamp'));
});

test('events are one store behind two groups', async () => {
  await using api = createTestServer();
  const event = {
    metadata: { name: 'web.1' },
    involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' },
    reason: 'Started',
    message: 'Started container',
    type: 'Normal',
  };
  await api.send('POST', '/api/v1/namespaces/default/events', event);
  const { body } = await api.send('GET', '/apis/events.k8s.io/v1/namespaces/default/events/web.1');
  assert.deepEqual(
    [body['apiVersion'], body['note'], stringAt(body, 'regarding', 'name')],
    ['events.k8s.io/v1', 'Started container', 'web'],
  );
  const selected = await api.send('GET', '/api/v1/events', undefined, {
    query: { fieldSelector: 'involvedObject.name=web,reason=Started' },
  });
  assert.deepEqual(names(selected), ['web.1']);
});

test('custom resources: served as soon as they are defined, gone with their definition', async () => {
  await using api = createTestServer();
  const definition = {
    metadata: { name: 'widgets.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [{ name: 'v1', served: true, storage: true, subresources: { status: {} } }],
    },
  };
  const path = '/apis/example.com/v1/namespaces/default/widgets';
  assert.equal((await api.send('POST', path, { metadata: { name: 'a' } })).status, 404);
  const defined = await api.send(
    'POST',
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    definition,
  );
  assert.ok(
    listAt(defined.body, 'status', 'conditions').some(
      (condition) => isObject(condition) && condition['type'] === 'Established',
    ),
  );
  const made = await api.send('POST', path, { metadata: { name: 'a' }, spec: { size: 3 }, anything: true });
  assert.deepEqual([made.status, made.body['kind'], made.body['anything']], [201, 'Widget', true]);
  assert.equal((await api.send('PATCH', `${path}/a`, { spec: { size: 4 } }, MERGE_PATCH)).status, 200);
  assert.equal((await api.send('PATCH', `${path}/a`, {}, STRATEGIC_PATCH)).status, 415);
  await api.send('DELETE', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com');
  assert.equal((await api.send('GET', path)).status, 404);
});

test('reviews answer and are not stored', async () => {
  await using api = createTestServer();
  const review = await api.send('POST', '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
    spec: { resourceAttributes: { verb: 'get', resource: 'pods' } },
  });
  assert.deepEqual([review.status, objectAt(review.body, 'status')['allowed']], [201, true]);
  const subject = await api.send('POST', '/apis/authorization.k8s.io/v1/subjectaccessreviews', {
    spec: { user: 'jane', resourceAttributes: { verb: 'get', resource: 'pods' } },
  });
  assert.equal(objectAt(subject.body, 'status')['allowed'], false);
  const self = await api.send('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {});
  assert.equal(stringAt(self.body, 'status', 'userInfo', 'username'), 'system:admin');
  assert.equal((await api.send('GET', '/apis/authorization.k8s.io/v1/subjectaccessreviews')).status, 405);
});
