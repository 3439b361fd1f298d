import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  derivePluginConfig,
  parseNetworkConfig,
  parseNetworkConfigList,
  parsePluginConfig,
} from './config.ts';
import { cniVersions } from './versions.ts';

const parse = (config: object) =>
  parseNetworkConfig(JSON.stringify({ cniVersion: '1.1.0', name: 'net', type: 'x', ...config }));

test('parseNetworkConfig reads every version, with prevResult in the shape of the latest', () => {
  for (const cniVersion of cniVersions) {
    const { prevResult, ...config } = parse({
      cniVersion,
      prevResult: { ips: [{ version: '4', address: '10.1.0.2/24' }] },
    });
    assert.equal(config.cniVersion, cniVersion);
    assert.deepEqual(prevResult, { cniVersion: '1.1.0', ips: [{ address: '10.1.0.2/24' }] });
  }
});

test('parseNetworkConfig reads capabilities as the conventions write them', () => {
  const { runtimeConfig } = parse({
    runtimeConfig: {
      portMappings: [
        { hostPort: 8080, containerPort: 80, protocol: 'TCP', hostIP: '127.0.0.1' },
        { hostPort: 53, containerPort: 53 },
      ],
      bandwidth: { ingressRate: 1000, ingressBurst: 2000 },
      ipRanges: [[{ subnet: '10.1.2.3/24', rangeStart: '10.1.2.9' }], [{ subnet: 'fd00::/64' }]],
      mac: 'C2:11:22:33:44:55',
      ips: ['10.1.0.9/24', 'fd00::9'],
      dns: { servers: ['10.96.0.10'], searches: ['a.test'] },
      aliases: ['web'],
      infinibandGUID: 'c2:11:22:33:44:55:66:77',
      deviceID: 'passed on',
    },
  });
  assert.deepEqual(runtimeConfig, {
    portMappings: [
      { hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIP: '127.0.0.1' },
      { hostPort: 53, containerPort: 53, protocol: 'tcp' },
    ],
    bandwidth: { ingressRate: 1000, ingressBurst: 2000 },
    ipRanges: [[{ subnet: '10.1.2.0/24', rangeStart: '10.1.2.9' }], [{ subnet: 'fd00::/64' }]],
    mac: 'c2:11:22:33:44:55',
    ips: ['10.1.0.9/24', 'fd00::9'],
    dns: { nameservers: ['10.96.0.10'], search: ['a.test'] },
    aliases: ['web'],
    infinibandGUID: 'c2:11:22:33:44:55:66:77',
    deviceID: 'passed on',
  });
});

test('parseNetworkConfig keeps keys it does not know, and reads the attachments of GC', () => {
  const config = parse({ mine: 1, 'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }] });
  assert.equal(config.raw['mine'], 1);
  assert.deepEqual(config.validAttachments, [{ containerId: 'c1', ifName: 'eth0' }]);
});

test('parseNetworkConfig refuses with the code and the key the specification wants', () => {
  const refused = [
    [{ cniVersion: '9.9.9' }, 1, /^cniVersion/],
    [{ cniVersion: undefined }, 1, /^cniVersion/],
    [{ name: undefined }, 7, /^name/],
    [{ name: '../etc' }, 7, /^name/],
    [{ type: '../etc' }, 7, /^type/],
    [{ ipam: { type: 'a/b' } }, 7, /^ipam\.type/],
    [{ ipam: 7 }, 7, /^ipam/],
    [{ prevResult: 7 }, 7, /^prevResult/],
    [
      { runtimeConfig: { portMappings: [{ hostPort: 70_000, containerPort: 80 }] } },
      7,
      /^runtimeConfig\.portMappings\[0\]\.hostPort/,
    ],
    [
      { runtimeConfig: { portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'icmp' }] } },
      7,
      /protocol/,
    ],
    [{ runtimeConfig: { mac: 'x' } }, 7, /^runtimeConfig\.mac/],
    [{ runtimeConfig: { ips: ['10.1'] } }, 7, /^runtimeConfig\.ips/],
    [{ runtimeConfig: { ipRanges: [[{ subnet: '10.1.0.0/24', gateway: 'fd00::1' }]] } }, 7, /gateway/],
  ] as const;
  for (const [config, code, message] of refused) assert.throws(() => parse(config), { code, message });
  for (const text of ['', '[]', '{']) assert.throws(() => parseNetworkConfig(text), { code: 6 });
});

test('parseNetworkConfigList takes lists, single plugins, and the latest version both sides speak', () => {
  const list = parseNetworkConfigList(
    JSON.stringify({
      cniVersion: '0.4.0',
      cniVersions: ['0.4.0', '1.1.0', '7.0.0'],
      name: 'net',
      disableCheck: true,
      disableGC: true,
      loadOnlyInlinedPlugins: true,
      plugins: [{ type: 'bridge', capabilities: { mac: true } }, { type: 'portmap' }],
    }),
    '10-net.conflist',
  );
  assert.deepEqual(
    [list.cniVersion, list.cniVersions, list.disableCheck, list.disableGC, list.loadOnlyInlinedPlugins],
    ['1.1.0', ['0.4.0', '1.1.0', '7.0.0'], true, true, true],
  );
  assert.deepEqual(
    list.plugins.map(({ type }) => type),
    ['bridge', 'portmap'],
  );
  const single = parseNetworkConfigList('{"cniVersion":"1.0.0","name":"net","type":"ptp"}', '20.conf');
  assert.deepEqual([single.plugins.length, single.disableCheck], [1, false]);
});

test('parseNetworkConfigList names file and key', () => {
  const refused = [
    ['{"name":"net","plugins":[]}', 1, /^x\.conflist: cniVersion/],
    ['{"cniVersion":"1.0.0","plugins":[]}', 7, /^x\.conflist: name/],
    ['{"cniVersion":"1.0.0","name":"net","plugins":[{}]}', 7, /^x\.conflist: plugins\[0\]\.type/],
    ['{"cniVersion":"1.0.0","name":"net","loadOnlyInlinedPlugins":true}', 7, /loadOnlyInlinedPlugins/],
    [
      '{"cniVersion":"1.0.0","name":"net","disableCheck":"yes","plugins":[]}',
      7,
      /^x\.conflist: disableCheck/,
    ],
    ['nonsense', 6, /^x\.conflist is not JSON/],
  ] as const;
  for (const [text, code, message] of refused)
    assert.throws(() => parseNetworkConfigList(text, 'x.conflist'), { code, message });
});

test('derivePluginConfig passes on what the plugin declares, and nothing that is the list’s', () => {
  const plugin = parsePluginConfig(
    '{"type":"portmap","snat":true,"capabilities":{"portMappings":true,"mac":false}}',
    'portmap.conf',
  );
  assert.deepEqual(
    derivePluginConfig({ name: 'net', cniVersion: '1.1.0' }, plugin, {
      runtimeConfig: { portMappings: [], mac: 'aa:bb:cc:dd:ee:ff', ips: [] },
      prevResult: { ips: [] },
      validAttachments: [{ containerId: 'c1', ifName: 'eth0' }],
    }),
    {
      type: 'portmap',
      snat: true,
      name: 'net',
      cniVersion: '1.1.0',
      runtimeConfig: { portMappings: [] },
      prevResult: { ips: [] },
      'cni.dev/valid-attachments': [{ containerID: 'c1', ifname: 'eth0' }],
    },
  );
});
