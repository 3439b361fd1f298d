/** Clusters with IPv6, alone and beside IPv4: the same promises, in both families. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  eventually,
  hasProgram,
  podnetPath,
  run,
  startCluster,
  whyNoCluster,
  type TestCluster,
} from './support/cluster.ts';

const skip = whyNoCluster() ?? (hasProgram('kubectl') ? false : 'kubectl is not installed');

interface Identity {
  readonly pod: string;
  readonly ip: string;
  readonly client: { readonly address: string };
}

interface PodRow {
  readonly metadata: { readonly name: string };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly podIPs: readonly { readonly ip: string }[] };
}

const at = (address: string, port: number): string =>
  `http://${address.includes(':') ? `[${address}]` : address}:${port}/`;

async function curl(cluster: TestCluster, pod: string, ...args: readonly string[]): Promise<string> {
  return cluster.kubectl('exec', pod, '--', 'curl', '-s', '--max-time', '5', ...args);
}

async function ask(cluster: TestCluster, pod: string, ...args: readonly string[]): Promise<Identity> {
  return JSON.parse(await curl(cluster, pod, '-H', 'Accept: application/json', ...args)) as Identity;
}

/** Undefined as long as nobody answers. */
async function tryAsk(cluster: TestCluster, pod: string, url: string): Promise<Identity | undefined> {
  const json = ['-H', 'Accept: application/json'];
  const { code, stdout } = await cluster.tryKubectl(
    'exec',
    pod,
    '--',
    'curl',
    '-s',
    '--max-time',
    '2',
    ...json,
    url,
  );
  return code === 0 ? (JSON.parse(stdout) as Identity) : undefined;
}

async function podsOf(cluster: TestCluster, selector: string): Promise<PodRow[]> {
  const text = await cluster.kubectl('get', 'pods', '-l', selector, '-o', 'json');
  return (JSON.parse(text) as { items: PodRow[] }).items;
}

const addressesOf = ({ status }: PodRow): string[] => status.podIPs.map(({ ip }) => ip);

/** Every pod of `api` from the pod `shell`, at each address: what either sees is the other's own address. */
async function reachEveryPod(cluster: TestCluster): Promise<void> {
  const [shell] = await podsOf(cluster, 'app=shell');
  assert.ok(shell);
  for (const api of await podsOf(cluster, 'app=api')) {
    for (const [family, address] of addressesOf(api).entries()) {
      const { pod, client } = await ask(cluster, 'shell', at(address, 8080));
      assert.equal(pod, api.metadata.name);
      assert.equal(client.address, addressesOf(shell)[family]);
    }
  }
}

/** The address a pod's packets have in the world outside. */
async function seenOutside(cluster: TestCluster, world: string): Promise<string> {
  const script = `require('http').createServer((q, s) => { s.setHeader('connection', 'close'); s.end(q.socket.remoteAddress, () => process.exit()); }).listen(8000, '${world}')`;
  const enter = ['enter', 'world', '--name', cluster.name, '--', process.execPath, '-e', script];
  const server = run(podnetPath, enter);
  const seen = await eventually('the world answers', async () => {
    const url = at(world, 8000);
    const { code, stdout } = await cluster.tryKubectl(
      'exec',
      'shell',
      '--',
      'curl',
      '-s',
      '--max-time',
      '1',
      url,
    );
    return code === 0 ? stdout : undefined;
  });
  await server;
  return seen;
}

test('a dual-stack cluster keeps its promises in both families', { skip }, async (t) => {
  const cluster = await startCluster('ip-dual', ['--ip-family', 'dual']);
  t.after(() => cluster.down());
  const [shell] = await podsOf(cluster, 'app=shell');
  assert.ok(shell);
  const nodeNumber = Number(shell.spec.nodeName.replace('node-', '')) + 1;

  await t.test(
    'every pod has an address of each, and is reached at both with its sender unchanged',
    async () => {
      assert.deepEqual(
        addressesOf(shell).map((address) => address.includes(':')),
        [false, true],
      );
      await reachEveryPod(cluster);
    },
  );

  await t.test('a Service gets a second address, and both lead to every endpoint', async () => {
    const dual = '{"spec":{"ipFamilyPolicy":"RequireDualStack"}}';
    await cluster.kubectl('patch', 'service', 'api', '-p', dual);
    const text = await cluster.kubectl('get', 'service', 'api', '-o', 'jsonpath={.spec.clusterIPs}');
    const clusterIps = JSON.parse(text) as string[];
    assert.deepEqual(
      clusterIps.map((address) => address.includes(':')),
      [false, true],
    );
    const pods = (await podsOf(cluster, 'app=api')).map(({ metadata }) => metadata.name);
    for (const [family, address] of clusterIps.entries()) {
      const seen = new Set<string>();
      await eventually(`${address} leads to all of ${pods.length}`, async () => {
        const answer = await tryAsk(cluster, 'shell', at(address, 80));
        if (answer === undefined) return undefined;
        assert.equal(answer.client.address, addressesOf(shell)[family]);
        seen.add(answer.pod);
        return seen.size === pods.length ? true : undefined;
      });
    }
  });

  await t.test('DNS has A and AAAA, and answers at both of its addresses', async () => {
    for (const option of ['-4', '-6'])
      assert.match((await ask(cluster, 'shell', option, 'http://api/')).pod, /api-/);
    for (const server of ['10.96.0.10', 'fd00:10:96::a']) {
      const found = await cluster.kubectl(
        'exec',
        'shell',
        '--',
        'nslookup',
        '-type=AAAA',
        'api.default.svc.cluster.local.',
        server,
      );
      assert.match(found, /fd00:10:96::[0-9a-f]+\b/);
    }
  });

  await t.test('a pod reaches itself through its Service in IPv6', async () => {
    const [api] = await podsOf(cluster, 'app=api');
    assert.ok(api);
    await cluster.kubectl('label', 'pod', api.metadata.name, 'only=this');
    const overrides = '{"spec":{"ipFamilies":["IPv6"],"selector":{"only":"this"}}}';
    const ports = ['--port', '80', '--target-port', '8080', '--overrides', overrides];
    await cluster.kubectl('expose', 'pod', api.metadata.name, '--name', 'itself', ...ports);
    const { pod } = await eventually('the Service has its endpoint', () =>
      tryAsk(cluster, api.metadata.name, 'http://itself/'),
    );
    assert.equal(pod, api.metadata.name);
  });

  await t.test('the world sees the node’s address of the same family', async () => {
    assert.equal(await seenOutside(cluster, '203.0.113.10'), `172.18.0.${nodeNumber}`);
    assert.equal(await seenOutside(cluster, '2001:db8:113::10'), `fd00:172:18::${nodeNumber}`);
  });

  await t.test('trace follows either family', async () => {
    const [api] = await podsOf(cluster, 'app=api');
    const [, address] = api === undefined ? [] : addressesOf(api);
    const { stdout, code } = await cluster.podnet('trace', 'shell', `[${address}]:8080`, '--observe');
    assert.equal(code, 0, stdout);
    assert.match(stdout, /the kernel did the same/);
  });
});

test('a cluster of IPv6 alone keeps them too', { skip }, async (t) => {
  const cluster = await startCluster('ip-six', ['--ip-family', 'ipv6', '--nodes', '2']);
  t.after(() => cluster.down());
  const pods = await podsOf(cluster, 'app');
  assert.ok(pods.length > 0);
  for (const pod of pods) assert.ok(addressesOf(pod).every((address) => address.includes(':')));
  await reachEveryPod(cluster);
  assert.match((await ask(cluster, 'shell', 'http://api/')).pod, /api-/);
  assert.match(await curl(cluster, 'shell', '-k', 'https://kubernetes.default/version'), /gitVersion/);
  const seen = await seenOutside(cluster, '2001:db8:113::10');
  assert.match(seen, /^fd00:172:18::[23]$/);
});
