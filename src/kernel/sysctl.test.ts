import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodnetError } from '../model/errors.ts';
import { readSysctl, sysctlPath, tryReadSysctl } from './sysctl.ts';

test('readSysctl reads a parameter of the kernel', () => {
  assert.match(readSysctl('kernel.ostype'), /^Linux$/);
});

test('readSysctl names a parameter that is not there', () => {
  assert.throws(
    () => readSysctl('net.ipv4.no_such_thing'),
    (error) => error instanceof PodnetError && error.code === 'sysctl-missing',
  );
  assert.equal(tryReadSysctl('net.ipv4.no_such_thing'), undefined);
});

test('sysctlPath takes dots or slashes, and nothing that leads elsewhere', () => {
  assert.equal(sysctlPath('net.ipv4.ip_forward'), '/proc/sys/net/ipv4/ip_forward');
  assert.equal(
    sysctlPath('net/ipv4/conf/eth0.100/forwarding'),
    '/proc/sys/net/ipv4/conf/eth0.100/forwarding',
  );
  for (const name of ['', 'net..ipv4', 'net/../kernel', '/net', 'a\0b']) {
    assert.throws(() => sysctlPath(name), RangeError, name);
  }
});
