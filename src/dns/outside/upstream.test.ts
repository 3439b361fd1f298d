import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { test, type TestContext } from 'node:test';
import { FLAG, HEADER_BYTES, RCODE, TYPE } from '../wire/constants.ts';
import { encodeMessage } from '../wire/message.ts';
import { nameKey } from '../wire/name.ts';
import { readFrames, writeFrame } from '../wire/frame.ts';
import { createForward, type Forward, type ForwardOptions } from './forward.ts';
import { encodeQuestion, matchAnswer, type Question } from './question.ts';
import { parseUpstream, printUpstream } from './upstream.ts';

const question: Question = {
  key: nameKey('some.example.org'),
  type: TYPE.A,
  dnssecOk: true,
  checkingDisabled: true,
};

/** What a server sends back to a question, by UDP and by TCP; nothing for silence. */
interface Behaviour {
  readonly udp?: (query: Buffer) => readonly Buffer[];
  readonly tcp?: (query: Buffer) => readonly Buffer[];
}

interface Server {
  readonly port: number;
  /** Questions by UDP and by TCP, in the order of arrival. */
  readonly asked: { readonly by: 'udp' | 'tcp'; readonly query: Buffer }[];
  behave: Behaviour;
  connections: number;
}

async function serve(t: TestContext, behave: Behaviour): Promise<Server> {
  const tcp = createServer();
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  const udp = createSocket('udp4');
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  const server: Server = { port, asked: [], behave, connections: 0 };
  udp.on('message', (query: Buffer, peer: RemoteInfo) => {
    server.asked.push({ by: 'udp', query });
    for (const answer of server.behave.udp?.(query) ?? []) udp.send(answer, peer.port, peer.address);
  });
  tcp.on('connection', (socket) => {
    server.connections += 1;
    t.after(() => socket.destroy());
    socket.on('error', () => socket.destroy());
    readFrames(socket, (message) => {
      const query = Buffer.from(message);
      server.asked.push({ by: 'tcp', query });
      for (const answer of server.behave.tcp?.(query) ?? []) socket.write(writeFrame(answer));
    });
  });
  t.after(() => {
    udp.close();
    tcp.close();
  });
  return server;
}

/** The query turned into an answer without records. */
function answerTo(query: Buffer, { flags = 0, rcode = 0 }: { flags?: number; rcode?: number } = {}): Buffer {
  const answer = Buffer.from(query);
  answer.writeUInt16BE(FLAG.QR | flags | rcode, 2);
  return answer;
}

function forwardTo(
  t: TestContext,
  servers: readonly Server[],
  options: Partial<ForwardOptions> = {},
): Forward {
  const upstreams = servers.map(({ port }) => parseUpstream(`127.0.0.1:${port}`));
  const forward = createForward({ upstreams, policy: 'sequential', timeoutMs: 200, ...options });
  t.after(() => forward.close());
  return forward;
}

const honest: Behaviour = { udp: (query) => [answerTo(query)], tcp: (query) => [answerTo(query)] };
const rcodeOf = (answer: Buffer): number => answer.readUInt16BE(2) & 0xf;

test('parseUpstream reads addresses with and without a port, and DNS over TLS', () => {
  const read = (text: string): string => printUpstream(parseUpstream(text));
  assert.equal(read('192.0.2.53'), '192.0.2.53:53');
  assert.equal(read('192.0.2.53:5353'), '192.0.2.53:5353');
  assert.equal(read('2001:db8::53'), '[2001:db8::53]:53');
  assert.equal(read('dns://[2001:db8::53]:5353'), '[2001:db8::53]:5353');
  assert.equal(read('tls://192.0.2.53'), 'tls://192.0.2.53:853');
  for (const bad of [
    '',
    'dns.example',
    '192.0.2.53:0',
    '192.0.2.53:70000',
    '[192.0.2.53',
    '192.0.2.053',
    'https://192.0.2.53',
  ]) {
    assert.throws(() => parseUpstream(bad), { code: 'dns-upstream-invalid' }, bad);
  }
});

test('encodeQuestion carries DO and CD, a random id and letters of random case', () => {
  const queries = Array.from({ length: 50 }, () => encodeQuestion(question, { randomCase: true }));
  const spelled = new Set(queries.map((query) => query.toString('latin1', HEADER_BYTES)));
  assert.ok(spelled.size > 25, 'the case of the letters is hardly random');
  assert.ok(new Set(queries.map((query) => query.readUInt16BE(0))).size > 25);
  const [query = Buffer.alloc(0)] = queries;
  assert.equal(query.readUInt16BE(2), FLAG.RD | FLAG.CD);
  assert.equal(query.readUInt16BE(query.length - 4), 0x8000);
});

test('matchAnswer wants the same id and question, and tells another spelling from another name', () => {
  const query = encodeQuestion(question, { randomCase: false });
  const changed = (change: (answer: Buffer) => void): Buffer => {
    const answer = answerTo(query);
    change(answer);
    return answer;
  };
  assert.equal(matchAnswer(query, answerTo(query)), 'yes');
  assert.equal(matchAnswer(query, query), 'no');
  const spelled = changed((answer) => answer.write('SOME', HEADER_BYTES + 1));
  assert.equal(matchAnswer(query, spelled), 'other-spelling');
  for (const other of [
    changed((answer) => answer.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0)),
    changed((answer) => answer.write('same', HEADER_BYTES + 1)),
    changed((answer) => answer.writeUInt16BE(TYPE.AAAA, HEADER_BYTES + question.key.length)),
    changed((answer) => answer.writeUInt16BE(0, 4)),
    answerTo(query).subarray(0, 20),
    Buffer.alloc(3),
  ])
    assert.equal(matchAnswer(query, other), 'no', other.toString('hex'));
});

test('createForward takes the honest answer among forged ones and garbage', async (t) => {
  const server = await serve(t, {
    udp: (query) => {
      const otherId = answerTo(query);
      otherId.writeUInt16BE((query.readUInt16BE(0) + 1) & 0xffff, 0);
      return [otherId, Buffer.from('garbage'), Buffer.alloc(0), answerTo(query, { rcode: RCODE.NXDOMAIN })];
    },
  });
  const answer = await forwardTo(t, [server]).ask(question);
  assert.equal(rcodeOf(answer), RCODE.NXDOMAIN);
});

test('createForward asks again over TCP when the answer was cut', async (t) => {
  const server = await serve(t, {
    udp: (query) => [answerTo(query, { flags: FLAG.TC })],
    tcp: (query) => [answerTo(query, { rcode: RCODE.NXDOMAIN })],
  });
  const forward = forwardTo(t, [server]);
  assert.equal(rcodeOf(await forward.ask(question)), RCODE.NXDOMAIN);
  assert.equal(rcodeOf(await forward.ask(question)), RCODE.NXDOMAIN);
  assert.deepEqual(
    server.asked.map(({ by }) => by),
    ['udp', 'tcp', 'udp', 'tcp'],
  );
  assert.equal(server.connections, 1, 'the connection was not used again');
});

test('createForward trusts a server that spells names its own way only over TCP, and learns it', async (t) => {
  const lower = (query: Buffer): Buffer => {
    const answer = answerTo(query);
    answer.write(question.key, HEADER_BYTES, 'latin1');
    return answer;
  };
  const server = await serve(t, { udp: (query) => [lower(query)], tcp: (query) => [answerTo(query)] });
  const forward = forwardTo(t, [server]);
  await forward.ask(question);
  await forward.ask(question);
  assert.deepEqual(
    server.asked.map(({ by }) => by),
    ['udp', 'tcp', 'udp'],
  );
});

test('createForward opens another connection when the kept one has ended', async (t) => {
  const server = await serve(t, honest);
  const forward = forwardTo(t, [server], { forceTcp: true, expireMs: 50 });
  await forward.ask(question);
  await new Promise((done) => setTimeout(done, 120));
  await forward.ask(question);
  assert.equal(server.connections, 2);
});

test('createForward answers many questions over one connection, in any order', async (t) => {
  const held: Buffer[] = [];
  const server = await serve(t, {
    tcp: (query) => {
      held.push(answerTo(query));
      return held.length === 20 ? held.toReversed() : [];
    },
  });
  const forward = forwardTo(t, [server], { forceTcp: true, timeoutMs: 2000 });
  const answers = await Promise.all(Array.from({ length: 20 }, () => forward.ask(question)));
  assert.equal(answers.length, 20);
  assert.equal(server.connections, 1);
});

test('createForward goes on to the next upstream after silence, refusal and failure', async (t) => {
  const silent = await serve(t, {});
  const failing = await serve(t, { udp: (query) => [answerTo(query, { rcode: RCODE.SERVFAIL })] });
  const good = await serve(t, honest);
  const unreachable = { ...good, port: 1 };
  assert.equal(rcodeOf(await forwardTo(t, [unreachable, silent, failing, good]).ask(question)), 0);
  const unhappy = forwardTo(t, [silent, failing]);
  assert.equal(rcodeOf(await unhappy.ask(question)), RCODE.SERVFAIL, 'the only answer was thrown away');
  await assert.rejects(forwardTo(t, [silent]).ask(question), /No answer from 127\.0\.0\.1:\d+ within 200 ms/);
});

test('createForward leaves out an upstream that fails its probes until it answers one', async (t) => {
  const flapping = await serve(t, {});
  const good = await serve(t, honest);
  const forward = forwardTo(t, [flapping, good], { healthCheckMs: 20, timeoutMs: 50 });
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    for (const deadline = Date.now() + 10_000; !holds();) {
      assert.ok(Date.now() < deadline, what);
      await new Promise((done) => setTimeout(done, 10));
    }
  };
  await forward.ask(question);
  await until('it was never left out', () => forward.health[0]?.healthy === false);
  const mine = (server: Server): number =>
    server.asked.filter(({ query }) => query.toString('latin1').toLowerCase().includes('example')).length;
  const before = mine(flapping);
  await forward.ask(question);
  assert.equal(mine(flapping), before, 'an unhealthy upstream was asked although another is there');
  flapping.behave = honest;
  await until('it never came back', () => forward.health[0]?.healthy === true);
  await forward.ask(question);
  assert.equal(mine(flapping), before + 1);
});

test('createForward takes turns as its policy says', async (t) => {
  const servers = [await serve(t, honest), await serve(t, honest), await serve(t, honest)];
  const counts = async (policy: 'round_robin' | 'sequential'): Promise<number[]> => {
    for (const server of servers) server.asked.length = 0;
    const forward = forwardTo(t, servers, { policy });
    for (let index = 0; index < 6; index++) await forward.ask(question);
    return servers.map(({ asked }) => asked.length);
  };
  assert.deepEqual(await counts('round_robin'), [2, 2, 2]);
  assert.deepEqual(await counts('sequential'), [6, 0, 0]);
});

test('createForward fails at once without upstreams, and when too many questions are open', async (t) => {
  await assert.rejects(forwardTo(t, []).ask(question), /No upstream resolver/);
  const silent = await serve(t, {});
  const forward = forwardTo(t, [silent], { maxConcurrent: 1 });
  const first = forward.ask(question);
  await assert.rejects(forward.ask(question), /More than 1 questions/);
  await assert.rejects(first, /No answer/);
});

test('createForward goes on when an upstream cannot even be sent to', async (t) => {
  const good = await serve(t, honest);
  // A socket that did not ask to broadcast may not connect there, with or without a network.
  const upstreams = [parseUpstream('255.255.255.255'), parseUpstream(`127.0.0.1:${good.port}`)];
  const answer = await forwardTo(t, [], { upstreams }).ask(question);
  assert.equal(answer.readUInt16BE(2) & FLAG.QR, FLAG.QR);
});

test('encodeQuestion writes what the message codec writes', () => {
  const plain = { ...question, dnssecOk: false, checkingDisabled: false };
  const own = encodeQuestion(plain, { randomCase: false });
  const edns = { type: 'other', number: TYPE.OPT, bytes: Buffer.alloc(0) } as const;
  const whole = encodeMessage({
    id: own.readUInt16BE(0),
    flags: FLAG.RD,
    questions: [{ name: 'some.example.org', type: TYPE.A }],
    answers: [],
    authority: [],
    additional: [{ name: '.', class: 1232, ttlSeconds: 0, data: edns }],
  });
  assert.deepEqual(own, whole);
});
