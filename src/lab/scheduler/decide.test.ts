import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodSpec } from 'kubernetes-types/core/v1.d.ts';
import type { Node, Pod } from '../../model/objects.ts';
import { decide, type Decision } from './decide.ts';
import { NodeInfo } from './node-info.ts';
import { podRequests, readPod, type NamespaceLabels } from './pod-info.ts';

interface NodeOptions {
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: string;
  readonly labels?: Record<string, string>;
  readonly spec?: Node['spec'];
}

function node(name: string, options: NodeOptions = {}): NodeInfo {
  const { cpu = '4', memory = '8Gi', pods = '110', labels = {}, spec } = options;
  return new NodeInfo(name, {
    metadata: { name, labels: { 'kubernetes.io/hostname': name, ...labels } },
    ...(spec && { spec }),
    status: { allocatable: { cpu, memory, pods } },
  });
}

interface PodOptions {
  readonly labels?: Record<string, string>;
  readonly namespace?: string;
  readonly requests?: Record<string, string>;
  readonly hostPort?: number;
  readonly owner?: string;
  readonly spec?: Partial<PodSpec>;
}

function pod(name: string, options: PodOptions = {}): Pod {
  const { labels = {}, namespace = 'default', requests, hostPort, owner, spec } = options;
  return {
    metadata: {
      name,
      namespace,
      labels,
      ...(owner && {
        ownerReferences: [
          { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: owner, controller: true },
        ],
      }),
    },
    spec: {
      containers: [
        {
          name: 'c',
          image: 'i',
          ...(requests && { resources: { requests } }),
          ...(hostPort && { ports: [{ containerPort: 80, hostPort }] }),
        },
      ],
      ...spec,
    },
  };
}

const namespaceLabels: NamespaceLabels = (name) => ({ 'kubernetes.io/metadata.name': name, team: name });

function choose(wanted: Pod, nodes: readonly NodeInfo[]): Decision {
  return decide(readPod(wanted, namespaceLabels), nodes);
}

function place(target: NodeInfo, ...placed: readonly Pod[]): NodeInfo {
  for (const each of placed) target.add(readPod(each, namespaceLabels));
  return target;
}

const term = (labels: Record<string, string>, topologyKey = 'kubernetes.io/hostname') => ({
  labelSelector: { matchLabels: labels },
  topologyKey,
});

interface Case {
  readonly what: string;
  readonly pod: Pod;
  readonly nodes: readonly NodeInfo[];
  /** A node's name, or the message. */
  readonly expected: string;
}

const cases: readonly Case[] = [
  { what: 'no nodes', pod: pod('p'), nodes: [], expected: 'no nodes available to schedule pods' },
  {
    what: 'too little CPU and memory everywhere, each counted',
    pod: pod('p', { requests: { cpu: '5', memory: '9Gi' } }),
    nodes: [node('a'), node('b', { memory: '16Gi' }), node('c', { cpu: '8' })],
    expected: '0/3 nodes are available: 2 Insufficient cpu, 2 Insufficient memory.',
  },
  {
    what: 'what other pods have requested',
    pod: pod('p', { requests: { cpu: '2' } }),
    nodes: [place(node('a'), pod('x', { requests: { cpu: '3' } })), node('b', { cpu: '2' })],
    expected: 'b',
  },
  {
    what: 'too many pods',
    pod: pod('p'),
    nodes: [place(node('a', { pods: '1' }), pod('x'))],
    expected: '0/1 nodes are available: 1 Too many pods.',
  },
  {
    what: 'a resource no node has',
    pod: pod('p', { requests: { 'example.com/gpu': '1' } }),
    nodes: [node('a')],
    expected: '0/1 nodes are available: 1 Insufficient example.com/gpu.',
  },
  {
    what: 'a node that is cordoned',
    pod: pod('p'),
    nodes: [node('a', { spec: { unschedulable: true } })],
    expected: '0/1 nodes are available: 1 node(s) were unschedulable.',
  },
  {
    what: 'a cordoned node, tolerated',
    pod: pod('p', {
      spec: { tolerations: [{ key: 'node.kubernetes.io/unschedulable', operator: 'Exists' }] },
    }),
    nodes: [node('a', { spec: { unschedulable: true } })],
    expected: 'a',
  },
  {
    what: 'a taint',
    pod: pod('p'),
    nodes: [node('a', { spec: { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] } })],
    expected: '0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}.',
  },
  {
    what: 'a taint, tolerated with its value',
    pod: pod('p', { spec: { tolerations: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] } }),
    nodes: [node('a', { spec: { taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] } })],
    expected: 'a',
  },
  {
    what: 'a taint, tolerated with another value',
    pod: pod('p', { spec: { tolerations: [{ key: 'gpu', value: 'no' }] } }),
    nodes: [node('a', { spec: { taints: [{ key: 'gpu', value: 'yes', effect: 'NoExecute' }] } })],
    expected: '0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}.',
  },
  {
    what: 'every taint, tolerated at once',
    pod: pod('p', { spec: { tolerations: [{ operator: 'Exists' }] } }),
    nodes: [node('a', { spec: { taints: [{ key: 'gpu', effect: 'NoSchedule' }] } })],
    expected: 'a',
  },
  {
    what: 'a taint that only prefers',
    pod: pod('p'),
    nodes: [node('a', { spec: { taints: [{ key: 'slow', effect: 'PreferNoSchedule' }] } }), node('b')],
    expected: 'b',
  },
  {
    what: 'a node selector',
    pod: pod('p', { spec: { nodeSelector: { disk: 'ssd' } } }),
    nodes: [node('a'), node('b', { labels: { disk: 'ssd' } })],
    expected: 'b',
  },
  {
    what: 'a node selector that matches nothing',
    pod: pod('p', { spec: { nodeSelector: { disk: 'ssd' } } }),
    nodes: [node('a', { labels: { disk: 'hdd' } })],
    expected: "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
  },
  {
    what: 'required node affinity: any term, all of its conditions',
    pod: pod('p', {
      spec: {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                {},
                {
                  matchExpressions: [
                    { key: 'cores', operator: 'Gt', values: ['8'] },
                    { key: 'old', operator: 'DoesNotExist' },
                  ],
                },
                { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['nowhere'] }] },
              ],
            },
          },
        },
      },
    }),
    nodes: [
      node('a', { labels: { cores: '16', old: '' } }),
      node('b', { labels: { cores: '9' } }),
      node('c'),
    ],
    expected: 'b',
  },
  {
    what: 'preferred node affinity',
    pod: pod('p', {
      spec: {
        affinity: {
          nodeAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              {
                weight: 5,
                preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: ['z2'] }] },
              },
            ],
          },
        },
      },
    }),
    nodes: [node('a', { labels: { zone: 'z1' } }), place(node('b', { labels: { zone: 'z2' } }), pod('x'))],
    expected: 'b',
  },
  {
    what: 'the same host port',
    pod: pod('p', { hostPort: 8080 }),
    nodes: [place(node('a'), pod('x', { hostPort: 8080 })), place(node('b'), pod('y', { hostPort: 8081 }))],
    expected: 'b',
  },
  {
    what: 'no free host port',
    pod: pod('p', { hostPort: 8080 }),
    nodes: [place(node('a'), pod('x', { hostPort: 8080 }))],
    expected: "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
  },
  {
    what: 'pod affinity',
    pod: pod('p', {
      spec: {
        affinity: {
          podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term({ app: 'db' }, 'zone')] },
        },
      },
    }),
    nodes: [
      node('a', { labels: { zone: 'z1' } }),
      place(node('b', { labels: { zone: 'z2' } }), pod('x', { labels: { app: 'db' } })),
      node('c'),
    ],
    expected: 'b',
  },
  {
    what: 'pod affinity with pods of other namespaces only',
    pod: pod('p', {
      spec: {
        affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term({ app: 'db' })] } },
      },
    }),
    nodes: [place(node('a'), pod('x', { labels: { app: 'db' }, namespace: 'other' }))],
    expected: "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.",
  },
  {
    what: 'pod affinity with a namespace selector',
    pod: pod('p', {
      spec: {
        affinity: {
          podAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              { ...term({ app: 'db' }), namespaceSelector: { matchLabels: { team: 'other' } } },
            ],
          },
        },
      },
    }),
    nodes: [node('a'), place(node('b'), pod('x', { labels: { app: 'db' }, namespace: 'other' }))],
    expected: 'b',
  },
  {
    what: 'the first pod of a group with affinity to itself',
    pod: pod('p', {
      labels: { app: 'db' },
      spec: {
        affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term({ app: 'db' })] } },
      },
    }),
    nodes: [node('a')],
    expected: 'a',
  },
  {
    what: 'pod anti-affinity',
    pod: pod('p', {
      spec: {
        affinity: {
          podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term({ app: 'db' })] },
        },
      },
    }),
    nodes: [place(node('a'), pod('x', { labels: { app: 'db' } })), place(node('b'), pod('y'), pod('z'))],
    expected: 'b',
  },
  {
    what: 'the anti-affinity of a pod that is there already',
    pod: pod('p', { labels: { app: 'noisy' } }),
    nodes: [
      place(
        node('a'),
        pod('x', {
          spec: {
            affinity: {
              podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term({ app: 'noisy' })] },
            },
          },
        }),
      ),
    ],
    expected: "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.",
  },
  {
    what: 'preferred pod anti-affinity',
    pod: pod('p', {
      spec: {
        affinity: {
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 100, podAffinityTerm: term({ app: 'db' }) },
            ],
          },
        },
      },
    }),
    nodes: [place(node('a'), pod('x', { labels: { app: 'db' } })), place(node('b'), pod('y'), pod('z'))],
    expected: 'b',
  },
  {
    what: 'a topology spread over zones',
    pod: pod('p', {
      labels: { app: 'web' },
      spec: {
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: 'zone',
            whenUnsatisfiable: 'DoNotSchedule',
            labelSelector: { matchLabels: { app: 'web' } },
          },
        ],
      },
    }),
    nodes: [
      place(node('a', { labels: { zone: 'z1' } }), pod('x', { labels: { app: 'web' } })),
      node('b', { labels: { zone: 'z1' } }),
      place(node('c', { labels: { zone: 'z2' } }), pod('y'), pod('z')),
    ],
    expected: 'c',
  },
  {
    what: 'a topology spread over nodes without the label',
    pod: pod('p', {
      spec: {
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }],
      },
    }),
    nodes: [node('a')],
    expected:
      "0/1 nodes are available: 1 node(s) didn't match pod topology spread constraints (missing required label).",
  },
  {
    what: 'a topology spread that is only preferred',
    pod: pod('p', {
      labels: { app: 'web' },
      spec: {
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: 'kubernetes.io/hostname',
            whenUnsatisfiable: 'ScheduleAnyway',
            labelSelector: { matchLabels: { app: 'web' } },
          },
        ],
      },
    }),
    nodes: [place(node('a'), pod('x', { labels: { app: 'web' } })), place(node('b'), pod('y'))],
    expected: 'b',
  },
  {
    what: 'several reasons, in order',
    pod: pod('p', { requests: { cpu: '5' } }),
    nodes: [
      node('a'),
      node('b', { spec: { unschedulable: true } }),
      node('c', { spec: { taints: [{ key: 't', effect: 'NoExecute' }] } }),
    ],
    expected:
      '0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {t: }, 1 node(s) were unschedulable.',
  },
  {
    what: 'the node with more left',
    pod: pod('p', { requests: { cpu: '100m' } }),
    nodes: [place(node('a'), pod('x', { requests: { cpu: '2' } })), node('b')],
    expected: 'b',
  },
  {
    what: 'the node without pods of the same controller',
    pod: pod('p', { owner: 'rs' }),
    nodes: [place(node('a'), pod('x', { owner: 'rs' })), place(node('b'), pod('y'))],
    expected: 'b',
  },
  {
    what: 'the first by name when all are equal',
    pod: pod('p'),
    nodes: [node('b'), node('a')],
    expected: 'a',
  },
];

for (const { what, pod: wanted, nodes, expected } of cases)
  test(`decide: ${what}`, () => {
    const { nodeName, message } = choose(wanted, nodes);
    assert.equal(nodeName ?? message, expected);
  });

test('decide spreads a burst of equal pods evenly', () => {
  const nodes = ['a', 'b', 'c'].map((name) => node(name, { pods: '500', cpu: '64', memory: '128Gi' }));
  for (let i = 0; i < 300; i++) {
    const wanted = readPod(pod(`p${i}`, { owner: 'rs' }));
    const { nodeName } = decide(wanted, nodes);
    nodes.find(({ name }) => name === nodeName)?.add(wanted);
  }
  assert.deepEqual(
    nodes.map(({ pods }) => pods.size),
    [100, 100, 100],
  );
});

test('NodeInfo forgets what a removed pod had requested', () => {
  const target = place(
    node('a'),
    pod('x', { requests: { cpu: '1', memory: '1Gi', 'example.com/gpu': '1' }, owner: 'rs' }),
  );
  place(target, pod('x', { requests: { cpu: '2' } }));
  assert.equal(target.milliCpu, 2000);
  target.remove('default/x');
  target.remove('default/x');
  assert.deepEqual(
    [target.milliCpu, target.memoryBytes, target.scoredMilliCpu, target.ofController.size],
    [0, 0, 0, 0],
  );
  assert.equal(target.others.get('example.com/gpu'), 0);
});

test('podRequests counts containers, init containers, sidecars, limits and overhead', () => {
  const container = (name: string, cpu: string, more: object = {}) => ({
    name,
    image: 'i',
    resources: { requests: { cpu } },
    ...more,
  });
  const cpuOf = (spec: Partial<PodSpec>): number =>
    podRequests({ spec: { containers: [], ...spec } }).milliCpu;
  assert.equal(cpuOf({ containers: [container('a', '100m'), container('b', '200m')] }), 300);
  assert.equal(cpuOf({ containers: [container('a', '100m')], initContainers: [container('i', '1')] }), 1000);
  assert.equal(
    cpuOf({
      containers: [container('a', '1')],
      initContainers: [container('s', '500m', { restartPolicy: 'Always' }), container('i', '800m')],
    }),
    1500,
  );
  assert.equal(cpuOf({ containers: [container('a', '1')], overhead: { cpu: '250m' } }), 1250);
  assert.equal(cpuOf({ containers: [{ name: 'a', image: 'i', resources: { limits: { cpu: '2' } } }] }), 2000);
});
