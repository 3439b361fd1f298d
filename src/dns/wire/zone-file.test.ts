import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodnetError } from '../../model/errors.ts';
import { parseZoneFile } from './zone-file.ts';

test('parseZoneFile reads records with origins, TTLs, left-out owners, parentheses and comments', () => {
  const records = parseZoneFile(
    `$TTL 1h
@       IN SOA ns1 hostmaster.example.org. (
               2026 ; serial
               2h 30m 1w
               300 )
        IN NS  ns1
ns1  60 IN A   192.0.2.1
     IN 30 AAAA 2001:db8::1
$ORIGIN sub.example.org.
web     CNAME  ns1.example.org.
_http._tcp SRV 0 10 80 web
mail    MX     10 mx.example.net.
text    TXT    "one; two" three "a \\"quote\\""
raw     TYPE65280 \\# 3 010203`,
    { origin: 'example.org' },
  );
  assert.deepEqual(
    records.map(({ name, ttlSeconds, data }) => `${name} ${ttlSeconds} ${data.type}`),
    [
      'example.org 3600 SOA',
      'example.org 3600 NS',
      'ns1.example.org 60 A',
      'ns1.example.org 30 AAAA',
      'web.sub.example.org 3600 CNAME',
      '_http._tcp.sub.example.org 3600 SRV',
      'mail.sub.example.org 3600 other',
      'text.sub.example.org 3600 TXT',
      'raw.sub.example.org 3600 other',
    ],
  );
  const [soa, ns, , , cname, , , text] = records.map(({ data }) => data);
  assert.deepEqual(soa, {
    type: 'SOA',
    primary: 'ns1.example.org',
    mailbox: 'hostmaster.example.org',
    serial: 2026,
    refreshSeconds: 7200,
    retrySeconds: 1800,
    expireSeconds: 604_800,
    minimumSeconds: 300,
  });
  assert.deepEqual(ns, { type: 'NS', target: 'ns1.example.org' });
  assert.deepEqual(cname, { type: 'CNAME', target: 'ns1.example.org' });
  assert.deepEqual(text, { type: 'TXT', strings: ['one; two', 'three', 'a "quote"'] });
});

test('parseZoneFile refuses with the line', () => {
  const refused: readonly (readonly [string, string])[] = [
    ['a A 10.0.0.256', 'line 1 of the zone file: "10.0.0.256" is not an IPv4 address'],
    ['\na IN', 'line 2 of the zone file: "" is not a record type'],
    ['a SOA ns root (1 2 3 4', 'line 1 of the zone file: A ( has no end'],
    ['$INCLUDE /etc/passwd', 'line 1 of the zone file: $INCLUDE is not supported'],
    ['a TYPE1 \\# 4 0a0000', 'line 1 of the zone file: The data has 3 bytes, and says 4'],
    [`${'a'.repeat(64)} A 10.0.0.1`, `line 1 of the zone file: "${'a'.repeat(64)}" is not a name`],
    ['a SRV 0 0 70000 b', 'line 1 of the zone file: "70000" is not a number up to 65535'],
  ];
  for (const [text, why] of refused) {
    assert.throws(
      () => parseZoneFile(text),
      (error) => error instanceof PodnetError && `${error.where}: ${error.message}` === why,
      text,
    );
  }
});
