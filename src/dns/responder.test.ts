import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import dnsPacket from 'dns-packet';
import { array, assert as assertProperty, constantFrom, nat, property, tuple, uint8Array } from 'fast-check';

import { compileCorefile } from './corefile/compile.ts';
import { defaultCorefile } from './corefile/default.ts';
import type { PodRecords } from './responder.ts';
import { createBlock } from './serving/block.ts';
import type { Client } from './serving/request.ts';
import { createServer, type DnsServer } from './serving/server.ts';
import { EDNS_BYTES, RCODE, TYPE } from './wire/constants.ts';
import { encodeMessage } from './wire/message.ts';
import { nameKey } from './wire/name.ts';
import { compileService } from './zone/compile.ts';
import { fixtureOptions, fixtureZone } from './zone/fixture.ts';
import { createZone } from './zone/zone.ts';

type Row = [question: string, type: dnsPacket.RecordType, rcode: keyof typeof RCODE, answers: string[]];

const rows: Row[] = [
  ['web.default.svc.cluster.local', 'A', 'NOERROR', ['A 10.96.0.20']],
  ['web.default.svc.cluster.local', 'AAAA', 'NOERROR', ['AAAA fd00:96::20']],
  ['WEB.Default.svc.CLUSTER.local', 'A', 'NOERROR', ['A 10.96.0.20']],
  ['web.default.svc.cluster.local', 'TXT', 'NOERROR', []],
  ['web.default.svc.cluster.local', 'SRV', 'NOERROR', []],
  [
    '_http._tcp.web.default.svc.cluster.local',
    'SRV',
    'NOERROR',
    ['SRV 0 100 80 web.default.svc.cluster.local'],
  ],
  [
    '_dns._udp.web.default.svc.cluster.local',
    'SRV',
    'NOERROR',
    ['SRV 0 100 53 web.default.svc.cluster.local'],
  ],
  ['_dns._tcp.web.default.svc.cluster.local', 'SRV', 'NXDOMAIN', []],
  ['_http._tcp.web.default.svc.cluster.local', 'A', 'NOERROR', []],
  ['_tcp.web.default.svc.cluster.local', 'A', 'NOERROR', []],
  ['10-244-1-3.web.default.svc.cluster.local', 'A', 'NOERROR', ['A 10.244.1.3']],
  ['10-244-2-4.web.default.svc.cluster.local', 'A', 'NXDOMAIN', []],
  ['20.0.96.10.in-addr.arpa', 'PTR', 'NOERROR', ['PTR web.default.svc.cluster.local']],
  [
    '0.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa',
    'PTR',
    'NOERROR',
    ['PTR web.default.svc.cluster.local'],
  ],
  ['21.0.96.10.in-addr.arpa', 'PTR', 'NXDOMAIN', []],
  ['0.96.10.in-addr.arpa', 'PTR', 'NOERROR', []],
  ['postgres.database.svc.cluster.local', 'A', 'NOERROR', ['A 10.244.1.7', 'A 10.244.2.7', 'A 10.244.2.8']],
  ['postgres.database.svc.cluster.local', 'AAAA', 'NOERROR', ['AAAA fd00:244::7']],
  ['postgres-0.postgres.database.svc.cluster.local', 'A', 'NOERROR', ['A 10.244.1.7']],
  ['postgres-0.postgres.database.svc.cluster.local', 'AAAA', 'NOERROR', ['AAAA fd00:244::7']],
  ['postgres-1.postgres.database.svc.cluster.local', 'AAAA', 'NOERROR', []],
  ['10-244-2-8.postgres.database.svc.cluster.local', 'A', 'NOERROR', ['A 10.244.2.8']],
  ['10-244-1-7.postgres.database.svc.cluster.local', 'A', 'NOERROR', ['A 10.244.1.7']],
  ['fd00-244--7.postgres.database.svc.cluster.local', 'AAAA', 'NOERROR', ['AAAA fd00:244::7']],
  ['postgres-3.postgres.database.svc.cluster.local', 'A', 'NXDOMAIN', []],
  [
    '_pg._tcp.postgres.database.svc.cluster.local',
    'SRV',
    'NOERROR',
    [
      'SRV 0 100 15432 postgres-0.postgres.database.svc.cluster.local',
      'SRV 0 100 15432 postgres-1.postgres.database.svc.cluster.local',
      'SRV 0 100 15432 10-244-2-8.postgres.database.svc.cluster.local',
    ],
  ],
  ['7.1.244.10.in-addr.arpa', 'PTR', 'NOERROR', ['PTR postgres-0.postgres.database.svc.cluster.local']],
  ['8.2.244.10.in-addr.arpa', 'PTR', 'NOERROR', ['PTR 10-244-2-8.postgres.database.svc.cluster.local']],
  ['9.2.244.10.in-addr.arpa', 'PTR', 'NXDOMAIN', []],
  ['booting.default.svc.cluster.local', 'A', 'NOERROR', ['A 10.244.3.3']],
  ['booting-0.booting.default.svc.cluster.local', 'A', 'NOERROR', ['A 10.244.3.3']],
  ['down.default.svc.cluster.local', 'A', 'NXDOMAIN', []],
  ['external-db.default.svc.cluster.local', 'A', 'NOERROR', ['CNAME db.example.com']],
  ['external-db.default.svc.cluster.local', 'CNAME', 'NOERROR', ['CNAME db.example.com']],
  [
    'alias.default.svc.cluster.local',
    'A',
    'NOERROR',
    ['CNAME web.default.svc.cluster.local', 'A 10.96.0.20'],
  ],
  ['alias.default.svc.cluster.local', 'TXT', 'NOERROR', ['CNAME web.default.svc.cluster.local']],
  ['lost-alias.default.svc.cluster.local', 'A', 'NXDOMAIN', ['CNAME nobody.default.svc.cluster.local']],
  ['10-244-9-9.default.pod.cluster.local', 'A', 'NOERROR', ['A 10.244.9.9']],
  ['10-244-9-9.default.pod.cluster.local', 'AAAA', 'NOERROR', []],
  ['fd00--5.default.pod.cluster.local', 'AAAA', 'NOERROR', ['AAAA fd00::5']],
  ['10-244-9-999.default.pod.cluster.local', 'A', 'NXDOMAIN', []],
  ['10-244-9-9.nowhere.pod.cluster.local', 'A', 'NXDOMAIN', []],
  ['dns-version.cluster.local', 'TXT', 'NOERROR', ['TXT 1.1.0']],
  ['cluster.local', 'NS', 'NOERROR', ['NS ns.dns.cluster.local']],
  ['ns.dns.cluster.local', 'A', 'NOERROR', ['A 10.96.0.10']],
  ['cluster.local', 'A', 'NOERROR', []],
  ['svc.cluster.local', 'A', 'NOERROR', []],
  ['pod.cluster.local', 'A', 'NOERROR', []],
  ['default.svc.cluster.local', 'A', 'NOERROR', []],
  ['quiet.svc.cluster.local', 'A', 'NOERROR', []],
  ['quiet.pod.cluster.local', 'A', 'NOERROR', []],
  ['nowhere.svc.cluster.local', 'A', 'NXDOMAIN', []],
  ['nobody.default.svc.cluster.local', 'A', 'NXDOMAIN', []],
  ['nobody.cluster.local', 'A', 'NXDOMAIN', []],
  ['*.default.svc.cluster.local', 'A', 'NXDOMAIN', []],
  ['web.default.svc.cluster.local.default.svc.cluster.local', 'A', 'NXDOMAIN', []],
  ['1.0.0.127.in-addr.arpa', 'PTR', 'NXDOMAIN', []],
  ['example.com', 'A', 'SERVFAIL', []],
  ['8.8.8.8.in-addr.arpa', 'PTR', 'SERVFAIL', []],
  ['.', 'NS', 'SERVFAIL', []],
];

/** A server of the default Corefile, without upstreams. */
function responder(podRecords: PodRecords = 'insecure', zone = fixtureZone()): DnsServer {
  const { clusterDomain } = zone;
  const { servers } = compileCorefile(defaultCorefile({ clusterDomain, podRecords }), {
    nodeResolvers: [],
    files: new Map(),
  });
  const parts = { zoneFor: () => zone, clusterDomain, namespaceOf: () => undefined, nodeSearches: [] };
  return createServer({
    blocks: servers.map((plan) => createBlock(plan, parts)),
    onError: (error) => assert.fail(String(error)),
  });
}

const client = (): Client => ({ address: '10.244.1.9', port: 40_000 });

function ask(server: DnsServer, query: Buffer, transport: 'udp' | 'tcp' = 'tcp'): Buffer {
  const out = Buffer.alloc(transport === 'udp' ? 4096 : 65_535);
  const length = server.respond(
    { message: query, length: query.length, transport, family: 4, client },
    { out, transport },
  );
  assert.equal(typeof length, 'number');
  return out.subarray(0, Number(length));
}

function encode(name: string, type: dnsPacket.RecordType, extra: Partial<dnsPacket.Packet> = {}): Buffer {
  const flags = dnsPacket.RECURSION_DESIRED;
  return dnsPacket.encode({ type: 'query', id: 4711, flags, questions: [{ type, name }], ...extra });
}

function manyQuery(udpBytes?: number): Buffer {
  return encodeMessage({
    id: 1,
    flags: 0,
    questions: [{ name: 'many.default.svc.cluster.local', type: TYPE.A }],
    answers: [],
    authority: [],
    additional:
      udpBytes === undefined
        ? []
        : [
            {
              name: '.',
              class: udpBytes,
              ttlSeconds: 0,
              data: { type: 'other', number: TYPE.OPT, bytes: Buffer.alloc(0) },
            },
          ],
  });
}

function rcodeOf(answer: Buffer): number {
  return answer.readUInt16BE(2) & 0xf;
}

/** `A 10.96.0.20`, `SRV 0 100 80 web.default.svc.cluster.local` */
function print(answer: dnsPacket.Answer): string {
  if (answer.type === 'SRV') {
    const { priority, weight, port, target } = answer.data;
    return `SRV ${priority} ${weight} ${port} ${target}`;
  }
  if (answer.type === 'TXT') return `TXT ${String(answer.data)}`;
  return `${answer.type} ${'data' in answer && typeof answer.data === 'string' ? answer.data : ''}`;
}

describe('Responder.respond answers as the Kubernetes DNS specification says', () => {
  const server = responder();
  for (const [name, type, rcode, answers] of rows) {
    test(`${name} ${type}`, () => {
      const answer = ask(server, encode(name, type));
      const decoded = dnsPacket.decode(answer);
      assert.equal(rcodeOf(answer), RCODE[rcode]);
      assert.equal(decoded.id, 4711);
      assert.equal(decoded.questions?.[0]?.name, name === '.' ? '.' : name);
      assert.deepEqual(decoded.answers?.map(print).sort(), answers.toSorted());
      const isNegative =
        rcode !== 'SERVFAIL' && answers.every((text) => text.startsWith('CNAME')) && type !== 'CNAME';
      if (isNegative && name !== 'external-db.default.svc.cluster.local') {
        assert.equal(decoded.authorities?.[0]?.type, 'SOA');
      }
    });
  }
});

test('Responder.respond gives the SOA record, whose serial moves with every change', () => {
  const zone = fixtureZone();
  const serial = (): number => {
    const answer = dnsPacket.decode(ask(responder('insecure', zone), encode('cluster.local', 'SOA')))
      .answers?.[0];
    assert.ok(answer?.type === 'SOA');
    assert.equal(answer.data.mname, 'ns.dns.cluster.local');
    assert.equal(answer.data.rname, 'hostmaster.cluster.local');
    return answer.data.serial ?? 0;
  };
  const before = serial();
  zone.delete('Service default/web');
  assert.equal(serial(), before + 1);
});

test('Responder.respond keeps the spelling of the question and lets answers point at it', () => {
  const answer = dnsPacket.decode(ask(responder(), encode('WeB.dEfAuLt.svc.cluster.local', 'A')));
  assert.equal(answer.questions?.[0]?.name, 'WeB.dEfAuLt.svc.cluster.local');
  assert.equal(answer.answers?.[0]?.name, 'WeB.dEfAuLt.svc.cluster.local');
});

test('Responder.respond adds the addresses of SRV targets', () => {
  const answer = dnsPacket.decode(
    ask(responder(), encode('_pg._tcp.postgres.database.svc.cluster.local', 'SRV')),
  );
  assert.deepEqual(answer.additionals?.map(print).sort(), [
    'A 10.244.1.7',
    'A 10.244.2.7',
    'A 10.244.2.8',
    'AAAA fd00:244::7',
  ]);
});

test('Responder.respond turns the order of addresses from answer to answer', () => {
  const server = responder();
  const firsts = new Set<string>();
  for (let index = 0; index < 3; index++) {
    const answer = dnsPacket.decode(ask(server, encode('postgres.database.svc.cluster.local', 'A')));
    assert.equal(new Set(answer.answers?.map(print)).size, 3);
    firsts.add(print(answer.answers?.[0] ?? { type: 'A', name: '', data: '' }));
  }
  assert.equal(firsts.size, 3);
});

test('Responder.respond answers pod names by existing pods, or not at all, as told', () => {
  const verified = responder('verified', fixtureZone({ pods: true }));
  const disabled = responder('disabled');
  const existing = encode('10-244-1-3.default.pod.cluster.local', 'A');
  const other = encode('10-244-9-9.default.pod.cluster.local', 'A');
  assert.equal(rcodeOf(ask(verified, existing)), RCODE.NOERROR);
  assert.equal(rcodeOf(ask(verified, other)), RCODE.NXDOMAIN);
  assert.equal(rcodeOf(ask(disabled, existing)), RCODE.NXDOMAIN);
});

test('Responder.respond stops following aliases that point at themselves', () => {
  const answer = dnsPacket.decode(ask(responder(), encode('loop.default.svc.cluster.local', 'A')));
  assert.deepEqual(answer.answers?.map(print), ['CNAME loop.default.svc.cluster.local']);
});

test('Responder.respond says in an extended error why it cannot know outside names', () => {
  const edns: dnsPacket.OptAnswer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 4096,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  const answer = ask(responder(), encode('example.com', 'A', { additionals: [edns] }));
  assert.match(answer.toString('latin1'), /no upstream resolver is configured/);
  assert.equal(dnsPacket.decode(answer).additionals?.[0]?.type, 'OPT');
});

test('Responder.respond follows the limits of UDP and EDNS and cuts at a whole record', () => {
  const zone = createZone(fixtureOptions, 1);
  const endpoints = Array.from({ length: 200 }, (_, index) => ({ addresses: [`10.244.0.${index}`] }));
  const service = { metadata: { name: 'many', namespace: 'default' }, spec: { clusterIP: 'None' } };
  const slice = { metadata: { name: 'many-1', namespace: 'default' }, addressType: 'IPv4', endpoints };
  zone.set('Service default/many', compileService(service, [slice], fixtureOptions));
  const server = responder('insecure', zone);
  for (const [udpBytes, limit] of [
    [undefined, 512],
    [100, 512],
    [800, 800],
    [65_535, EDNS_BYTES],
  ] as const) {
    const answer = ask(server, manyQuery(udpBytes), 'udp');
    const decoded = dnsPacket.decode(answer);
    assert.ok(answer.length <= limit && answer.length > limit - 16, `${answer.length} bytes of ${limit}`);
    assert.equal(decoded.flag_tc, true);
    assert.equal(new Set(decoded.answers?.map(print)).size, decoded.answers?.length);
  }
  const whole = dnsPacket.decode(ask(server, manyQuery()));
  assert.equal(whole.flag_tc, false);
  assert.equal(whole.answers?.length, 200);
});

test('Responder.respond refuses what is no single question, and stays silent to answers', () => {
  const server = responder();
  const query = encode('web.default.svc.cluster.local', 'A');
  const change = (offset: number, value: number): Buffer => {
    const copy = Buffer.from(query);
    copy.writeUInt16BE(value, offset);
    return copy;
  };
  const rcode = (message: Buffer): number => rcodeOf(ask(server, message));
  assert.equal(ask(server, change(2, 0x8000)).length, 0);
  assert.equal(ask(server, query.subarray(0, 11)).length, 0);
  assert.equal(rcode(change(2, 0x2800)), RCODE.NOTIMP);
  assert.equal(rcode(change(4, 0)), RCODE.FORMERR);
  assert.equal(rcode(change(4, 2)), RCODE.FORMERR);
  assert.equal(rcode(change(6, 1)), RCODE.FORMERR);
  assert.equal(rcode(change(12, 0xc00c)), RCODE.FORMERR);
  assert.equal(rcode(query.subarray(0, -1)), RCODE.FORMERR);
  assert.equal(rcode(Buffer.concat([query, Buffer.of(0)])), RCODE.FORMERR);
  assert.equal(rcode(change(query.length - 2, 3)), RCODE.REFUSED);
  assert.equal(rcode(change(query.length - 4, TYPE.AXFR)), RCODE.REFUSED);
});

test('Responder.respond refuses unknown EDNS versions with BADVERS', () => {
  const query = Buffer.concat([encode('cluster.local', 'NS'), Buffer.from('0000291000000100000000', 'hex')]);
  query.writeUInt16BE(1, 10);
  const answer = ask(responder(), query);
  assert.equal(rcodeOf(answer), 0);
  assert.equal(answer.at(-6), RCODE.BADVERS >> 4);
});

test('Responder.respond answers names of any bytes, within the cluster domain and without', () => {
  const server = responder();
  const label = uint8Array({ minLength: 1, maxLength: 63 });
  const suffixes = [
    '',
    'cluster.local',
    'default.pod.cluster.local',
    'web.default.svc.cluster.local',
    '10.in-addr.arpa',
  ];
  assertProperty(
    property(array(label, { maxLength: 4 }), constantFrom(...suffixes), nat(260), (labels, suffix, type) => {
      const front = labels.flatMap((bytes) => [Buffer.of(bytes.length), Buffer.from(bytes)]);
      const tail = Buffer.from(nameKey(suffix), 'latin1');
      const header = Buffer.from('000101000001000000000000', 'hex');
      const message = Buffer.concat([header, ...front, tail, Buffer.of(type >> 8, type & 0xff, 0, 1)]);
      const answer = ask(server, message, 'udp');
      const isName = Buffer.concat([...front, tail]).length <= 255;
      if (!isName) return rcodeOf(answer) === RCODE.FORMERR;
      dnsPacket.decode(answer);
      return true;
    }),
    { numRuns: 2000 },
  );
});

test('Responder.respond survives any bytes and any change of a query', () => {
  const server = responder();
  const sample = encode('_pg._tcp.postgres.database.svc.cluster.local', 'SRV');
  const check = (message: Buffer): void => {
    const answer = ask(server, message, 'udp');
    assert.ok(answer.length === 0 || answer.length >= 12);
    if (answer.length > 0) dnsPacket.decode(answer);
  };
  assertProperty(property(uint8Array({ maxLength: 300 }), (bytes) => check(Buffer.from(bytes))));
  assertProperty(
    property(
      array(tuple(nat(sample.length - 1), nat(255)), { minLength: 1, maxLength: 6 }),
      nat(sample.length),
      (changes, length) => {
        const message = Buffer.from(sample.subarray(0, length));
        for (const [offset, value] of changes) if (offset < length) message[offset] = value;
        message[2] = (message[2] ?? 0) & 0x7f;
        check(message);
      },
    ),
    { numRuns: 2000 },
  );
});
