import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, ReplicaSet } from '../../model/objects.ts';
import { boundsOf, isScaling, newReplicas, proportionalScales, shrinkOld, sizeOf } from './rolling-update.ts';

type Amount = number | string | undefined;

function deployment(replicas: number, maxSurge?: Amount, maxUnavailable?: Amount): Deployment {
  return {
    metadata: { name: 'web' },
    spec: {
      replicas,
      selector: {},
      template: {},
      strategy: {
        type: 'RollingUpdate',
        rollingUpdate: {
          ...(maxSurge !== undefined && { maxSurge }),
          ...(maxUnavailable !== undefined && { maxUnavailable }),
        },
      },
    },
  };
}

function replicaSet(name: string, replicas: number, available = replicas, annotations = {}): ReplicaSet {
  return {
    metadata: { name, annotations, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { replicas, selector: {} },
    status: { replicas, availableReplicas: available },
  };
}

test('boundsOf resolves numbers and percentages', () => {
  const cases: readonly (readonly [number, Amount, Amount, surge: number, unavailable: number])[] = [
    [10, undefined, undefined, 3, 2],
    [1, undefined, undefined, 1, 0],
    [4, '25%', '25%', 1, 1],
    [10, 5, 0, 5, 0],
    [10, 0, 3, 0, 3],
    [10, 0, 0, 0, 1],
    [3, 0, '10%', 0, 1],
    [2, 1, 5, 1, 2],
    [10, '100%', '0%', 10, 0],
  ];
  for (const [replicas, surge, unavailable, maxSurge, maxUnavailable] of cases)
    assert.deepEqual(
      boundsOf(deployment(replicas, surge, unavailable)),
      { maxSurge, maxUnavailable },
      `${replicas} replicas, surge ${surge}, unavailable ${unavailable}`,
    );
});

test('newReplicas grows as far as the surge allows', () => {
  const cases: readonly (readonly [replicas: number, current: number, total: number, expected: number])[] = [
    [10, 0, 10, 3],
    [10, 3, 13, 3],
    [10, 3, 11, 5],
    [10, 8, 10, 10],
    [10, 12, 12, 10],
    [10, 0, 0, 10],
    [10, 0, 20, 0],
  ];
  for (const [replicas, current, total, expected] of cases)
    assert.equal(newReplicas(deployment(replicas), { current, total }), expected, `${current} of ${total}`);
});

interface ShrinkCase {
  readonly name: string;
  readonly wanted: Deployment;
  readonly newest: readonly [replicas: number, available: number];
  readonly old: readonly (readonly [replicas: number, available: number])[];
  /** Sizes of the old ones afterwards. */
  readonly after: readonly number[];
}

const shrinkCases: readonly ShrinkCase[] = [
  {
    name: 'nothing while the new pods are not there',
    wanted: deployment(4, 1, 0),
    newest: [1, 0],
    old: [[4, 4]],
    after: [4],
  },
  {
    name: 'one for one new pod that is available',
    wanted: deployment(4, 1, 0),
    newest: [1, 1],
    old: [[4, 4]],
    after: [3],
  },
  {
    name: 'as many as may be unavailable at once',
    wanted: deployment(4, 0, 2),
    newest: [0, 0],
    old: [[4, 4]],
    after: [2],
  },
  {
    name: 'pods that serve nobody first',
    wanted: deployment(4, 1, 0),
    newest: [1, 1],
    old: [
      [2, 0],
      [2, 2],
    ],
    after: [1, 2],
  },
  {
    name: 'the oldest of healthy ones first',
    wanted: deployment(4, '100%', 0),
    newest: [3, 3],
    old: [
      [2, 2],
      [2, 2],
    ],
    after: [0, 1],
  },
  {
    name: 'everything when all new pods are available',
    wanted: deployment(3, 1, 0),
    newest: [3, 3],
    old: [
      [1, 1],
      [2, 2],
    ],
    after: [0, 0],
  },
  {
    name: 'nothing that is needed when the new pods fail',
    wanted: deployment(10, '25%', '25%'),
    newest: [5, 0],
    old: [[8, 8]],
    after: [8],
  },
];

for (const { name, wanted, newest, old, after } of shrinkCases)
  test(`shrinkOld takes ${name}`, () => {
    const oldSets = old.map(([replicas, available], index) =>
      replicaSet(`old-${index}`, replicas, available),
    );
    const scales = shrinkOld(wanted, { newest: replicaSet('new', ...newest), old: oldSets });
    assert.deepEqual(
      oldSets.map((each) => sizeOf(scales, each)),
      after,
    );
  });

test('shrinkOld and newReplicas lead every rollout to its end within its bounds', () => {
  for (const [surge, unavailable] of [
    [1, 0],
    [0, 1],
    ['25%', '25%'],
    ['100%', 0],
    [3, 2],
  ] as const)
    for (const replicas of [1, 2, 3, 7, 10]) {
      const wanted = deployment(replicas, surge, unavailable);
      const { maxSurge, maxUnavailable } = boundsOf(wanted);
      let [fresh, old] = [0, replicas];
      for (let step = 0; old > 0 || fresh < replicas; step++) {
        assert.ok(step < 100, `${replicas} with ${surge}/${unavailable} does not end`);
        fresh = newReplicas(wanted, { current: fresh, total: fresh + old });
        assert.ok(fresh + old <= replicas + maxSurge, 'never more pods than allowed');
        const oldest = replicaSet('old', old);
        old = sizeOf(shrinkOld(wanted, { newest: replicaSet('new', fresh), old: [oldest] }), oldest);
        assert.ok(fresh + old >= replicas - maxUnavailable, 'never fewer pods than allowed');
      }
    }
});

const sized = (desired: number, max: number): Record<string, string> => ({
  'deployment.kubernetes.io/desired-replicas': String(desired),
  'deployment.kubernetes.io/max-replicas': String(max),
});

test('isScaling sees that the size changed since the ReplicaSets were scaled', () => {
  assert.equal(isScaling(deployment(5), [replicaSet('a', 3, 3, sized(3, 4))]), true);
  assert.equal(isScaling(deployment(3), [replicaSet('a', 3, 3, sized(3, 4))]), false);
  assert.equal(isScaling(deployment(5), [replicaSet('a', 0, 0, sized(3, 4))]), false);
  assert.equal(isScaling(deployment(5), [replicaSet('a', 3)]), false);
});

test('proportionalScales gives the whole change to the only active ReplicaSet', () => {
  const only = replicaSet('a', 3, 3, sized(3, 4));
  const scales = proportionalScales(deployment(8), { newest: only, old: [replicaSet('b', 0)] });
  assert.deepEqual(scales, [{ replicaSet: only, replicas: 8 }]);
});

test('proportionalScales divides growth by size in the middle of a rollout', () => {
  // 10 replicas with a surge of 3, 8 old and 5 new pods: the example of the Deployment documentation.
  const old = replicaSet('old', 8, 8, sized(10, 13));
  const newest = replicaSet('new', 5, 0, sized(10, 13));
  const scales = proportionalScales(deployment(15, 3, 2), { newest, old: [old] });
  assert.deepEqual([sizeOf(scales, old), sizeOf(scales, newest)], [11, 7]);
});

test('proportionalScales shrinks to nothing', () => {
  const old = replicaSet('old', 8, 8, sized(10, 13));
  const newest = replicaSet('new', 5, 0, sized(10, 13));
  const scales = proportionalScales(deployment(0), { newest, old: [old] });
  assert.deepEqual([sizeOf(scales, old), sizeOf(scales, newest)], [0, 0]);
});
