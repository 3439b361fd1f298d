import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  hasProgram,
  podnetPath,
  run,
  startCluster,
  whyNoCluster,
  type Finished,
  type TestCluster,
} from './support/cluster.ts';

const missing = whyNoCluster() ?? (hasProgram('kubectl') ? undefined : 'kubectl is not installed');
const skip = missing ?? false;

const MANIFEST = ['a1 node-1', 'a2 node-1', 'b1 node-2']
  .map((words) => words.split(' '))
  .flatMap(([name, node]) => [
    `apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: ${name}}}
spec: {nodeName: ${node}, containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}`,
    `apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: ${name}}, ipFamilyPolicy: PreferDualStack, ports: [{port: 80, targetPort: 8080}]}`,
  ])
  .join('\n---\n');

const directory = mkdtempSync(join(tmpdir(), 'podnet-bridge-'));
let cluster: TestCluster;

before(async () => {
  if (missing !== undefined) return;
  const manifest = join(directory, 'pods.yaml');
  writeFileSync(manifest, MANIFEST);
  const options = ['--link', 'bridge', '--nodes', '2', '--ip-family', 'dual', '-f', manifest];
  cluster = await startCluster(`bridge-${process.pid}`, options);
  assert.equal(cluster.up.code, 0, cluster.up.stderr);
});
after(async () => {
  rmSync(directory, { recursive: true });
  if (missing === undefined) await cluster.down();
});

interface Identity {
  readonly pod: string;
  readonly client: { readonly address: string };
}

async function ask(from: string, url: string): Promise<Identity> {
  const curl = ['curl', '-s', '--max-time', '5', '-H', 'Accept: application/json', url];
  return JSON.parse(await cluster.kubectl('exec', from, '--', ...curl)) as Identity;
}

async function addressesOf(pod: string): Promise<string[]> {
  const path = '-o=jsonpath={.status.podIPs[*].ip}';
  return (await cluster.kubectl('get', 'pod', pod, path)).split(' ');
}

const inUrl = (address: string): string => (address.includes(':') ? `[${address}]` : address);

test(
  'bridged pods of one node and of two see each other’s own addresses, in both families',
  { skip },
  async () => {
    const own = await addressesOf('a1');
    assert.equal(own.length, 2);
    for (const to of ['a2', 'b1']) {
      for (const [family, address] of (await addressesOf(to)).entries()) {
        const { pod, client } = await ask('a1', `http://${inUrl(address)}:8080`);
        assert.deepEqual([pod, client.address], [to, own[family]]);
      }
    }
  },
);

test('bridged pods reach Services: of another node, of the same node, and their own', { skip }, async () => {
  const own = await addressesOf('a1');
  const asked = await Promise.all(
    ['b1', 'a2', 'a1'].map(async (name) => ask('a1', `http://${name}.default.svc.cluster.local`)),
  );
  assert.deepEqual(
    asked.map(({ pod }) => pod),
    ['b1', 'a2', 'a1'],
  );
  assert.ok(own.includes(asked[0]?.client.address ?? ''));
  assert.ok(own.includes(asked[1]?.client.address ?? ''));
  assert.ok(
    !own.includes(asked[2]?.client.address ?? ''),
    'by the node, else the answer would not come back',
  );
});

test('a node reaches its bridged pods', { skip }, async () => {
  for (const address of await addressesOf('a1')) {
    const connect = ['bash', '-c', `exec 3<>/dev/tcp/${address}/8080`];
    const { code, stderr } = await cluster.podnet('enter', 'node-1', '--', ...connect);
    assert.equal(code, 0, stderr);
  }
});

test(
  'the node shows the textbook picture',
  { skip: skip || (hasProgram('bridge') ? false : 'iproute2 is not installed') },
  async () => {
    const { stdout: links } = await cluster.podnet(
      'enter',
      'node-1',
      '--',
      'ip',
      '-d',
      'link',
      'show',
      'master',
      'cbr0',
    );
    assert.equal(links.match(/bridge_slave .* hairpin on /g)?.length, 2);
    assert.match(links, /alias 10\.\S+ \S+ eth0 podnet default\/a1/);
    const { stdout: learned } = await cluster.podnet(
      'enter',
      'node-1',
      '--',
      'bridge',
      'fdb',
      'show',
      'br',
      'cbr0',
    );
    assert.match(learned, /^0a:58:0a:f4:\S+ dev pod\w+ master cbr0/m);
  },
);

test('a trace over bridges is what the kernel does', { skip }, async () => {
  for (const destination of [
    'pod/a2:8080',
    'pod/b1:8080',
    'svc/a1',
    'svc/a2',
    'svc/b1',
    'kubernetes',
    '203.0.113.10:9',
  ]) {
    const { code, stdout, stderr } = await cluster.podnet('trace', 'a1', destination, '--observe');
    assert.equal(code, 0, `${destination}: ${stdout}${stderr}`);
    assert.match(stdout, /cbr0/);
  }
});

test('check mtu finds nothing wrong, then the interface that somebody changed', { skip }, async () => {
  const check = async (): Promise<Finished> => run(podnetPath, ['check', 'mtu', '--name', cluster.name]);
  const good = await check();
  assert.equal(good.code, 0, good.stdout + good.stderr);
  await cluster.podnet('enter', 'node-2', '--', 'ip', 'link', 'set', 'cbr0', 'mtu', '1300');
  const bad = await check();
  assert.equal(bad.code, 1, bad.stdout);
  assert.match(bad.stdout, /node-2 +cbr0 +1300 .*wrong/);
  assert.match(bad.stdout, /ip link set dev cbr0 mtu 1500/);
});
