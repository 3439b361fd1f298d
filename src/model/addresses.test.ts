import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeAddresses, podAddresses } from './addresses.ts';

test('podAddresses takes status.podIPs, else status.podIP, in canonical form', () => {
  const podIPs = [{ ip: '10.244.1.2' }, { ip: 'FD00:0::2' }];
  assert.deepEqual(podAddresses({ status: { podIP: '10.244.1.2', podIPs } }), ['10.244.1.2', 'fd00::2']);
  assert.deepEqual(podAddresses({ status: { podIP: '10.244.1.2' } }), ['10.244.1.2']);
  assert.deepEqual(podAddresses({ status: { podIP: '' } }), []);
  assert.deepEqual(podAddresses({}), []);
});

test('nodeAddresses takes InternalIPs and leaves out what is no address', () => {
  const addresses = [
    { type: 'Hostname', address: 'node-1' },
    { type: 'InternalIP', address: '172.18.0.2' },
    { type: 'InternalIP', address: '172.18.0.300' },
    { type: 'ExternalIP', address: '203.0.113.1' },
    { type: 'InternalIP', address: 'FD00::1' },
  ];
  assert.deepEqual(nodeAddresses({ status: { addresses } }), ['172.18.0.2', 'fd00::1']);
  assert.deepEqual(nodeAddresses({}), []);
});
