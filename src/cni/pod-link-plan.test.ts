import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as check, property, string } from 'fast-check';
import { hostInterfaceName, linkAlias, podMac, readAlias } from './pod-link-plan.ts';

test('hostInterfaceName is always a name the kernel takes, the same for the same container', () => {
  check(
    property(string({ minLength: 1, maxLength: 64 }), (containerId) => {
      const name = hostInterfaceName(containerId);
      assert.match(name, /^pod[0-9a-f]{11}$/);
      assert.equal(hostInterfaceName(containerId), name);
    }),
  );
});

test('podMac is locally administered, unicast, and tells the address', () => {
  assert.equal(podMac('10.244.1.5'), '0a:58:0a:f4:01:05');
  assert.equal(podMac('fd00:1::abcd'), '0a:58:00:00:ab:cd');
});

test('hostInterfaceName differs between the interfaces of a container', () => {
  assert.equal(hostInterfaceName('abc'), hostInterfaceName('abc', 'eth0'));
  assert.notEqual(hostInterfaceName('abc'), hostInterfaceName('abc', 'net1'));
});

test('readAlias reads what linkAlias wrote, however long the names are', () => {
  const owner = {
    addresses: ['10.244.1.5', 'fd00:244:0:1::5'],
    containerId: 'c'.repeat(64),
    interfaceName: 'eth0',
    network: 'podnet',
    pod: 'default/web-1',
  };
  assert.deepEqual(readAlias(linkAlias(owner)), owner);
  const long = linkAlias({ ...owner, pod: `${'n'.repeat(63)}/${'p'.repeat(253)}` });
  assert.equal(long.length, 255);
  assert.deepEqual(readAlias(long)?.addresses, owner.addresses);
});

test('readAlias knows nothing of aliases that others wrote', () => {
  for (const alias of [undefined, '', 'uplink', 'to the switch in rack 4', '10.244.1.5 abc'])
    assert.equal(readAlias(alias), undefined);
});
