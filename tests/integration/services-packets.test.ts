/** What only time or the node itself can show of Services, with packets, on each backend this kernel can run. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { errorMessage } from '../../src/model/errors.ts';
import type { Service } from '../../src/model/objects.ts';
import type { ServiceBackend } from '../../src/services/backends/backend.ts';
import {
  type BackendFactory,
  createBackendFactory,
  requireBackend,
} from '../../src/services/backends/factory.ts';
import { backendNames } from '../../src/services/backends/switching.ts';
import { compile } from '../../src/services/compile.ts';
import { testService, testSlice } from '../../src/services/test-objects.ts';
import { askOnce, startLineServer } from './support/live-connection.ts';
import { NODE, SERVER_PORT, type ServiceNode, facts, startServiceNode } from './support/service-node.ts';

const CLUSTER_IP = '10.96.0.1';
const BALANCER = '198.51.100.1';

for (const name of backendNames) {
  let skip: string | false = false;
  try {
    requireBackend(name);
  } catch (error) {
    skip = errorMessage(error);
  }
  describe(`${name} with packets`, { skip }, () => {
    let node: ServiceNode;
    let factory: BackendFactory;
    let backend: ServiceBackend;

    before(async () => {
      node = await startServiceNode();
      factory = createBackendFactory(node);
      backend = factory.create(name);
    });

    after(() => {
      backend.cleanup();
      factory.close();
      node.close();
    });

    function load(service: Service, endpoints = [node.one.v4]): void {
      const targets = endpoints.map((address) => ({ address, nodeName: 'node-1' }));
      const slice = testSlice('web', 'a', [{ name: 'web', port: SERVER_PORT }], targets);
      backend.sync(compile([service], [slice], { node: facts }));
    }

    /** Whose server answers a pod. */
    async function answers(address: string, port: number): Promise<string> {
      return (await askOnce(node.client.netns, { address, port })).replace(/ .*/u, '');
    }

    test('a client that stayed away for longer than the timeout of its affinity is free again', async () => {
      const timeoutSeconds = 1;
      const spec = { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } };
      load(testService('web', CLUSTER_IP, [{ name: 'web', port: 80 }], spec), [node.one.v4, node.two.v4]);
      const first = await answers(CLUSTER_IP, 80);
      assert.match(first, /^(one|two)$/u);
      for (let count = 0; count < 8; count++) assert.equal(await answers(CLUSTER_IP, 80), first);
      // Free to get the same again, too; not twenty times.
      for (let count = 0; count < 20; count++) {
        await new Promise((done) => setTimeout(done, timeoutSeconds * 1000 + 300));
        if ((await answers(CLUSTER_IP, 80)) !== first) return;
      }
      assert.fail(`always ${first}`);
    });

    test("a load balancer's address is its own in ipMode Proxy, and the Service's in VIP", async () => {
      const world = openRtnl({ netns: node.world });
      world.addAddress({ link: 'lo', address: BALANCER, prefixLength: 32 });
      world.close();
      const ports = [{ name: 'web', port: SERVER_PORT }];
      const balanced = (ipMode: 'Proxy' | 'VIP'): Service => ({
        ...testService('web', CLUSTER_IP, ports, { type: 'LoadBalancer' }),
        status: { loadBalancer: { ingress: [{ ip: BALANCER, ipMode }] } },
      });
      load(balanced('Proxy'));
      assert.equal(await answers(BALANCER, SERVER_PORT), 'far');
      load(balanced('VIP'));
      assert.equal(await answers(BALANCER, SERVER_PORT), 'one');
      load(balanced('Proxy'));
      assert.equal(await answers(BALANCER, SERVER_PORT), 'far');
    });

    test("an external IP that is the node's own stays the node's", async (t) => {
      const server = startLineServer(node.netns, 'node', 2222);
      t.after(() => server.close());
      const ports = [{ name: 'web', port: 2222 }];
      load(testService('web', CLUSTER_IP, ports, { externalIPs: [NODE.v4, BALANCER] }));
      assert.equal(await answers(NODE.v4, 2222), 'node');
      assert.equal(await answers(BALANCER, 2222), 'one');
    });
  });
}
