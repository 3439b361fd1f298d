/** What the commands say of Services in a whole cluster, and that node ports, policies and hints do as they say. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type Finished,
  type TestCluster,
  eventually,
  podnetPath,
  run,
  hasProgram,
  startCluster,
  whyNoCluster,
} from './support/cluster.ts';

const skip = whyNoCluster() ?? (hasProgram('kubectl') ? false : 'kubectl is not installed');

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: c, image: shop, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec: {containers: [{name: c, image: busybox}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {type: NodePort, selector: {app: shop}, ports: [{port: 80, targetPort: 8080, nodePort: 30080}]}
---
apiVersion: v1
kind: Service
metadata: {name: local}
spec: {type: LoadBalancer, externalTrafficPolicy: Local, selector: {app: shop}, ports: [{port: 80, targetPort: 8080, nodePort: 30081}]}
---
apiVersion: v1
kind: Service
metadata: {name: near}
spec: {trafficDistribution: PreferSameZone, selector: {app: shop}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: lost}
spec: {selector: {app: shopp}, ports: [{port: 80}]}
`;

let cluster: TestCluster;
let directory: string;

const debug = (service: string): Promise<Finished> =>
  run(podnetPath, ['debug', 'services', service, '--name', cluster.name]);

before(async () => {
  if (skip !== false) return;
  directory = mkdtempSync(join(tmpdir(), 'podnet-services-'));
  const path = join(directory, 'shop.yaml');
  writeFileSync(path, manifest);
  cluster = await startCluster(`services-${process.pid}`, ['-f', path]);
});
after(async () => {
  if (skip !== false) return;
  await cluster.down();
  rmSync(directory, { recursive: true, force: true });
});

test('services shows what each node does, and why an endpoint is left out', { skip }, async () => {
  const { stdout: all } = await cluster.podnet('services');
  assert.match(all, /^default\/shop +NodePort +\S+:80\/tcp NODE:30080\/tcp +3$/mu);
  assert.match(all, /^default\/local .* nodes differ$/mu);
  assert.match(all, /^default\/lost .* rejects: no endpoints$/mu);
  assert.match(all, /^kube-system\/kube-dns .* left alone: /mu);
  const { stdout: near } = await cluster.podnet('services', 'near', '--node', 'node-2');
  assert.match(near, /1 endpoint, ready, same zone by hints\.forZones/u);
  assert.match(near, /✗ \S+ {2}Pod default\/shop-\S+: hints\.forZones has no zone-b/u);
  const { stdout: json } = await cluster.podnet('services', 'local', '-o', 'json');
  const [report] = JSON.parse(json) as { service: string; nodes: { health: { localEndpoints: number } }[] }[];
  assert.equal(report?.service, 'default/local');
  assert.deepEqual(
    report.nodes.map(({ health }) => health.localEndpoints),
    [1, 1, 1],
  );
  const { code, stderr } = await cluster.podnet('services', 'nobody');
  assert.equal(code, 1);
  assert.match(stderr, /There is no Service default\/nobody\n.*\n {2}fix: +There are: /u);
});

test('debug services connects from each node, or says the first thing that is wrong', { skip }, async () => {
  const good = await debug('shop');
  assert.equal(good.code, 0, good.stdout + good.stderr);
  assert.match(good.stdout, /✔ node-3 .*: connected\n\nnothing is wrong/u);
  const lost = await debug('lost');
  assert.equal(lost.code, 1);
  assert.match(
    lost.stdout,
    /wrong: no pod has the labels of spec\.selector, app=shopp\nfix: .*Pods there have app: shop\./u,
  );
});

test('debug services notices a kernel that does otherwise than planned', { skip }, async () => {
  const address = (
    await cluster.kubectl('get', 'service', 'near', '-o', 'jsonpath={.spec.clusterIP}')
  ).trim();
  const { stdout } = await cluster.podnet('services', 'near', '-o', 'json');
  assert.match(stdout, new RegExp(RegExp.escape(address), 'u'));
  await cluster.podnet('enter', 'node-2', '--', 'nft', 'flush', 'table', 'ip', 'podnet-services');
  const { code, stdout: found } = await debug('near');
  assert.equal(code, 1, found);
  assert.match(found, /✗ node-2 +the kernel does otherwise than planned/u);
  assert.match(found, /✔ node-1/u);
});

test('trace agrees with the kernel on node ports, from the world, nodes and pods', { skip }, async () => {
  for (const [source, destination] of [
    ['world', 'node-1:30080'],
    ['world', 'node-3:30081'],
    ['client', 'node-3:30080'],
    ['node/node-1', 'svc/shop'],
    ['client', 'svc/near'],
  ] as const) {
    const { code, stdout, stderr } = await cluster.podnet('trace', source, destination, '--observe');
    assert.equal(code, 0, `${source} ${destination}: ${stdout}${stderr}`);
    assert.match(stdout, /the kernel did the same$/mu);
  }
});

test('healthCheckNodePort tells a load balancer whether the node has an endpoint', { skip }, async (t) => {
  if (!hasProgram('curl')) return t.skip('curl is not installed');
  const port = (
    await cluster.kubectl('get', 'service', 'local', '-o', 'jsonpath={.spec.healthCheckNodePort}')
  ).trim();
  const { stdout } = await cluster.podnet(
    'enter',
    'world',
    '--',
    'curl',
    '-si',
    `http://172.18.0.2:${port}/`,
  );
  assert.match(stdout, /^HTTP\/1\.1 200 OK/u);
  assert.match(stdout, /x-load-balancing-endpoint-weight: 1/iu);
  assert.match(stdout, /"localEndpoints": 1/u);
});

test('what a node refuses becomes an Event on the object', { skip }, async () => {
  const path = join(directory, 'odd.yaml');
  writeFileSync(
    path,
    `
apiVersion: v1
kind: Service
metadata: {name: odd}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: 8080}], externalIPs: ["fd00:1::5"]}
`,
  );
  await cluster.kubectl('apply', '-f', path);
  const described = await eventually('an Event', async () => {
    const text = await cluster.kubectl('describe', 'service', 'odd');
    return /NotCarriedOut/u.test(text) ? text : undefined;
  });
  assert.match(
    described,
    /Warning +NotCarriedOut .*spec\.externalIPs\[0\] is fd00:1::5, and the Service has no IPv6 cluster IP/u,
  );
});
