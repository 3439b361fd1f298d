import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fixtureView } from './fixture.ts';
import { nodeOfTarget, parseTarget, resolveDestination, resolveSource } from './request.ts';

const view = fixtureView();

test('parseTarget takes every form apart', () => {
  const rows: [text: string, expected: Record<string, string>][] = [
    ['web', { kind: 'unknown', name: 'web' }],
    ['web:80', { kind: 'unknown', name: 'web', port: '80' }],
    ['web:http', { kind: 'unknown', name: 'web', port: 'http' }],
    ['shop/web', { kind: 'unknown', namespace: 'shop', name: 'web' }],
    ['pod/web', { kind: 'pod', name: 'web' }],
    ['svc/web:80', { kind: 'service', name: 'web', port: '80' }],
    ['shop/svc/web', { kind: 'service', namespace: 'shop', name: 'web' }],
    ['deploy/web', { kind: 'deployment', name: 'web' }],
    ['shop/deployment/web', { kind: 'deployment', namespace: 'shop', name: 'web' }],
    [
      'api.shop.svc.cluster.local:8080',
      { kind: 'unknown', name: 'api.shop.svc.cluster.local', port: '8080' },
    ],
    ['10.244.1.7', { kind: 'address', name: '10.244.1.7' }],
    ['10.244.1.7:53', { kind: 'address', name: '10.244.1.7', port: '53' }],
    ['fd00::7', { kind: 'address', name: 'fd00::7' }],
    ['[fd00::7]:80', { kind: 'address', name: 'fd00::7', port: '80' }],
  ];
  for (const [text, expected] of rows) assert.deepEqual(parseTarget(text), { text, ...expected });
});

test('parseTarget refuses what names nothing', () => {
  for (const text of [
    '',
    '/',
    'a/b/c/d',
    'a b',
    'web:',
    ':80',
    '-web',
    'shop/ingress/web',
    '[web]:80',
    '../x',
    'a:b:c',
  ]) {
    assert.throws(() => parseTarget(text), { code: 'trace-target-malformed' }, text);
  }
});

test('resolveSource finds pods by name, namespace, kind, Deployment and address', () => {
  const rows: [text: string, name: string][] = [
    ['client', 'client'],
    ['pod/client', 'client'],
    ['default/client', 'client'],
    ['other/web', 'web'],
    ['deploy/web', 'web-1'],
    ['default/deploy/web', 'web-1'],
    ['10.244.2.6', 'web-2'],
  ];
  for (const [text, name] of rows)
    assert.equal(resolveSource(view, text, 'default').metadata?.name, name, text);
});

test('resolveSource says what there is instead', () => {
  const rows: [text: string, code: string, fix: RegExp][] = [
    ['nobody', 'trace-unknown-target', /There are: .*client/],
    ['web', 'trace-unknown-target', /Did you mean other\/web or deploy\/web|Did you mean other\/web/],
    ['svc/web', 'trace-source-not-a-pod', /deploy\/NAME/],
    ['172.18.0.2', 'trace-unknown-pod', /kubectl get pods/],
    ['pod/world', 'trace-unknown-target', /There are: /],
    ['deploy/empty', 'trace-deployment-without-pods', /kubectl describe deployment -n default empty/],
    ['deploy/nobody', 'trace-unknown-target', /There are: .*deploy\/web/],
    ['pending', 'trace-pod-without-address', /kubectl describe pod -n default pending/],
  ];
  for (const [text, code, fix] of rows) {
    assert.throws(() => resolveSource(view, text, 'default'), { code, fix }, text);
  }
  assert.throws(() => resolveSource(view, '10.9.9.9', 'default'), { code: 'trace-unknown-pod' });
});

test('nodeOfTarget takes nodes by kind, address and bare name', () => {
  const find = (text: string) => nodeOfTarget(view, parseTarget(text), 'default')?.metadata?.name;
  assert.deepEqual(['node/node-1', 'node-2:30080', '172.18.0.3:80'].map(find), [
    'node-1',
    'node-2',
    'node-2',
  ]);
  assert.deepEqual(['client', 'web', 'deploy/web', '10.244.1.5'].map(find), [
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  assert.throws(() => find('node/node-9'), { code: 'trace-unknown-node', fix: /node-1, node-2/ });
});

test('resolveDestination finds a Service by its name and namespace', () => {
  for (const text of [
    'svc/web.default:80',
    'svc/web.default.svc:80',
    'service/web.default.svc.cluster.local:80',
  ]) {
    const found = resolveDestination(view, text, 'other');
    assert.ok(found.kind === 'service', text);
    assert.deepEqual([found.service.metadata?.name, found.port], ['web', '80']);
  }
  assert.throws(() => resolveDestination(view, 'svc/web.other', 'default'), {
    message: /There is no Service web in namespace other/,
    fix: /Did you mean default\/svc\/web\?/,
  });
});

test('resolveDestination tells pods, Services, names and addresses apart', () => {
  const kind = (text: string): string => resolveDestination(view, text, 'default').kind;
  assert.equal(kind('web-1'), 'pod');
  assert.equal(kind('web'), 'service');
  assert.equal(kind('other/web'), 'pod');
  assert.equal(kind('web.default'), 'name');
  assert.equal(kind('10.96.0.20:80'), 'address');
  assert.equal(kind('deploy/web'), 'pod');
  assert.throws(() => kind('client'), {
    code: 'trace-target-ambiguous',
    fix: 'Write pod/client or svc/client.',
  });
  assert.throws(() => kind('nobody-here'), { code: 'trace-unknown-target' });
});
