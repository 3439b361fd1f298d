import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { before, test, type TestContext } from 'node:test';
import { Client } from '../../src/cluster/client.ts';
import { createHttpsTransport } from '../../src/cluster/https-transport.ts';
import { createInformer } from '../../src/cluster/informer.ts';
import { parseKubeconfig, type ClusterAccess } from '../../src/cluster/kubeconfig.ts';
import { configMaps } from '../../src/cluster/resources.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { createPki, kubeconfig } from '../../src/lab/apiserver/pki.ts';
import { createApiServer } from '../../src/lab/apiserver/server.ts';

/** A new network namespace comes with its loopback down. */
before(() => {
  if (networkInterfaces()['lo'] !== undefined) return;
  const rtnl = openRtnl();
  rtnl.setLink('lo', { up: true });
  rtnl.close();
});

async function start(t: TestContext): Promise<ClusterAccess> {
  const pki = createPki({ hosts: ['127.0.0.1'] });
  const api = createApiServer({
    databasePath: ':memory:',
    pki,
    serviceCidr: '10.96.0.0/16',
    advertise: { address: '172.18.0.1', port: 6443 },
    dialKubelet: () => {
      throw new Error('there are no nodes');
    },
  });
  const { port, ready } = api.listen({ host: '127.0.0.1', port: 0 });
  await ready;
  t.after(() => api.close());
  const credential = pki.issue({ commonName: 'tester', organizations: ['system:masters'] });
  const text = kubeconfig({
    name: 'test',
    server: `https://127.0.0.1:${port}`,
    ca: pki.ca,
    credential,
  });
  return parseKubeconfig(text, { path: 'kubeconfig' });
}

test('Client and Informer work over TLS with a client certificate', async (t) => {
  const transport = createHttpsTransport(await start(t));
  t.after(() => transport.close());
  const client = new Client(transport);
  const informer = createInformer(client, configMaps, { namespace: 'default' });
  const stop = new AbortController();
  const ended = informer.run(stop.signal);
  await informer.synced;
  const appeared = new Promise<void>((resolve) => {
    informer.onChange(({ key, object }) => {
      if (key === 'default/over-tls' && object.data?.['a'] === 'b') resolve();
    });
  });
  await client.create(configMaps, { metadata: { name: 'over-tls', namespace: 'default' }, data: { a: 'b' } });
  await appeared;
  stop.abort();
  await ended;
});

test('HttpsTransport refuses a server of another authority', async (t) => {
  const access = await start(t);
  const transport = createHttpsTransport({ ...access, ca: createPki({ hosts: ['127.0.0.1'] }).ca });
  t.after(() => transport.close());
  await assert.rejects(new Client(transport).list(configMaps), /certificate|signature/);
});
