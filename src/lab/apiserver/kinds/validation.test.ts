import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createTestServer, podManifest } from '../fixture.ts';
import { listAt, objectAt, stringAt, type Loose } from '../json-value.ts';

const CORE = '/api/v1/namespaces/default';
const APPS = '/apis/apps/v1/namespaces/default';
const NETWORKING = '/apis/networking.k8s.io/v1/namespaces/default';

/** A container as the only one of a pod. */
function container(more: Loose): Loose {
  return podManifest('web', { containers: [{ name: 'web', image: 'nginx', ...more }] });
}

function deployment(spec: Loose, podSpec: Loose = {}): Loose {
  const labels = { app: 'web' };
  return {
    metadata: { name: 'web' },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'web', image: 'nginx' }], ...podSpec } },
      ...spec,
    },
  };
}

function service(spec: Loose): Loose {
  return { metadata: { name: 'web' }, spec: { ports: [{ port: 80 }], ...spec } };
}

/** `[what, path, object, what the message says]` */
const REFUSED: readonly (readonly [string, string, Loose, string])[] = [
  [
    'no containers',
    `${CORE}/pods`,
    podManifest('web', { containers: [] }),
    'Pod "web" is invalid: spec.containers: Required value',
  ],
  [
    'container twice',
    `${CORE}/pods`,
    podManifest('web', {
      containers: [
        { name: 'a', image: 'x' },
        { name: 'a', image: 'x' },
      ],
    }),
    'spec.containers[1].name: Duplicate value: "a"',
  ],
  [
    'no image',
    `${CORE}/pods`,
    podManifest('web', { containers: [{ name: 'a' }] }),
    'spec.containers[0].image: Required value',
  ],
  [
    'container name',
    `${CORE}/pods`,
    podManifest('web', { containers: [{ name: 'A_b', image: 'x' }] }),
    'spec.containers[0].name: Invalid value: "A_b": a lowercase RFC 1123 label must consist of',
  ],
  [
    'port range',
    `${CORE}/pods`,
    container({ ports: [{ containerPort: 70000 }] }),
    'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
  ],
  [
    'port name twice',
    `${CORE}/pods`,
    container({
      ports: [
        { name: 'a', containerPort: 1 },
        { name: 'a', containerPort: 2 },
      ],
    }),
    'spec.containers[0].ports[1].name: Duplicate value: "a"',
  ],
  [
    'host port twice',
    `${CORE}/pods`,
    container({
      ports: [
        { containerPort: 1, hostPort: 80 },
        { containerPort: 2, hostPort: 80 },
      ],
    }),
    'spec.containers[0].ports[1].hostPort: Duplicate value: "TCP//80"',
  ],
  [
    'protocol',
    `${CORE}/pods`,
    container({ ports: [{ containerPort: 1, protocol: 'tcp' }] }),
    'spec.containers[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"',
  ],
  [
    'restart policy',
    `${CORE}/pods`,
    podManifest('web', { restartPolicy: 'Sometimes' }),
    'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
  ],
  [
    'probe without handler',
    `${CORE}/pods`,
    container({ readinessProbe: {} }),
    'spec.containers[0].readinessProbe: Required value: must specify a handler type',
  ],
  [
    'probe with two',
    `${CORE}/pods`,
    container({ livenessProbe: { httpGet: { port: 1 }, tcpSocket: { port: 1 } } }),
    'spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type',
  ],
  [
    'liveness threshold',
    `${CORE}/pods`,
    container({ livenessProbe: { tcpSocket: { port: 1 }, successThreshold: 2 } }),
    'spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1',
  ],
  [
    'unknown volume',
    `${CORE}/pods`,
    container({ volumeMounts: [{ name: 'data', mountPath: '/data' }] }),
    'spec.containers[0].volumeMounts[0].name: Not found: "data"',
  ],
  [
    'two volume types',
    `${CORE}/pods`,
    podManifest('web', { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] }),
    'spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type',
  ],
  [
    'request over limit',
    `${CORE}/pods`,
    container({ resources: { requests: { cpu: '2' }, limits: { cpu: '500m' } } }),
    'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 500m',
  ],
  [
    'DNS policy None',
    `${CORE}/pods`,
    podManifest('web', { dnsPolicy: 'None' }),
    'must provide at least one DNS nameserver when `dnsPolicy` is None',
  ],
  [
    'label',
    `${CORE}/pods`,
    podManifest('web', {}, { labels: { 'a b': 'c' } }),
    'metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters',
  ],
  [
    'label value',
    `${CORE}/pods`,
    podManifest('web', {}, { labels: { a: '-' } }),
    'metadata.labels: Invalid value: "-": a valid label must be an empty string or consist of',
  ],
  [
    'name',
    `${CORE}/pods`,
    podManifest('Web'),
    'metadata.name: Invalid value: "Web": a lowercase RFC 1123 subdomain must consist of',
  ],
  [
    'missing account',
    `${CORE}/pods`,
    podManifest('web', { serviceAccountName: 'bot' }),
    'pods "web" is forbidden: error looking up service account default/bot: serviceaccount "bot" not found',
  ],
  [
    'missing priority',
    `${CORE}/pods`,
    podManifest('web', { priorityClassName: 'high' }),
    'pods "web" is forbidden: no PriorityClass with name high was found',
  ],
  [
    'no selector',
    `${APPS}/deployments`,
    deployment({ selector: undefined }),
    'Deployment.apps "web" is invalid: spec.selector: Required value',
  ],
  [
    'empty selector',
    `${APPS}/deployments`,
    deployment({ selector: {} }),
    'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
  ],
  [
    'selector mismatch',
    `${APPS}/deployments`,
    deployment({ selector: { matchLabels: { app: 'x' } } }),
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ],
  [
    'template restart policy',
    `${APPS}/deployments`,
    deployment({}, { restartPolicy: 'Never' }),
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  ],
  [
    'negative replicas',
    `${APPS}/deployments`,
    deployment({ replicas: -1 }),
    'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
  ],
  [
    'no progress possible',
    `${APPS}/deployments`,
    deployment({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } }),
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
  ],
  [
    'template container',
    `${APPS}/replicasets`,
    deployment({}, { containers: [] }),
    'ReplicaSet.apps "web" is invalid: spec.template.spec.containers: Required value',
  ],
  [
    'no ports',
    `${CORE}/services`,
    service({ ports: [] }),
    'Service "web" is invalid: spec.ports: Required value',
  ],
  [
    'unnamed ports',
    `${CORE}/services`,
    service({ ports: [{ port: 1 }, { port: 2, name: 'b' }] }),
    'spec.ports[0].name: Required value',
  ],
  [
    'service port name twice',
    `${CORE}/services`,
    service({
      ports: [
        { port: 1, name: 'a' },
        { port: 2, name: 'a' },
      ],
    }),
    'spec.ports[1].name: Duplicate value: "a"',
  ],
  [
    'service port twice',
    `${CORE}/services`,
    service({
      ports: [
        { port: 1, name: 'a' },
        { port: 1, name: 'b' },
      ],
    }),
    'spec.ports[1]: Duplicate value: {"name":"b","protocol":"TCP","port":1}',
  ],
  [
    'malformed clusterIP',
    `${CORE}/services`,
    service({ clusterIP: '10.96.1' }),
    'spec.clusterIPs[0]: Invalid value: "10.96.1": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
  ],
  [
    'octal clusterIP',
    `${CORE}/services`,
    service({ clusterIP: '010.96.1.1' }),
    'spec.clusterIPs[0]: Invalid value: "010.96.1.1": must be a valid IP address',
  ],
  [
    'node port on ClusterIP',
    `${CORE}/services`,
    service({ ports: [{ port: 1, nodePort: 30001 }] }),
    "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
  ],
  [
    'service name',
    `${CORE}/services`,
    { ...service({}), metadata: { name: '1web' } },
    'metadata.name: Invalid value: "1web": a DNS-1035 label must consist of',
  ],
  [
    'service type',
    `${CORE}/services`,
    service({ type: 'Magic' }),
    'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
  ],
  [
    'affinity timeout',
    `${CORE}/services`,
    service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 0 } } }),
    'must be greater than 0 and less than 86400',
  ],
  [
    'external name',
    `${CORE}/services`,
    { metadata: { name: 'web' }, spec: { type: 'ExternalName' } },
    'spec.externalName: Required value',
  ],
  [
    'slice without type',
    '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    { metadata: { name: 'web' }, endpoints: [] },
    'addressType: Required value',
  ],
  [
    'slice of the wrong family',
    '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    { metadata: { name: 'web' }, addressType: 'IPv4', endpoints: [{ addresses: ['::1'] }] },
    'endpoints[0].addresses[0]: Invalid value: "::1": must be a valid IPv4 address',
  ],
  [
    'loopback endpoint',
    `${CORE}/endpoints`,
    { metadata: { name: 'web' }, subsets: [{ addresses: [{ ip: '127.0.0.1' }] }] },
    'may not be in the loopback range (127.0.0.0/8, ::1/128)',
  ],
  [
    'policy CIDR',
    `${NETWORKING}/networkpolicies`,
    {
      metadata: { name: 'p' },
      spec: {
        podSelector: {},
        ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }],
      },
    },
    'spec.ingress[0].from[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
  ],
  [
    'policy end port',
    `${NETWORKING}/networkpolicies`,
    { metadata: { name: 'p' }, spec: { podSelector: {}, ingress: [{ ports: [{ port: 9, endPort: 8 }] }] } },
    'spec.ingress[0].ports[0].endPort: Invalid value: 8: must be greater than or equal to `port`',
  ],
  [
    'ingress path type',
    `${NETWORKING}/ingresses`,
    {
      metadata: { name: 'i' },
      spec: {
        rules: [
          { http: { paths: [{ path: '/', backend: { service: { name: 'a', port: { number: 1 } } } }] } },
        ],
      },
    },
    'spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified',
  ],
  [
    'secret data',
    `${CORE}/secrets`,
    { metadata: { name: 's' }, data: { a: '***' } },
    'data[a]: Invalid value: "<secret contents redacted>": must be base64 encoded',
  ],
  [
    'definition that hides a built-in kind',
    '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    {
      metadata: { name: 'networkpolicies.networking.k8s.io' },
      spec: {
        group: 'networking.k8s.io',
        scope: 'Namespaced',
        names: { plural: 'networkpolicies', kind: 'NetworkPolicy' },
        versions: [{ name: 'v1', served: true, storage: true }],
      },
    },
    'networkpolicies.networking.k8s.io is served by the API server itself',
  ],
  [
    'cron schedule',
    '/apis/batch/v1/namespaces/default/cronjobs',
    {
      metadata: { name: 'c' },
      spec: {
        schedule: 'daily',
        jobTemplate: {
          spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'b' }] } } },
        },
      },
    },
    'spec.schedule: Invalid value: "daily": expected exactly 5 fields',
  ],
];

test('what is refused, and in which words', async (t) => {
  await using api = createTestServer();
  for (const [what, path, object, words] of REFUSED) {
    await t.test(what, async () => {
      const { status, body } = await api.send('POST', path, object);
      assert.ok(status === 422 || status === 403, `${status} ${String(body.message)}`);
      assert.ok(String(body.message).includes(words), String(body.message));
      if (status === 422) assert.ok((body.details?.causes?.length ?? 0) > 0);
    });
  }
});

test('several errors are told at once', async () => {
  await using api = createTestServer();
  const { body } = await api.send(
    'POST',
    `${CORE}/pods`,
    podManifest('web', { containers: [{ name: 'a' }], restartPolicy: 'x' }),
  );
  assert.match(
    String(body.message),
    /^Pod "web" is invalid: \[spec\.containers\[0\]\.image: Required value, spec\.restartPolicy: /,
  );
  assert.deepEqual(
    body.details?.causes?.map(({ field }) => field),
    ['spec.containers[0].image', 'spec.restartPolicy'],
  );
});

test('pods get the defaults and admissions every cluster gives', async () => {
  await using api = createTestServer();
  const { body } = await api.send(
    'POST',
    `${CORE}/pods`,
    container({ ports: [{ containerPort: 80 }], readinessProbe: { httpGet: { port: 80 } } }),
  );
  const spec = objectAt(body, 'spec');
  const [web] = listAt(spec, 'containers');
  for (const [field, value] of Object.entries({
    restartPolicy: 'Always',
    dnsPolicy: 'ClusterFirst',
    terminationGracePeriodSeconds: 30,
    schedulerName: 'default-scheduler',
    serviceAccountName: 'default',
    serviceAccount: 'default',
    enableServiceLinks: true,
    priority: 0,
    preemptionPolicy: 'PreemptLowerPriority',
    securityContext: {},
  })) {
    assert.deepEqual(spec[field], value, field);
  }
  assert.equal(stringAt(web, 'imagePullPolicy'), 'Always');
  assert.deepEqual(listAt(web, 'ports'), [{ containerPort: 80, protocol: 'TCP' }]);
  assert.deepEqual(objectAt(web, 'readinessProbe'), {
    httpGet: { port: 80, path: '/', scheme: 'HTTP' },
    timeoutSeconds: 1,
    periodSeconds: 10,
    successThreshold: 1,
    failureThreshold: 3,
  });
  assert.equal(listAt(spec, 'tolerations').length, 2);
  assert.match(stringAt(listAt(spec, 'volumes')[0], 'name'), /^kube-api-access-/);
  assert.equal(
    stringAt(listAt(web, 'volumeMounts')[0], 'mountPath'),
    '/var/run/secrets/kubernetes.io/serviceaccount',
  );
  assert.deepEqual(body['status'], { phase: 'Pending', qosClass: 'BestEffort' });
});

test('a pod keeps its spec but for images and the like', async () => {
  await using api = createTestServer();
  const { body } = await api.send('POST', `${CORE}/pods`, podManifest('web'));
  const spec = objectAt(body, 'spec');
  const [web] = listAt(spec, 'containers');
  const changed = (more: Loose): Loose => ({
    ...body,
    metadata: { name: 'web' },
    spec: { ...spec, ...more },
  });
  const image = await api.send(
    'PUT',
    `${CORE}/pods/web`,
    changed({ containers: [{ ...objectAt(web), image: 'nginx:2' }] }),
  );
  assert.equal(image.status, 200);
  const node = await api.send('PUT', `${CORE}/pods/web`, changed({ nodeName: 'node-1' }));
  assert.equal(node.status, 422);
  assert.match(String(node.body.message), /spec: Forbidden: pod updates may not change fields other than/);
});

test('config maps and secrets may be immutable; stringData becomes data', async () => {
  await using api = createTestServer();
  const secret = await api.send('POST', `${CORE}/secrets`, {
    metadata: { name: 's' },
    stringData: { a: 'b' },
    immutable: true,
  });
  assert.deepEqual(
    [secret.body['data'], secret.body['stringData'], secret.body['type']],
    [{ a: 'Yg==' }, undefined, 'Opaque'],
  );
  const changed = await api.send('PUT', `${CORE}/secrets/s`, {
    metadata: { name: 's' },
    data: {},
    immutable: true,
  });
  assert.match(String(changed.body.message), /data: Forbidden: field is immutable when `immutable` is set/);
});

test('a port twice in a container is allowed with a warning', async () => {
  await using api = createTestServer();
  const { status } = await api.send(
    'POST',
    `${CORE}/pods`,
    container({ ports: [{ containerPort: 80 }, { containerPort: 80 }] }),
  );
  assert.equal(status, 201);
});
