/**
 * A rolling update of ten replicas under load fails no request.
 *
 * Two things keep it so, as in any cluster: a pod that leaves is out of every node's rules before its server stops to
 * take connections (here the standard `preStop` sleep; a server that is gone at once on SIGTERM drops connections with
 * every implementation of Services), and a server that leaves ends kept connections between two requests.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import {
  type TestCluster,
  hasProgram,
  podnetPath,
  root,
  startCluster,
  whyNoCluster,
} from './support/cluster.ts';
import type { LoadResult } from './support/http-load.ts';

const REQUESTS_PER_SECOND = 200;
const skip = whyNoCluster() ?? (hasProgram('kubectl') ? false : 'kubectl is not installed');

const manifest = (version: string): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 10
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 3, maxUnavailable: 2}}
  template:
    metadata: {labels: {app: web, version: "${version}"}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
        - name: web
          image: web:${version}
          ports: [{containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
          lifecycle: {preStop: {sleep: {seconds: 1}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
`;

let cluster: TestCluster;
let directory: string;

function writeManifest(version: string): string {
  const path = join(directory, `${version}.yaml`);
  writeFileSync(path, manifest(version));
  return path;
}

before(async () => {
  if (skip !== false) return;
  directory = mkdtempSync(join(tmpdir(), 'podnet-rolling-'));
  cluster = await startCluster(`rolling-${process.pid}`, ['-f', writeManifest('v1')]);
});
after(async () => {
  if (skip !== false) return;
  await cluster.down();
  rmSync(directory, { recursive: true, force: true });
});

/** Load from within a node's namespace, as its pods make it. */
async function startLoad(url: string): Promise<{ end(): Promise<LoadResult> }> {
  const load = join(root, 'tests/e2e/support/http-load.ts');
  const command = [process.execPath, load, url, String(REQUESTS_PER_SECOND)];
  const child: ChildProcess = spawn(
    podnetPath,
    ['enter', 'node-1', '--name', cluster.name, '--', ...command],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  const { stdin, stdout } = child;
  assert.ok(stdin && stdout);
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'started');
  return {
    async end() {
      stdin.end();
      const { value } = await lines.next();
      return JSON.parse(String(value)) as LoadResult;
    },
  };
}

test('a rolling update of ten replicas under 200 requests a second fails none', { skip }, async () => {
  const clusterIp = (
    await cluster.kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}')
  ).trim();
  await cluster.kubectl('rollout', 'status', 'deployment/web', '--timeout=60s');
  const load = await startLoad(`http://${clusterIp}/`);
  await cluster.kubectl('apply', '-f', writeManifest('v2'));
  await cluster.kubectl('rollout', 'status', 'deployment/web', '--timeout=120s');
  // The last of the old pods still serve out their grace.
  await cluster.kubectl('wait', '--for=delete', 'pod', '-l', 'app=web,version=v1', '--timeout=60s');
  const { sent, answered, failures, servers, slowestMs } = await load.end();
  console.log(
    `rolling update: ${sent} requests, ${answered} answered, ${Object.keys(servers).length} pods, slowest ${slowestMs} ms`,
  );
  assert.deepEqual(failures, {});
  assert.equal(answered, sent);
  assert.ok(sent > REQUESTS_PER_SECOND, `${sent} requests`);
  assert.ok(
    Object.keys(servers).length >= 20,
    `old pods and new ones answered: ${Object.keys(servers).length}`,
  );
});
