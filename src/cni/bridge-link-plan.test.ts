import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodnetError } from '../model/errors.ts';
import { bridgeLinkPlan, bridgePlan, printBridgePlan } from './bridge-link-plan.ts';
import { printPodLinkPlan } from './pod-link-plan.ts';

const podCidrs = ['10.244.1.0/24', 'fd00:244:0:1::/64'];
const request = {
  containerId: 'abc',
  pod: 'default/web-1',
  addresses: ['10.244.1.5', 'fd00:244:0:1::5'],
  mtuBytes: 1500,
  nodeAddresses: ['172.18.0.2', 'fd00:18::2'],
};

test('bridgePlan prints cbr0 with the gateways of both families', () => {
  assert.equal(
    printBridgePlan(bridgePlan({ podCidrs, mtuBytes: 1500, bridgeNetfilter: true })),
    `bridge cbr0 0a:58:0a:f4:01:01 mtu 1500, pods of the node bridged
bridge: sysctl net.ipv4.conf.cbr0.rp_filter = 1
bridge: sysctl net.ipv4.conf.cbr0.send_redirects = 0
bridge: sysctl net.bridge.bridge-nf-call-iptables = 1
bridge: sysctl net.bridge.bridge-nf-call-ip6tables = 1
bridge: address 10.244.1.1/24 dev cbr0 scope link noprefixroute
bridge: address fe80::1/64 dev cbr0`,
  );
});

test('bridgeLinkPlan prints a dual-stack pod on the bridge', () => {
  const bridge = bridgePlan({ podCidrs, mtuBytes: 1500, bridgeNetfilter: true });
  assert.equal(
    printPodLinkPlan(bridgeLinkPlan(request, bridge)),
    `link podba7816bf8f0 mtu 1500 peer eth0 0a:58:0a:f4:01:05
pod: address 10.244.1.5/24 dev eth0
pod: address fd00:244:0:1::5/64 dev eth0
pod: route 0.0.0.0/0 via 10.244.1.1 dev eth0
pod: route ::/0 via fe80::1 dev eth0
pod: neighbour 10.244.1.1 lladdr 0a:58:0a:f4:01:01 dev eth0
pod: neighbour fe80::1 lladdr 0a:58:0a:f4:01:01 dev eth0
host: alias 10.244.1.5,fd00:244:0:1::5 abc eth0 podnet default/web-1
host: master cbr0 dev podba7816bf8f0 hairpin
host: route 10.244.1.5/32 dev cbr0 src 172.18.0.2
host: route fd00:244:0:1::5/128 dev cbr0 src fd00:18::2
host: neighbour 10.244.1.5 lladdr 0a:58:0a:f4:01:05 dev cbr0
host: neighbour fd00:244:0:1::5 lladdr 0a:58:0a:f4:01:05 dev cbr0`,
  );
});

test('bridgeLinkPlan isolates the ports of a kernel without bridge netfilter and leads all packets by the gateway', () => {
  const bridge = bridgePlan({ podCidrs, mtuBytes: 1500, bridgeNetfilter: false });
  assert.doesNotMatch(printBridgePlan(bridge), /bridge-nf/);
  assert.equal(
    printPodLinkPlan(bridgeLinkPlan(request, bridge)),
    `link podba7816bf8f0 mtu 1500 peer eth0 0a:58:0a:f4:01:05
pod: sysctl net.ipv6.conf.eth0.accept_redirects = 0
pod: address 10.244.1.5/24 dev eth0 noprefixroute
pod: address fd00:244:0:1::5/64 dev eth0 noprefixroute
pod: route 10.244.1.1/32 dev eth0
pod: route 0.0.0.0/0 via 10.244.1.1 dev eth0
pod: route ::/0 via fe80::1 dev eth0
pod: neighbour 10.244.1.1 lladdr 0a:58:0a:f4:01:01 dev eth0
pod: neighbour fe80::1 lladdr 0a:58:0a:f4:01:01 dev eth0
host: alias 10.244.1.5,fd00:244:0:1::5 abc eth0 podnet default/web-1
host: master cbr0 dev podba7816bf8f0 hairpin isolated
host: route 10.244.1.5/32 dev cbr0 src 172.18.0.2
host: route fd00:244:0:1::5/128 dev cbr0 src fd00:18::2
host: neighbour 10.244.1.5 lladdr 0a:58:0a:f4:01:05 dev cbr0
host: neighbour fd00:244:0:1::5 lladdr 0a:58:0a:f4:01:05 dev cbr0`,
  );
});

test('bridgeLinkPlan refuses an address the bridge has no network for', () => {
  const bridge = bridgePlan({ podCidrs: ['10.244.1.0/24'], mtuBytes: 1500, bridgeNetfilter: true });
  for (const address of ['10.244.2.5', 'fd00::5']) {
    assert.throws(
      () => bridgeLinkPlan({ ...request, addresses: [address] }, bridge),
      (error) => error instanceof PodnetError && error.code === 'address-outside-pod-cidr',
    );
  }
});
