import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resultProblems } from '../kit/result-shape.ts';
import { type CniResult, convertResult, parseResult } from './result.ts';
import { cniVersions } from './versions.ts';

const whole: CniResult = {
  cniVersion: '1.1.0',
  interfaces: [
    { name: 'veth1', mac: '02:00:00:00:00:01', mtu: 1450 },
    {
      name: 'eth0',
      mac: '02:00:00:00:00:02',
      mtu: 1450,
      sandbox: '/run/netns/a',
      socketPath: '/run/vhost.sock',
      pciID: '0000:00:1f.6',
    },
  ],
  ips: [
    { address: '10.1.0.2/24', gateway: '10.1.0.1', interface: 1 },
    { address: 'fd00::2/64', gateway: 'fd00::1', interface: 1 },
  ],
  routes: [
    { dst: '0.0.0.0/0', gw: '10.1.0.1', mtu: 1400, advmss: 1360, priority: 10, table: 100, scope: 0 },
    { dst: '::/0' },
  ],
  dns: { nameservers: ['10.96.0.10'], domain: 'a.test', search: ['a.test'], options: ['ndots:5'] },
};

test('convertResult writes each version as its readers expect it', () => {
  for (const version of cniVersions)
    assert.deepEqual(resultProblems(convertResult(whole, version), version), []);
  assert.deepEqual(convertResult(whole, '1.1.0'), whole);
  assert.deepEqual(convertResult(whole, '0.4.0'), {
    cniVersion: '0.4.0',
    interfaces: [
      { name: 'veth1', mac: '02:00:00:00:00:01' },
      { name: 'eth0', mac: '02:00:00:00:00:02', sandbox: '/run/netns/a' },
    ],
    ips: [
      { version: '4', address: '10.1.0.2/24', gateway: '10.1.0.1', interface: 1 },
      { version: '6', address: 'fd00::2/64', gateway: 'fd00::1', interface: 1 },
    ],
    routes: [{ dst: '0.0.0.0/0', gw: '10.1.0.1' }, { dst: '::/0' }],
    dns: whole.dns,
  });
});

test('parseResult gives every version the shape of the latest', () => {
  for (const version of cniVersions) {
    const written = convertResult(whole, version);
    const read = parseResult(written, { version });
    assert.equal(read.cniVersion, '1.1.0');
    assert.deepEqual(convertResult(read, version), written);
  }
  // Without a version of its own, the configuration's counts; -1 is how old plugins say none.
  const old = { ips: [{ version: '4', address: '10.1.0.2/24', interface: -1 }] };
  assert.deepEqual(parseResult(old, { version: '0.3.1' }).ips, [{ address: '10.1.0.2/24' }]);
});

test('parseResult names the key it cannot read', () => {
  const wrong = [
    [{ cniVersion: '2.0.0' }, /^prevResult\.cniVersion/, 1],
    [{ ips: [{ address: '10.1.0.2' }] }, /^prevResult\.ips\[0\]\.address/, 6],
    [{ ips: [{ address: '10.1.0.2/24', interface: 1 }] }, /^prevResult\.ips\[0\]\.interface/, 6],
    [{ routes: [{ dst: 'default' }] }, /^prevResult\.routes\[0\]\.dst/, 6],
    [{ interfaces: [{}] }, /^prevResult\.interfaces\[0\]\.name/, 6],
    [{ interfaces: 'eth0' }, /^prevResult\.interfaces/, 6],
  ] as const;
  for (const [value, message, code] of wrong)
    assert.throws(() => parseResult(value, { version: '1.0.0', path: 'prevResult.' }), { message, code });
});

test('convertResult refuses a version nobody knows', () => {
  assert.throws(() => convertResult(whole, '0.2.0'), { code: 1 });
});
