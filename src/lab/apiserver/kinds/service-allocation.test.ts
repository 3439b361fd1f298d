import assert from 'node:assert/strict';
import { test } from 'node:test';

import { cidrContains, parseCidr, parseIp } from '../../../model/ip.ts';
import { createTestServer, MERGE_PATCH, type Answer, type TestServer } from '../fixture.ts';
import { listAt, objectAt, stringAt, type Loose } from '../json-value.ts';

const SERVICES = '/api/v1/namespaces/default/services';

function create(api: TestServer, name: string, spec: Loose = {}): Promise<Answer> {
  return api.send('POST', SERVICES, { metadata: { name }, spec: { ports: [{ port: 80 }], ...spec } });
}

const ip = (answer: Answer): string => stringAt(answer.body, 'spec', 'clusterIP');
const nodePort = (answer: Answer): unknown => objectAt(listAt(answer.body, 'spec', 'ports')[0])['nodePort'];

test('every Service gets an address of its own, above the static band', async () => {
  await using api = createTestServer({ serviceCidr: '10.96.0.0/24' });
  const seen = new Set<string>();
  for (let index = 0; index < 100; index += 1) {
    const address = ip(await create(api, `s${index}`));
    assert.ok(cidrContains(parseCidr('10.96.0.0/24'), parseIp(address)));
    // 254 / 16 is below 16: the first 16 addresses are for those who choose.
    assert.ok(Number(address.split('.')[3]) > 16, address);
    assert.ok(!seen.has(address));
    seen.add(address);
  }
});

test('a full range says so, and freed addresses come back', async () => {
  await using api = createTestServer({ serviceCidr: '10.96.0.0/29' });
  // Six usable addresses, one of them for `kubernetes`.
  for (let index = 0; index < 5; index += 1) assert.equal((await create(api, `s${index}`)).status, 201);
  const full = await create(api, 'one-more');
  assert.equal(full.status, 500);
  assert.match(String(full.body.message), /failed to allocate a serviceIP: range is full/);
  await api.send('DELETE', `${SERVICES}/s2`);
  assert.equal((await create(api, 'one-more')).status, 201);
});

test('addresses can be chosen, once, within the range', async () => {
  await using api = createTestServer();
  assert.equal(ip(await create(api, 'dns', { clusterIP: '10.96.0.10' })), '10.96.0.10');
  const taken = await create(api, 'thief', { clusterIP: '10.96.0.10' });
  assert.equal(
    taken.body.message,
    'Service "thief" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.10"]: failed to allocate IP 10.96.0.10: provided IP is already allocated',
  );
  for (const clusterIP of ['10.97.0.1', '10.96.0.0', '10.96.255.255']) {
    const outside = await create(api, 'outside', { clusterIP });
    assert.match(
      String(outside.body.message),
      /provided IP is not in the valid range. The range of valid IPs is 10.96.0.0\/16$/,
    );
  }
});

test('an update keeps the address; changing it is refused', async () => {
  await using api = createTestServer();
  const made = await create(api, 'web');
  const put = await api.send('PUT', `${SERVICES}/web`, {
    metadata: { name: 'web' },
    spec: { ports: [{ port: 81 }] },
  });
  assert.equal(ip(put), ip(made));
  const moved = await api.send(
    'PATCH',
    `${SERVICES}/web`,
    { spec: { clusterIP: '10.96.9.9', clusterIPs: ['10.96.9.9'] } },
    MERGE_PATCH,
  );
  assert.match(
    String(moved.body.message),
    /spec.clusterIPs\[0\]: Invalid value: "10.96.9.9": field is immutable/,
  );
});

test('headless Services and ExternalName have no address; leaving ExternalName gets one', async () => {
  await using api = createTestServer();
  const headless = await create(api, 'headless', { clusterIP: 'None', ports: [] });
  assert.deepEqual([ip(headless), listAt(headless.body, 'spec', 'clusterIPs')], ['None', ['None']]);
  const external = await create(api, 'external', {
    type: 'ExternalName',
    externalName: 'example.com',
    ports: [],
  });
  assert.equal(objectAt(external.body, 'spec')['clusterIP'], undefined);
  const back = await api.send(
    'PATCH',
    `${SERVICES}/external`,
    { spec: { type: 'ClusterIP', externalName: null, ports: [{ port: 80 }] } },
    MERGE_PATCH,
  );
  assert.match(ip(back), /^10\.96\./);
});

test('node ports: given, chosen, kept, refused and freed', async () => {
  await using api = createTestServer();
  const given = await create(api, 'a', { type: 'NodePort' });
  assert.ok(Number(nodePort(given)) >= 30_000 && Number(nodePort(given)) <= 32_767);
  const chosen = await create(api, 'b', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] });
  assert.equal(nodePort(chosen), 30_080);
  const taken = await create(api, 'c', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] });
  assert.equal(
    taken.body.message,
    'Service "c" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated',
  );
  const outside = await create(api, 'c', { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] });
  assert.match(
    String(outside.body.message),
    /provided port is not in the valid range. The range of valid ports is 30000-32767$/,
  );
  const kept = await api.send('PUT', `${SERVICES}/b`, {
    metadata: { name: 'b' },
    spec: { type: 'NodePort', ports: [{ port: 80, targetPort: 9 }] },
  });
  assert.equal(nodePort(kept), 30_080);
  const plain = await api.send('PATCH', `${SERVICES}/b`, { spec: { type: 'ClusterIP' } }, MERGE_PATCH);
  assert.equal(nodePort(plain), undefined);
  assert.equal(
    (await create(api, 'c', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] })).status,
    201,
  );
});

test('a refused Service gives back what it took', async () => {
  await using api = createTestServer();
  const path = { ports: [{ port: 80, nodePort: 30_080 }], type: 'NodePort', clusterIP: '10.96.0.20' };
  await create(api, 'holder', { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] });
  assert.equal((await create(api, 'refused', path)).status, 422);
  assert.equal((await create(api, 'next', { clusterIP: '10.96.0.20' })).status, 201);
});

test('dual stack: one address a family, the primary first', async () => {
  await using api = createTestServer({ serviceCidr: ['10.96.0.0/16', 'fd00:96::/112'] });
  const single = await create(api, 'single');
  assert.deepEqual(objectAt(single.body, 'spec')['ipFamilies'], ['IPv4']);
  const both = await create(api, 'both', { ipFamilyPolicy: 'RequireDualStack' });
  const addresses = listAt(both.body, 'spec', 'clusterIPs').map(String);
  assert.match(addresses[0] ?? '', /^10\.96\./);
  assert.match(addresses[1] ?? '', /^fd00:96::/);
  const six = await create(api, 'six', { ipFamilies: ['IPv6'] });
  assert.match(ip(six), /^fd00:96::/);
  await using one = createTestServer();
  const refused = await create(one, 'both', { ipFamilyPolicy: 'RequireDualStack' });
  assert.match(String(refused.body.message), /this cluster is not configured for dual-stack services/);
});

test('the Service kubernetes is there, and comes back', async () => {
  await using api = createTestServer();
  assert.equal(ip(await api.send('GET', `${SERVICES}/kubernetes`)), '10.96.0.1');
  await api.send('DELETE', `${SERVICES}/kubernetes`);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  assert.equal(ip(await api.send('GET', `${SERVICES}/kubernetes`)), '10.96.0.1');
});

test('every change of type takes what it needs and gives back the rest', async () => {
  await using api = createTestServer();
  const spec = (answer: Answer): Loose => objectAt(answer.body, 'spec');
  const patch = (change: Loose): Promise<Answer> =>
    api.send('PATCH', `${SERVICES}/web`, { spec: change }, MERGE_PATCH);
  const made = await create(api, 'web', { type: 'LoadBalancer', externalTrafficPolicy: 'Local' });
  const address = ip(made);
  const port = nodePort(made);
  const health = spec(made)['healthCheckNodePort'];
  assert.ok(Number(health) >= 30_000 && health !== port);
  const taken = await create(api, 'thief', { type: 'NodePort', ports: [{ port: 80, nodePort: health }] });
  assert.match(String(taken.body.message), /provided port is already allocated/);

  const cluster = await patch({ externalTrafficPolicy: 'Cluster' });
  assert.equal(spec(cluster)['healthCheckNodePort'], undefined);
  assert.deepEqual([ip(cluster), nodePort(cluster)], [address, port]);
  const second = await create(api, 'second', { type: 'NodePort', ports: [{ port: 80, nodePort: health }] });
  assert.equal(second.status, 201);

  const plain = await patch({ type: 'ClusterIP' });
  assert.deepEqual([ip(plain), nodePort(plain)], [address, undefined]);
  assert.equal(
    (await create(api, 'third', { type: 'NodePort', ports: [{ port: 80, nodePort: port }] })).status,
    201,
  );

  const alias = await patch({ type: 'ExternalName', externalName: 'example.com' });
  assert.deepEqual([alias.status, spec(alias)['clusterIP']], [200, undefined]);
  assert.equal((await create(api, 'fourth', { clusterIP: address })).status, 201);
  const back = await patch({ type: 'NodePort', externalName: null });
  assert.match(ip(back), /^10\.96\./);
  assert.notEqual(ip(back), address);
  assert.ok(Number(nodePort(back)) >= 30_000);
});
