import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cniErrorCode, cniErrorCodes } from '../../spec/error.ts';
import type { CniIp } from '../../spec/result.ts';
import { printPtpPlan, ptpPlan } from './plan.ts';

const print = (ips: readonly CniIp[]): string[] =>
  printPtpPlan(
    ptpPlan({
      config: { network: 'net', ipMasq: true, mtuBytes: 1400 },
      ipam: { ips, routes: [{ dst: '0.0.0.0/0' }] },
      containerId: 'c1',
      ifName: 'eth0',
    }),
  ).split('\n');

test('ptpPlan routes to the container, which has the whole subnet behind its gateway', () => {
  const ips = [
    { address: '10.1.0.5/24', gateway: '10.1.0.1' },
    { address: 'fd00::5/128', gateway: 'fd00::1' },
  ];
  assert.deepEqual(print(ips), [
    'link veth26026bd18b7 mtu 1400 peer eth0 # net c1 eth0',
    'host: address 10.1.0.1/32',
    'host: address fd00::1/128',
    'host: route 10.1.0.5/32',
    'host: route fd00::5/128',
    'container: address 10.1.0.5/24',
    'container: address fd00::5/128',
    'container: route 10.1.0.1/32 src 10.1.0.5',
    'container: route 10.1.0.0/24 via 10.1.0.1 src 10.1.0.5',
    'container: route fd00::1/128 src fd00::5',
    'container: route 0.0.0.0/0 via 10.1.0.1',
    'masquerade 10.1.0.5/24',
    'masquerade fd00::5/128',
  ]);
});

test('ptpPlan needs a gateway', () => {
  assert.throws(
    () => print([{ address: '10.1.0.5/24' }]),
    (error) => cniErrorCode(error) === cniErrorCodes.invalidConfig,
  );
});
