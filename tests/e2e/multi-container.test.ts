import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually, hasProgram, startCluster, whyNoCluster } from './support/cluster.ts';

const skip = whyNoCluster() ?? (hasProgram('kubectl') ? false : 'kubectl is not installed');

const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'trio' },
  spec: {
    terminationGracePeriodSeconds: 0,
    containers: [
      { name: 'web', image: 'example/web', ports: [{ containerPort: 80 }] },
      { name: 'first', image: 'busybox', command: ['sleep', '1000'] },
      { name: 'second', image: 'busybox', command: ['sh', '-c', 'trap "exit 1" TERM; sleep 1000 & wait'] },
    ],
  },
};

test(
  'containers of a pod share network, IPC and host name, and keep them when one restarts',
  { skip },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'podnet-e2e-'));
    writeFileSync(join(folder, 'pod.json'), JSON.stringify(pod));
    const cluster = await startCluster(`trio-${process.pid}`, ['--nodes', '1', '-f', folder]);
    try {
      assert.equal(cluster.up.code, 0, cluster.up.stderr);
      const exec = (container: string, ...command: readonly string[]): Promise<string> =>
        cluster.kubectl('exec', 'trio', '-c', container, '--', ...command);
      const shared = (container: string): Promise<string> =>
        exec(
          container,
          'sh',
          '-c',
          'readlink /proc/self/ns/net /proc/self/ns/ipc /proc/self/ns/uts; hostname',
        );
      const address = (): Promise<string> =>
        cluster.kubectl('get', 'pod', 'trio', '-o', 'jsonpath={.status.podIP}');
      const [before, ip] = [await shared('first'), await address()];
      assert.equal(await shared('second'), before);
      assert.match(before, /\ntrio\n$/);
      assert.match(
        await exec('first', 'curl', '-s', '--max-time', '5', 'http://localhost/'),
        /^pod: default\/trio$/m,
      );

      // The shell may die with the container before it can tell how it ended.
      await cluster.tryKubectl('exec', 'trio', '-c', 'second', '--', 'sh', '-c', 'kill -TERM 1');
      await eventually('the container restarts', async () => {
        const path =
          'jsonpath={.status.containerStatuses[?(@.name=="second")].restartCount} {.status.containerStatuses[?(@.name=="second")].ready}';
        return (await cluster.kubectl('get', 'pod', 'trio', '-o', path)) === '1 true' ? true : undefined;
      });
      assert.equal(await shared('second'), before);
      assert.equal(await address(), ip);
    } finally {
      await cluster.down();
      rmSync(folder, { recursive: true });
    }
  },
);
