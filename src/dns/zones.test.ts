/** What the options of `kubernetes` in a Corefile do, from objects to answers. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Client } from '../cluster/client.ts';
import { createFakeTransport } from '../cluster/fake-transport.ts';
import { endpointSlices, namespaces, pods, services } from '../cluster/resources.ts';
import { createServiceInformers } from '../cluster/service-informers.ts';
import { compileCorefile } from './corefile/compile.ts';
import { zonePlans } from './corefile/plan.ts';
import { createBlock } from './serving/block.ts';
import { ask, print } from './serving/fixture.ts';
import { createServer, type DnsServer } from './serving/server.ts';
import { createZones } from './zones.ts';

const DOMAIN = 'cluster.local';

async function serve(t: TestContext, options: string, domains = DOMAIN): Promise<DnsServer> {
  const client = new Client(createFakeTransport());
  await client.create(namespaces, { metadata: { name: 'default', labels: { team: 'web' } } });
  await client.create(namespaces, { metadata: { name: 'other' } });
  const port = { port: 80 };
  for (const [namespace, clusterIP] of [
    ['default', '10.96.0.20'],
    ['other', '10.96.0.21'],
  ] as const)
    await client.create(services, {
      metadata: { name: 'web', namespace },
      spec: { clusterIP, ports: [port] },
    });
  await client.create(services, {
    metadata: { name: 'db', namespace: 'default' },
    spec: { clusterIP: 'None', ports: [port] },
  });
  await client.create(endpointSlices, {
    metadata: { name: 'db-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'db' } },
    addressType: 'IPv4',
    endpoints: [
      {
        addresses: ['10.244.1.7'],
        conditions: { ready: true },
        targetRef: { kind: 'Pod', name: 'db-0', namespace: 'default' },
      },
    ],
    ports: [port],
  });
  await client.create(pods, {
    metadata: { name: 'db-0', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
    status: { phase: 'Running', podIP: '10.244.1.7', podIPs: [{ ip: '10.244.1.7' }] },
  });
  const text = `. {\n kubernetes ${domains} {\n ${options}\n }\n}`;
  const { servers } = compileCorefile(text, { nodeResolvers: [], files: new Map() });
  const stop = new AbortController();
  const objects = createServiceInformers(client);
  const running = objects.run(stop.signal);
  const zones = createZones({ client, objects, addresses: ['10.96.0.10'], log: () => {} });
  t.after(async () => {
    stop.abort();
    zones.close();
    await running;
  });
  const plans = servers.flatMap(({ kubernetes }) => (kubernetes ? zonePlans(kubernetes, DOMAIN) : []));
  const zoneOf = await zones.ready(plans);
  const parts = { zoneFor: zoneOf, clusterDomain: DOMAIN, namespaceOf: () => undefined, nodeSearches: [] };
  return createServer({ blocks: servers.map((plan) => createBlock(plan, parts)), onError: assert.ifError });
}

const rows: readonly [options: string, domains: string, name: string, answer: RegExp][] = [
  ['pods insecure', DOMAIN, '10-244-9-9.default.pod.cluster.local', /^NOERROR .* A 10\.244\.9\.9$/],
  ['pods disabled', DOMAIN, '10-244-1-7.default.pod.cluster.local', /^NXDOMAIN$/],
  ['pods verified', DOMAIN, '10-244-1-7.default.pod.cluster.local', /^NOERROR .* A 10\.244\.1\.7$/],
  ['pods verified', DOMAIN, '10-244-9-9.default.pod.cluster.local', /^NXDOMAIN$/],
  ['ttl 5', `${DOMAIN} second.local`, 'web.default.svc.second.local', /^NOERROR .* A 10\.96\.0\.20$/],
  ['ttl 5', `${DOMAIN} second.local`, 'web.default.svc.cluster.local', /^NOERROR .* A 10\.96\.0\.20$/],
  ['namespaces default', DOMAIN, 'web.default.svc.cluster.local', /^NOERROR .* A 10\.96\.0\.20$/],
  ['namespaces default', DOMAIN, 'web.other.svc.cluster.local', /^NXDOMAIN$/],
  ['namespace_labels team=web', DOMAIN, 'web.default.svc.cluster.local', /^NOERROR .* A 10\.96\.0\.20$/],
  ['namespace_labels team=web', DOMAIN, 'web.other.svc.cluster.local', /^NXDOMAIN$/],
  ['ttl 5', DOMAIN, 'db.default.svc.cluster.local', /^NOERROR .* A 10\.244\.1\.7$/],
  ['noendpoints', DOMAIN, 'db.default.svc.cluster.local', /^(NXDOMAIN|NOERROR)$/],
  ['ttl 5', DOMAIN, 'db-0.db.default.svc.cluster.local', /^NXDOMAIN$/],
  ['endpoint_pod_names', DOMAIN, 'db-0.db.default.svc.cluster.local', /^NOERROR .* A 10\.244\.1\.7$/],
  ['ttl 5', DOMAIN, 'web.default.svc.cluster.local', /^NOERROR/],
  ['ignore empty_service', DOMAIN, 'web.default.svc.cluster.local', /^NXDOMAIN$/],
  ['ttl 5', DOMAIN, 'nobody.default.svc.cluster.local', /^NXDOMAIN$/],
  ['fallthrough', DOMAIN, 'nobody.default.svc.cluster.local', /^SERVFAIL$/],
];

for (const [options, domains, name, answer] of rows) {
  test(`kubernetes ${domains} with ${options}: ${name}`, async (t) => {
    assert.match(print(await ask(await serve(t, options, domains), name)), answer);
  });
}
