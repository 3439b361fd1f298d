/** The DNS of a node with pods that ask, flood, and go on asking while it is started anew. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import { after, before, test, type TestContext } from 'node:test';
import { Client } from '../../src/cluster/client.ts';
import { createFakeTransport } from '../../src/cluster/fake-transport.ts';
import { endpointSlices, namespaces, services } from '../../src/cluster/resources.ts';
import { createServiceInformers } from '../../src/cluster/service-informers.ts';
import { createDns } from '../../src/dns/dns.ts';
import { keepNotrack, removeNotrack } from '../../src/dns/notrack.ts';
import type { ClientLimitOptions } from '../../src/dns/serving/client-limits.ts';
import { fixtureServices } from '../../src/dns/zone/fixture.ts';
import { openConntrack } from '../../src/kernel/conntrack/conntrack.ts';
import { createNetns, type Netns, withNetns } from '../../src/kernel/netns.ts';
import { add, destroy } from '../../src/kernel/nftables/commands.ts';
import { ct } from '../../src/kernel/nftables/expressions.ts';
import { openNftables } from '../../src/kernel/nftables/nftables.ts';
import { chain, priorities, rule, table } from '../../src/kernel/nftables/objects.ts';
import { accept, match } from '../../src/kernel/nftables/statements.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';
import { writeSysctl } from '../../src/kernel/sysctl.ts';
import type { Asked } from './support/dns-asker.ts';

const DNS = '10.96.0.10';
const LINK_LOCAL = '169.254.20.10';
const NAME = 'web.default.svc.cluster.local';
const askerPath = fileURLToPath(new URL('support/dns-asker.ts', import.meta.url));

let pods: readonly Netns[] = [];

before(() => {
  const rtnl = openRtnl();
  rtnl.setLink('lo', { up: true });
  for (const address of [DNS, LINK_LOCAL])
    rtnl.addAddress({ link: 'lo', address, prefixLength: 32, scope: 'host' });
  pods = [1, 2].map((index) => {
    const netns = createNetns();
    rtnl.addLink({ kind: 'veth', name: `pod${index}`, peer: { name: 'eth0', netns } });
    rtnl.addAddress({ link: `pod${index}`, address: `10.244.${index}.1`, prefixLength: 24 });
    rtnl.setLink(`pod${index}`, { up: true });
    const inside = openRtnl({ netns });
    inside.addAddress({ link: 'eth0', address: `10.244.${index}.2`, prefixLength: 24 });
    inside.setLink('eth0', { up: true });
    inside.replaceRoute({ dst: '0.0.0.0/0', gateway: `10.244.${index}.1` });
    inside.close();
    return netns;
  });
  rtnl.close();
  writeSysctl('net.ipv4.tcp_migrate_req', '1');
});
after(() => pods.forEach((pod) => pod.close()));

interface Running {
  metrics(): Promise<string>;
  stop(): Promise<void>;
}

/** A server of the fixture's Services, with metrics at a port of its own. */
async function startDns(port: number, limits?: ClientLimitOptions): Promise<Running> {
  const client = new Client(createFakeTransport());
  for (const name of ['default', 'database', 'quiet'])
    await client.create(namespaces, { metadata: { name } });
  for (const { service, slices } of fixtureServices) {
    await client.create(services, service);
    for (const slice of slices) await client.create(endpointSlices, slice);
  }
  const objects = createServiceInformers(client);
  const dns = createDns({
    client,
    objects,
    addresses: [DNS],
    alsoAt: [LINK_LOCAL],
    clusterDomain: 'cluster.local',
    upstreams: [],
    corefile: `. {\n prometheus 127.0.0.1:${port}\n kubernetes cluster.local\n}`,
    ...(limits && { limits }),
  });
  const stop = new AbortController();
  const done = Promise.all([objects.run(stop.signal), dns.run(stop.signal)]);
  await dns.ready;
  return {
    metrics: async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
    async stop() {
      stop.abort();
      await done;
    },
  };
}

interface Asker {
  end(): Promise<Asked>;
}

async function startAsker(t: TestContext, pod: Netns | undefined, ...args: string[]): Promise<Asker> {
  assert.ok(pod !== undefined);
  const child: ChildProcess = withNetns(pod, () =>
    spawn(process.execPath, [askerPath, ...args], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  t.after(() => child.kill('SIGKILL'));
  assert.ok(child.stdout !== null && child.stdin !== null);
  const lines = createInterface({ input: child.stdout });
  await once(lines, 'line');
  return {
    async end() {
      const line = once(lines, 'line', { signal: AbortSignal.timeout(15_000) });
      child.stdin?.write('end\n');
      return JSON.parse(String((await line)[0])) as Asked;
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('a pod that floods the DNS is limited, and the pod beside it is answered', async (t) => {
  const limits = { queriesPerSecond: 2000, queriesBurst: 4000, errorsPerSecond: 500, errorsBurst: 1000 };
  const dns = await startDns(9153, limits);
  const nftables = openNftables();
  const stop = new AbortController();
  const kept = keepNotrack(
    { nftables, addresses: [DNS], limit: { perSecond: 4000, burst: 4000 }, onError: assert.ifError },
    stop.signal,
  );
  t.after(async () => {
    stop.abort();
    await kept;
    removeNotrack(nftables);
    nftables.close();
    await dns.stop();
  });
  const flood = await startAsker(t, pods[0], DNS, NAME, 'flood');
  const polite = await startAsker(t, pods[1], DNS, NAME, 'resolver', '200');
  const overTcp = await startAsker(t, pods[1], DNS, NAME, 'tcp', '20');
  await pause(2000);
  const [ofPolite, ofTcp] = await Promise.all([polite.end(), overTcp.end()]);
  const ofFlood = await flood.end();
  t.diagnostic(JSON.stringify({ ofFlood, ofPolite, ofTcp }));
  assert.ok(ofFlood.sent > 20_000, `only ${ofFlood.sent} questions are no flood`);
  assert.ok(ofPolite.sent > 200);
  assert.ok(ofPolite.lost <= ofPolite.sent * 0.01, `${ofPolite.lost} of ${ofPolite.sent} were lost`);
  assert.equal(ofTcp.lost, 0);
  const limited = /limited_queries_total\{proto="udp"\} (\d+)/.exec(await dns.metrics())?.[1];
  assert.ok(Number(limited) > 500, `${limited} questions were limited`);
});

test('a server that takes over from another loses no question, over UDP or TCP', async (t) => {
  let dns = await startDns(9154);
  const overUdp = await startAsker(t, pods[0], DNS, NAME, 'udp', '2000');
  const overTcp = await startAsker(t, pods[1], DNS, NAME, 'tcp', '100');
  for (const port of [9155, 9156, 9157]) {
    await pause(300);
    const next = await startDns(port);
    await pause(100);
    await dns.stop();
    dns = next;
  }
  await pause(300);
  const [ofUdp, ofTcp] = await Promise.all([overUdp.end(), overTcp.end()]);
  await dns.stop();
  t.diagnostic(JSON.stringify({ ofUdp, ofTcp }));
  assert.ok(ofUdp.sent > 1000 && ofTcp.sent > 50);
  assert.deepEqual([ofUdp.lost, ofTcp.lost], [0, 0]);
});

test('questions to the DNS leave no entry in conntrack, at its link-local address neither', async (t) => {
  const nftables = openNftables();
  const conntrack = openConntrack();
  const stop = new AbortController();
  // Flows are remembered only where somebody asks for it.
  const asking = table('inet', 'asks-conntrack');
  const hooks = (['input', 'output'] as const).map((hook) =>
    chain(asking, hook, { base: { type: 'filter', hook, priority: priorities.filter } }),
  );
  const established = match(ct.state, 'any', ['established']);
  nftables.apply([
    add(asking),
    ...hooks.flatMap((hook) => [add(hook), add(rule(hook, [established, accept]))]),
  ]);
  const dns = await startDns(9158);
  t.after(async () => {
    stop.abort();
    removeNotrack(nftables);
    nftables.apply([destroy(asking)]);
    nftables.close();
    conntrack.close();
    await dns.stop();
  });

  const flows = async (): Promise<number> => {
    conntrack.delete(conntrack.list());
    for (const address of [DNS, LINK_LOCAL]) {
      for (const mode of ['udp', 'tcp']) {
        const asker = await startAsker(t, pods[0], address, NAME, mode, '200');
        await pause(100);
        const { answered, lost } = await asker.end();
        assert.ok(answered > 5 && lost === 0, `${answered} answers, ${lost} lost at ${address} over ${mode}`);
      }
    }
    return conntrack.list().filter(({ original }) => original.destinationPort === 53).length;
  };
  assert.ok((await flows()) > 10, 'conntrack does not remember anything here');
  void keepNotrack({ nftables, addresses: [DNS, LINK_LOCAL], onError: assert.ifError }, stop.signal);
  assert.equal(await flows(), 0);
});
