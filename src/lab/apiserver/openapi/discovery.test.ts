import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtInKinds } from '../registry.ts';
import { discoveryDocument } from './discovery.ts';

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const BETA = 'application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList';

function body(path: string, accept = 'application/json'): Record<string, unknown> {
  const document = discoveryDocument(path, accept, builtInKinds, { serverAddress: '127.0.0.1:6443' });
  assert.ok(document, path);
  return document.body as Record<string, unknown>;
}

test('discoveryDocument answers /api and /apis', () => {
  assert.deepEqual(body('/api'), {
    kind: 'APIVersions',
    versions: ['v1'],
    serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: '127.0.0.1:6443' }],
  });
  const groups = body('/apis')['groups'] as { name: string; preferredVersion: object; versions: object[] }[];
  assert.deepEqual(
    groups.find(({ name }) => name === 'autoscaling'),
    {
      name: 'autoscaling',
      versions: [
        { groupVersion: 'autoscaling/v2', version: 'v2' },
        { groupVersion: 'autoscaling/v1', version: 'v1' },
      ],
      preferredVersion: { groupVersion: 'autoscaling/v2', version: 'v2' },
    },
  );
  assert.ok(!groups.some(({ name }) => name === ''));
  assert.equal(body('/apis/apps')['kind'], 'APIGroup');
});

test('discoveryDocument lists the resources of a version with their subresources', () => {
  const list = body('/apis/apps/v1');
  assert.equal(list['groupVersion'], 'apps/v1');
  const resources = list['resources'] as { name: string }[];
  assert.deepEqual(
    resources.find(({ name }) => name === 'deployments'),
    {
      name: 'deployments',
      singularName: 'deployment',
      namespaced: true,
      kind: 'Deployment',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['deploy'],
      categories: ['all'],
    },
  );
  assert.deepEqual(
    resources.find(({ name }) => name === 'deployments/scale'),
    {
      name: 'deployments/scale',
      singularName: '',
      namespaced: true,
      group: 'autoscaling',
      version: 'v1',
      kind: 'Scale',
      verbs: ['get', 'patch', 'update'],
    },
  );
});

test('discoveryDocument aggregates when the client asks for it', () => {
  for (const [accept, version] of [
    [AGGREGATED, 'v2'],
    [`${BETA},application/json`, 'v2beta1'],
    [`${AGGREGATED},${BETA},application/json`, 'v2'],
  ] as const) {
    const document = discoveryDocument('/apis', accept, builtInKinds);
    assert.equal(
      document?.contentType,
      `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
    );
    assert.equal((document.body as { apiVersion: string }).apiVersion, `apidiscovery.k8s.io/${version}`);
  }
  const [core] = body('/api', AGGREGATED)['items'] as { versions: { resources: { resource: string }[] }[] }[];
  assert.deepEqual(
    core?.versions[0]?.resources.find(({ resource }) => resource === 'services'),
    {
      resource: 'services',
      responseKind: { group: '', version: 'v1', kind: 'Service' },
      scope: 'Namespaced',
      singularResource: 'service',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['svc'],
      categories: ['all'],
      subresources: [
        {
          subresource: 'status',
          responseKind: { group: '', version: 'v1', kind: 'Service' },
          verbs: ['get', 'patch', 'update'],
        },
      ],
    },
  );
});

test('discoveryDocument prefers the plain form when the client does, or asks for an unknown version', () => {
  assert.equal(body('/apis', `application/json,${AGGREGATED}`)['kind'], 'APIGroupList');
  assert.equal(body('/apis', AGGREGATED.replace('v2', 'v3'))['kind'], 'APIGroupList');
  assert.equal(body('/apis', '')['kind'], 'APIGroupList');
});

test('discoveryDocument knows only what is served', () => {
  for (const path of ['/', '/apis/none', '/apis/apps/v2', '/api/v2', '/api/v1/pods', '/healthz']) {
    assert.equal(discoveryDocument(path, '', builtInKinds), undefined, path);
  }
});
