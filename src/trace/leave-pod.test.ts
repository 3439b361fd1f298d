import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leavePod } from './leave-pod.ts';

const node = { metadata: { name: 'node-1' }, spec: { podCIDRs: ['10.244.1.0/24', 'fd00:244:0:1::/64'] } };
const summary = (linkMode: 'routed' | 'bridge', destination: string): string =>
  leavePod({ source: '10.244.1.5', destination }, { linkMode, node }).summary;

test('leavePod: a routed pod has one route', () => {
  assert.equal(summary('routed', '10.244.1.6'), 'default route via 169.254.1.1');
  assert.equal(summary('routed', 'fd00::6'), 'default route via fe80::1');
});

test('leavePod: a bridged pod sends to its neighbours directly and to all others by the bridge’s address', () => {
  assert.equal(summary('bridge', '10.244.1.6'), '10.244.1.0/24 on eth0, by the bridge');
  assert.equal(summary('bridge', 'fd00:244:0:1::6'), 'fd00:244:0:1::/64 on eth0, by the bridge');
  assert.equal(summary('bridge', '10.96.0.1'), 'default route via 10.244.1.1');
  assert.equal(summary('bridge', '2001:db8::1'), 'default route via fe80::1');
});
