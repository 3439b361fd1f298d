import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readNetworkConfig } from '../../spec/config.ts';
import type { CniIp, CniRoute } from '../../spec/result.ts';
import { parseBridgeConfig } from './config.ts';
import { bridgePlan, printBridgePlan } from './plan.ts';

interface Given {
  readonly keys?: Readonly<Record<string, unknown>>;
  readonly ips?: readonly CniIp[];
  readonly routes?: readonly CniRoute[];
}

function plan({ keys = {}, ips = [{ address: '10.1.0.5/24' }], routes = [] }: Given) {
  const network = readNetworkConfig({ cniVersion: '1.1.0', name: 'net', type: 'bridge', ...keys });
  const config = parseBridgeConfig(network);
  return bridgePlan({ config, ipam: { ips, routes }, containerId: 'c1', ifName: 'eth0' });
}

const print = (given: Given): string[] => printBridgePlan(plan(given)).split('\n');

test('bridgePlan without further keys is a port, an address, and no gateway', () => {
  assert.deepEqual(print({}), [
    'bridge cni0',
    'port veth26026bd18b7 # net c1 eth0',
    'container: link eth0 up',
    'container: address 10.1.0.5/24',
  ]);
});

test('bridgePlan gives every family its gateway and default route', () => {
  const ips = [{ address: '10.1.0.5/24' }, { address: 'fd00::5/64', gateway: 'fd00::ff' }];
  const keys = { bridge: 'br0', isDefaultGateway: true, ipMasq: true, mtu: 1400 };
  assert.deepEqual(print({ keys, ips }), [
    'bridge br0 mtu 1400',
    'address 10.1.0.1/24 dev br0',
    'address fd00::ff/64 dev br0',
    'port veth26026bd18b7 mtu 1400 # net c1 eth0',
    'container: link eth0 up',
    'container: address 10.1.0.5/24',
    'container: address fd00::5/64',
    'container: route 0.0.0.0/0 via 10.1.0.1',
    'container: route ::/0 via fd00::ff',
    'masquerade 10.1.0.5/24',
    'masquerade fd00::5/64',
  ]);
});

test('bridgePlan keeps a default route of IPAM, and sends routes without gateway through the first one', () => {
  const routes = [{ dst: '0.0.0.0/0', gw: '10.1.0.9' }, { dst: '10.9.0.0/16' }];
  const { container, routes: answered } = plan({ keys: { isDefaultGateway: true }, routes });
  assert.deepEqual(container.routes, [
    { dst: '0.0.0.0/0', gateway: '10.1.0.9' },
    { dst: '10.9.0.0/16', gateway: '10.1.0.1' },
  ]);
  assert.deepEqual(answered, routes);
});

test('bridgePlan makes one route of several gateways, and passes attributes on', () => {
  const routes = [
    { dst: '10.9.0.0/16', gw: '10.1.0.8', mtu: 1300, advmss: 1200, priority: 7, table: 100 },
    { dst: '10.9.0.0/16', gw: '10.1.0.9', priority: 7, table: 100 },
    { dst: '192.0.2.0/24', scope: 253 },
  ];
  const rest = { mtuBytes: 1300, advertisedMssBytes: 1200, metric: 7, table: 100 };
  assert.deepEqual(plan({ routes }).container.routes, [
    { dst: '10.9.0.0/16', ...rest, nextHops: [{ gateway: '10.1.0.8' }, { gateway: '10.1.0.9' }] },
    { dst: '192.0.2.0/24', scope: 'link' },
  ]);
  assert.throws(() => plan({ routes: [{ dst: '10.0.0.0/8', scope: 7 }] }), /unknown scope 7/);
});

test('bridgePlan has ports with VLANs, isolation, hairpin and MAC check', () => {
  const keys = {
    bridge: 'br0',
    isGateway: true,
    vlan: 100,
    vlanTrunk: [{ id: 5 }, { minID: 7, maxID: 9 }],
    preserveDefaultVlan: false,
    portIsolation: true,
    hairpinMode: true,
    macspoofchk: true,
    args: { cni: { mac: '02:00:00:00:00:0A' } },
  };
  assert.deepEqual(print({ keys }), [
    'bridge br0 vlan_filtering',
    'address 10.1.0.1/24 dev br0.100',
    'port veth26026bd18b7 hairpin isolated # net c1 eth0',
    'vlan 100 pvid untagged',
    'vlan 5',
    'vlan 7-9',
    'no vlan 1',
    'container: link eth0 02:00:00:00:00:0a up',
    'container: address 10.1.0.5/24',
    'check mac',
  ]);
});

test('bridgePlan refuses to give a container the gateway’s address', () => {
  const ips = [{ address: '10.1.0.1/24' }];
  assert.throws(() => plan({ keys: { isGateway: true }, ips }), /10\.1\.0\.1 is the gateway's address/);
  assert.deepEqual(plan({ ips }).gateway.addresses, []);
});
