import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PodnetError } from '../model/errors.ts';
import { labOptions, type LabSettings } from './options.ts';

function refusal(settings: LabSettings): string {
  try {
    labOptions(settings);
  } catch (error) {
    if (error instanceof PodnetError) return `${error.where}: ${error.message}`;
    throw error;
  }
  return 'accepted';
}

test('labOptions fills in what is left out', () => {
  assert.deepEqual(labOptions({}), {
    name: 'podnet',
    nodes: 3,
    linkMode: 'routed',
    serviceBackend: 'nftables',
    ipFamilies: [4],
    clusterCidrs: ['10.244.0.0/16'],
    nodeCidrPrefixLengths: [24],
    serviceCidrs: ['10.96.0.0/16'],
    clusterDns: ['10.96.0.10'],
    clusterDomain: 'cluster.local',
    upstreams: [],
  });
});

test('labOptions gives each node as much of a small CIDR as there is', () => {
  assert.deepEqual(labOptions({ cidr: '10.1.0.0/24', nodes: 3 }).nodeCidrPrefixLengths, [26]);
  assert.deepEqual(labOptions({ cidr: '10.1.0.0/24', nodes: 1 }).nodeCidrPrefixLengths, [24]);
  assert.deepEqual(labOptions({ cidr: '10.1.0.0/22', nodes: 4 }).nodeCidrPrefixLengths, [24]);
});

test('labOptions gives a dual-stack cluster two of everything, in the order of its families', () => {
  const { ipFamilies, clusterCidrs, nodeCidrPrefixLengths, serviceCidrs, clusterDns } = labOptions({
    ipFamily: 'dual',
  });
  assert.deepEqual(ipFamilies, [4, 6]);
  assert.deepEqual(clusterCidrs, ['10.244.0.0/16', 'fd00:10:244::/56']);
  assert.deepEqual(nodeCidrPrefixLengths, [24, 64]);
  assert.deepEqual(serviceCidrs, ['10.96.0.0/16', 'fd00:10:96::/112']);
  assert.deepEqual(clusterDns, ['10.96.0.10', 'fd00:10:96::a']);
  assert.deepEqual(labOptions({ cidr: 'fd00:1::/56,10.1.0.0/16' }).ipFamilies, [6, 4]);
});

const refused: readonly (readonly [LabSettings, string])[] = [
  [{ name: 'Big_Name' }, 'name: "Big_Name" cannot name a cluster'],
  [{ name: '../up' }, 'name: "../up" cannot name a cluster'],
  [{ nodes: 0 }, 'nodes: 0 is not a number of nodes'],
  [{ nodes: 2.5 }, 'nodes: 2.5 is not a number of nodes'],
  [{ nodes: 101 }, 'nodes: 101 is not a number of nodes'],
  [{ mtu: 1000 }, 'mtu: 1000 is no MTU for pods'],
  [{ link: 'tap' }, 'link: "tap" is not a kind of link'],
  [{ serviceBackend: 'pf' }, 'serviceBackend: "pf" is no backend for Services'],
  [{ cidr: '10.244.0.0' }, 'cidr: "10.244.0.0" is not a CIDR'],
  [{ cidr: '010.1.0.0/16' }, 'cidr: "010.1.0.0/16" is not a CIDR'],
  [{ cidr: 'fd00::/64' }, 'cidr: fd00::/64 is too small for 3 nodes: each needs at least a /64'],
  [{ cidr: '10.1.0.0/16,10.2.0.0/16' }, 'cidr: "10.1.0.0/16,10.2.0.0/16" has two CIDRs of one IP family'],
  [{ ipFamily: 'ipv5' }, 'ipFamily: "ipv5" is no choice of IP families'],
  [
    { ipFamily: 'dual', serviceCidr: '10.96.0.0/16' },
    'serviceCidr: The cluster is to have IPv4 and IPv6, and this is IPv4',
  ],
  [
    { cidr: 'fd00:172::/32', ipFamily: 'ipv6' },
    "cidr: fd00:172::/32 overlaps the lab's own fd00:172:18::/64",
  ],
  [{ cidr: '10.244.1.0/16' }, 'cidr: "10.244.1.0/16" has bits set beyond its prefix'],
  [{ cidr: '10.244.0.0/27' }, 'cidr: 10.244.0.0/27 is too small for 3 nodes: each needs at least a /28'],
  [
    { cidr: '10.244.0.0/23', nodeCidrMaskSize: 24 },
    'cidr: 10.244.0.0/23 is too small for 3 nodes: each needs a /24',
  ],
  [{ nodeCidrMaskSize: 30 }, "nodeCidrMaskSize: 30 is not the length of a node's prefix"],
  [{ cidr: '172.18.0.0/16' }, "cidr: 172.18.0.0/16 overlaps the lab's own 172.18.0.0/24"],
  [{ cidr: '10.0.0.0/8' }, 'serviceCidr: 10.96.0.0/16 overlaps cidr 10.0.0.0/8'],
  [{ serviceCidr: '10.96.0.0/30' }, "serviceCidr: 10.96.0.0/30 cannot hold a cluster's Services"],
  [{ clusterDomain: 'Cluster Local' }, 'clusterDomain: "Cluster Local" is not a DNS domain'],
];

test('labOptions refuses with the setting that is wrong', () => {
  for (const [settings, message] of refused) assert.equal(refusal(settings), message);
});
