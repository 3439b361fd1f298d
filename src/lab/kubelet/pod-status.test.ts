import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../../model/objects.ts';
import { newRecord, type ContainerRecord } from './container-record.ts';
import { podStatus, qosClass, type StatusInput } from './pod-status.ts';

const pod: Pod = {
  metadata: { name: 'web', namespace: 'shop' },
  spec: { containers: [{ name: 'web', image: 'web:1' }] },
};
const nowMs = Date.UTC(2026, 0, 1, 12);

function input(record: Partial<ContainerRecord>, change: Partial<StatusInput> = {}): StatusInput {
  return {
    pod,
    records: [{ ...newRecord({ name: 'web', image: 'web:1' }, 'main'), ...record }],
    decision: { phase: 'Running', initialized: true },
    podAddresses: ['10.0.0.5'],
    hostAddresses: ['172.18.0.2'],
    sandboxReady: true,
    startedAtMs: nowMs - 5000,
    nowMs,
    ...change,
  };
}

const running = {
  state: { name: 'running', startedAtMs: nowMs - 1500, containerId: 'podnet://1' },
  started: true,
  ready: true,
} as const;

function conditions(status: ReturnType<typeof podStatus>): Record<string, string> {
  return Object.fromEntries((status.conditions ?? []).map(({ type, status: value }) => [type, value]));
}

test('podStatus reports a running pod', () => {
  const status = podStatus(input(running));
  assert.deepEqual(conditions(status), {
    PodReadyToStartContainers: 'True',
    Initialized: 'True',
    Ready: 'True',
    ContainersReady: 'True',
    PodScheduled: 'True',
  });
  assert.deepEqual(status.containerStatuses, [
    {
      name: 'web',
      state: { running: { startedAt: '2026-01-01T11:59:58Z' } },
      lastState: {},
      ready: true,
      restartCount: 0,
      image: 'web:1',
      imageID: 'podnet://web:1',
      containerID: 'podnet://1',
      started: true,
    },
  ]);
  assert.deepEqual(
    [status.podIP, status.podIPs, status.hostIP, status.startTime],
    ['10.0.0.5', [{ ip: '10.0.0.5' }], '172.18.0.2', '2026-01-01T11:59:55Z'],
  );
});

test('podStatus keeps the time of a condition that stays, and conditions of others', () => {
  const before: Pod = {
    ...pod,
    spec: { containers: [], readinessGates: [{ conditionType: 'gate' }] },
    status: {
      conditions: [
        { type: 'PodScheduled', status: 'True', lastTransitionTime: '2020-01-01T00:00:00Z' },
        { type: 'gate', status: 'False' },
      ],
    },
  };
  const status = podStatus(input(running, { pod: before }));
  assert.equal(
    status.conditions?.find(({ type }) => type === 'PodScheduled')?.lastTransitionTime,
    '2020-01-01T00:00:00Z',
  );
  assert.deepEqual(
    [conditions(status)['gate'], conditions(status)['ContainersReady'], conditions(status)['Ready']],
    ['False', 'True', 'False'],
  );
});

test('podStatus says which containers are not ready, and why the last run ended', () => {
  const last = {
    name: 'terminated',
    exitCode: 137,
    signal: 9,
    reason: 'Error',
    finishedAtMs: nowMs,
  } as const;
  const status = podStatus(input({ ...running, ready: false, last, restartCount: 2 }));
  assert.equal(
    status.conditions?.find(({ type }) => type === 'Ready')?.message,
    'containers with unready status: [web]',
  );
  assert.deepEqual(status.containerStatuses?.[0]?.lastState, {
    terminated: { exitCode: 137, signal: 9, reason: 'Error', finishedAt: '2026-01-01T12:00:00Z' },
  });
});

test('qosClass follows requests and limits', () => {
  const of = (resources: object): string => qosClass({ spec: { containers: [{ name: 'a', resources }] } });
  assert.equal(of({}), 'BestEffort');
  assert.equal(of({ requests: { cpu: '1' } }), 'Burstable');
  assert.equal(of({ limits: { cpu: '1', memory: '1Gi' } }), 'Guaranteed');
  assert.equal(of({ requests: { cpu: '500m' }, limits: { cpu: '1', memory: '1Gi' } }), 'Burstable');
});
