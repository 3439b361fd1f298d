import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodnetError } from '../../model/errors.ts';
import type { Pod } from '../../model/objects.ts';
import { bandwidthOf, portMappingsOf } from './pod-traffic.ts';

test('portMappingsOf takes ports with a hostPort of containers and sidecars', () => {
  const port = (hostPort: number, rest: object = {}): object => ({ containerPort: 80, hostPort, ...rest });
  const pod = {
    spec: {
      containers: [
        { name: 'a', image: 'a', ports: [port(8080), { containerPort: 81 }, port(53, { protocol: 'UDP' })] },
        { name: 'b', image: 'b', ports: [port(9, { protocol: 'SCTP', hostIP: '127.0.0.1' })] },
      ],
      initContainers: [
        { name: 'once', image: 'c', ports: [port(1)] },
        { name: 'sidecar', image: 'c', restartPolicy: 'Always', ports: [port(2, { protocol: 'TCP' })] },
      ],
    },
  } as Pod;
  assert.deepEqual(portMappingsOf(pod), [
    { hostPort: 8080, containerPort: 80, protocol: 'tcp' },
    { hostPort: 53, containerPort: 80, protocol: 'udp' },
    { hostPort: 9, containerPort: 80, protocol: 'sctp', hostIP: '127.0.0.1' },
    { hostPort: 2, containerPort: 80, protocol: 'tcp' },
  ]);
  assert.deepEqual(portMappingsOf({}), []);
});

function annotated(ingress?: string, egress?: string): Pod {
  const annotations = {
    ...(ingress !== undefined && { 'kubernetes.io/ingress-bandwidth': ingress }),
    ...(egress !== undefined && { 'kubernetes.io/egress-bandwidth': egress }),
  };
  return { metadata: { namespace: 'default', name: 'p', annotations } };
}

test('bandwidthOf reads the annotations, with bursts of a tenth of a second', () => {
  assert.equal(bandwidthOf(annotated()), undefined);
  assert.deepEqual(bandwidthOf(annotated('100M')), { ingressRate: 1e8, ingressBurst: 1e7 });
  assert.deepEqual(bandwidthOf(annotated(undefined, '1k')), { egressRate: 1000, egressBurst: 721_120 });
  assert.deepEqual(bandwidthOf(annotated('1P', '1Gi')), {
    ingressRate: 1e15,
    ingressBurst: 2 ** 31 - 1,
    egressRate: 2 ** 30,
    egressBurst: Math.ceil(2 ** 30 / 10),
  });
});

test('bandwidthOf refuses what is no quantity from 1k to 1P, naming the annotation', () => {
  for (const text of ['999', '1001P', 'fast', '', '-1M']) {
    assert.throws(
      () => bandwidthOf(annotated(undefined, text)),
      (error) =>
        error instanceof PodnetError &&
        error.code === 'bad-bandwidth' &&
        error.where === 'pod default/p metadata.annotations[kubernetes.io/egress-bandwidth]',
      text,
    );
  }
});
