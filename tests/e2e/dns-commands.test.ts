/** What pods of a whole cluster are answered, by nslookup and by `podnet dns`, and what is told of who asks. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { DnsQueryReport } from '../../src/cli/dns-query.ts';
import type { DnsTopReport } from '../../src/cli/dns-top.ts';
import {
  eventually,
  type Finished,
  hasProgram,
  podnetPath,
  run,
  startCluster,
  type TestCluster,
  whyNoCluster,
} from './support/cluster.ts';

const skip = whyNoCluster() ?? (hasProgram('kubectl') ? false : 'kubectl is not installed');
const needsNslookup =
  skip || (hasProgram('nslookup') ? false : 'nslookup is not installed (apt-get install bind9-dnsutils)');

const manifest = `
apiVersion: v1
kind: Namespace
metadata: {name: database}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: my-service}
spec:
  replicas: 2
  selector: {matchLabels: {app: my-service}}
  template:
    metadata: {labels: {app: my-service}}
    spec: {containers: [{name: c, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: my-service}
spec: {selector: {app: my-service}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: postgres-0, namespace: database, labels: {app: postgres}}
spec:
  hostname: postgres-0
  subdomain: postgres
  containers: [{name: c, image: postgres, ports: [{containerPort: 5432}]}]
---
apiVersion: v1
kind: Service
metadata: {name: postgres, namespace: database}
spec: {clusterIP: None, selector: {app: postgres}, ports: [{name: pg, port: 5432}]}
---
apiVersion: v1
kind: Service
metadata: {name: external-db}
spec: {type: ExternalName, externalName: db.example.com}
---
apiVersion: v1
kind: Pod
metadata: {name: shell}
spec: {containers: [{name: c, image: busybox}]}
`;

let cluster: TestCluster;
let directory: string;

const dns = (command: string, ...args: readonly string[]): Promise<Finished> =>
  run(podnetPath, ['dns', command, '--name', cluster.name, ...args]);

async function query(...args: readonly string[]): Promise<DnsQueryReport> {
  const { stdout, stderr } = await dns('query', '-o', 'json', ...args);
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as DnsQueryReport;
}

before(async () => {
  if (skip !== false) return;
  directory = mkdtempSync(join(tmpdir(), 'podnet-dns-commands-'));
  const path = join(directory, 'dns.yaml');
  writeFileSync(path, manifest);
  cluster = await startCluster(`dns-${process.pid}`, ['-f', path]);
  await eventually('the answer for postgres', async () => {
    const { code } = await dns('query', 'shell', 'postgres-0.postgres.database');
    return code === 0 ? true : undefined;
  });
});
after(async () => {
  if (skip !== false) return;
  await cluster.down();
  rmSync(directory, { recursive: true, force: true });
});

test('nslookup in a pod finds Services, pods, ports and aliases', { skip: needsNslookup }, async () => {
  const nslookup = async (...args: readonly string[]): Promise<string> => {
    const { stdout } = await cluster.tryKubectl('exec', 'shell', '--', 'nslookup', ...args);
    return stdout;
  };
  const ip = await cluster.kubectl(
    'get',
    'pod',
    '-n',
    'database',
    'postgres-0',
    '-o',
    'jsonpath={.status.podIP}',
  );
  const address = new RegExp(`^Address: ${RegExp.escape(ip)}$`, 'mu');
  assert.match(await nslookup('my-service'), /^Name:\tmy-service\.default\.svc\.cluster\.local$/mu);
  assert.match(await nslookup('postgres.database.svc.cluster.local'), address);
  assert.match(await nslookup('postgres-0.postgres.database.svc.cluster.local'), address);
  assert.match(
    await nslookup('-query=SRV', '_http._tcp.my-service.default.svc.cluster.local'),
    /service = 0 100 80 my-service\.default\.svc\.cluster\.local\.$/mu,
  );
  assert.match(
    await nslookup('external-db.default.svc.cluster.local'),
    /^external-db\.default\.svc\.cluster\.local\tcanonical name = db\.example\.com\.$/mu,
  );
});

test(
  'dns query answers the short name of another namespace at the first try, and says why',
  { skip },
  async () => {
    const { tries, roundTrips, found, pod } = await query('shell', 'postgres.database');
    assert.equal(pod, 'default/shell');
    assert.equal(found, true);
    assert.equal(roundTrips, 1);
    assert.equal(tries[0]?.from, 'zone');
    assert.deepEqual(
      tries[0].answers.map(({ type, source }) => [type, source?.replace(/postgres-\w+/u, 'SLICE')]),
      [
        ['CNAME', 'the search list of the pod, walked by its node (autopath)'],
        ['A', 'EndpointSlice database/SLICE endpoints[0].addresses[0]'],
      ],
    );
  },
);

test('dns query walks the search list for what does not exist, and leaves with 1', { skip }, async () => {
  const { tries } = await query('shell', 'nobody');
  assert.deepEqual(
    tries.map(({ name }) => name),
    ['nobody.default.svc.cluster.local', 'nobody.svc.cluster.local', 'nobody.cluster.local', 'nobody'],
  );
  const { code, stdout } = await dns('query', 'shell', 'nobody.default.svc.cluster.local.');
  assert.equal(code, 1);
  assert.match(stdout, /^1\. nobody\.default\.svc\.cluster\.local\.  NXDOMAIN /mu);
  assert.match(stdout, /not found: 1 round trip/u);
});

test('dns query finds the name of an address, and says what it cannot ask', { skip }, async () => {
  const ip = await cluster.kubectl('get', 'service', 'my-service', '-o', 'jsonpath={.spec.clusterIP}');
  const { tries } = await query('shell', ip, 'PTR');
  assert.equal(tries[0]?.answers[0]?.data, 'my-service.default.svc.cluster.local.');
  const nobody = await dns('query', 'nobody', 'web');
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /There is no pod default\/nobody/u);
  assert.equal((await dns('query', 'shell', 'web', 'BOGUS')).code, 2);
});

test('dns top and dns log tell which pod asked for what', { skip }, async () => {
  const listen = (...args: readonly string[]): { output: () => string; ended: Promise<unknown> } => {
    const child = spawn(podnetPath, ['dns', ...args, '--name', cluster.name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    return { output: () => output, ended: once(child, 'close') };
  };
  const log = listen('log', '--for', '8', '--pod', 'shell');
  const top = listen('top', '--for', '8', '-o', 'json');
  await eventually('a line of the log', async () => {
    await dns('query', 'shell', 'my-service');
    return log.output().includes('my-service') ? true : undefined;
  });
  await Promise.all([log.ended, top.ended]);
  assert.match(
    log.output(),
    /^\S+ node-\d default\/shell my-service\.default\.svc\.cluster\.local\. A NOERROR 1 .* zone$/mu,
  );
  const { names, clients, rcodes, questions } = JSON.parse(top.output()) as DnsTopReport;
  assert.ok(questions >= 1);
  assert.ok(names.some(({ key }) => key === 'my-service.default.svc.cluster.local A'));
  assert.ok(clients.some(({ key }) => key === 'default/shell'));
  assert.ok(rcodes.some(({ key }) => key === 'NOERROR'));
});
