import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment, Node, Pod } from '../model/objects.ts';
import { readiness, whyNotReady } from './readiness.ts';

const node = (ready: boolean): Node => ({
  status: { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
});

function pod(name: string, status: Pod['status'], spec: Partial<Pod['spec']> = {}): Pod {
  const container = { name: 'main', readinessProbe: { initialDelaySeconds: 15, tcpSocket: { port: 1 } } };
  return {
    metadata: { namespace: 'default', name },
    spec: { nodeName: 'node-1', containers: [container], ...spec },
    status: status ?? {},
  };
}

const ready = pod('a', { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
const slow = pod('b', {
  phase: 'Running',
  containerStatuses: [{ name: 'main', ready: false, image: '', imageID: '', restartCount: 0 }],
});

test('readiness counts the pods a Deployment has not made yet', () => {
  const deployment: Deployment = {
    metadata: { generation: 2 },
    spec: { replicas: 3, selector: {}, template: {} },
    status: { observedGeneration: 2, updatedReplicas: 1 },
  };
  const state = readiness({ nodes: [node(true)], pods: [ready], deployments: [deployment] }, 1);
  assert.deepEqual([state.podsReady, state.pods, state.done], [1, 3, false]);
});

test('readiness does not believe a status older than the spec', () => {
  const deployment: Deployment = {
    metadata: { generation: 2 },
    spec: { replicas: 1, selector: {}, template: {} },
    status: { observedGeneration: 1, updatedReplicas: 1 },
  };
  assert.equal(readiness({ nodes: [node(true)], pods: [ready], deployments: [deployment] }, 1).done, false);
});

test('readiness is done when nodes and pods are, and finished pods do not count', () => {
  const finished = pod('job', { phase: 'Succeeded' });
  const state = { nodes: [node(true), node(true)], pods: [ready, finished], deployments: [] };
  assert.equal(readiness(state, 2).done, true);
  assert.equal(readiness(state, 3).done, false);
  assert.equal(readiness({ ...state, nodes: [node(true), node(false)] }, 2).done, false);
});

test('whyNotReady says what a pod waits for', () => {
  assert.equal(whyNotReady(slow), 'readinessProbe of main (initialDelaySeconds: 15)');
  const pending = pod('c', {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'False', message: '0/1 nodes are available' }],
  });
  delete pending.spec?.nodeName;
  assert.equal(whyNotReady(pending), '0/1 nodes are available');
  const crash = pod('d', {
    phase: 'Running',
    containerStatuses: [
      {
        name: 'main',
        ready: false,
        image: '',
        imageID: '',
        restartCount: 3,
        state: { waiting: { reason: 'CrashLoopBackOff' } },
      },
    ],
  });
  assert.equal(whyNotReady(crash), 'CrashLoopBackOff');
});
