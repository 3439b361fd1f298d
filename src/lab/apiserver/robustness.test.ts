import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import {
  createTestServer,
  JSON_PATCH,
  MERGE_PATCH,
  podManifest,
  STRATEGIC_PATCH,
  APPLY_PATCH,
} from './fixture.ts';
import { isObject, type Loose } from './json-value.ts';
import { apiVersionOf, builtInKinds } from './registry.ts';

const TEMPLATE = {
  metadata: { labels: { a: 'b' } },
  spec: {
    containers: [
      {
        name: 'a',
        image: 'b',
        ports: [{ containerPort: 80 }],
        env: [{ name: 'A', value: 'b' }],
        readinessProbe: { httpGet: { port: 80 } },
      },
    ],
    volumes: [{ name: 'v', emptyDir: {} }],
  },
};
const SELECTOR = { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] };

/** Something like what people send, by kind; the mutations below make it less so. */
const SPECS: Readonly<Record<string, Loose>> = {
  Pod: TEMPLATE.spec,
  Service: {
    type: 'NodePort',
    clusterIPs: ['10.96.0.77'],
    ipFamilies: ['IPv4'],
    ports: [{ name: 'a', port: 80, nodePort: 30_077, targetPort: 'web' }],
    selector: { a: 'b' },
  },
  Deployment: {
    replicas: 2,
    selector: SELECTOR,
    template: TEMPLATE,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } },
  },
  Job: { template: { ...TEMPLATE, spec: { ...TEMPLATE.spec, restartPolicy: 'Never' } } },
  CronJob: { schedule: '* * * * *', jobTemplate: { spec: { template: TEMPLATE } } },
  NetworkPolicy: {
    podSelector: SELECTOR,
    ingress: [
      {
        from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }],
        ports: [{ port: 80, endPort: 90 }],
      },
    ],
  },
  Ingress: {
    rules: [
      {
        host: 'a.b',
        http: {
          paths: [
            { path: '/', pathType: 'Prefix', backend: { service: { name: 'a', port: { number: 80 } } } },
          ],
        },
      },
    ],
  },
  CustomResourceDefinition: {
    group: 'a.b',
    scope: 'Namespaced',
    names: { plural: 'xs', kind: 'X' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        additionalPrinterColumns: [{ name: 'a', type: 'string', jsonPath: '.a' }],
      },
    ],
  },
  HorizontalPodAutoscaler: {
    maxReplicas: 3,
    scaleTargetRef: { kind: 'Deployment', name: 'a' },
    metrics: [
      { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 5 } } },
    ],
  },
};

function manifest(kind: string): Loose {
  const workload = ['DaemonSet', 'ReplicaSet', 'ReplicationController', 'StatefulSet'].includes(kind);
  const spec =
    SPECS[kind] ?? (workload ? { selector: SELECTOR, template: TEMPLATE } : { selector: SELECTOR });
  const rest = {
    EndpointSlice: {
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true } }],
      ports: [{ port: 80 }],
    },
    Endpoints: { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] },
    Secret: { data: { a: 'Yg==' }, stringData: { c: 'd' } },
    ConfigMap: { data: { a: 'b' } },
    RoleBinding: { roleRef: { kind: 'Role', name: 'a' }, subjects: [{ kind: 'User', name: 'a' }] },
    Role: { rules: [{ apiGroups: [''], resources: ['*'], verbs: ['get'] }] },
  }[kind];
  return structuredClone({ metadata: { name: 'web', labels: { a: 'b' } }, ...(rest ?? { spec }) });
}

const junk = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    '',
    'x',
    '-',
    '10.1',
    '999999999999',
    -1,
    0,
    1.5,
    70_000,
    1e300,
    true,
    [],
    {},
    [null],
    [[]],
    [{}],
    { '': {} },
    ['x', 1],
    { $patch: 'delete' },
  ),
  fc.jsonValue({ maxDepth: 2 }),
);

/** Puts junk at a place chosen by `picks`, going down as far as they lead. */
function mutate(value: unknown, picks: readonly number[], junkValue: unknown): unknown {
  const [pick, ...rest] = picks;
  if (pick === undefined || typeof value !== 'object' || value === null) return junkValue;
  if (Array.isArray(value)) {
    if (value.length === 0) return [junkValue];
    return value.map((item: unknown, index) =>
      index === pick % value.length ? mutate(item, rest, junkValue) : item,
    );
  }
  const keys = Object.keys(value);
  const key = keys[pick % Math.max(1, keys.length)];
  return key === undefined || !isObject(value)
    ? junkValue
    : { ...value, [key]: mutate(value[key], rest, junkValue) };
}

test('no body of any kind makes the server fail', async () => {
  await using api = createTestServer({ onError: () => undefined });
  const kinds = builtInKinds.filter((kind) => kind.verbs.includes('create'));
  const mutation = fc.tuple(
    fc.nat(kinds.length - 1),
    fc.array(fc.nat(12), { minLength: 1, maxLength: 9 }),
    junk,
  );
  await fc.assert(
    fc.asyncProperty(fc.array(mutation, { minLength: 4, maxLength: 4 }), async (mutations) => {
      for (const [index, picks, value] of mutations) {
        const kind = kinds[index];
        assert.ok(kind);
        const body = mutate(manifest(kind.kind), picks, value);
        const base = kind.group === '' ? '/api/v1' : `/apis/${apiVersionOf(kind)}`;
        const path = `${base}${kind.namespaced ? '/namespaces/default' : ''}/${kind.plural}`;
        const made = await api.send('POST', path, body);
        assert.ok(made.status < 500, `${kind.kind} ${JSON.stringify(body)}: ${String(made.body.message)}`);
        if (made.status !== 201 || !kind.verbs.includes('update')) continue;
        const put = await api.send(
          'PUT',
          `${path}/web`,
          mutate(manifest(kind.kind), picks.toReversed(), value),
        );
        assert.ok(put.status < 500, `${kind.kind} PUT: ${String(put.body.message)}`);
        await api.send('DELETE', `${path}/web`, { gracePeriodSeconds: 0 });
      }
    }),
    { numRuns: 400 },
  );
});

test('no patch makes the server fail, and a refused one changes nothing', async () => {
  await using api = createTestServer({ onError: () => undefined });
  const path = '/api/v1/namespaces/default/pods/web';
  await api.send('POST', '/api/v1/namespaces/default/pods', podManifest('web'));
  const patch = fc.oneof(
    junk,
    fc
      .tuple(fc.array(fc.nat(12), { maxLength: 8 }), junk)
      .map(([picks, value]) => mutate(manifest('Pod'), picks, value)),
    fc.array(
      fc.record({
        op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test', 'x'),
        path: fc.constantFrom(
          '',
          '/',
          '/metadata',
          '/metadata/labels/a',
          '/spec/containers/0',
          '/spec/containers/-',
          '/kind',
        ),
        from: fc.constantFrom('/spec', '/metadata/name'),
        value: junk,
      }),
      { maxLength: 3 },
    ),
  );
  await fc.assert(
    fc.asyncProperty(
      patch,
      fc.constantFrom(JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH),
      async (body, type) => {
        const before = await api.send('GET', path);
        const { status, body: answer } = await api.send('PATCH', path, body, {
          ...type,
          query: { fieldManager: 'me' },
        });
        assert.ok(status < 500, `${type.contentType} ${JSON.stringify(body)}: ${String(answer.message)}`);
        if (status >= 400) assert.equal((await api.send('GET', path)).body, before.body);
      },
    ),
    { numRuns: 1000 },
  );
});
