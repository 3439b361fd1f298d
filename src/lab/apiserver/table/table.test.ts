import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtInKinds, type ServedKind } from '../registry.ts';
import { renderTable } from './render.ts';
import { hasPrinter, toTable } from './table.ts';

const now = new Date('2024-03-01T12:00:00Z');
const created = '2024-03-01T10:30:00Z';

function kindOf(kind: string, group = '', version = 'v1'): ServedKind {
  const found = builtInKinds.find(
    (one) => one.kind === kind && one.group === group && one.version === version,
  );
  assert.ok(found, `${kind} is served`);
  return found;
}

/** One object a line, as `kubectl get` prints it. */
function print(kind: ServedKind, objects: readonly object[], { wide = true } = {}): string {
  return `\n${renderTable(toTable(kind, objects, { now }), { wide })}\n`;
}

const meta = (name: string, rest: object = {}): object => ({ name, creationTimestamp: created, ...rest });
const running = { running: { startedAt: created } };
const container = (name: string, rest: object = {}): object => ({
  name,
  ready: false,
  restartCount: 0,
  image: '',
  imageID: '',
  state: running,
  ...rest,
});

test('toTable shows a pod by the state of its containers', () => {
  const spec = {
    nodeName: 'node-1',
    containers: [{ name: 'a' }, { name: 'b' }],
    initContainers: [{ name: 'i' }, { name: 'j' }],
  };
  const plain = { nodeName: 'node-1', containers: [{ name: 'a' }] };
  const pod = (name: string, podSpec: object, status: object, metadata: object = {}): object => ({
    metadata: meta(name, metadata),
    spec: podSpec,
    status,
  });
  const waiting = (reason: string): object => ({ waiting: { reason } });
  const ended = (rest: object): object => ({ terminated: { exitCode: 0, ...rest } });
  const objects = [
    pod('pending', { containers: [{ name: 'a' }] }, { phase: 'Pending' }),
    pod('gated', plain, {
      phase: 'Pending',
      conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }],
    }),
    pod('creating', plain, {
      phase: 'Pending',
      containerStatuses: [container('a', { state: waiting('ContainerCreating') })],
    }),
    pod('init-first', spec, {
      phase: 'Pending',
      initContainerStatuses: [container('i'), container('j', { state: waiting('PodInitializing') })],
    }),
    pod('init-second', spec, {
      phase: 'Pending',
      initContainerStatuses: [container('i', { state: ended({ reason: 'Completed' }) }), container('j')],
    }),
    pod('init-crash', spec, {
      phase: 'Pending',
      initContainerStatuses: [
        container('i', {
          restartCount: 4,
          state: waiting('CrashLoopBackOff'),
          lastState: ended({ exitCode: 1, finishedAt: '2024-03-01T11:59:20Z' }),
        }),
      ],
    }),
    pod('init-error', spec, {
      phase: 'Pending',
      initContainerStatuses: [container('i', { state: ended({ exitCode: 2 }) })],
    }),
    pod('running', plain, {
      phase: 'Running',
      podIP: '10.244.1.5',
      podIPs: [{ ip: '10.244.1.5' }],
      containerStatuses: [container('a', { ready: true })],
    }),
    pod('not-ready', plain, { phase: 'Running', podIP: '10.244.1.6', containerStatuses: [container('a')] }),
    pod(
      'crashing',
      { ...plain, containers: [{ name: 'a' }, { name: 'b' }] },
      {
        phase: 'Running',
        containerStatuses: [
          container('a', {
            restartCount: 3,
            state: waiting('CrashLoopBackOff'),
            lastState: ended({ exitCode: 1, finishedAt: '2024-03-01T11:55:00Z' }),
          }),
          container('b', {
            ready: true,
            restartCount: 1,
            lastState: ended({ finishedAt: '2024-03-01T11:00:00Z' }),
          }),
        ],
      },
    ),
    pod('killed', plain, {
      phase: 'Failed',
      containerStatuses: [container('a', { state: ended({ exitCode: 137, signal: 9 }) })],
    }),
    pod('oom', plain, {
      phase: 'Failed',
      containerStatuses: [container('a', { state: ended({ exitCode: 137, reason: 'OOMKilled' }) })],
    }),
    pod('done', plain, {
      phase: 'Succeeded',
      containerStatuses: [container('a', { state: ended({ reason: 'Completed' }) })],
    }),
    pod(
      'half-done',
      { ...plain, containers: [{ name: 'a' }, { name: 'b' }] },
      {
        phase: 'Running',
        containerStatuses: [
          container('a', { state: ended({ reason: 'Completed' }) }),
          container('b', { ready: true }),
        ],
      },
    ),
    pod('evicted', plain, { phase: 'Failed', reason: 'Evicted' }),
    pod(
      'going',
      plain,
      { phase: 'Running', containerStatuses: [container('a', { ready: true })] },
      { deletionTimestamp: created },
    ),
    pod('lost', plain, { phase: 'Running', reason: 'NodeLost' }, { deletionTimestamp: created }),
    pod(
      'sidecar',
      {
        ...plain,
        initContainers: [{ name: 's', restartPolicy: 'Always' }],
        readinessGates: [{ conditionType: 'g' }],
      },
      {
        phase: 'Running',
        conditions: [
          { type: 'g', status: 'True' },
          { type: 'Initialized', status: 'True' },
        ],
        initContainerStatuses: [container('s', { ready: true, started: true, restartCount: 1 })],
        containerStatuses: [container('a', { ready: true })],
      },
    ),
  ];
  assert.equal(
    print(kindOf('Pod'), objects),
    `
NAME          READY   STATUS                  RESTARTS      AGE   IP           NODE     NOMINATED NODE   READINESS GATES
pending       0/1     Pending                 0             90m   <none>       <none>   <none>           <none>
gated         0/1     SchedulingGated         0             90m   <none>       node-1   <none>           <none>
creating      0/1     ContainerCreating       0             90m   <none>       node-1   <none>           <none>
init-first    0/2     Init:0/2                0             90m   <none>       node-1   <none>           <none>
init-second   0/2     Init:1/2                0             90m   <none>       node-1   <none>           <none>
init-crash    0/2     Init:CrashLoopBackOff   4 (40s ago)   90m   <none>       node-1   <none>           <none>
init-error    0/2     Init:ExitCode:2         0             90m   <none>       node-1   <none>           <none>
running       1/1     Running                 0             90m   10.244.1.5   node-1   <none>           <none>
not-ready     0/1     Running                 0             90m   10.244.1.6   node-1   <none>           <none>
crashing      1/2     CrashLoopBackOff        4 (5m ago)    90m   <none>       node-1   <none>           <none>
killed        0/1     Signal:9                0             90m   <none>       node-1   <none>           <none>
oom           0/1     OOMKilled               0             90m   <none>       node-1   <none>           <none>
done          0/1     Completed               0             90m   <none>       node-1   <none>           <none>
half-done     1/2     NotReady                0             90m   <none>       node-1   <none>           <none>
evicted       0/1     Evicted                 0             90m   <none>       node-1   <none>           <none>
going         1/1     Terminating             0             90m   <none>       node-1   <none>           <none>
lost          0/1     Unknown                 0             90m   <none>       node-1   <none>           <none>
sidecar       2/2     Running                 1             90m   <none>       node-1   <none>           1/1
`,
  );
});

const template = {
  spec: {
    containers: [
      { name: 'web', image: 'nginx:1' },
      { name: 'log', image: 'fluent' },
    ],
  },
};
const selector = { matchLabels: { app: 'web' } };

/** Kind, group, one or more objects, and what kubectl prints with -o wide. */
const goldens: [kind: string, group: string, objects: object[], printed: string][] = [
  [
    'Deployment',
    'apps',
    [
      {
        metadata: meta('web'),
        spec: { replicas: 3, selector, template },
        status: { replicas: 3, readyReplicas: 2, updatedReplicas: 3, availableReplicas: 2 },
      },
      { metadata: meta('new'), spec: { selector, template } },
    ],
    `
NAME   READY   UP-TO-DATE   AVAILABLE   AGE   CONTAINERS   IMAGES           SELECTOR
web    2/3     3            2           90m   web,log      nginx:1,fluent   app=web
new    0/1     0            0           90m   web,log      nginx:1,fluent   app=web
`,
  ],
  [
    'ReplicaSet',
    'apps',
    [
      {
        metadata: meta('web-1'),
        spec: { replicas: 3, selector, template },
        status: { replicas: 3, readyReplicas: 2 },
      },
    ],
    `
NAME    DESIRED   CURRENT   READY   AGE   CONTAINERS   IMAGES           SELECTOR
web-1   3         3         2       90m   web,log      nginx:1,fluent   app=web
`,
  ],
  [
    'StatefulSet',
    'apps',
    [{ metadata: meta('db'), spec: { replicas: 2, template }, status: { readyReplicas: 1 } }],
    `
NAME   READY   AGE   CONTAINERS   IMAGES
db     1/2     90m   web,log      nginx:1,fluent
`,
  ],
  [
    'DaemonSet',
    'apps',
    [
      {
        metadata: meta('agent'),
        spec: { selector, template: { spec: { ...template.spec, nodeSelector: { os: 'linux' } } } },
        status: {
          desiredNumberScheduled: 3,
          currentNumberScheduled: 3,
          numberReady: 2,
          updatedNumberScheduled: 3,
          numberAvailable: 2,
        },
      },
    ],
    `
NAME    DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR   AGE   CONTAINERS   IMAGES           SELECTOR
agent   3         3         2       3            2           os=linux        90m   web,log      nginx:1,fluent   app=web
`,
  ],
  [
    'Job',
    'batch',
    [
      {
        metadata: meta('run'),
        spec: { completions: 3, template, selector },
        status: { succeeded: 1, startTime: '2024-03-01T11:58:00Z' },
      },
      {
        metadata: meta('done'),
        spec: { template, selector },
        status: {
          succeeded: 1,
          startTime: '2024-03-01T11:58:00Z',
          completionTime: '2024-03-01T11:58:30Z',
          conditions: [{ type: 'Complete', status: 'True' }],
        },
      },
      {
        metadata: meta('many'),
        spec: { parallelism: 4, template, selector },
        status: { conditions: [{ type: 'Failed', status: 'True' }] },
      },
    ],
    `
NAME   STATUS     COMPLETIONS   DURATION   AGE   CONTAINERS   IMAGES           SELECTOR
run    Running    1/3           2m         90m   web,log      nginx:1,fluent   app=web
done   Complete   1/1           30s        90m   web,log      nginx:1,fluent   app=web
many   Failed     0/1 of 4                 90m   web,log      nginx:1,fluent   app=web
`,
  ],
  [
    'CronJob',
    'batch',
    [
      {
        metadata: meta('tick'),
        spec: { schedule: '* * * * *', suspend: false, jobTemplate: { spec: { template } } },
        status: { active: [{}], lastScheduleTime: '2024-03-01T11:59:30Z' },
      },
    ],
    `
NAME   SCHEDULE    TIMEZONE   SUSPEND   ACTIVE   LAST SCHEDULE   AGE   CONTAINERS   IMAGES           SELECTOR
tick   * * * * *   <none>     False     1        30s             90m   web,log      nginx:1,fluent   <none>
`,
  ],
  [
    'Service',
    '',
    [
      {
        metadata: meta('kubernetes'),
        spec: { type: 'ClusterIP', clusterIP: '10.96.0.1', ports: [{ port: 443, protocol: 'TCP' }] },
      },
      {
        metadata: meta('headless'),
        spec: { type: 'ClusterIP', clusterIP: 'None', clusterIPs: ['None'], selector: { app: 'db' } },
      },
      {
        metadata: meta('node'),
        spec: {
          type: 'NodePort',
          clusterIP: '10.96.0.9',
          ports: [
            { port: 80, nodePort: 30080, protocol: 'TCP' },
            { port: 53, nodePort: 30053, protocol: 'UDP' },
          ],
        },
      },
      {
        metadata: meta('wait'),
        spec: {
          type: 'LoadBalancer',
          clusterIP: '10.96.0.8',
          ports: [{ port: 80, nodePort: 31000, protocol: 'TCP' }],
        },
      },
      {
        metadata: meta('balanced'),
        spec: {
          type: 'LoadBalancer',
          clusterIP: '10.96.0.7',
          externalIPs: ['192.0.2.9'],
          ports: [{ port: 80, protocol: 'TCP' }],
        },
        status: { loadBalancer: { ingress: [{ ip: '203.0.113.5' }, { hostname: 'lb.example' }] } },
      },
      { metadata: meta('away'), spec: { type: 'ExternalName', externalName: 'db.example' } },
    ],
    `
NAME         TYPE           CLUSTER-IP   EXTERNAL-IP                        PORT(S)                     AGE   SELECTOR
kubernetes   ClusterIP      10.96.0.1    <none>                             443/TCP                     90m   <none>
headless     ClusterIP      None         <none>                             <none>                      90m   app=db
node         NodePort       10.96.0.9    <none>                             80:30080/TCP,53:30053/UDP   90m   <none>
wait         LoadBalancer   10.96.0.8    <pending>                          80:31000/TCP                90m   <none>
balanced     LoadBalancer   10.96.0.7    203.0.113.5,lb.example,192.0.2.9   80/TCP                      90m   <none>
away         ExternalName   <none>       db.example                         <none>                      90m   <none>
`,
  ],
  [
    'Endpoints',
    '',
    [
      {
        metadata: meta('web'),
        subsets: [
          {
            addresses: [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }, { ip: 'fd00::1' }, { ip: '10.0.0.4' }],
            ports: [{ port: 80 }],
          },
        ],
      },
      { metadata: meta('none') },
    ],
    `
NAME   ENDPOINTS                                           AGE
web    10.0.0.1:80,10.0.0.2:80,[fd00::1]:80 + 1 more...   90m
none   <none>                                              90m
`,
  ],
  [
    'EndpointSlice',
    'discovery.k8s.io',
    [
      {
        metadata: meta('web-x'),
        addressType: 'IPv4',
        ports: [{ port: 80 }, { port: 443 }],
        endpoints: [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.2'] }],
      },
      { metadata: meta('none'), addressType: 'IPv6', endpoints: [] },
    ],
    `
NAME    ADDRESSTYPE   PORTS     ENDPOINTS           AGE
web-x   IPv4          80,443    10.0.0.1,10.0.0.2   90m
none    IPv6          <unset>   <unset>             90m
`,
  ],
  [
    'Ingress',
    'networking.k8s.io',
    [
      {
        metadata: meta('web'),
        spec: {
          ingressClassName: 'podnet',
          tls: [{}],
          rules: [{ host: 'a.example' }, { host: 'b.example' }],
        },
        status: { loadBalancer: { ingress: [{ ip: '203.0.113.5' }] } },
      },
      { metadata: meta('any'), spec: { rules: [{}] } },
    ],
    `
NAME   CLASS    HOSTS                 ADDRESS       PORTS     AGE
web    podnet   a.example,b.example   203.0.113.5   80, 443   90m
any    <none>   *                                   80        90m
`,
  ],
  [
    'IngressClass',
    'networking.k8s.io',
    [
      {
        metadata: meta('podnet'),
        spec: {
          controller: 'podnet.dev/ingress',
          parameters: { apiGroup: 'podnet.dev', kind: 'Config', name: 'main' },
        },
      },
    ],
    `
NAME     CONTROLLER           PARAMETERS               AGE
podnet   podnet.dev/ingress   Config.podnet.dev/main   90m
`,
  ],
  [
    'NetworkPolicy',
    'networking.k8s.io',
    [
      { metadata: meta('deny'), spec: { podSelector: {} } },
      { metadata: meta('web'), spec: { podSelector: selector } },
    ],
    `
NAME   POD-SELECTOR   AGE
deny   <none>         90m
web    app=web        90m
`,
  ],
  [
    'Node',
    '',
    [
      {
        metadata: meta('node-1', {
          labels: { 'node-role.kubernetes.io/control-plane': '', 'kubernetes.io/role': 'edge' },
        }),
        spec: { unschedulable: true },
        status: {
          conditions: [{ type: 'Ready', status: 'True' }],
          addresses: [{ type: 'InternalIP', address: '172.18.0.2' }],
          nodeInfo: {
            kubeletVersion: 'v1.34.0',
            osImage: 'podnet',
            kernelVersion: '6.18',
            containerRuntimeVersion: 'podnet://1',
          },
        },
      },
      { metadata: meta('node-2'), status: { conditions: [{ type: 'Ready', status: 'False' }] } },
      { metadata: meta('node-3') },
    ],
    `
NAME     STATUS                     ROLES                AGE   VERSION   INTERNAL-IP   EXTERNAL-IP   OS-IMAGE    KERNEL-VERSION   CONTAINER-RUNTIME
node-1   Ready,SchedulingDisabled   control-plane,edge   90m   v1.34.0   172.18.0.2    <none>        podnet      6.18             podnet://1
node-2   NotReady                   <none>               90m             <none>        <none>        <unknown>   <unknown>        <unknown>
node-3   Unknown                    <none>               90m             <none>        <none>        <unknown>   <unknown>        <unknown>
`,
  ],
  [
    'Namespace',
    '',
    [{ metadata: meta('default'), status: { phase: 'Active' } }],
    `
NAME      STATUS   AGE
default   Active   90m
`,
  ],
  [
    'Event',
    '',
    [
      {
        metadata: meta('web.1'),
        type: 'Normal',
        reason: 'Pulled',
        message: 'Container image "x" is here\n',
        count: 3,
        firstTimestamp: '2024-03-01T11:00:00Z',
        lastTimestamp: '2024-03-01T11:59:00Z',
        involvedObject: { kind: 'Pod', name: 'web', fieldPath: 'spec.containers{web}' },
        source: { component: 'kubelet', host: 'node-1' },
      },
    ],
    `
LAST SEEN   TYPE     REASON   OBJECT    SUBOBJECT              SOURCE            MESSAGE                       FIRST SEEN   COUNT   NAME
60s         Normal   Pulled   pod/web   spec.containers{web}   kubelet, node-1   Container image "x" is here   60m          3       web.1
`,
  ],
  [
    'Event',
    'events.k8s.io',
    [
      {
        metadata: meta('web.2'),
        type: 'Warning',
        reason: 'Failed',
        note: 'No',
        eventTime: '2024-03-01T11:59:30.000000Z',
        regarding: { kind: 'Node', name: 'node-1' },
        reportingController: 'agent',
      },
    ],
    `
LAST SEEN   TYPE      REASON   OBJECT        SUBOBJECT   SOURCE   MESSAGE   FIRST SEEN   COUNT   NAME
30s         Warning   Failed   node/node-1               agent    No        30s          1       web.2
`,
  ],
  [
    'ConfigMap',
    '',
    [{ metadata: meta('c'), data: { a: '', b: '' }, binaryData: { c: '' } }],
    `
NAME   DATA   AGE
c      3      90m
`,
  ],
  [
    'Secret',
    '',
    [{ metadata: meta('s'), type: 'Opaque', data: { a: '' } }],
    `
NAME   TYPE     DATA   AGE
s      Opaque   1      90m
`,
  ],
  [
    'ServiceAccount',
    '',
    [{ metadata: meta('default') }],
    `
NAME      SECRETS   AGE
default   0         90m
`,
  ],
  [
    'RoleBinding',
    'rbac.authorization.k8s.io',
    [
      {
        metadata: meta('b'),
        roleRef: { kind: 'Role', name: 'r' },
        subjects: [
          { kind: 'User', name: 'u' },
          { kind: 'Group', name: 'g' },
          { kind: 'ServiceAccount', name: 'sa', namespace: 'ns' },
        ],
      },
    ],
    `
NAME   ROLE     AGE   USERS   GROUPS   SERVICEACCOUNTS
b      Role/r   90m   u       g        ns/sa
`,
  ],
  [
    'ClusterRole',
    'rbac.authorization.k8s.io',
    [{ metadata: meta('r') }],
    `
NAME   CREATED AT
r      2024-03-01T10:30:00Z
`,
  ],
  [
    'PodDisruptionBudget',
    'policy',
    [{ metadata: meta('web'), spec: { minAvailable: '50%' }, status: { disruptionsAllowed: 1 } }],
    `
NAME   MIN AVAILABLE   MAX UNAVAILABLE   ALLOWED DISRUPTIONS   AGE
web    50%             N/A               1                     90m
`,
  ],
  [
    'PersistentVolumeClaim',
    '',
    [
      {
        metadata: meta('data'),
        spec: { volumeName: 'pv-1', storageClassName: 'fast', volumeMode: 'Filesystem' },
        status: {
          phase: 'Bound',
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteOnce', 'ReadOnlyMany'],
        },
      },
      { metadata: meta('wait'), status: { phase: 'Pending' } },
    ],
    `
NAME   STATUS    VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   VOLUMEATTRIBUTESCLASS   AGE   VOLUMEMODE
data   Bound     pv-1     1Gi        RWO,ROX        fast           <unset>                 90m   Filesystem
wait   Pending                                                     <unset>                 90m   <unset>
`,
  ],
  [
    'Lease',
    'coordination.k8s.io',
    [{ metadata: meta('node-1'), spec: { holderIdentity: 'node-1' } }],
    `
NAME     HOLDER   AGE
node-1   node-1   90m
`,
  ],
  [
    'HorizontalPodAutoscaler',
    'autoscaling',
    [
      {
        metadata: meta('web'),
        spec: {
          scaleTargetRef: { kind: 'Deployment', name: 'web' },
          minReplicas: 2,
          maxReplicas: 5,
          metrics: [
            {
              type: 'Resource',
              resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
            },
          ],
        },
        status: {
          currentReplicas: 3,
          currentMetrics: [
            { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 12 } } },
          ],
        },
      },
    ],
    `
NAME   REFERENCE        TARGETS        MINPODS   MAXPODS   REPLICAS   AGE
web    Deployment/web   cpu: 12%/80%   2         5         3          90m
`,
  ],
  [
    'ControllerRevision',
    'apps',
    [
      {
        metadata: meta('db-1', {
          ownerReferences: [
            { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: '1', controller: true },
          ],
        }),
        revision: 2,
      },
    ],
    `
NAME   CONTROLLER                REVISION   AGE
db-1   statefulset.apps/db       2          90m
`,
  ],
  [
    'StorageClass',
    'storage.k8s.io',
    [{ metadata: meta('fast'), provisioner: 'podnet' }],
    `
NAME   PROVISIONER   RECLAIMPOLICY   VOLUMEBINDINGMODE   ALLOWVOLUMEEXPANSION   AGE
fast   podnet        Delete          Immediate           false                  90m
`,
  ],
  [
    'PriorityClass',
    'scheduling.k8s.io',
    [{ metadata: meta('high'), value: 1000 }],
    `
NAME   VALUE   GLOBAL-DEFAULT   AGE   PREEMPTIONPOLICY
high   1000    false            90m   PreemptLowerPriority
`,
  ],
];

for (const [kind, group, objects, printed] of goldens) {
  test(`toTable shows ${kind}${group && `.${group}`}`, () => {
    const version = kind === 'HorizontalPodAutoscaler' ? 'v2' : 'v1';
    const squeeze = (text: string): string => text.replaceAll(/ {2,}/g, '  ');
    assert.equal(squeeze(print(kindOf(kind, group, version), objects)), squeeze(printed));
  });
}

test('every listed kind has columns of its own or is known to have none', () => {
  const withoutColumns = ['ClusterRole', 'CustomResourceDefinition', 'LimitRange', 'Role'];
  const missing = builtInKinds
    .filter((kind) => kind.verbs.includes('list') && !hasPrinter(kind))
    .map(({ kind }) => kind);
  assert.deepEqual(missing.toSorted(), withoutColumns);
});

test('every printer fills its row for an object with nothing but a name', () => {
  for (const kind of builtInKinds.filter(({ verbs }) => verbs.includes('list'))) {
    const bare = { metadata: { name: 'x' } };
    const { columnDefinitions, rows } = toTable(kind, [bare], { now });
    assert.equal(rows[0]?.cells.length, columnDefinitions?.length, kind.kind);
  }
});

test("toTable keeps the list's metadata and puts in the objects that were asked for", () => {
  const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'a', resourceVersion: '7' } };
  const kind = kindOf('Namespace');
  const listMetadata = { resourceVersion: '9', continue: 'x' };
  assert.deepEqual(toTable(kind, [namespace], { now, listMetadata }).metadata, listMetadata);
  assert.deepEqual(toTable(kind, [namespace], { now }).metadata, { resourceVersion: '7' });
  assert.equal(toTable(kind, [namespace], { now, includeObject: 'None' }).rows[0]?.object, null);
  assert.equal(toTable(kind, [namespace], { now, includeObject: 'Object' }).rows[0]?.object, namespace);
  assert.deepEqual(toTable(kind, [namespace], { now, version: 'v1beta1' }).rows[0]?.object, {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1beta1',
    metadata: namespace.metadata,
  });
});

test('toTable sends no columns with later events of a watch', () => {
  assert.equal(toTable(kindOf('Pod'), [], { now, withColumns: false }).columnDefinitions, null);
});

test('toTable shows custom kinds by the columns of their definition', () => {
  const kind: ServedKind = { ...kindOf('ConfigMap'), group: 'example.org', kind: 'Widget', custom: true };
  const object = {
    metadata: meta('w'),
    spec: { size: 3, on: true, tags: ['a', 'b'], since: '2024-03-01T11:59:00Z' },
  };
  const custom = (name: string, type: string, jsonPath: string, priority = 0): never =>
    ({ name, type, jsonPath, priority }) as never;
  const customColumns = [
    custom('Size', 'integer', '.spec.size'),
    custom('On', 'boolean', '.spec.on'),
    custom('Tags', 'string', '.spec.tags[*]', 1),
    custom('Since', 'date', '.spec.since'),
    custom('Missing', 'string', '.spec.none'),
  ];
  assert.equal(
    renderTable(toTable(kind, [object], { now, customColumns }), { wide: true }),
    'NAME   SIZE   ON     TAGS   SINCE   MISSING\nw      3      true   a,b    60s     <none>',
  );
  assert.equal(renderTable(toTable(kind, [object], { now })), 'NAME   AGE\nw      90m');
});
