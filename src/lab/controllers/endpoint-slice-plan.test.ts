import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EndpointSlice, Pod, Service } from '../../model/objects.ts';
import { maxEndpointsPerSlice, planEndpointSlices, type SlicePlan } from './endpoint-slice-plan.ts';
import { endpointsOf, isSameEndpoints } from './endpoints-plan.ts';
import { testPod, testService } from './scene.ts';
import { backendsOf, selectsPods } from './service-endpoints.ts';

function plan(service: Service, pods: readonly Pod[], slices: readonly EndpointSlice[] = []): SlicePlan {
  const zoneOf = (node: string): string | undefined => (node === 'node-1' ? 'zone-a' : undefined);
  return planEndpointSlices({ service, backends: backendsOf(service, pods), slices, zoneOf });
}

/** The slices after a plan was carried out. */
function carryOut(
  slices: readonly EndpointSlice[],
  { create, update, delete: doomed }: SlicePlan,
): EndpointSlice[] {
  const nameOf = ({ metadata }: EndpointSlice): string => metadata?.name ?? '';
  const kept = slices
    .filter((slice) => !doomed.some((each) => nameOf(each) === nameOf(slice)))
    .map((slice) => update.find((each) => nameOf(each) === nameOf(slice)) ?? slice);
  const created = create.map((slice, index) => ({
    ...slice,
    metadata: { ...slice.metadata, name: `web-${slices.length}-${index}` },
  }));
  return [...kept, ...created];
}

const count = (value: SlicePlan): readonly [number, number, number] => [
  value.create.length,
  value.update.length,
  value.delete.length,
];

const many = (from: number, to: number): Pod[] =>
  Array.from({ length: to - from }, (_, index) =>
    testPod(`pod-${from + index}`, { ip: `10.244.${(from + index) >> 8}.${(from + index) & 255}` }),
  );

test('planEndpointSlices makes a slice with everything readers need', () => {
  const service = testService(
    { ports: [{ name: 'http', port: 80, targetPort: 8080, appProtocol: 'h2c' }] },
    { team: 'a' },
  );
  const { create } = plan(service, [testPod('a', { ip: '10.244.1.5' })]);
  assert.deepEqual(create, [
    {
      metadata: {
        generateName: 'web-',
        namespace: 'default',
        labels: {
          team: 'a',
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        },
        ownerReferences: [
          {
            apiVersion: 'v1',
            kind: 'Service',
            name: 'web',
            uid: 'uid-service',
            controller: true,
            blockOwnerDeletion: true,
          },
        ],
      },
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: ['10.244.1.5'],
          conditions: { ready: true, serving: true, terminating: false },
          targetRef: { kind: 'Pod', namespace: 'default', name: 'a', uid: 'uid-a' },
          nodeName: 'node-1',
          zone: 'zone-a',
        },
      ],
      ports: [{ name: 'http', protocol: 'TCP', port: 8080, appProtocol: 'h2c' }],
    },
  ]);
});

const conditionCases = [
  ['ready', {}, {}, { ready: true, serving: true, terminating: false }],
  ['not ready', { ready: false }, {}, { ready: false, serving: false, terminating: false }],
  [
    'terminating and still serving',
    { terminating: true },
    {},
    { ready: false, serving: true, terminating: true },
  ],
  [
    'terminating',
    { terminating: true, ready: false },
    {},
    { ready: false, serving: false, terminating: true },
  ],
  [
    'not ready, published',
    { ready: false },
    { publishNotReadyAddresses: true },
    { ready: true, serving: false, terminating: false },
  ],
] as const;

for (const [what, pod, spec, expected] of conditionCases)
  test(`planEndpointSlices: conditions of a pod that is ${what}`, () => {
    const { create } = plan(testService(spec), [testPod('a', { ip: '10.0.0.1', ...pod })]);
    assert.deepEqual(create[0]?.endpoints[0]?.conditions, expected);
  });

test('planEndpointSlices leaves out pods without address and pods that ended', () => {
  const ended = { ...testPod('b', { ip: '10.0.0.2' }), status: { phase: 'Succeeded', podIP: '10.0.0.2' } };
  const { create } = plan(testService({}), [testPod('a'), ended]);
  assert.deepEqual(
    create.map(({ endpoints, ports }) => [endpoints, ports]),
    [[[], []]],
  );
});

test('planEndpointSlices groups pods by what a named port is on them', () => {
  const named = (name: string, ip: string, containerPort: number): Pod =>
    testPod(name, { ip, spec: { containers: [{ name: 'c', ports: [{ name: 'http', containerPort }] }] } });
  const service = testService({ ports: [{ port: 80, targetPort: 'http' }] });
  const pods = [named('a', '10.0.0.1', 8080), named('b', '10.0.0.2', 9090), named('c', '10.0.0.3', 8080)];
  const { create } = plan(service, [...pods, testPod('without', { ip: '10.0.0.4' })]);
  assert.deepEqual(
    create.map(({ ports, endpoints }) => [ports?.[0]?.port, endpoints.length]),
    [
      [8080, 2],
      [9090, 1],
      [undefined, 1],
    ],
  );
});

test('planEndpointSlices finds named ports by protocol, also in sidecars', () => {
  const pod = testPod('a', {
    ip: '10.0.0.1',
    spec: {
      containers: [{ name: 'c', ports: [{ name: 'dns', containerPort: 53, protocol: 'TCP' }] }],
      initContainers: [
        {
          name: 's',
          restartPolicy: 'Always',
          ports: [{ name: 'dns', containerPort: 5353, protocol: 'UDP' }],
        },
        { name: 'i', ports: [{ name: 'never', containerPort: 1 }] },
      ],
    },
  });
  const ports = [
    { name: 'tcp', port: 53, targetPort: 'dns', protocol: 'TCP' },
    { name: 'udp', port: 53, targetPort: 'dns', protocol: 'UDP' },
    { name: 'none', port: 1, targetPort: 'never' },
    { name: 'plain', port: 9 },
  ];
  const { create } = plan(testService({ ports }), [pod]);
  assert.deepEqual(
    create[0]?.ports?.map(({ name, port }) => [name, port]),
    [
      ['tcp', 53],
      ['udp', 5353],
      ['plain', 9],
    ],
  );
});

test('planEndpointSlices makes slices of both families', () => {
  const pod = testPod('a', { ip: '10.0.0.1' });
  const dual: Pod = { ...pod, status: { ...pod.status, podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] } };
  const { create } = plan(testService({ ipFamilies: ['IPv6', 'IPv4'] }), [dual]);
  assert.deepEqual(
    create.map(({ addressType, endpoints }) => [addressType, endpoints[0]?.addresses]),
    [
      ['IPv6', ['fd00::1']],
      ['IPv4', ['10.0.0.1']],
    ],
  );
});

test('planEndpointSlices names the hosts of a headless Service', () => {
  const service = testService({ clusterIP: 'None', ports: [] });
  const pods = [
    testPod('a', { ip: '10.0.0.1', spec: { hostname: 'web-0', subdomain: 'web' } }),
    testPod('b', { ip: '10.0.0.2', spec: { hostname: 'web-1', subdomain: 'elsewhere' } }),
  ];
  const { create } = plan(service, pods);
  assert.deepEqual(
    create[0]?.endpoints.map(({ hostname }) => hostname),
    ['web-0', undefined],
  );
  assert.equal(create[0]?.metadata?.labels?.['service.kubernetes.io/headless'], '');
});

test('planEndpointSlices puts at most 100 endpoints into a slice, and a change touches one slice', () => {
  const service = testService({});
  const pods = many(0, 1000);
  let slices = carryOut([], plan(service, pods));
  assert.equal(slices.length, 10);
  assert.ok(slices.every(({ endpoints }) => endpoints.length === maxEndpointsPerSlice));
  assert.deepEqual(count(plan(service, pods, slices)), [0, 0, 0], 'nothing to do');

  const one = pods.with(555, testPod('pod-555', { ip: '10.244.2.43', ready: false }));
  const change = plan(service, one, slices);
  assert.deepEqual(count(change), [0, 1, 0]);
  const before = slices.find(({ metadata }) => metadata?.name === change.update[0]?.metadata?.name);
  const differing = change.update[0]?.endpoints.filter((each, index) => each !== before?.endpoints[index]);
  assert.equal(differing?.length, 1, 'the other endpoints stay the same objects in the same places');

  const without = pods.toSpliced(100, 1);
  const removal = plan(service, without, slices);
  assert.deepEqual(count(removal), [0, 1, 0]);
  slices = carryOut(slices, removal);
  const addition = plan(service, [...without, ...many(1000, 1001)], slices);
  assert.deepEqual(count(addition), [0, 1, 0], 'the free place is taken');
  slices = carryOut(slices, addition);
  assert.deepEqual(count(plan(service, [...without, ...many(1000, 1011)], slices)), [1, 0, 0]);
});

test('planEndpointSlices empties, keeps one slice, and fills it again', () => {
  const service = testService({});
  const slices = carryOut([], plan(service, many(0, 150)));
  const emptied = plan(service, [], slices);
  assert.deepEqual(count(emptied), [0, 1, 1]);
  const rest = carryOut(slices, emptied);
  assert.deepEqual(count(plan(service, [], rest)), [0, 0, 0]);
  assert.deepEqual(count(plan(service, many(0, 3), rest)), [0, 1, 0]);
});

test('planEndpointSlices fills the slice of a Service that had no pods', () => {
  const service = testService({});
  const slices = carryOut([], plan(service, []));
  assert.equal(slices.length, 1);
  const filled = plan(service, many(0, 1), slices);
  assert.deepEqual(count(filled), [0, 1, 0]);
  assert.deepEqual(filled.update[0]?.ports, [{ name: '', protocol: 'TCP', port: 8080 }]);
  assert.equal(filled.update[0]?.metadata?.name, slices[0]?.metadata?.name);
});

test('planEndpointSlices replaces slices when the ports change', () => {
  const slices = carryOut([], plan(testService({}), many(0, 2)));
  const changed = plan(testService({ ports: [{ port: 80, targetPort: 9000 }] }), many(0, 2), slices);
  assert.deepEqual(count(changed), [1, 0, 1]);
});

test('planEndpointSlices passes changed labels of the Service on', () => {
  const slices = carryOut([], plan(testService({}), many(0, 1)));
  const changed = plan(testService({}, { tier: 'web' }), many(0, 1), slices);
  assert.deepEqual(count(changed), [0, 1, 0]);
  assert.equal(changed.update[0]?.metadata?.labels?.['tier'], 'web');
});

test('selectsPods is false for Services whose endpoints are made by hand', () => {
  assert.equal(selectsPods(testService({})), true);
  assert.equal(selectsPods(testService({ selector: {} })), false);
  assert.equal(selectsPods(testService({ type: 'ExternalName' })), false);
});

test('endpointsOf divides addresses into ready and not ready ones, sorted, without those that terminate', () => {
  const service = testService({ ports: [{ name: 'http', port: 80, targetPort: 8080 }] });
  const pods = [
    testPod('b', { ip: '10.0.0.2' }),
    testPod('a', { ip: '10.0.0.1' }),
    testPod('c', { ip: '10.0.0.3', ready: false }),
    testPod('d', { ip: '10.0.0.4', terminating: true }),
  ];
  const { subsets, metadata } = endpointsOf(service, backendsOf(service, pods));
  assert.equal(subsets?.length, 1);
  assert.deepEqual(
    subsets[0]?.addresses?.map(({ ip }) => ip),
    ['10.0.0.1', '10.0.0.2'],
  );
  assert.deepEqual(
    subsets[0]?.notReadyAddresses?.map(({ ip }) => ip),
    ['10.0.0.3'],
  );
  assert.deepEqual(subsets[0]?.ports, [{ name: 'http', protocol: 'TCP', port: 8080 }]);
  assert.equal(metadata?.name, 'web');
});

test('endpointsOf stops at a thousand addresses and says so', () => {
  const service = testService({});
  const { subsets, metadata } = endpointsOf(service, backendsOf(service, many(0, 1200)));
  assert.equal(subsets?.[0]?.addresses?.length, 1000);
  assert.equal(metadata?.annotations?.['endpoints.kubernetes.io/over-capacity'], 'truncated');
});

test('isSameEndpoints ignores what is not the controller’s', () => {
  const service = testService({});
  const wanted = endpointsOf(service, backendsOf(service, many(0, 2)));
  const current = {
    ...wanted,
    metadata: { ...wanted.metadata, resourceVersion: '7', annotations: { other: 'x' } },
  };
  assert.equal(isSameEndpoints(current, wanted), true);
  assert.equal(isSameEndpoints(current, endpointsOf(service, backendsOf(service, many(0, 3)))), false);
});
