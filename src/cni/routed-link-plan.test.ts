import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printPodLinkPlan } from './pod-link-plan.ts';
import { routedLinkPlan } from './routed-link-plan.ts';

test('routedLinkPlan prints the routed link of an IPv4 pod', () => {
  const plan = routedLinkPlan({
    containerId: 'abc',
    pod: 'default/web-1',
    addresses: ['10.244.1.5'],
    mtuBytes: 1500,
    nodeAddresses: ['fd00:18::2', '172.18.0.2'],
  });
  assert.equal(
    printPodLinkPlan(plan),
    `link podba7816bf8f0 ee:ee:ee:ee:ee:ee mtu 1500 peer eth0 0a:58:0a:f4:01:05
pod: address 10.244.1.5/32 dev eth0
pod: route 169.254.1.1/32 dev eth0
pod: route 0.0.0.0/0 via 169.254.1.1 dev eth0
pod: neighbour 169.254.1.1 lladdr ee:ee:ee:ee:ee:ee dev eth0
host: alias 10.244.1.5 abc eth0 podnet default/web-1
host: sysctl net.ipv4.conf.podba7816bf8f0.rp_filter = 1
host: route 10.244.1.5/32 dev podba7816bf8f0 src 172.18.0.2
host: neighbour 10.244.1.5 lladdr 0a:58:0a:f4:01:05 dev podba7816bf8f0`,
  );
});

test('routedLinkPlan gives a dual-stack pod an address, a gateway and a host route of each family', () => {
  const plan = routedLinkPlan({ containerId: 'abc', addresses: ['10.244.1.5', 'fd00:1::5'], mtuBytes: 1450 });
  assert.deepEqual(
    plan.pod.addresses.map(({ address, prefixLength, noDad }) => [address, prefixLength, noDad]),
    [
      ['10.244.1.5', 32, undefined],
      ['fd00:1::5', 128, true],
    ],
  );
  assert.deepEqual(
    plan.host.routes.map(({ dst }) => dst),
    ['10.244.1.5/32', 'fd00:1::5/128'],
  );
  assert.deepEqual(
    plan.pod.neighbours.map(({ address }) => address),
    ['169.254.1.1', 'fe80::1'],
  );
  assert.equal(plan.pod.linkLocal, true);
});

test('routedLinkPlan refuses a pod without an address, or with a malformed one', () => {
  assert.throws(() => routedLinkPlan({ containerId: 'a', addresses: [], mtuBytes: 1500 }), RangeError);
  assert.throws(() => routedLinkPlan({ containerId: 'a', addresses: ['10.1'], mtuBytes: 1500 }), RangeError);
});
