import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { UNKNOWN_NODE } from './plan.ts';
import { answerHealthCheck, createHealthCheckServer } from './health-check-server.ts';
import type { PlanChange, ServicePlan } from './plan.ts';
import { createProxyHealth } from './proxy-health.ts';

const planWith = (port: number, localEndpoints: number): ServicePlan => ({
  node: UNKNOWN_NODE,
  ports: new Map(),
  ignored: new Map(),
  health: new Map([['default/web', { port, localEndpoints }]]),
});
const change: PlanChange = { set: [], removed: [], before: new Map(), services: new Set(['default/web']) };

/** A port nobody has at the moment. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}

test('answerHealthCheck words it as kube-proxy does', () => {
  assert.deepEqual(answerHealthCheck('default/web', { port: 1, localEndpoints: 2 }, true), {
    status: 200,
    headers: {
      'Content-Type': 'application/json',
      'X-Content-Type-Options': 'nosniff',
      'X-Load-Balancing-Endpoint-Weight': '2',
    },
    body: `{
\t"service": {
\t\t"namespace": "default",
\t\t"name": "web"
\t},
\t"localEndpoints": 2,
\t"serviceProxyHealthy": true
}`,
  });
  assert.equal(answerHealthCheck('default/web', { port: 1, localEndpoints: 0 }, true).status, 503);
  assert.equal(answerHealthCheck('default/web', { port: 1, localEndpoints: 2 }, false).status, 503);
});

test('createHealthCheckServer follows the plan', async () => {
  const port = await freePort();
  const server = createHealthCheckServer();
  const ask = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    return [answer.status, answer.headers.get('x-load-balancing-endpoint-weight'), await answer.json()];
  };
  const service = { namespace: 'default', name: 'web' };
  server.planned(planWith(port, 1));
  assert.deepEqual(await ask(), [200, '1', { service, localEndpoints: 1, serviceProxyHealthy: true }]);
  server.changed(change, planWith(port, 0));
  assert.deepEqual(await ask(), [503, '0', { service, localEndpoints: 0, serviceProxyHealthy: true }]);
  server.failed?.();
  assert.deepEqual((await ask())[2], { service, localEndpoints: 0, serviceProxyHealthy: false });
  server.changed(change, { ...planWith(port, 1), health: new Map() });
  await assert.rejects(ask());
  server.stop?.();
});

test('createHealthCheckServer says when a port is taken, and takes it when it is free', async () => {
  const holder = createServer().listen(0);
  await once(holder, 'listening');
  const address = holder.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const refused = Promise.withResolvers<{ service: string; port: number; reason: string }>();
  const server = createHealthCheckServer({ onRefused: refused.resolve });
  server.planned(planWith(port, 1));
  const { service, reason } = await refused.promise;
  assert.equal(service, 'default/web');
  assert.match(reason, /EADDRINUSE/u);
  holder.close();
  await once(holder, 'close');
  server.planned(planWith(port, 1));
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
  server.stop?.();
});

test('createProxyHealth answers healthz for the node and livez for the proxy', async () => {
  let eligible = true;
  const health = createProxyHealth({ isEligible: () => eligible, now: () => 1_700_000_000_000 });
  const server = await health.listen({ address: '127.0.0.1', port: 0 });
  const at = server.address();
  const ask = async (path: string) => {
    const answer = await fetch(`http://127.0.0.1:${typeof at === 'object' ? at?.port : ''}${path}`);
    return [answer.status, await answer.text()];
  };
  const time = '2023-11-14T22:13:20.000Z';
  const times = `"lastUpdated":"${time}","currentTime":"${time}"`;
  assert.deepEqual(await ask('/healthz'), [200, `{${times},"nodeEligible":true}`]);
  eligible = false;
  assert.deepEqual(await ask('/healthz'), [503, `{${times},"nodeEligible":false}`]);
  assert.deepEqual(await ask('/livez'), [200, `{${times}}`]);
  health.failed?.();
  assert.equal((await ask('/livez'))[0], 503);
  assert.equal((await ask('/other'))[0], 404);
  health.stop?.();
});

test('createProxyHealth answers on every address when it is told none', async () => {
  const health = createProxyHealth();
  const server = await health.listen({ port: 0 });
  const at = server.address();
  const port = typeof at === 'object' ? at?.port : undefined;
  for (const host of ['127.0.0.1', '127.0.0.2'])
    assert.equal((await fetch(`http://${host}:${port}/livez`)).status, 200);
  health.stop?.();
});
