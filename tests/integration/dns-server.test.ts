import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { after, before, describe, test, type TestContext } from 'node:test';
import { promisify } from 'node:util';

import dnsPacket from 'dns-packet';

import { Client } from '../../src/cluster/client.ts';
import { createFakeTransport, type FakeTransport } from '../../src/cluster/fake-transport.ts';
import { endpointSlices, namespaces, services } from '../../src/cluster/resources.ts';
import { createServiceInformers } from '../../src/cluster/service-informers.ts';
import { createDns, type Dns } from '../../src/dns/dns.ts';
import { fixtureServices, fixtureZone } from '../../src/dns/zone/fixture.ts';
import { openRtnl } from '../../src/kernel/rtnl/rtnl.ts';

const address = '10.96.0.10';
const execute = promisify(execFile);

interface Running {
  readonly dns: Dns;
  readonly client: Client;
  readonly transport: FakeTransport;
  stop(): Promise<void>;
}

async function start(options: { address?: string; upstreams?: string[] } = {}): Promise<Running> {
  const transport = createFakeTransport();
  const client = new Client(transport);
  for (const name of ['default', 'database', 'quiet'])
    await client.create(namespaces, { metadata: { name } });
  for (const { service, slices } of fixtureServices) {
    await client.create(services, service);
    const owner = { 'kubernetes.io/service-name': service.metadata?.name ?? '' };
    for (const slice of slices) {
      await client.create(endpointSlices, { ...slice, metadata: { ...slice.metadata, labels: owner } });
    }
  }
  const objects = createServiceInformers(client);
  const dns = createDns({
    client,
    objects,
    addresses: [options.address ?? address],
    clusterDomain: 'cluster.local',
    upstreams: options.upstreams ?? [],
  });
  const stop = new AbortController();
  const done = Promise.all([objects.run(stop.signal), dns.run(stop.signal)]);
  return {
    dns,
    client,
    transport,
    async stop() {
      stop.abort();
      await done;
    },
  };
}

async function digAvailable(): Promise<boolean> {
  return execute('dig', ['-v']).then(
    () => true,
    () => false,
  );
}

async function dig(t: TestContext, ...args: string[]): Promise<string> {
  if (!(await digAvailable())) {
    t.skip('dig is not installed (Debian package dnsutils)');
    return '';
  }
  const { stdout } = await execute('dig', [`@${address}`, '+tries=1', '+time=2', ...args]);
  return stdout;
}

function query(name: string, type: dnsPacket.RecordType, id = 77): Buffer {
  return dnsPacket.encode({ type: 'query', id, flags: 0x100, questions: [{ name, type }] });
}

async function askUdp(
  name: string,
  type: dnsPacket.RecordType,
  server = address,
): Promise<dnsPacket.DecodedPacket> {
  const socket = createSocket('udp4');
  try {
    socket.send(query(name, type), 53, server);
    const [answer] = (await once(socket, 'message', { signal: AbortSignal.timeout(5000) })) as [Buffer];
    return dnsPacket.decode(answer);
  } finally {
    socket.close();
  }
}

/** Sends every question over one connection at once, and returns the answers in the order they came. */
async function askTcp(...questions: Buffer[]): Promise<dnsPacket.DecodedPacket[]> {
  const socket = connect(53, address);
  const answers: dnsPacket.DecodedPacket[] = [];
  let pending = Buffer.alloc(0);
  for (const question of questions) {
    socket.write(Buffer.from([question.length >> 8, question.length & 0xff]));
    socket.write(question);
  }
  try {
    for await (const chunk of socket.setTimeout(5000, () => socket.destroy(new Error('no answer')))) {
      pending = Buffer.concat([pending, chunk as Buffer]);
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0);
        answers.push(dnsPacket.decode(pending.subarray(2, end)));
        pending = pending.subarray(end);
      }
      if (answers.length === questions.length) break;
    }
    return answers;
  } finally {
    socket.destroy();
  }
}

function rcodeOf({ flags = 0 }: dnsPacket.DecodedPacket): number {
  return flags & 0xf;
}

function sortedAnswers(packet: dnsPacket.DecodedPacket | undefined): string[] | undefined {
  return packet?.answers?.map((answer) => JSON.stringify(answer)).sort();
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!(await check())) {
    assert.ok(Date.now() < deadline, 'the condition did not come true in 5 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('createDns on a node', () => {
  let running: Running;

  before(async () => {
    const rtnl = openRtnl();
    rtnl.setLink('lo', { up: true });
    rtnl.addAddress({ link: 'lo', address, prefixLength: 32, scope: 'host' });
    rtnl.close();
    running = await start();
    await running.dns.ready;
  });
  after(() => running.stop());

  const asked: [name: string, type: string, answer: RegExp][] = [
    [
      'web.default.svc.cluster.local',
      'A',
      /^web\.default\.svc\.cluster\.local\.\s+5\s+IN\s+A\s+10\.96\.0\.20$/m,
    ],
    ['web.default.svc.cluster.local', 'AAAA', /IN\s+AAAA\s+fd00:96::20$/m],
    [
      'web.default.svc.cluster.local',
      'MX',
      /status: NOERROR.*[\s\S]*AUTHORITY SECTION:\s+cluster\.local\.\s+5\s+IN\s+SOA/,
    ],
    ['postgres.database.svc.cluster.local', 'A', /ANSWER: 3,/],
    ['postgres-0.postgres.database.svc.cluster.local', 'A', /IN\s+A\s+10\.244\.1\.7$/m],
    ['10-244-2-8.postgres.database.svc.cluster.local', 'A', /IN\s+A\s+10\.244\.2\.8$/m],
    [
      '_http._tcp.web.default.svc.cluster.local',
      'SRV',
      /IN\s+SRV\s+0 100 80 web\.default\.svc\.cluster\.local\.[\s\S]*ADDITIONAL SECTION:[\s\S]*10\.96\.0\.20/,
    ],
    ['20.0.96.10.in-addr.arpa', 'PTR', /IN\s+PTR\s+web\.default\.svc\.cluster\.local\.$/m],
    ['external-db.default.svc.cluster.local', 'A', /IN\s+CNAME\s+db\.example\.com\.$/m],
    ['10-244-1-3.default.pod.cluster.local', 'A', /IN\s+A\s+10\.244\.1\.3$/m],
    ['dns-version.cluster.local', 'TXT', /IN\s+TXT\s+"1\.1\.0"$/m],
    [
      'cluster.local',
      'SOA',
      /IN\s+SOA\s+ns\.dns\.cluster\.local\. hostmaster\.cluster\.local\. \d+ 7200 1800 86400 5$/m,
    ],
    ['svc.cluster.local', 'A', /status: NOERROR[\s\S]*ANSWER: 0,/],
    ['nobody.default.svc.cluster.local', 'A', /status: NXDOMAIN/],
    ['example.com', 'A', /status: SERVFAIL/],
  ];
  for (const transport of ['+notcp', '+tcp', '+noedns']) {
    for (const [name, type, answer] of asked) {
      test(`dig ${transport} ${name} ${type}`, async (t) => {
        const text = await dig(t, transport, name, type);
        if (text !== '') assert.match(text, answer);
        assert.doesNotMatch(text, /WARNING: (?!\.local)|malformed/i);
      });
    }
  }

  test('answers every record over UDP and TCP alike', async () => {
    const names = [
      ...new Set(
        fixtureZone()
          .records()
          .map(({ name, data }) => `${name} ${data.type}`),
      ),
      'nobody.default.svc.cluster.local A',
    ].map((text) => text.split(' ') as [string, dnsPacket.RecordType]);
    const overTcp = await askTcp(...names.map(([name, type], index) => query(name, type, index)));
    for (const [index, [name, type]] of names.entries()) {
      const overUdp = await askUdp(name, type);
      const tcp = overTcp[index];
      assert.equal(tcp?.id, index);
      assert.deepEqual(sortedAnswers(tcp), sortedAnswers(overUdp), name);
    }
  });

  test('follows the objects, and keeps its last state while the API server is away', async () => {
    const name = 'late.default.svc.cluster.local';
    assert.equal(rcodeOf(await askUdp(name, 'A')), 3);
    await running.client.create(services, {
      metadata: { name: 'late', namespace: 'default' },
      spec: { clusterIP: '10.96.7.7' },
    });
    await eventually(async () => (await askUdp(name, 'A')).answers?.length === 1);
    running.transport.intercept = () => new Error('the API server is away');
    running.transport.endWatches(new Error('connection reset'));
    assert.equal((await askUdp(name, 'A')).answers?.length, 1);
    running.transport.intercept = undefined;
    await running.client.delete(services, { namespace: 'default', name: 'late' });
    await eventually(async () => rcodeOf(await askUdp(name, 'A')) === 3);
  });

  test('closes a TCP connection that announces an endless query, and serves the next', async () => {
    const socket = connect(53, address);
    socket.write(Buffer.from([0xff, 0xff, 0, 0]));
    await once(socket, 'close', { signal: AbortSignal.timeout(5000) });
    assert.equal((await askTcp(query('cluster.local', 'NS')))[0]?.answers?.length, 1);
  });

  test('survives a flood of connections', async () => {
    const sockets = Array.from({ length: 400 }, () => connect(53, address).on('error', () => {}));
    await Promise.all(
      sockets.map((socket) => once(socket, 'connect', { signal: AbortSignal.timeout(5000) })),
    );
    assert.equal((await askTcp(query('cluster.local', 'NS')))[0]?.answers?.length, 1);
    for (const socket of sockets) socket.destroy();
  });
});

test('createDns waits for an address that comes later', async () => {
  const running = await start({ address: '10.96.0.99' });
  const first = await Promise.race([
    running.dns.ready.then(() => 'ready'),
    new Promise((resolve) => setTimeout(resolve, 100, 'waiting')),
  ]);
  assert.equal(first, 'waiting');
  const rtnl = openRtnl();
  rtnl.addAddress({ link: 'lo', address: '10.96.0.99', prefixLength: 32, scope: 'host' });
  rtnl.close();
  await running.dns.ready;
  assert.equal((await askUdp('cluster.local', 'NS', '10.96.0.99')).answers?.length, 1);
  await running.stop();
});

describe('createDns with upstream resolvers', () => {
  const upstream = '10.96.0.53';
  let running: Running;
  let questions: string[] = [];
  const udp = createSocket('udp4');
  const tcp = createServer();

  /** Answers any name with 192.0.2.80; `big.` names only over TCP, `gone.` with NXDOMAIN. */
  function answerTo(message: Buffer, transport: 'udp' | 'tcp'): Buffer {
    const packet = dnsPacket.decode(message);
    // Questions come in letters of random case.
    const name = (packet.questions?.[0]?.name ?? '').toLowerCase();
    questions.push(`${transport} ${name}`);
    const count = name.startsWith('big.') ? 100 : 1;
    const cut = count > 1 && transport === 'udp';
    const answers: dnsPacket.Answer[] = Array.from(
      { length: cut || name.startsWith('gone.') ? 0 : count },
      (_, index) => ({
        type: 'A',
        name,
        ttl: 60,
        data: `192.0.2.${80 + index}`,
      }),
    );
    const flags = (cut ? dnsPacket.TRUNCATED_RESPONSE : 0) | (name.startsWith('gone.') ? 3 : 0);
    return dnsPacket.encode({
      type: 'response',
      id: packet.id ?? 0,
      flags,
      questions: packet.questions ?? [],
      answers,
    });
  }

  before(async () => {
    const rtnl = openRtnl();
    for (const local of [upstream, '10.96.0.54']) {
      rtnl.addAddress({ link: 'lo', address: local, prefixLength: 32, scope: 'host' });
    }
    rtnl.close();
    udp.on('message', (message, peer) => udp.send(answerTo(message, 'udp'), peer.port, peer.address));
    udp.bind(53, upstream);
    tcp.on('connection', (socket) =>
      socket.once('data', (data: Buffer) => {
        const answer = answerTo(data.subarray(2), 'tcp');
        socket.end(Buffer.concat([Buffer.from([answer.length >> 8, answer.length & 0xff]), answer]));
      }),
    );
    tcp.listen(53, upstream);
    await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
    // The first one is not there: every question must fail over.
    running = await start({ upstreams: ['10.96.0.54', upstream] });
    await running.dns.ready;
  });
  after(async () => {
    await running.stop();
    udp.close();
    tcp.close();
  });

  test('forwards names outside and fails over', async () => {
    const answer = await askUdp('Www.Example.com', 'A');
    assert.equal(answer.questions?.[0]?.name, 'Www.Example.com');
    assert.deepEqual(
      answer.answers?.map((record) => ('data' in record ? record.data : '')),
      ['192.0.2.80'],
    );
    assert.equal(rcodeOf(await askUdp('gone.example.com', 'A')), 3);
  });

  test('never asks outside for names of the cluster', async () => {
    questions = [];
    await askUdp('nobody.default.svc.cluster.local', 'A');
    assert.deepEqual(questions, []);
  });

  test('goes on over TCP when an answer was cut', async () => {
    questions = [];
    const [answer] = await askTcp(query('big.example.com', 'A'));
    assert.equal(answer?.answers?.length, 100);
    assert.deepEqual(questions, ['udp big.example.com', 'tcp big.example.com']);
    assert.equal((await askUdp('big.example.com', 'A')).flag_tc, true);
  });

  test('follows an ExternalName outside', async () => {
    const answer = await askUdp('external-db.default.svc.cluster.local', 'A');
    assert.deepEqual(
      answer.answers?.map((record) => ('data' in record ? [record.type, record.data] : [])),
      [
        ['CNAME', 'db.example.com'],
        ['A', '192.0.2.80'],
      ],
    );
  });
});
