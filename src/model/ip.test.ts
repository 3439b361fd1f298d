import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';
import ipaddr from 'ipaddr.js';

import {
  addToIp,
  canonicalIp,
  cidrAddress,
  cidrContains,
  cidrSize,
  cidrsOverlap,
  compareIp,
  formatCidr,
  formatIp,
  ipFromBytes,
  ipToBytes,
  parseCidr,
  parseIp,
  subnet,
  tryParseCidr,
  tryParseIp,
} from './ip.ts';

const octets = fc.array(fc.nat(255), { minLength: 4, maxLength: 4 });
const sixteenBytes = fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 });

test('tryParseIp refuses what other parsers guess at', () => {
  const refused = [
    '',
    '10.1',
    '010.1.1.1',
    '1.1.1.01',
    '1.1.1.256',
    '1.1.1',
    '1.1.1.1.1',
    '0x1.1.1.1',
    ' 1.1.1.1',
    '1.1.1.1 ',
    '1.1.1.-1',
    ':',
    ':::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1::2::3',
    '12345::',
    'g::',
    'fe80::1%eth0',
    '::1.2.3',
    '::1.2.3.256',
    '1.2.3.4::',
    '::ffff:01.2.3.4',
    '1:2:3:4:5:6:7::8',
    '[::1]',
    '::1/64',
  ];
  for (const text of refused) assert.equal(tryParseIp(text), undefined, text);
});

test('parseIp names the text it cannot read', () => {
  assert.throws(() => parseIp('10.1'), /Cannot parse address "10.1"/);
});

test('parseIp and formatIp agree with ipaddr.js on IPv4', () => {
  fc.assert(
    fc.property(octets, (bytes) => {
      const text = bytes.join('.');
      assert.deepEqual([...ipToBytes(parseIp(text))], ipaddr.parse(text).toByteArray());
      assert.equal(formatIp(parseIp(text)), text);
    }),
  );
});

test('parseIp and formatIp agree with ipaddr.js on IPv6, in every spelling', () => {
  fc.assert(
    fc.property(sixteenBytes, (bytes) => {
      const address = new ipaddr.IPv6(bytes);
      const ours = ipFromBytes(Uint8Array.from(bytes));
      for (const text of [
        address.toNormalizedString(),
        address.toRFC5952String(),
        address.toNormalizedString().toUpperCase(),
      ]) {
        assert.deepEqual(parseIp(text), ours, text);
      }
      if (!address.isIPv4MappedAddress()) assert.equal(formatIp(ours), address.toRFC5952String());
    }),
  );
});

test('formatIp writes RFC 5952', () => {
  const cases = [
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:DB8::0', '2001:db8::'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:2:3:4:5:6:0:8', '1:2:3:4:5:6:0:8'],
    ['::ffff:1.2.3.4', '::ffff:1.2.3.4'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ] as const;
  for (const [text, canonical] of cases) assert.equal(canonicalIp(text), canonical);
});

test('tryParseCidr wants a plain length within the family', () => {
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '::/129',
    '10.0/8',
    '/8',
  ]) {
    assert.equal(tryParseCidr(text), undefined, text);
  }
  const parsed = tryParseCidr('10.244.1.7/24');
  assert.equal(parsed && formatCidr(parsed.network), '10.244.1.0/24');
  assert.equal(parsed && formatIp(parsed.address), '10.244.1.7');
});

test('cidrContains agrees with ipaddr.js', () => {
  fc.assert(
    fc.property(octets, octets, fc.nat(32), (network, address, length) => {
      const cidr = parseCidr(`${network.join('.')}/${length}`);
      const expected = ipaddr.IPv4.parse(address.join('.')).match(
        ipaddr.IPv4.parse(network.join('.')),
        length,
      );
      assert.equal(cidrContains(cidr, parseIp(address.join('.'))), expected);
    }),
  );
  assert.equal(cidrContains(parseCidr('::/0'), parseIp('10.0.0.1')), false);
});

test('arithmetic stays inside its bounds', () => {
  const cidr = parseCidr('10.96.0.0/16');
  assert.equal(cidrSize(cidr), 65_536n);
  assert.equal(formatIp(cidrAddress(cidr, 1)), '10.96.0.1');
  assert.throws(() => cidrAddress(cidr, 65_536), RangeError);
  assert.equal(formatCidr(subnet(parseCidr('10.244.0.0/16'), 24, 3)), '10.244.3.0/24');
  assert.throws(() => subnet(parseCidr('10.244.0.0/16'), 24, 256), RangeError);
  assert.throws(() => addToIp(parseIp('255.255.255.255'), 1), RangeError);
  assert.equal(formatIp(addToIp(parseIp('::ffff'), 1)), '::1:0');
});

test('compareIp puts IPv4 first and orders by number', () => {
  const sorted = ['::1', '10.0.0.2', '9.9.9.9', '10.0.0.10'].map(parseIp).sort(compareIp).map(formatIp);
  assert.deepEqual(sorted, ['9.9.9.9', '10.0.0.2', '10.0.0.10', '::1']);
});

test('cidrsOverlap is symmetric', () => {
  const [wide, narrow, other] = [parseCidr('10.0.0.0/8'), parseCidr('10.96.0.0/16'), parseCidr('11.0.0.0/8')];
  assert.ok(cidrsOverlap(wide, narrow) && cidrsOverlap(narrow, wide));
  assert.ok(!cidrsOverlap(wide, other));
});
