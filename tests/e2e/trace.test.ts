import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startCluster, whyNoCluster, type TestCluster } from './support/cluster.ts';

const missing = whyNoCluster();
const skip = missing ?? false;

interface Hop {
  readonly action: string;
  readonly packet: { readonly source: string; readonly destination: string };
  readonly decidedBy?: { readonly kind: string; readonly name: string; readonly field: string };
}

interface Trace {
  readonly hops: readonly Hop[];
  readonly outcome: string;
  readonly sourceKept: boolean;
}

let cluster: TestCluster;

before(async () => {
  if (missing === undefined) cluster = await startCluster(`trace-${process.pid}`, []);
});
after(async () => {
  if (missing === undefined) await cluster.down();
});

test('trace names the object and field that decide every hop', { skip }, async () => {
  const { code, stdout } = await cluster.podnet('trace', 'shell', 'svc/web', '-o', 'json');
  assert.equal(code, 0);
  const { hops, outcome, sourceKept } = JSON.parse(stdout) as Trace;
  assert.deepEqual([outcome, sourceKept], ['delivered', true]);
  assert.deepEqual(
    hops.slice(0, 3).map(({ action }) => action),
    ['resolve', 'send', 'dnat'],
  );
  for (const hop of hops) assert.ok(hop.decidedBy?.field, `${hop.action} is decided by a field`);
  assert.equal(hops[2]?.decidedBy?.kind, 'EndpointSlice');
});

test('trace --observe sends a real packet and finds that the kernel did the same', { skip }, async () => {
  for (const destination of [
    'svc/web',
    'svc/api:80',
    'cache:6379',
    'kubernetes',
    '203.0.113.10:9',
    'api.default',
    'pod/shell:9999',
    '127.0.0.1:9999',
  ]) {
    const { code, stdout, stderr } = await cluster.podnet('trace', 'shell', destination, '--observe');
    assert.equal(code, 0, `${destination}: ${stdout}${stderr}`);
    assert.match(stdout, /✓ observed/);
    assert.match(stdout, /the kernel did the same$/m);
  }
});

test('trace --observe notices a kernel that does otherwise', { skip }, async () => {
  const flush = ['nft', 'flush', 'table', 'ip', 'podnet-services'];
  const { code: flushed, stderr } = await cluster.podnet('enter', 'node-1', '--', ...flush);
  assert.equal(flushed, 0, stderr);
  const { stdout: pods } = await cluster.podnet('status', '-o', 'json');
  const { pods: all } = JSON.parse(pods) as { pods: { name: string; node: string }[] };
  const onNode1 = all.find(({ node }) => node === 'node-1');
  assert.ok(onNode1);
  const { code, stdout } = await cluster.podnet('trace', onNode1.name, 'svc/api', '--observe');
  assert.equal(code, 1, stdout);
  assert.match(stdout, /✗ observed: /);
  assert.match(stdout, /the kernel did otherwise$/m);
});

test('trace says what there is when the target is not', { skip }, async () => {
  const { code, stderr } = await cluster.podnet('trace', 'shell', 'svc/nobody');
  assert.equal(code, 1);
  assert.match(stderr, /There is no Service nobody in namespace default\n {2}fix: .*svc\/web|svc\/api/);
});
