/** What the kernel remembers of flows to Services, with real packets: a client that keeps its port, endpoints that go. */
import assert from 'node:assert/strict';
import { type Socket as DatagramSocket, createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type Server, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { type Conntrack, openConntrack } from '../../src/kernel/conntrack/conntrack.ts';
import { IP_PROTOCOL } from '../../src/kernel/conntrack/conntrack-entry.ts';
import { socketAddress } from '../../src/kernel/datagram-socket.ts';
import { closeFd } from '../../src/kernel/ffi.ts';
import { AF, SOCK, connect, recv, send, socket } from '../../src/kernel/ffi-sockets.ts';
import { type Netns, createNetns, withNetns } from '../../src/kernel/netns.ts';
import { type Nftables, openNftables } from '../../src/kernel/nftables/nftables.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import type { ServiceBackend } from '../../src/services/backends/backend.ts';
import { createNftablesBackend } from '../../src/services/backends/nftables.ts';
import { type ServiceCompiler, createServiceCompiler } from '../../src/services/compile.ts';
import { createConntrackCleaner } from '../../src/services/conntrack-cleaner.ts';
import type { PlanFollower } from '../../src/services/plan-follower.ts';
import { type TestEndpoint, testService, testSlice } from '../../src/services/test-objects.ts';

const ONE = '10.244.1.2';
const TWO = '10.244.1.3';
const PORT = 5353;

describe('UDP flows of Services', () => {
  let node: Netns;
  let pods: Netns;
  let nftables: Nftables;
  let conntrack: Conntrack;
  let backend: ServiceBackend;
  let compiler: ServiceCompiler;
  let cleaner: PlanFollower;
  let forgotten = 0;
  let services = 0;
  const servers: (DatagramSocket | Server)[] = [];
  const clients: DatagramSocket[] = [];

  /** A node, and one other machine that has every pod's address. */
  before(async () => {
    node = createNetns();
    pods = createNetns();
    const inside = openRtnl({ netns: node });
    const outside = openRtnl({ netns: pods });
    inside.setLink('lo', { up: true });
    inside.addLink({ kind: 'veth', name: 'eth0', peer: { name: 'eth0', netns: pods } });
    inside.addAddress({ link: 'eth0', address: '10.244.1.1', prefixLength: 24 });
    for (const address of [ONE, TWO]) outside.addAddress({ link: 'eth0', address, prefixLength: 24 });
    for (const rtnl of [inside, outside]) rtnl.setLink('eth0', { up: true });
    inside.replaceRoute({ dst: '0.0.0.0/0', gateway: ONE });
    for (const rtnl of [inside, outside]) rtnl.close();
    nftables = openNftables({ netns: node });
    conntrack = openConntrack({ netns: node });
    for (const address of [ONE, TWO]) {
      const udp = await bindUdp(pods, address, PORT);
      udp.on('message', (_message, from) => udp.send(address, from.port, from.address));
      servers.push(udp);
    }
    const tcp = createServer((peer) =>
      peer.on('error', () => undefined).on('data', (data) => peer.write(data)),
    );
    withNetns(pods, () => tcp.listen(PORT));
    await once(tcp, 'listening');
    servers.push(tcp);
  });

  after(() => {
    for (const each of [...servers, ...clients]) each.close();
    conntrack.close();
    nftables.close();
    node.close();
    pods.close();
  });

  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'tcp', port: 53 },
  ] as const;
  const targets = ports.map((port) => ({ ...port, port: PORT }));
  const slice = (endpoints: readonly TestEndpoint[]) => testSlice('dns', 'a', targets, endpoints);

  /** The node with one Service that has these endpoints, at an address no other test had. */
  function load(endpoints: readonly TestEndpoint[]): string {
    const address = `10.96.0.${++services}`;
    compiler = createServiceCompiler();
    backend = createNftablesBackend({ nftables });
    compiler.setService(testService('dns', address, ports));
    compiler.setSlice(slice(endpoints));
    compiler.takeChange();
    backend.sync(compiler.plan);
    startCleaner();
    return address;
  }

  function startCleaner(): void {
    cleaner?.stop?.();
    forgotten = 0;
    cleaner = createConntrackCleaner({ conntrack, onCleaned: (result) => (forgotten += result.forgotten) });
    cleaner.planned(compiler.plan);
  }

  function change(endpoints: readonly TestEndpoint[]): void {
    compiler.setSlice(slice(endpoints));
    const difference = compiler.takeChange();
    backend.apply(difference);
    cleaner.changed(difference, compiler.plan);
  }

  /** A client that asks from one port for ever. `ask` says who answered, or nothing for silence. */
  async function openClient(address: string, port = 53) {
    const client = await bindUdp(node, '0.0.0.0', 0);
    client.on('error', () => undefined);
    clients.push(client);
    const ask = async (): Promise<string | undefined> => {
      const answer = once(client, 'message', { signal: AbortSignal.timeout(300) });
      client.send('?', port, address);
      return answer.then(
        ([message]) => String(message),
        () => undefined,
      );
    };
    return { ask, port: client.address().port };
  }

  /** Flows must be told apart from those that took their place. */
  const idOf = (sourcePort: number): number | undefined =>
    conntrack.list({ protocol: IP_PROTOCOL.udp, original: { sourcePort } })[0]?.id;

  const one = { address: ONE };
  const two = { address: TWO };

  test('one to a removed endpoint is forgotten at once, its neighbours are not', async () => {
    const address = load([one, two]);
    const askers = await Promise.all(Array.from({ length: 16 }, () => openClient(address)));
    const answers = await Promise.all(askers.map(({ ask }) => ask()));
    const moved = answers.filter((answer) => answer === ONE).length;
    assert.ok(moved > 0 && moved < 16, `${moved} of 16 at the first endpoint`);
    const stayed = askers.filter((_, index) => answers[index] === TWO);
    const ids = stayed.map(({ port }) => idOf(port));
    change([two]);
    await until(() => forgotten === moved, 'forgotten exactly those of the endpoint that went');
    for (const { ask } of askers) assert.equal(await ask(), TWO);
    assert.deepEqual(
      stayed.map(({ port }) => idOf(port)),
      ids,
    );
  });

  test('one that began before the Service was there is forgotten when it has an endpoint', async () => {
    const address = load([]);
    compiler.deleteService('default/dns');
    backend.apply(compiler.takeChange());
    const client = await openClient(address);
    assert.equal(await client.ask(), undefined);
    assert.ok(idOf(client.port) !== undefined, 'the kernel remembers it');
    compiler.setService(testService('dns', address, ports));
    change([two]);
    await until(() => forgotten === 1, 'forgotten');
    assert.equal(await client.ask(), TWO);
  });

  test('one to a pod that terminates goes on as long as it serves', async () => {
    const address = load([one]);
    const client = await openClient(address);
    assert.equal(await client.ask(), ONE);
    const leaving = { ...one, ready: false, terminating: true };
    change([{ ...leaving, serving: true }, two]);
    assert.equal(await client.ask(), ONE);
    change([{ ...leaving, serving: false }, two]);
    await until(() => forgotten === 1, 'forgotten');
    assert.equal(await client.ask(), TWO);
  });

  test('a new agent forgets none that is valid, and those that are not', async () => {
    const address = load([one, two]);
    const askers = await Promise.all(Array.from({ length: 16 }, () => openClient(address)));
    const answers = await Promise.all(askers.map(({ ask }) => ask()));
    const known = askers.map(({ port }) => idOf(port));
    startCleaner();
    assert.equal(forgotten, 0);
    assert.deepEqual(
      askers.map(({ port }) => idOf(port)),
      known,
    );
    // One goes while no agent runs.
    compiler.setSlice(slice([two]));
    backend.apply(compiler.takeChange());
    startCleaner();
    assert.equal(forgotten, answers.filter((answer) => answer === ONE).length);
    for (const { ask } of askers) assert.equal(await ask(), TWO);
  });

  test('an established TCP connection outlives its place among the endpoints', async () => {
    const address = load([one]);
    const fd = withNetns(node, () => socket(AF.INET, SOCK.STREAM));
    connect(fd, socketAddress(address, 53));
    const echo = async (text: string): Promise<string> => {
      send(fd, Buffer.from(text));
      const buffer = Buffer.alloc(64);
      let length = -1;
      await until(() => (length = recv(fd, buffer, 0x40)) > 0, 'an answer');
      return buffer.toString('utf8', 0, length);
    };
    assert.equal(await echo('before'), 'before');
    change([two]);
    change([]);
    compiler.deleteService('default/dns');
    const gone = compiler.takeChange();
    backend.apply(gone);
    cleaner.changed(gone, compiler.plan);
    startCleaner();
    assert.equal(await echo('after'), 'after');
    closeFd(fd);
  });
});

async function bindUdp(netns: Netns, address: string, port: number): Promise<DatagramSocket> {
  const udp = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) });
  const listening = once(udp, 'listening');
  withNetns(netns, () => udp.bind(port, address));
  await listening;
  return udp;
}

async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!holds()) {
    assert.ok(performance.now() < deadline, `${what} within five seconds`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
