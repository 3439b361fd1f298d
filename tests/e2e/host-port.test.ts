/** `hostPort` and the bandwidth annotations in a whole cluster, as a user writes them. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, hasProgram, startCluster, whyNoCluster } from './support/cluster.ts';

const skip =
  whyNoCluster() ??
  (hasProgram('kubectl')
    ? hasProgram('curl')
      ? false
      : 'curl is not installed'
    : 'kubectl is not installed');

function pod(name: string, annotations: Readonly<Record<string, string>> = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, annotations },
    spec: {
      terminationGracePeriodSeconds: 0,
      nodeSelector: { 'kubernetes.io/hostname': 'node-1' },
      containers: [
        {
          name: 'web',
          image: 'example/web',
          ports: [{ containerPort: 80, hostPort: 8080, hostIP: '0.0.0.0' }],
        },
      ],
    },
  };
}

test('hostPort and bandwidth annotations do what Kubernetes says', { skip }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'podnet-e2e-'));
  const limits = { 'kubernetes.io/ingress-bandwidth': '10M', 'kubernetes.io/egress-bandwidth': '20M' };
  writeFileSync(join(folder, 'pod.json'), JSON.stringify(pod('front', limits)));
  const cluster = await startCluster(`hostport-${process.pid}`, ['--nodes', '2', '-f', folder]);
  const apply = async (object: object): Promise<void> => {
    const file = join(folder, 'more.json');
    writeFileSync(file, JSON.stringify(object));
    await cluster.kubectl('apply', '-f', file);
  };
  try {
    assert.equal(cluster.up.code, 0, cluster.up.stderr);
    const address = await cluster.kubectl('get', 'pod', 'front', '-o', 'jsonpath={.status.hostIP}');
    const fetchFrom = async (place: string): Promise<string> => {
      const curl = ['curl', '-s', '--max-time', '5', `http://${address}:8080/`];
      const { stdout, stderr } = await cluster.podnet('enter', place, '--', ...curl);
      return stdout + stderr;
    };
    for (const place of ['node-2', 'world', 'node-1']) {
      assert.match(await fetchFrom(place), /^pod: default\/front$/m, place);
    }

    const qdiscs = (await cluster.podnet('enter', 'node-1', '--', 'tc', 'qdisc', 'show')).stdout;
    if (hasProgram('tc')) {
      assert.match(qdiscs, /tbf .* dev pod\w+ root .* rate 10Mbit/);
      assert.match(qdiscs, /tbf .* dev bwp\w+ root .* rate 20Mbit/);
    }

    await apply(pod('second'));
    const event = await eventually('the scheduler says why', async () => {
      const events = await cluster.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}');
      return events.includes("1 node(s) didn't have free ports for the requested pod ports")
        ? events
        : undefined;
    });
    assert.match(event, /0\/2 nodes are available/);

    await cluster.kubectl('delete', 'pod', 'front', '--wait=true');
    await cluster.kubectl('wait', '--for=condition=Ready', 'pod/second', '--timeout=20s');
    assert.match(await fetchFrom('world'), /^pod: default\/second$/m);

    await cluster.kubectl('delete', 'pod', 'second', '--wait=true');
    await apply(pod('bad', { 'kubernetes.io/egress-bandwidth': '10' }));
    await eventually('the kubelet refuses the annotation', async () => {
      const events = await cluster.kubectl('get', 'events', '-o', 'jsonpath={.items[*].message}');
      return events.includes('is no bandwidth from 1k to 1P') ? true : undefined;
    });
  } finally {
    await cluster.down();
    rmSync(folder, { recursive: true });
  }
});
