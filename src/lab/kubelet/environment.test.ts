import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Container, Pod } from '../../model/objects.ts';
import { containerEnvironment, serviceVariables } from './environment.ts';
import { expandVariables } from './expansion.ts';

const pod: Pod = {
  metadata: { name: 'web', namespace: 'shop', uid: 'u1', labels: { app: 'web', tier: 'a"b' } },
  spec: { containers: [] },
};
const facts = {
  podAddresses: ['10.0.0.5', 'fd00::5'],
  hostAddresses: ['172.18.0.2'],
  nodeName: 'node-1',
  cpus: 2,
  memoryBytes: 2 ** 30,
};

function environment(container: Partial<Container>): Record<string, string> {
  return containerEnvironment(
    { name: 'c', ...container },
    {
      pod,
      facts,
      configMap: (name) => (name === 'settings' ? { data: { A: '1', 'with.dot': 'x' } } : undefined),
      secret: (name) =>
        name === 'keys' ? { data: { TOKEN: Buffer.from('s3cret').toString('base64') } } : undefined,
      services: [],
    },
  );
}

test('expandVariables replaces what it knows and leaves the rest', () => {
  const variables = { A: '1', B: '$(A)' };
  assert.equal(expandVariables('$(A)-$(B)-$(C)-$$(A)-$A-$(', variables), '1-$(A)-$(C)-$(A)-$A-$(');
  assert.equal(expandVariables('$(__proto__)$(toString)', variables), '$(__proto__)$(toString)');
});

test('containerEnvironment lets later variables use earlier ones', () => {
  const result = environment({
    envFrom: [{ prefix: 'P_', configMapRef: { name: 'settings' } }, { secretRef: { name: 'keys' } }],
    env: [
      { name: 'B', value: '$(P_A)$(TOKEN)' },
      { name: 'TOKEN', value: 'over' },
      { name: 'C', value: '$(D)' },
      { name: 'D', value: 'late' },
    ],
  });
  assert.deepEqual(result, {
    P_A: '1',
    'P_with.dot': 'x',
    TOKEN: 'over',
    B: '1s3cret',
    C: '$(D)',
    D: 'late',
  });
});

test('containerEnvironment reads the downward API', () => {
  const field = (fieldPath: string): string | undefined =>
    environment({ env: [{ name: 'X', valueFrom: { fieldRef: { fieldPath } } }] })['X'];
  assert.equal(field('status.podIPs'), '10.0.0.5,fd00::5');
  assert.equal(field("metadata.labels['app']"), 'web');
  assert.equal(field('metadata.labels'), 'app="web"\ntier="a\\"b"');
  assert.equal(field('spec.nodeName'), 'node-1');
  assert.throws(() => field('spec.containers'), { code: 'config-missing', where: 'container c, env X' });
  const resource = (name: string, divisor?: string): string | undefined =>
    environment({
      resources: { limits: { cpu: '1500m' } },
      env: [
        {
          name: 'X',
          valueFrom: { resourceFieldRef: { resource: name, ...(divisor !== undefined && { divisor }) } },
        },
      ],
    })['X'];
  assert.equal(resource('limits.cpu'), '2');
  assert.equal(resource('limits.cpu', '1m'), '1500');
  assert.equal(resource('limits.memory', '1Mi'), '1024');
});

test('containerEnvironment names what is missing, unless it is optional', () => {
  assert.throws(() => environment({ envFrom: [{ configMapRef: { name: 'none' } }] }), {
    message: 'configmap "none" not found',
  });
  assert.throws(
    () => environment({ env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'keys', key: 'nope' } } }] }),
    { message: "couldn't find key nope in secret keys" },
  );
  assert.deepEqual(
    environment({
      env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'none', key: 'k', optional: true } } }],
    }),
    {},
  );
});

test('serviceVariables are those of container links', () => {
  assert.deepEqual(
    serviceVariables([
      { metadata: { name: 'my-db' }, spec: { clusterIP: '10.96.0.7', ports: [{ name: 'pg', port: 5432 }] } },
      { metadata: { name: 'headless' }, spec: { clusterIP: 'None', ports: [{ port: 1 }] } },
    ]),
    {
      MY_DB_SERVICE_HOST: '10.96.0.7',
      MY_DB_SERVICE_PORT: '5432',
      MY_DB_SERVICE_PORT_PG: '5432',
      MY_DB_PORT: 'tcp://10.96.0.7:5432',
      MY_DB_PORT_5432_TCP: 'tcp://10.96.0.7:5432',
      MY_DB_PORT_5432_TCP_PROTO: 'tcp',
      MY_DB_PORT_5432_TCP_PORT: '5432',
      MY_DB_PORT_5432_TCP_ADDR: '10.96.0.7',
    },
  );
});
