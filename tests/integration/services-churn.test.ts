/** Many changes a second, and a Service that moves to other pods: clients see the state before or after, never a part. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceBackend } from '../../src/services/backends/backend.ts';
import { createBackendFactory } from '../../src/services/backends/factory.ts';
import { type ServiceCompiler, createServiceCompiler } from '../../src/services/compile.ts';
import { BackendKeeper } from '../../src/services/service-proxy.ts';
import { testService, testSlice } from '../../src/services/test-objects.ts';
import { connectWhile } from './support/connect-while.ts';
import { askOnce } from './support/live-connection.ts';
import { SERVER_PORT, type ServiceNode, facts, startServiceNode } from './support/service-node.ts';

/** One transaction of iptables over nf_tables holds no more in a user namespace, where it may not widen its buffer. */
const SERVICES = { nftables: 200, iptables: 40 } as const;
const CHANGES = 2000;
const CHANGES_A_SECOND = 1000;
const tcp = { name: 'web', port: 80 };
const target = { name: 'web', port: SERVER_PORT };
const addressOf = (index: number): string => `10.96.1.${index}`;

interface Kept {
  readonly compiler: ServiceCompiler;
  readonly changed: () => void;
  /** Resolves when all that was told is in the kernel. */
  readonly settled: () => Promise<void>;
  readonly stop: () => void;
}

/** A backend kept equal to objects, as the Service proxy does it. */
function keep(backend: ServiceBackend): Kept {
  const compiler = createServiceCompiler({ node: facts });
  const stop = new AbortController();
  const carriedOut = { times: 0 };
  const keeper = new BackendKeeper({
    backend,
    compiler,
    followers: [],
    log: (_, message) => assert.fail(message),
    done: () => (carriedOut.times += 1),
  });
  keeper.start(stop.signal, 60_000);
  return {
    compiler,
    changed: () => keeper.changed(),
    async settled() {
      const wanted = carriedOut.times + 1;
      const deadline = Date.now() + 20_000;
      keeper.changed();
      while (carriedOut.times < wanted) {
        assert.ok(Date.now() < deadline, 'the changes never reached the kernel');
        await delay(5);
      }
    },
    stop: () => stop.abort(),
  };
}

for (const name of ['nftables', 'iptables'] as const) {
  test(`${name}: ${CHANGES_A_SECOND} changes a second end right, and no connection sees a part of one`, async (t) => {
    const node: ServiceNode = await startServiceNode();
    t.after(() => node.close());
    const factory = createBackendFactory(node);
    t.after(() => factory.close());
    let backend: ServiceBackend;
    try {
      backend = factory.create(name);
    } catch (error) {
      t.skip(error instanceof Error ? error.message : String(error));
      return;
    }
    const { compiler, changed, settled, stop } = keep(backend);
    t.after(stop);
    const pods = { one: node.one.v4, two: node.two.v4 };
    const choices: readonly (readonly ('one' | 'two')[])[] = [['one'], ['two'], ['one', 'two'], []];
    /** Of each Service, by now. */
    const wanted: (readonly ('one' | 'two')[])[] = [];
    const give = (index: number, to: readonly ('one' | 'two')[]): void => {
      const service = `s-${index}`;
      const endpoints = to.map((pod) => ({ address: pods[pod], nodeName: 'node-1' }));
      compiler.setService(testService(service, addressOf(index), [tcp]));
      compiler.setSlice(testSlice(service, 'a', [target], endpoints));
      wanted[index] = to;
    };
    const count = SERVICES[name];
    for (let index = 0; index < count; index++) give(index, ['one']);
    await settled();

    const { connected, failures } = await connectWhile(
      node.client.netns,
      { address: addressOf(0), port: 80 },
      async () => {
        const started = performance.now();
        for (let change = 0; change < CHANGES;) {
          // However busy the backend is, this many have come by now.
          const due = Math.min(CHANGES, ((performance.now() - started) * CHANGES_A_SECOND) / 1000 + 1);
          for (; change < due; change++) {
            // Service 0 always has somebody; the others come, change and lose everybody.
            give(0, choices[change % 3] ?? ['one']);
            give(1 + ((change * 7) % (count - 1)), choices[(change * 5) % 4] ?? []);
          }
          changed();
          await delay(1);
        }
        await settled();
      },
    );
    assert.ok(connected > 50, `only ${connected} connections were tried`);
    assert.deepEqual(failures, []);
    for (let index = 0; index < count; index += 3) {
      const answer = await askOnce(node.client.netns, { address: addressOf(index), port: 80 });
      const [said = ''] = answer.split(' ');
      const allowed = wanted[index]?.length === 0 ? ['ECONNREFUSED'] : wanted[index];
      assert.ok(
        allowed?.some((each) => each === said),
        `${addressOf(index)} answered ${answer}`,
      );
    }
  });
}

test('a Service whose selector changes loses no connection on its way to other pods', async (t) => {
  const node = await startServiceNode();
  t.after(() => node.close());
  const factory = createBackendFactory(node);
  t.after(() => factory.close());
  const { compiler, changed, settled, stop } = keep(factory.create('nftables'));
  t.after(stop);
  const web = { address: addressOf(0), port: 80 };
  const slice = (suffix: string, address: string): void =>
    compiler.setSlice(testSlice('web', suffix, [target], [{ address, nodeName: 'node-1' }]));
  compiler.setService(testService('web', web.address, [tcp]));
  slice('a', node.one.v4);
  await settled();
  const { connected, failures } = await connectWhile(node.client.netns, web, async () => {
    for (let turn = 0; turn < 50; turn++) {
      // As the EndpointSlice controller does it: the slice is written anew with the pods of the new selector.
      slice('a', turn % 2 === 0 ? node.two.v4 : node.one.v4);
      changed();
      await delay(10);
    }
    await settled();
  });
  assert.deepEqual(failures, [], `of ${connected}`);
  assert.match(await askOnce(node.client.netns, web), /^one /u);
});
