/** Random and mutated messages: 1,000,000 of them with PODNET_FUZZ=1000000, fewer in an ordinary run. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import dnsPacket from 'dns-packet';
import { decodeMessage } from '../wire/message.ts';
import { DnsFormatError } from '../wire/name.ts';
import { RCODE } from '../wire/constants.ts';
import { block } from './fixture.ts';

const COUNT = Number(process.env['PODNET_FUZZ'] ?? 300_000);
const NAMES = [
  'web.default.svc.cluster.local',
  '_http._tcp.web.default.svc.cluster.local',
  '20.0.96.10.in-addr.arpa',
  'nobody.default.svc.cluster.local',
  '10-244-1-3.default.pod.cluster.local',
  'external-db.default.svc.cluster.local',
  'a.example',
  '.',
];

/** xorshift32: the same numbers in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function seeds(): Buffer[] {
  const types = ['A', 'AAAA', 'SRV', 'PTR', 'TXT', 'SOA', 'NS', 'MX'] as const;
  return NAMES.flatMap((name) =>
    types.map((type) => {
      const plain = dnsPacket.encode({ type: 'query', id: 1, flags: 0x100, questions: [{ name, type }] });
      if (type.length % 2 === 0) return plain;
      // An EDNS record with a cookie.
      const edns = Buffer.from('00002904d000000000000c000a00080102030405060708', 'hex');
      const whole = Buffer.concat([plain, edns]);
      whole.writeUInt16BE(1, 10);
      return whole;
    }),
  );
}

test(`createServer answers ${COUNT} random and mutated messages with what it is or an error, or ignores them`, () => {
  const server = block('nsid n\nbufsize 1232\nchaos\nany\nrewrite name a.b web.default.svc.cluster.local');
  const random = generator(20_260_101);
  const corpus = seeds();
  const out = Buffer.alloc(4096);
  const client = (): { address: string; port: number } => ({ address: '10.244.1.9', port: 1 });
  const rcodes = new Map<number | 'none' | 'later', number>();
  let compared = 0;

  function make(): Buffer {
    if (random(8) === 0) return Buffer.from(Array.from({ length: random(80) }, () => random(256)));
    const message = Buffer.from(corpus[random(corpus.length)] ?? Buffer.alloc(12));
    for (let change = random(5); change > 0; change--) message[random(message.length)] = random(256);
    return random(6) === 0 ? message.subarray(0, random(message.length + 1)) : message;
  }

  for (let index = 0; index < COUNT; index++) {
    const message = make();
    // Buffers as the sockets have them: more room behind than the message is long.
    const held = Buffer.concat([message, Buffer.alloc(8, 0xff)]);
    const { length } = message;
    const reply = server.respond(
      { message: held, length, transport: 'udp', family: 4, client },
      { out, transport: 'udp' },
    );
    if (typeof reply !== 'number') {
      count('later');
      continue;
    }
    if (reply === 0) {
      count('none');
      const isIgnored = length < 12 || (message[2] ?? 0) >= 0x80;
      assert.ok(isIgnored, `silence after ${message.toString('hex')}`);
      continue;
    }
    const answer = out.subarray(0, reply);
    assert.ok(reply <= 1232 && reply >= 12);
    assert.equal(answer.readUInt16BE(0), message.readUInt16BE(0));
    assert.ok((answer[2] ?? 0) >= 0x80, 'an answer that is no answer');
    const rcode = (answer[3] ?? 0) & 0xf;
    count(rcode);
    if (index % 16 !== 0) continue;
    const { answers } = decodeMessage(Buffer.from(answer));
    assert.equal(dnsPacket.decode(answer).answers?.length, answers.length);
    compared += 1;
  }
  assert.ok(compared > COUNT / 50);
  for (const rcode of [RCODE.NOERROR, RCODE.FORMERR, RCODE.NXDOMAIN, RCODE.NOTIMP, 'none' as const])
    assert.ok((rcodes.get(rcode) ?? 0) > 0, `no message met ${rcode}`);

  function count(rcode: number | 'none' | 'later'): void {
    rcodes.set(rcode, (rcodes.get(rcode) ?? 0) + 1);
  }
});

test('decodeMessage reads what dns-packet reads of mutated messages, or refuses it', () => {
  const random = generator(7);
  const corpus = seeds();
  let agreed = 0;
  for (let index = 0; index < COUNT / 4; index++) {
    const message = Buffer.from(corpus[random(corpus.length)] ?? Buffer.alloc(12));
    message[random(message.length)] = random(256);
    let ours: string[] | undefined;
    try {
      ours = decodeMessage(message).questions.map(({ type, name }) => `${type} ${name.toLowerCase()}`);
    } catch (error) {
      assert.ok(error instanceof DnsFormatError || error instanceof RangeError, String(error));
      continue;
    }
    let theirs: string[] | undefined;
    try {
      theirs = dnsPacket.decode(message).questions?.map(({ type, name }) => `${type} ${name.toLowerCase()}`);
    } catch {
      continue; // it also reads what options say
    }
    assert.equal(ours.length, theirs?.length, message.toString('hex'));
    agreed += 1;
  }
  assert.ok(agreed > 0);
});
