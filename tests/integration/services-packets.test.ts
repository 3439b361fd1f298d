/** What only time or the node itself can show of Services, with packets, on each backend this kernel can run. */
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { AF, SOCK, accept, bind, connect, listen, socket } from '../../src/kernel/ffi-sockets.ts';
import { withNetns } from '../../src/kernel/netns.ts';
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

const SCTP = 132;
const SCTP_PORT = 9999;

function hasSctp(): boolean {
  try {
    closeSync(socket(AF.INET, SOCK.STREAM, SCTP));
    return true;
  } catch {
    return false;
  }
}

/** struct sockaddr_in. */
function socketAddress(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF.INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address.split('.').map(Number), 4);
  return bytes;
}

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

    test('a client that stayed away for longer than the timeout of its affinity is free again', async (t) => {
      if (name === 'ipvs')
        return t.skip(
          'IPVS remembers a client for as long as connections of its own are closing, and a minute more',
        );
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
      // IPVS gives an address back once the connections that were made to it have ended.
      const deadline = Date.now() + (name === 'ipvs' ? 20_000 : 0);
      let answer = await answers(BALANCER, SERVER_PORT);
      while (answer !== 'far' && Date.now() < deadline) {
        await new Promise((done) => setTimeout(done, 100));
        answer = await answers(BALANCER, SERVER_PORT);
      }
      assert.equal(answer, 'far');
    });

    test('SCTP reaches each endpoint', async (t) => {
      if (!hasSctp()) return t.skip('This kernel has no SCTP: protocol 132 has no sockets');
      const servers = [node.one, node.two].map(({ netns }) => {
        const fd = withNetns(netns, () => socket(AF.INET, SOCK.STREAM | SOCK.NONBLOCK, SCTP));
        bind(fd, socketAddress('0.0.0.0', SCTP_PORT));
        listen(fd, 16);
        return fd;
      });
      t.after(() => servers.forEach(closeSync));
      const targets = [node.one, node.two].map(({ v4 }) => ({ address: v4, nodeName: 'node-1' }));
      const port = { name: 'sctp', protocol: 'SCTP' } as const;
      const service = testService('sctp', CLUSTER_IP, [{ ...port, port: 9 }]);
      const slice = testSlice('sctp', 'a', [{ ...port, port: SCTP_PORT }], targets);
      backend.sync(compile([service], [slice], { node: facts }));
      const reached = new Set<number>();
      const deadline = Date.now() + 20_000;
      while (reached.size < servers.length && Date.now() < deadline) {
        const client = withNetns(node.client.netns, () => socket(AF.INET, SOCK.STREAM | SOCK.NONBLOCK, SCTP));
        connect(client, socketAddress(CLUSTER_IP, 9));
        await new Promise((done) => setTimeout(done, 20));
        for (const server of servers) {
          const connection = accept(server);
          if (connection < 0) continue;
          reached.add(server);
          closeSync(connection);
        }
        closeSync(client);
      }
      assert.equal(reached.size, servers.length);
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
