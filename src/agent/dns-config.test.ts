import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultDnsConfig, parseDnsConfig } from './dns-config.ts';

test('parseDnsConfig reads every key, and each may be left out', () => {
  assert.deepEqual(parseDnsConfig({}), defaultDnsConfig);
  assert.deepEqual(
    parseDnsConfig({
      'dns-link-local': '169.254.20.10, fd00:10::10',
      'dns-notrack': 'false',
      'dns-queries-per-client': '500',
    }),
    { linkLocal: ['169.254.20.10', 'fd00:10::10'], notrack: false, queriesPerClient: 500 },
  );
});

test('parseDnsConfig refuses what is wrong by its key', () => {
  for (const [key, value] of [
    ['dns-link-local', '169.254.20'],
    ['dns-notrack', 'yes'],
    ['dns-queries-per-client', '0'],
    ['dns-queries-per-client', '1e9'],
  ] as const) {
    assert.throws(() => parseDnsConfig({ [key]: value }), {
      where: `ConfigMap kube-system/podnet, data.${key}`,
    });
  }
});
