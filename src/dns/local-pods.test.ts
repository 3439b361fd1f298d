import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../cluster/client.ts';
import { createFakeTransport } from '../cluster/fake-transport.ts';
import { pods } from '../cluster/resources.ts';
import { createLocalPods } from './local-pods.ts';

test('createLocalPods knows who has an address now, and forgets who had it', async (t) => {
  const client = new Client(createFakeTransport());
  const pod = (name: string, ip: string, phase = 'Running', hostNetwork = false): object => ({
    metadata: { namespace: 'default', name },
    spec: { containers: [], nodeName: 'node-1', hostNetwork },
    status: { phase, podIP: ip, podIPs: [{ ip }] },
  });
  await client.create(pods, pod('web', '10.244.0.2'));
  await client.create(pods, pod('done', '10.244.0.3', 'Succeeded'));
  await client.create(pods, pod('host', '172.18.0.2', 'Running', true));
  const stop = new AbortController();
  const local = createLocalPods(client, {
    nodeName: 'node-1',
    onError: (error) => assert.fail(String(error)),
  });
  const running = local.run(stop.signal);
  t.after(() => stop.abort());
  const until = async (holds: () => boolean): Promise<void> => {
    for (const deadline = Date.now() + 5000; !holds();) {
      assert.ok(Date.now() < deadline, 'it never came to be');
      await new Promise((done) => setTimeout(done, 5));
    }
  };
  await until(() => local.nameOf('10.244.0.2') === 'default/web');
  assert.equal(local.namespaceOf('10.244.0.2'), 'default');
  assert.equal(local.nameOf('10.244.0.3'), undefined);
  assert.equal(local.nameOf('172.18.0.2'), undefined);
  await client.delete(pods, { namespace: 'default', name: 'web' }, { gracePeriodSeconds: 0 });
  await until(() => local.nameOf('10.244.0.2') === undefined);
  await client.create(pods, pod('next', '10.244.0.2'));
  await until(() => local.nameOf('10.244.0.2') === 'default/next');
  stop.abort();
  await running;
});
