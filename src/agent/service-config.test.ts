import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServiceConfig } from './service-config.ts';

test('parseServiceConfig reads every key, and each may be left out', () => {
  assert.deepEqual(parseServiceConfig({}), {});
  assert.deepEqual(parseServiceConfig({ 'node-port-addresses': 'primary', 'proxy-health-port': '0' }), {});
  assert.deepEqual(
    parseServiceConfig({ 'node-port-addresses': '172.18.0.9/16, fd00::/8', 'proxy-health-port': '10256' }),
    { nodePortAddresses: ['172.18.0.0/16', 'fd00::/8'], proxyHealthPort: 10_256 },
  );
});

test('parseServiceConfig refuses what is wrong by its key', () => {
  for (const [key, value] of [
    ['node-port-addresses', '172.18.0.1'],
    ['node-port-addresses', '10.0.0.0/8,'],
    ['proxy-health-port', '65536'],
    ['proxy-health-port', 'on'],
  ] as const) {
    assert.throws(() => parseServiceConfig({ [key]: value }), {
      where: `ConfigMap kube-system/podnet, data.${key}`,
    });
  }
});
