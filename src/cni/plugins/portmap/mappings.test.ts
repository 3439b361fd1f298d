import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeNftables } from '../../../kernel/nftables/fake-nftables.ts';
import { PodnetError } from '../../../model/errors.ts';
import { fieldText } from '../../attachment/owned-table.ts';
import { type PortmapAttachment, portmapPlan } from './mappings.ts';
import { type PortmapDoors, applyPortMappings, checkPortMappings, removePortMappings } from './portmap.ts';

function attachment(over: Partial<PortmapAttachment> = {}): PortmapAttachment {
  return {
    network: 'net',
    containerId: 'web',
    ifName: 'eth0',
    addresses: ['10.1.0.5/24', 'fd01::5/64', '10.9.0.5/24'],
    mappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }],
    ...over,
  };
}

function printed(over: Partial<PortmapAttachment> = {}): string[] {
  const { elements, rules } = portmapPlan(attachment(over));
  return [
    ...elements.map(({ set, element }) => {
      const value = Array.isArray(element.value) ? ` : ${element.value.map(fieldText).join(' . ')}` : '';
      return `${set.name} ${element.key.map(fieldText).join(' . ')}${value}`;
    }),
    ...rules.map(({ chain }) => `rule in ${chain.name}`),
  ];
}

test('portmapPlan maps the first address of each family, and lets the container’s prefix in', () => {
  assert.deepEqual(printed(), [
    'any-4 tcp . 8080 : 10.1.0.5 . 80',
    'hairpin-4 10.1.0.0/24 . 10.1.0.5',
    'any-6 tcp . 8080 : fd01::5 . 80',
    'hairpin-6 fd01::/64 . fd01::5',
  ]);
});

test('portmapPlan keeps to hostIP, whose family decides, and leaves out host port 0', () => {
  const mapping = { hostPort: 53, containerPort: 5353, protocol: 'udp' } as const;
  const mappings = [
    { ...mapping, hostIP: '192.0.2.1' },
    { ...mapping, hostIP: '::' },
    { ...mapping, hostPort: 0 },
  ];
  assert.deepEqual(printed({ mappings, masquerading: 'none' }), [
    'at-4 192.0.2.1 . udp . 53 : 10.1.0.5 . 5353',
    'any-6 udp . 53 : fd01::5 . 5353',
  ]);
});

test('portmapPlan names connections to masquerade, and makes rules of conditions', () => {
  const addresses = ['10.1.0.5/32'];
  assert.deepEqual(printed({ addresses, masquerading: 'all' }), [
    'any-4 tcp . 8080 : 10.1.0.5 . 80',
    'everyone-4 10.1.0.5 . tcp . 80 . 8080',
    'hairpin-4 10.1.0.5 . 10.1.0.5',
  ]);
  const accept = { kind: 'verdict', verdict: 'continue' } as const;
  assert.deepEqual(printed({ addresses, conditions: { 4: [accept] } }), [
    'hairpin-4 10.1.0.5 . 10.1.0.5',
    'rule in conditional',
  ]);
});

function doors(): PortmapDoors {
  return {
    nftables: createFakeNftables(),
    rtnl: { routeTo: () => undefined, link: () => undefined, addresses: () => [] },
    openConntrack: () => assert.fail('there is no UDP'),
    readSysctl: () => undefined,
    writeSysctl: () => undefined,
  };
}

test('applyPortMappings refuses a port that another has, on any address if need be', () => {
  const to = doors();
  const on = (hostIP?: string): Pick<PortmapAttachment, 'mappings'> => ({
    mappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', ...(hostIP && { hostIP }) }],
  });
  applyPortMappings(attachment(on('192.0.2.1')), to);
  const other = { containerId: 'other', addresses: ['10.1.0.6/24'] };
  for (const hostIP of ['192.0.2.1', '0.0.0.0', undefined]) {
    assert.throws(
      () => applyPortMappings(attachment({ ...other, ...on(hostIP) }), to),
      (error) =>
        error instanceof PodnetError && error.code === 'host-port-taken' && /web/.test(error.message),
      hostIP,
    );
  }
  applyPortMappings(attachment({ ...other, ...on('192.0.2.2') }), to);
  checkPortMappings(attachment({ ...other, ...on('192.0.2.2') }), to);
  removePortMappings({ network: 'net', containerId: 'web', ifName: 'eth0' }, to);
  checkPortMappings(attachment({ ...other, ...on('192.0.2.2') }), to);
  assert.throws(() => checkPortMappings(attachment(on('192.0.2.1')), to), /at-4 192\.0\.2\.1 \. tcp \. 8080/);
});
