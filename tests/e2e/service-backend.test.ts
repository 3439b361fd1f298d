/** The lab with another backend for Services than nftables, and the way from one to the other while it runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type TestCluster,
  hasProgram,
  podnetPath,
  run,
  startCluster,
  whyNoCluster,
} from './support/cluster.ts';

const missing = ['iptables', 'kubectl'].find((name) => !hasProgram(name));
const skip = whyNoCluster() ?? (missing === undefined ? false : `${missing} is not installed`);

const manifest = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: backend-api }
spec:
  replicas: 3
  selector: { matchLabels: { app: backend-api } }
  template:
    metadata: { labels: { app: backend-api } }
    spec: { containers: [{ name: api, image: nginx, ports: [{ containerPort: 80 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: backend-api }
spec: { type: NodePort, selector: { app: backend-api }, ports: [{ name: http, port: 80, nodePort: 30080 }] }
`;

const TEXTBOOK =
  /^KUBE-SVC-[A-Z2-7]{16} +(6|tcp) +-- +0\.0\.0\.0\/0 +[\d.]+ +\/\* default\/backend-api:http cluster IP \*\/ tcp dpt:80$/mu;

async function start(name: string): Promise<TestCluster> {
  const cluster = await startCluster(name, ['--service-backend', 'iptables', '--nodes', '2']);
  const applied = await run('kubectl', ['apply', '-f', '-'], {
    env: { KUBECONFIG: cluster.kubeconfig },
    input: manifest,
  });
  assert.equal(applied.code, 0, applied.stderr);
  await cluster.kubectl('rollout', 'status', 'deployment/backend-api', '--timeout=60s');
  return cluster;
}

/** Runs until it holds, and then once more for what it says. */
async function eventually(check: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await delay(100);
    }
  }
}

test(
  'podnet up --service-backend iptables serves by the chains of kube-proxy, and switches live',
  { skip },
  async (t) => {
    const cluster = await start(`backend-${process.pid}`);
    t.after(() => cluster.down());
    const enter = async (where: string, ...command: readonly string[]): Promise<string> => {
      const { code, stdout, stderr } = await cluster.podnet('enter', where, '--', ...command);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const node = await cluster.kubectl(
      'get',
      'node',
      'node-2',
      '-o',
      'jsonpath={.status.addresses[0].address}',
    );
    const ip = await cluster.kubectl('get', 'service', 'backend-api', '-o', 'jsonpath={.spec.clusterIP}');
    const served = async (): Promise<void> => {
      assert.match(await enter('node-1', 'curl', '-sS', '-m', '5', `http://${ip}/`), /backend-api/u);
      assert.match(await enter('world', 'curl', '-sS', '-m', '5', `http://${node}:30080/`), /backend-api/u);
    };
    await eventually(async () => {
      assert.match(await enter('node-1', 'iptables', '-t', 'nat', '-L', 'KUBE-SERVICES', '-n'), TEXTBOOK);
      await served();
    });
    assert.doesNotMatch(await enter('node-1', 'nft', 'list', 'tables'), /podnet-services/u);
    // The chains' masquerade takes a source port at random.
    const { code, stdout } = await cluster.podnet('trace', 'world', 'node-2:30080', '--observe');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /the kernel did the same/u);

    const choose = (name: string): Promise<string> => {
      const patch = `--patch=${JSON.stringify({ data: { 'service-backend': name } })}`;
      return cluster.kubectl('patch', 'configmap', 'podnet', '-n', 'kube-system', '--type=merge', patch);
    };
    await choose('nftables');
    await eventually(async () => {
      const tables = await enter('node-1', 'nft', 'list', 'tables');
      assert.match(tables, /podnet-services/u);
      assert.doesNotMatch(tables, /table ip (nat|filter)/u);
    });
    await served();
    await choose('pf');
    await eventually(async () => {
      assert.match(
        await enter('node-1', 'cat', '/run/podnet/lab.log'),
        /nftables stays: .*"pf" is not valid/u,
      );
    });
    await served();
  },
);

test('podnet up refuses a backend that there is not before anything starts', { skip }, async () => {
  const { code, stderr } = await run(podnetPath, [
    'up',
    '-d',
    '--name',
    `no-${process.pid}`,
    '--service-backend',
    'pf',
  ]);
  assert.equal(code, 2);
  assert.match(stderr, /"pf" is no backend for Services[^]*Use one of: nftables, iptables, ipvs/u);
});
