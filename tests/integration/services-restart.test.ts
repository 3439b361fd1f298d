/** An agent that starts again, and others who change the kernel: clients notice nothing. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { add, remove } from '../../src/kernel/nftables/commands.ts';
import { elements, set, table } from '../../src/kernel/nftables/objects.ts';
import { type Nftables, openNftables } from '../../src/kernel/nftables/nftables.ts';
import { createNftablesBackend } from '../../src/services/backends/nftables.ts';
import { headerOf } from '../../src/services/backends/nftables-table.ts';
import { type ServiceCompiler, createServiceCompiler } from '../../src/services/compile.ts';
import { testService, testSlice } from '../../src/services/test-objects.ts';
import { connectWhile } from './support/connect-while.ts';
import { askOnce, openLive } from './support/live-connection.ts';
import { SERVER_PORT, type ServiceNode, facts, startServiceNode } from './support/service-node.ts';

const WEB = '10.96.0.1';
const web = { address: WEB, port: 80 };
const STICKY = '10.96.0.2';
/** Together far more than one batch may have without privileges outside a user namespace. */
const SERVICES = 3000;
const ENDPOINTS = 3;

const tcp = { name: 'web', port: 80 };
const target = { name: 'web', port: SERVER_PORT };

function load(node: ServiceNode, { offset = 0 }: { offset?: number } = {}): ServiceCompiler {
  const compiler = createServiceCompiler({ node: facts });
  const pods = [node.one, node.two].map(({ v4 }) => ({ address: v4, nodeName: 'node-1' }));
  compiler.setService(testService('web', WEB, [tcp]));
  compiler.setSlice(testSlice('web', 'a', [target], pods));
  compiler.setService(testService('sticky', STICKY, [tcp], { sessionAffinity: 'ClientIP' }));
  compiler.setSlice(testSlice('sticky', 'a', [target], pods));
  for (let index = 0; index < SERVICES; index++) {
    const name = `other-${index}`;
    compiler.setService(testService(name, `10.97.${index >> 8}.${index & 255}`, [tcp]));
    const addresses = Array.from({ length: ENDPOINTS }, (_, each) => {
      return { address: `10.244.${1 + ((index + each + offset) & 127)}.${index & 255}`, nodeName: 'node-2' };
    });
    compiler.setSlice(testSlice(name, 'a', [target], addresses));
  }
  compiler.takeChange();
  return compiler;
}

describe('createNftablesBackend, started anew', () => {
  let node: ServiceNode;

  before(async () => {
    node = await startServiceNode();
  });

  after(() => node.close());

  const sync = (of: ServiceCompiler): void => createNftablesBackend(node).sync(of.plan);

  test('clients keep their endpoint, connections their life, and new ones always find it', async (t) => {
    const first = load(node);
    sync(first);
    const sticky = { address: STICKY, port: 80 };
    const live = await openLive(node.client.netns, web);
    t.after(() => live.close());
    const [server, stickTo] = [await live.ask(), await askOnce(node.client.netns, sticky)];
    assert.match(server, /^(one|two) /u);
    assert.match(stickTo, /^(one|two) /u);
    for (let offset = 0; offset < 8; offset++) {
      const next = load(node, { offset });
      if (offset % 4 === 0) {
        const { connected, failures } = await connectWhile(node.client.netns, web, () => sync(next));
        assert.deepEqual(failures, [], `of ${connected} connections`);
      } else sync(next);
      assert.equal(await askOnce(node.client.netns, sticky), stickTo);
      assert.equal(await live.ask(), server);
    }
  });

  test('what others took out, put in and made comes right in place', () => {
    const compiler = load(node);
    const backend = createNftablesBackend(node);
    backend.sync(compiler.plan);
    const { table: of, address, front } = headerOf(4);
    const clusterIps = set(of, 'cluster-ips', { key: [address] });
    const handle = (nftables: Nftables): bigint | undefined =>
      nftables.tables().find(({ name }) => name === of.name)?.handle;
    const made = handle(node.nftables);
    const others = openNftables(node);
    others.apply([
      remove(elements(clusterIps, [{ key: [WEB] }])),
      add(elements(clusterIps, [{ key: ['192.0.2.1'] }])),
      add(set(of, 'strange', { key: front })),
    ]);
    assert.equal(backend.isIntact(), false);
    backend.sync(compiler.plan);
    assert.ok(!others.sets(of).some(({ name }) => name === 'strange'));
    const ips = others.elements(clusterIps).map(({ key }) => key[0]);
    assert.equal(ips.length, SERVICES + 2);
    assert.ok(ips.includes(WEB) && !ips.includes('192.0.2.1'));
    others.apply([add(table('ip', 'unrelated')), remove(table('ip', 'unrelated'))]);
    assert.ok(backend.isIntact());
    assert.equal(handle(node.nftables), made, 'the same table');
    others.close();
  });

  test('a table of another make is replaced', () => {
    const compiler = load(node);
    const { table: of } = headerOf(4);
    createNftablesBackend(node).cleanup();
    node.nftables.apply([add(of), add(set(of, 'cluster-ips', { key: ['mark'] }))]);
    const backend = createNftablesBackend(node);
    backend.sync(compiler.plan);
    node.nftables.apply([add(table('ip', 'unrelated')), remove(table('ip', 'unrelated'))]);
    assert.ok(backend.isIntact());
  });
});
