/** Switching between backends while packets flow, and what each leaves behind. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openIptables } from '../../src/kernel/iptables/iptables.ts';
import { errorMessage } from '../../src/model/errors.ts';
import {
  type BackendFactory,
  createBackendFactory,
  requireBackend,
} from '../../src/services/backends/factory.ts';
import {
  type BackendName,
  type SwitchingBackend,
  backendNames,
  createSwitchingBackend,
} from '../../src/services/backends/switching.ts';
import { type ServiceCompiler, createServiceCompiler } from '../../src/services/compile.ts';
import { testService, testSlice } from '../../src/services/test-objects.ts';
import { type LiveConnection, askOnce, openLive } from './support/live-connection.ts';
import { FAR, NODE, SERVER_PORT, type ServiceNode, facts, startServiceNode } from './support/service-node.ts';

const CLUSTER_IP = '10.96.0.1';
const NODE_PORT = 30_080;

function missing(name: BackendName): string | false {
  try {
    requireBackend(name);
    return false;
  } catch (error) {
    return errorMessage(error);
  }
}

/** Gives up silently: what is asserted next says more. */
async function until(condition: () => boolean, timeoutMs = 20_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition() && Date.now() < deadline) await new Promise((done) => setTimeout(done, 10));
}

/** Every way from one backend to another, each once, in one walk. */
const ways: readonly (readonly [from: BackendName, to: BackendName])[] = [
  ['nftables', 'iptables'],
  ['iptables', 'nftables'],
  ['nftables', 'ipvs'],
  ['ipvs', 'iptables'],
  ['iptables', 'ipvs'],
  ['ipvs', 'nftables'],
];

describe('createSwitchingBackend, in the kernel', () => {
  let node: ServiceNode;
  let factory: BackendFactory;
  let compiler: ServiceCompiler;

  before(async () => {
    node = await startServiceNode();
    factory = createBackendFactory(node);
  });

  after(() => {
    factory.close();
    node.close();
  });

  function load(
    endpoints = [
      { address: node.one.v4, nodeName: 'node-1' },
      { address: FAR.v4, nodeName: 'node-2' },
    ],
  ): void {
    compiler = createServiceCompiler({ node: facts });
    const spec = { type: 'NodePort', ports: [{ name: 'web', port: 80, nodePort: NODE_PORT }] } as const;
    compiler.setService(testService('web', CLUSTER_IP, [], { ...spec, ports: [...spec.ports] }));
    compiler.setSlice(testSlice('web', 'a', [{ name: 'web', port: SERVER_PORT }], endpoints));
    compiler.takeChange();
  }

  /** What a backend leaves in the kernel, in words. */
  function remains(name: BackendName): string[] {
    const tables = node.nftables.tables().map((table) => `table ${table.family} ${table.name}`);
    if (name === 'nftables') return tables.filter((text) => text.includes('podnet-services'));
    if (name === 'ipvs') {
      const device = node.rtnl.link('kube-ipvs0') === undefined ? [] : ['kube-ipvs0'];
      return [...tables.filter((text) => text.includes('podnet-ipvs')), ...device];
    }
    const iptables = openIptables(node);
    const rules = ([4, 6] as const).flatMap((family) => [...iptables.tables(family).keys()]);
    iptables.close();
    return rules;
  }

  for (const [from, to] of ways) {
    const skip = missing(from) || missing(to);
    test(
      `${from} to ${to}: connections live on, new ones are served all the while, nothing is left`,
      { skip },
      async () => {
        load();
        const backend = createSwitchingBackend({
          first: from,
          create: (name) => factory.create(name),
          retireIntervalMs: 100,
        });
        backend.sync(compiler.plan);
        const targets = [
          { from: node.client.netns, to: { address: CLUSTER_IP, port: 80 } },
          { from: node.netns, to: { address: CLUSTER_IP, port: 80 } },
          { from: node.world, to: { address: NODE.v4, port: NODE_PORT } },
        ];
        const live: LiveConnection[] = [];
        const first: string[] = [];
        for (const target of targets) {
          for (let count = 0; count < 4; count++) live.push(await openLive(target.from, target.to));
        }
        for (const connection of live) first.push(await connection.ask());
        assert.deepEqual(
          first.filter((answer) => !/^(one|far) [\d.]+$/u.test(answer)),
          [],
        );

        const stop = new AbortController();
        const refused: string[] = [];
        let served = 0;
        const keepAsking = async (target: (typeof targets)[number]): Promise<void> => {
          while (!stop.signal.aborted) {
            const answer = await askOnce(target.from, target.to);
            if (/^(one|far) /u.test(answer)) served += 1;
            else refused.push(answer);
          }
        };
        const asking = targets.map(keepAsking);
        const start = served;
        await until(() => served >= start + 10 || refused.length > 0);
        backend.switchTo(to);
        const during = served;
        await until(() => served >= during + 10 || refused.length > 0);
        const second: string[] = [];
        for (const connection of live) second.push(await connection.ask());
        stop.abort();
        await Promise.all(asking);
        for (const connection of live) connection.close();

        assert.deepEqual(second, first, 'established connections');
        assert.deepEqual(refused, [], 'new connections');
        assert.ok(backend.isIntact());
        await until(() => remains(from).length === 0);
        assert.deepEqual(remains(from), []);
        backend.cleanup();
        assert.deepEqual(remains(to), []);
      },
    );
  }

  test('its first sync() removes what another process left of other backends', async () => {
    load();
    const left = backendNames.filter((name) => missing(name) === false);
    for (const name of left) factory.create(name).sync(compiler.plan);
    const backend: SwitchingBackend = createSwitchingBackend({
      first: 'nftables',
      create: (name) => factory.create(name),
    });
    backend.sync(compiler.plan);
    for (const name of left) assert.equal(remains(name).length > 0, name === 'nftables', name);
    assert.match(await askOnce(node.client.netns, { address: CLUSTER_IP, port: 80 }), /^(one|far) /u);
    backend.cleanup();
  });
});
