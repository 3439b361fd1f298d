import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../../model/ip.ts';
import { cniErrorCode, cniErrorCodes } from '../../spec/error.ts';
import type { IpRange } from '../../spec/runtime-config.ts';
import { chooseAddresses } from './allocate.ts';
import { addressRange, checkRangeSets, formatAddress, printRangeSet } from './ranges.ts';

interface Given {
  readonly sets: readonly (readonly IpRange[])[];
  readonly wanted?: readonly string[];
  readonly reserved?: readonly string[];
  readonly last?: readonly string[];
}

function choose({ sets, wanted = [], reserved = [], last = [] }: Given): string[] {
  const rangeSets = sets.map((set) => set.map((range) => addressRange(range)));
  checkRangeSets(rangeSets);
  return chooseAddresses({
    rangeSets,
    wanted: wanted.map((text) => parseIp(text)),
    reserved: new Set(reserved),
    last: (index) => (last[index] === undefined ? undefined : parseIp(last[index])),
  }).map((candidate) => formatAddress(candidate));
}

const small = { subnet: '10.1.0.0/29', rangeEnd: '10.1.0.4' };

test('chooseAddresses begins after the gateway and goes on after the last address given', () => {
  assert.deepEqual(choose({ sets: [[small]] }), ['10.1.0.2/29']);
  assert.deepEqual(choose({ sets: [[small]], last: ['10.1.0.2'] }), ['10.1.0.3/29']);
  assert.deepEqual(choose({ sets: [[small]], last: ['10.1.0.4'] }), ['10.1.0.2/29'], 'round and round');
  assert.deepEqual(choose({ sets: [[small]], last: ['10.9.0.4'] }), ['10.1.0.2/29'], 'of another range');
  assert.deepEqual(choose({ sets: [[small]], reserved: ['10.1.0.3'], last: ['10.1.0.2'] }), ['10.1.0.4/29']);
});

test('chooseAddresses gives the last address again only when all others are in use', () => {
  const reserved = ['10.1.0.2', '10.1.0.4'];
  assert.deepEqual(choose({ sets: [[small]], reserved, last: ['10.1.0.3'] }), ['10.1.0.3/29']);
});

test('chooseAddresses takes one address of every set, and goes through the ranges of a set', () => {
  const second = { subnet: '10.2.0.0/24', rangeStart: '10.2.0.10', gateway: '10.2.0.254' };
  const v6 = { subnet: 'fd00::/64' };
  assert.deepEqual(choose({ sets: [[small, second], [v6]], last: ['10.1.0.4'] }), [
    '10.2.0.10/24',
    'fd00::2/64',
  ]);
  const last = ['10.2.0.253'];
  assert.deepEqual(choose({ sets: [[small, second], [v6]], last }), ['10.1.0.2/29', 'fd00::2/64']);
});

test('chooseAddresses gives what is wanted, or says why not', () => {
  const sets = [[{ subnet: '10.1.0.0/24' }], [{ subnet: 'fd00::/64' }]];
  assert.deepEqual(choose({ sets, wanted: ['fd00::99', '10.1.0.77'] }), ['10.1.0.77/24', 'fd00::99/64']);
  assert.throws(
    () => choose({ sets, wanted: ['10.1.0.77'], reserved: ['10.1.0.77'] }),
    /10.1.0.77 is in use/,
  );
  assert.throws(() => choose({ sets, wanted: ['10.1.0.1'] }), /10.1.0.1 is its subnet's gateway/);
  assert.throws(() => choose({ sets, wanted: ['10.9.0.1'] }), /in no range: 10.9.0.1/);
});

test('chooseAddresses says which range is full', () => {
  const reserved = ['10.1.0.2', '10.1.0.3', '10.1.0.4'];
  assert.throws(
    () => choose({ sets: [[small]], reserved }),
    /No address is left in the range 10.1.0.1-10.1.0.4/,
  );
});

test('addressRange ends before the broadcast address, which IPv6 does not have', () => {
  assert.equal(printRangeSet([addressRange({ subnet: '10.1.0.0/24' })]), '10.1.0.1-10.1.0.254');
  assert.equal(printRangeSet([addressRange({ subnet: 'fd00::/126' })]), 'fd00::1-fd00::3');
});

test('addressRange and checkRangeSets refuse what makes no sense, as invalid configuration', () => {
  const v4 = { subnet: '10.1.0.0/24' };
  for (const sets of [
    [],
    [[{ subnet: '10.1.0.0/31' }]],
    [[{ ...v4, rangeStart: '10.2.0.1' }]],
    [[{ ...v4, rangeStart: '10.1.0.9', rangeEnd: '10.1.0.5' }]],
    [[v4, { subnet: 'fd00::/64' }]],
    [[v4], [{ subnet: '10.1.0.0/25' }]],
  ]) {
    assert.throws(
      () => choose({ sets }),
      (error) => cniErrorCode(error) === cniErrorCodes.invalidConfig,
      JSON.stringify(sets),
    );
  }
  const halves = [
    { ...v4, rangeEnd: '10.1.0.100' },
    { ...v4, rangeStart: '10.1.0.101' },
  ];
  assert.deepEqual(choose({ sets: [halves], last: ['10.1.0.100'] }), ['10.1.0.101/24']);
});
