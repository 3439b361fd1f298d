import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  eventually,
  hasProgram,
  podnetPath,
  run,
  startCluster,
  whyNoCluster,
  type TestCluster,
} from './support/cluster.ts';

const missing = whyNoCluster() ?? (hasProgram('kubectl') ? undefined : 'kubectl is not installed');
const skip = missing ?? false;
const needsNslookup =
  skip || (hasProgram('nslookup') ? false : 'nslookup is not installed (apt-get install bind9-dnsutils)');

interface Identity {
  readonly pod: string;
  readonly ip: string;
  readonly node: string;
  readonly client: { readonly address: string; readonly port: number };
}

/** What a stand-in says of itself and of its client. */
async function ask(cluster: TestCluster, pod: string, url: string): Promise<Identity> {
  const text = await cluster.kubectl(
    'exec',
    pod,
    '--',
    'curl',
    '-s',
    '--max-time',
    '5',
    '-H',
    'Accept: application/json',
    url,
  );
  return JSON.parse(text) as Identity;
}

interface PodRow {
  readonly name: string;
  readonly ip: string;
  readonly node: string;
}

async function podsOf(cluster: TestCluster, selector: string): Promise<PodRow[]> {
  const text = await cluster.kubectl('get', 'pods', '-l', selector, '-o', 'json');
  const { items } = JSON.parse(text) as {
    items: { metadata: { name: string }; status: { podIP: string }; spec: { nodeName: string } }[];
  };
  return items.map(({ metadata, status, spec }) => ({
    name: metadata.name,
    ip: status.podIP,
    node: spec.nodeName,
  }));
}

let cluster: TestCluster;

before(async () => {
  if (missing === undefined) cluster = await startCluster(`e2e-${process.pid}`, []);
});
after(async () => {
  if (missing === undefined) await cluster.down();
});

test('up ends with every pod ready, tables, the export line and what to type next', { skip }, () => {
  const { code, stdout, stderr } = cluster.up;
  assert.equal(code, 0, stderr);
  assert.match(
    stdout,
    /^NODE +STATUS +ADDRESS +POD CIDR +PODS\nnode-1 +Ready +172\.18\.0\.2 +10\.244\.\d+\.0\/24/m,
  );
  assert.match(stdout, /^default +web-\S+ +1\/1 +Running +10\.244\.\d+\.\d+ +node-\d$/m);
  assert.match(stdout, /^default +api +ClusterIP +10\.96\.\d+\.\d+ +80\/TCP +3$/m);
  assert.match(stdout, /^ {2}export KUBECONFIG=\/proc\/\d+\/root\/run\/podnet\/kubeconfig$/m);
  assert.match(stderr, /^pods: \d+ of \d+ ready$/m, 'plain progress lines when not a terminal');
});

test(
  'every pod has an address of its own, and pods reach each other on any node without NAT',
  { skip },
  async () => {
    const all = [...(await podsOf(cluster, 'app=web')), ...(await podsOf(cluster, 'app=api'))];
    assert.equal(new Set(all.map(({ ip }) => ip)).size, all.length);
    const [from] = await podsOf(cluster, 'app=shell');
    assert.ok(from);
    const nodes = new Set<string>();
    for (const target of all) {
      const seen = await ask(cluster, from.name, `http://${target.ip}:8080/`);
      assert.equal(seen.pod, target.name);
      assert.equal(seen.client.address, from.ip, 'the source address is the pod’s own');
      nodes.add(target.node);
    }
    assert.ok(nodes.size > 1, 'the targets were on several nodes');
  },
);

test(
  'a Service is reached by name, keeps the source address, and gives each replica its share',
  { skip },
  async () => {
    const replicas = await podsOf(cluster, 'app=api');
    const [from] = await podsOf(cluster, 'app=shell');
    const script =
      'for i in $(seq 60); do curl -s --max-time 5 -H "Accept: application/json" http://api/; echo; done';
    const text = await cluster.kubectl('exec', 'shell', '--', 'sh', '-c', script);
    const answers = text
      .trim()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Identity);
    assert.equal(answers.length, 60);
    const share = Map.groupBy(answers, ({ pod }) => pod);
    assert.deepEqual([...share.keys()].sort(), replicas.map(({ name }) => name).sort());
    for (const [pod, got] of share) assert.ok(got.length >= 6, `${pod} got ${got.length} of 60`);
    assert.ok(answers.every(({ client }) => client.address === from?.ip));
  },
);

test('a pod reaches itself through its own Service', { skip }, async () => {
  const [pod] = await podsOf(cluster, 'app=web');
  assert.ok(pod);
  await cluster.kubectl('label', 'pod', pod.name, 'only=me');
  const manifest = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'myself' },
    spec: { selector: { only: 'me' }, ports: [{ port: 80, targetPort: 8080 }] },
  };
  const folder = mkdtempSync(join(tmpdir(), 'podnet-e2e-'));
  writeFileSync(join(folder, 'service.json'), JSON.stringify(manifest));
  await cluster.kubectl('apply', '-f', folder);
  rmSync(folder, { recursive: true });
  const seen = await eventually('its own Service answers', async () => {
    const { code, stdout } = await cluster.tryKubectl(
      'exec',
      pod.name,
      '--',
      'curl',
      '-s',
      '--max-time',
      '2',
      '-H',
      'Accept: application/json',
      'http://myself/',
    );
    return code === 0 ? (JSON.parse(stdout) as Identity) : undefined;
  });
  assert.equal(seen.pod, pod.name);
});

test('cluster DNS answers for Services, headless Services and pods', { skip: needsNslookup }, async () => {
  const lookup = async (name: string): Promise<string[]> => {
    const text = await cluster.kubectl('exec', 'shell', '--', 'nslookup', name);
    return [...text.matchAll(/^Address: (\S+)$/gm)].map(([, address = '']) => address).sort();
  };
  const clusterIP = await cluster.kubectl('get', 'service', 'api', '-o', 'jsonpath={.spec.clusterIP}');
  assert.deepEqual(await lookup('api'), [clusterIP]);
  assert.deepEqual(await lookup('api.default.svc.cluster.local'), [clusterIP]);
  const caches = await podsOf(cluster, 'app=cache');
  assert.deepEqual(await lookup('cache'), caches.map(({ ip }) => ip).sort());
  const [cache] = caches;
  assert.ok(cache);
  assert.deepEqual(await lookup(`${cache.ip.replaceAll('.', '-')}.default.pod.cluster.local`), [cache.ip]);
  const nobody = await cluster.tryKubectl(
    'exec',
    'shell',
    '--',
    'nslookup',
    'nobody.default.svc.cluster.local',
  );
  assert.notEqual(nobody.code, 0);
  assert.match(nobody.stdout, /NXDOMAIN/);
});

test('a Service without endpoints is refused at once', { skip }, async () => {
  await cluster.kubectl('create', 'service', 'clusterip', 'empty', '--tcp=80:80');
  await eventually('the refusal', async () => {
    const started = performance.now();
    const { code } = await cluster.tryKubectl(
      'exec',
      'shell',
      '--',
      'curl',
      '-s',
      '--max-time',
      '4',
      'http://empty/',
    );
    return code === 7 && performance.now() - started < 3000 ? true : undefined;
  });
});

test('scaling changes who answers', { skip }, async () => {
  await cluster.kubectl('scale', 'deployment', 'api', '--replicas=1');
  const [only] = await eventually('one replica', async () => {
    const pods = await podsOf(cluster, 'app=api');
    return pods.length === 1 ? pods : undefined;
  });
  const { pod } = await ask(cluster, 'shell', 'http://api/');
  assert.equal(pod, only?.name);
  await cluster.kubectl('delete', 'pod', pod, '--wait=false');
  const next = await eventually('its replacement answers', async () => {
    const { code, stdout } = await cluster.tryKubectl(
      'exec',
      'shell',
      '--',
      'curl',
      '-s',
      '--max-time',
      '2',
      '-H',
      'Accept: application/json',
      'http://api/',
    );
    const answer = code === 0 ? (JSON.parse(stdout) as Identity) : undefined;
    return answer !== undefined && answer.pod !== pod ? answer : undefined;
  });
  assert.notEqual(next.pod, pod);
});

test('kubectl logs and exec carry output, input and exit codes', { skip }, async () => {
  const { code } = await cluster.tryKubectl('exec', 'shell', '--', 'sh', '-c', 'exit 42');
  assert.equal(code, 42);
  assert.equal((await cluster.kubectl('exec', 'shell', '--', 'hostname')).trim(), 'shell');
  assert.match(
    await cluster.kubectl('exec', 'shell', '--', 'cat', '/etc/resolv.conf'),
    /^nameserver 10\.96\.0\.10$/m,
  );
});

test('status, list and kubeconfig speak of the running cluster', { skip }, async () => {
  const { code, stdout } = await cluster.podnet('status', '-o', 'json');
  assert.equal(code, 0);
  const status = JSON.parse(stdout) as {
    cluster: { kubeconfig: string };
    nodes: { name: string; ready: boolean }[];
  };
  assert.equal(status.cluster.kubeconfig, cluster.kubeconfig);
  assert.deepEqual(
    status.nodes.map(({ name, ready }) => [name, ready]),
    [
      ['node-1', true],
      ['node-2', true],
      ['node-3', true],
    ],
  );
  const { stdout: listed } = await run(podnetPath, ['list', '-o', 'json']);
  assert.ok((JSON.parse(listed) as { name: string }[]).some(({ name }) => name === cluster.name));
});

test('up refuses a name that is taken, and says what to do', { skip }, async () => {
  const { code, stderr } = await run(podnetPath, ['up', '-d', '--name', cluster.name]);
  assert.equal(code, 1);
  assert.match(stderr, /is already running\n {2}where: .*\n {2}fix: /);
});

test('enter runs a command in a node’s network and passes its exit code on', { skip }, async () => {
  const route = await cluster.podnet('enter', 'node-1', '--', 'ip', 'route');
  assert.match(route.stdout, /^10\.244\.\d+\.0\/24 via 172\.18\.0\.\d+ dev eth0/m);
  assert.equal((await cluster.podnet('enter', 'world', '--', 'sh', '-c', 'exit 9')).code, 9);
  const nowhere = await cluster.podnet('enter', 'node-9');
  assert.match(nowhere.stderr, /There is no machine named "node-9"/);
});

test('pods reach the world with their node’s address', { skip }, async () => {
  const [shell] = await podsOf(cluster, 'app=shell');
  const server = run(podnetPath, [
    'enter',
    'world',
    '--name',
    cluster.name,
    '--',
    process.execPath,
    '-e',
    `require('http').createServer((q, s) => { s.setHeader('connection', 'close'); s.end(q.socket.remoteAddress, () => process.exit()); }).listen(8000, '203.0.113.10')`,
  ]);
  const seen = await eventually('the world answers', async () => {
    const { code, stdout } = await cluster.tryKubectl(
      'exec',
      'shell',
      '--',
      'curl',
      '-s',
      '--max-time',
      '1',
      'http://203.0.113.10:8000/',
    );
    return code === 0 ? stdout : undefined;
  });
  await server;
  const number = Number(shell?.node.replace('node-', ''));
  assert.equal(seen, `172.18.0.${number + 1}`);
});
