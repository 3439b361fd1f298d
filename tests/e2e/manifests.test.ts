import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasProgram, root, startCluster, whyNoCluster } from './support/cluster.ts';

/** Applications by people who never heard of podnet, and a Service each that must answer by name. */
const applications = [
  { folder: 'guestbook', deployments: 3, from: 'deploy/redis-replica', url: 'http://frontend/' },
  {
    folder: 'online-boutique',
    deployments: 12,
    from: 'deploy/frontend',
    url: 'http://productcatalogservice:3550/',
  },
] as const;

for (const { folder, deployments, from, url } of applications) {
  const file = join(root, '..', 'shared', 'manifests', folder, 'app.yaml');
  const skip =
    whyNoCluster() ??
    (hasProgram('kubectl') ? undefined : 'kubectl is not installed') ??
    (existsSync(file) ? false : `${file} is not there`);

  test(`${folder} runs as it is`, { skip }, async () => {
    const cluster = await startCluster(`${folder}-${process.pid}`, ['-f', file]);
    try {
      assert.equal(cluster.up.code, 0, cluster.up.stderr);
      const ready = await cluster.kubectl(
        'get',
        'deployments',
        '-o',
        'jsonpath={.items[*].status.conditions[?(@.type=="Available")].status}',
      );
      assert.deepEqual(ready.split(' '), Array<string>(deployments).fill('True'));
      const answer = await cluster.kubectl('exec', from, '--', 'curl', '-s', '--max-time', '5', url);
      assert.match(answer, /^pod: default\//);
    } finally {
      await cluster.down();
    }
  });
}
