import assert from 'node:assert/strict';
import { test } from 'node:test';

import dnsPacket from 'dns-packet';
import {
  array,
  assert as assertProperty,
  constantFrom,
  property,
  stringMatching,
  uint8Array,
} from 'fast-check';

import { dashedAddress, parseDashedAddress, reverseName } from './address.ts';
import { TYPE } from './constants.ts';
import { decodeMessage, type DnsMessage, type DnsRecord, encodeMessage, recordEnds } from './message.ts';
import { DnsFormatError, isWithin, nameKey, parentKey, printKey } from './name.ts';

const records: DnsRecord[] = [
  { name: 'web.default.svc.cluster.local', ttlSeconds: 5, data: { type: 'A', address: '10.96.0.1' } },
  { name: 'web.default.svc.cluster.local', ttlSeconds: 5, data: { type: 'AAAA', address: 'fd00::1' } },
  {
    name: '_http._tcp.web.default.svc.cluster.local',
    ttlSeconds: 5,
    data: { type: 'SRV', priority: 1, weight: 2, port: 80, target: 'web.default.svc.cluster.local' },
  },
  {
    name: '1.0.96.10.in-addr.arpa',
    ttlSeconds: 5,
    data: { type: 'PTR', target: 'web.default.svc.cluster.local' },
  },
  { name: 'db.default.svc.cluster.local', ttlSeconds: 5, data: { type: 'CNAME', target: 'db.example.com' } },
  { name: 'cluster.local', ttlSeconds: 5, data: { type: 'NS', target: 'ns.dns.cluster.local' } },
  { name: 'dns-version.cluster.local', ttlSeconds: 5, data: { type: 'TXT', strings: ['1.1.0', ''] } },
  {
    name: 'cluster.local',
    ttlSeconds: 5,
    data: {
      type: 'SOA',
      primary: 'ns.dns.cluster.local',
      mailbox: 'hostmaster.cluster.local',
      serial: 4_000_000_000,
      refreshSeconds: 1,
      retrySeconds: 2,
      expireSeconds: 3,
      minimumSeconds: 4,
    },
  },
  { name: 'odd.example', ttlSeconds: 0, data: { type: 'other', number: 65_280, bytes: Buffer.of(1, 2, 3) } },
];

function message(answers: readonly DnsRecord[]): DnsMessage {
  return {
    id: 7,
    flags: 0x8400,
    questions: [{ name: 'web.default.svc.cluster.local', type: TYPE.A, class: 1 }],
    answers,
    authority: [],
    additional: [],
  };
}

test('encodeMessage writes what dns-packet reads, and compresses', () => {
  const bytes = encodeMessage(message(records));
  const decoded = dnsPacket.decode(bytes);
  assert.deepEqual(
    decoded.answers?.map(({ name, type }) => `${name} ${type}`),
    records.map(({ name, data }) => `${name} ${data.type === 'other' ? 'UNKNOWN_65280' : data.type}`),
  );
  const soa = decoded.answers?.[7];
  assert.ok(soa?.type === 'SOA');
  assert.equal(soa.data.serial, 4_000_000_000);
  assert.ok(bytes.length < dnsPacket.encode(decoded).length * 0.75);
});

test('decodeMessage reads what encodeMessage writes', () => {
  const classed = records.map((record) => Object.assign({ class: 1 }, record));
  const decoded = decodeMessage(encodeMessage(message(classed)));
  assert.deepEqual(decoded, message(classed));
});

test('decodeMessage reads what dns-packet writes', () => {
  const bytes = dnsPacket.encode({
    type: 'response',
    id: 9,
    questions: [{ type: 'SRV', name: '_a._tcp.example.com' }],
    answers: [
      {
        type: 'SRV',
        name: '_a._tcp.example.com',
        ttl: 3,
        data: { priority: 1, weight: 2, port: 3, target: 'b.example' },
      },
      { type: 'TXT', name: 'example.com', ttl: 3, data: ['x', 'y'] },
    ],
  });
  const { answers } = decodeMessage(bytes);
  assert.deepEqual(
    answers.map(({ data }) => data),
    [
      { type: 'SRV', priority: 1, weight: 2, port: 3, target: 'b.example' },
      { type: 'TXT', strings: ['x', 'y'] },
    ],
  );
});

function checkDecode(bytes: Buffer): void {
  try {
    const { answers } = decodeMessage(bytes);
    recordEnds(bytes, 12, Math.min(1, answers.length));
  } catch (error) {
    assert.ok(error instanceof DnsFormatError, String(error));
  }
}

test('decodeMessage throws DnsFormatError, and nothing else, on any bytes', () => {
  const sample = encodeMessage(message(records));
  assertProperty(property(uint8Array({ maxLength: 200 }), (bytes) => checkDecode(Buffer.from(bytes))));
  assertProperty(
    property(uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      const copy = Buffer.from(sample);
      copy.writeUInt16BE(
        0xc000 | ((bytes[0] ?? 0) % copy.length),
        12 + ((bytes[1] ?? 0) % (copy.length - 14)),
      );
      copy[(bytes[2] ?? 0) % copy.length] = bytes[3] ?? 0;
      checkDecode(copy);
    }),
    { numRuns: 2000 },
  );
});

test('decodeMessage refuses a name that points at itself or forward', () => {
  const header = Buffer.from('000100000001000000000000', 'hex');
  for (const name of ['c00c', 'c00e00', '0161c00c', 'c0ff']) {
    assert.throws(
      () => decodeMessage(Buffer.concat([header, Buffer.from(`${name}00010001`, 'hex')])),
      DnsFormatError,
    );
  }
});

test('nameKey and printKey are inverse, up to case and the final dot', () => {
  const label = stringMatching(/^[a-z0-9_-]{1,20}$/);
  assertProperty(
    property(array(label, { minLength: 1, maxLength: 6 }), constantFrom('', '.'), (labels, dot) => {
      const name = labels.join('.');
      assert.equal(printKey(nameKey(name + dot)), name);
      assert.equal(nameKey(name.toUpperCase()), nameKey(name));
    }),
  );
  assert.equal(printKey(nameKey('a\\.b\\032c\\\\.d')), 'a\\.b\\032c\\\\.d');
  assert.equal(nameKey('.'), '\0');
  for (const bad of ['a..b', '.a', 'x'.repeat(64), Array(64).fill('abc').join('.'), 'snow\u2603man']) {
    assert.throws(() => nameKey(bad), DnsFormatError);
  }
});

test('isWithin compares whole labels', () => {
  const zone = nameKey('cluster.local');
  assert.equal(isWithin(nameKey('a.cluster.local'), zone), true);
  assert.equal(isWithin(zone, zone), true);
  assert.equal(isWithin(nameKey('mycluster.local'), zone), false);
  assert.equal(isWithin(nameKey('a\\007cluster\\005local'), zone), false);
  assert.equal(parentKey(zone), nameKey('local'));
});

test('reverseName, dashedAddress and parseDashedAddress speak both families', () => {
  assert.equal(reverseName('10.96.0.1'), '1.0.96.10.in-addr.arpa');
  assert.equal(reverseName('fd00::1'), `1${'.0'.repeat(27)}.0.0.d.f.ip6.arpa`);
  assert.equal(dashedAddress('10.244.1.3'), '10-244-1-3');
  assert.equal(dashedAddress('FD00:0::5'), 'fd00--5');
  assert.equal(parseDashedAddress('fd00--5'), 'fd00::5');
  assert.equal(parseDashedAddress('10-244-1-300'), undefined);
  assert.equal(parseDashedAddress('web'), undefined);
});
