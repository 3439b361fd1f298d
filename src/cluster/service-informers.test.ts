import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from './client.ts';
import { createFakeTransport } from './fake-transport.ts';
import { leanEndpointSlice } from './lean-services.ts';
import { endpointSlices, services } from './resources.ts';
import { createServiceInformers } from './service-informers.ts';

const labels = { 'kubernetes.io/service-name': 'web', other: 'label' };

test('createServiceInformers holds each object once, lean, and finds slices by their Service', async () => {
  const transport = createFakeTransport();
  const client = new Client(transport);
  await client.create(services, {
    metadata: { namespace: 'default', name: 'web', annotations: { long: 'x'.repeat(1000) } },
    spec: {
      clusterIP: '10.96.0.1',
      selector: { app: 'web' },
      ports: [{ port: 80, nodePort: 30_080, appProtocol: 'http' }],
    },
  });
  for (const [name, owned] of [
    ['web-a', labels],
    ['lonely', {}],
  ] as const)
    await client.create(endpointSlices, {
      metadata: { namespace: 'default', name, labels: owned },
      addressType: 'IPv4',
      endpoints: [],
    });
  const objects = createServiceInformers(client);
  const stop = new AbortController();
  const running = objects.run(stop.signal);
  await objects.synced;
  const service = objects.services.get('default/web');
  assert.deepEqual(service?.spec, { clusterIP: '10.96.0.1', ports: [{ port: 80, nodePort: 30_080 }] });
  assert.equal(service?.metadata?.annotations, undefined);
  const slices = objects.slicesOf('default/web');
  assert.deepEqual(
    slices.map(({ metadata }) => metadata?.labels),
    [{ 'kubernetes.io/service-name': 'web' }],
  );
  assert.equal(transport.openWatches, 2);
  stop.abort();
  await running;
});

test('leanEndpointSlice keeps conditions only where they say more than nothing', () => {
  const endpoint = (conditions: { ready?: boolean; serving?: boolean; terminating?: boolean }) =>
    leanEndpointSlice({
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.244.0.1'], conditions, zone: 'a' }],
    }).endpoints[0];
  assert.deepEqual(endpoint({ ready: true, serving: true, terminating: false }), {
    addresses: ['10.244.0.1'],
  });
  for (const conditions of [{ ready: false }, { serving: false }, { ready: true, terminating: true }])
    assert.deepEqual(endpoint(conditions), { addresses: ['10.244.0.1'], conditions });
});
