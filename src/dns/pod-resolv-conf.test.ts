import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { PodSpec } from '../model/objects.ts';
import { hostsFile, podFqdn, podHostname } from './pod-hosts-file.ts';
import { resolvConf } from './pod-resolv-conf.ts';

const options = {
  clusterDns: ['10.96.0.10'],
  clusterDomain: 'cluster.local',
  nodeResolvConf:
    '# by hand\nnameserver 192.0.2.53 # first\nsearch corp.example\noptions timeout:1 ndots:2\n',
};

function conf(spec: Partial<PodSpec>, changed: Partial<typeof options> = {}): string {
  const pod = { metadata: { name: 'p', namespace: 'shop' }, spec: { containers: [], ...spec } };
  return resolvConf(pod, { ...options, ...changed }).text;
}

const cluster =
  'nameserver 10.96.0.10\nsearch shop.svc.cluster.local svc.cluster.local cluster.local corp.example\noptions ndots:5\n';
const node = 'nameserver 192.0.2.53\nsearch corp.example\noptions timeout:1 ndots:2\n';

test('resolvConf follows each dnsPolicy', () => {
  assert.equal(conf({}), cluster);
  assert.equal(conf({ dnsPolicy: 'ClusterFirst' }), cluster);
  assert.equal(conf({ dnsPolicy: 'ClusterFirst', hostNetwork: true }), node);
  assert.equal(conf({ dnsPolicy: 'ClusterFirstWithHostNet', hostNetwork: true }), cluster);
  assert.equal(conf({ dnsPolicy: 'Default' }), node);
  assert.equal(
    conf({ dnsPolicy: 'None', dnsConfig: { nameservers: ['192.0.2.1'] } }),
    'nameserver 192.0.2.1\n',
  );
});

test('resolvConf merges dnsConfig: adds names once, replaces options of the same name', () => {
  const text = conf({
    dnsConfig: {
      nameservers: ['10.96.0.10', '2001:db8::53'],
      searches: ['svc.cluster.local', 'lan.example'],
      options: [{ name: 'ndots', value: '2' }, { name: 'edns0' }],
    },
  });
  assert.equal(
    text,
    'nameserver 10.96.0.10\nnameserver 2001:db8::53\n' +
      'search shop.svc.cluster.local svc.cluster.local cluster.local corp.example lan.example\n' +
      'options ndots:2 edns0\n',
  );
});

test('resolvConf holds the limits and says what it left out', () => {
  const pod = {
    metadata: { name: 'p', namespace: 'shop' },
    spec: {
      containers: [],
      dnsConfig: {
        nameservers: ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
        searches: Array.from({ length: 40 }, (_, index) => `d${index}.example`),
      },
    },
  };
  const result = resolvConf(pod, options);
  assert.equal(result.nameservers.length, 3);
  assert.equal(result.searches.length, 32);
  assert.match(result.warnings[0] ?? '', /left out: 192\.0\.2\.3$/);
  assert.match(result.warnings[1] ?? '', /left out: d28\.example, /);
  const long = resolvConf(
    {
      spec: {
        containers: [],
        dnsConfig: { searches: Array.from({ length: 12 }, (_, i) => `${i}${'x'.repeat(200)}`) },
      },
    },
    options,
  );
  assert.ok(long.searches.join(' ').length <= 2048 && long.searches.length < 14);
});

test('resolvConf lets nothing into the file that is not what it should be', () => {
  const result = resolvConf(
    {
      spec: {
        containers: [],
        dnsConfig: {
          nameservers: ['192.0.2.1\nnameserver 192.0.2.2'],
          searches: ['a b', 'c\nnameserver 192.0.2.3'],
          options: [{ name: 'x\nnameserver', value: '192.0.2.4' }],
        },
      },
    },
    options,
  );
  assert.equal(result.text, cluster.replace('shop.', 'default.'));
  assert.equal(result.warnings.length, 4);
});

test('resolvConf without a cluster DNS address falls back on the node, with a warning', () => {
  assert.equal(conf({}, { clusterDns: [] }), node);
});

test('hostsFile names the pod, its FQDN and its aliases', () => {
  const pod = {
    metadata: { name: 'web-0', namespace: 'shop' },
    spec: {
      containers: [],
      hostname: 'web-0',
      subdomain: 'web',
      hostAliases: [
        { ip: '192.0.2.9', hostnames: ['old', 'older', 'bad name'] },
        { ip: 'x', hostnames: ['never'] },
      ],
    },
  };
  const text = hostsFile(pod, { addresses: ['10.244.1.3', 'fd00::3'], clusterDomain: 'cluster.local' });
  assert.match(text, /^127\.0\.0\.1\tlocalhost$/m);
  assert.match(text, /^10\.244\.1\.3\tweb-0\.web\.shop\.svc\.cluster\.local\tweb-0$/m);
  assert.match(text, /^fd00::3\tweb-0\.web/m);
  assert.match(text, /^192\.0\.2\.9\told\tolder$/m);
  assert.doesNotMatch(text, /never|bad name/);
});

test('hostsFile of a hostNetwork pod is the file of the node with the aliases', () => {
  const spec = { containers: [], hostNetwork: true, hostAliases: [{ ip: '192.0.2.9', hostnames: ['old'] }] };
  const text = hostsFile(
    { spec },
    { addresses: [], clusterDomain: 'c', nodeHosts: '127.0.0.1 localhost node-1\n' },
  );
  assert.match(text, /^127\.0\.0\.1 localhost node-1$/m);
  assert.match(text, /^192\.0\.2\.9\told$/m);
});

test('podHostname cuts long names, podFqdn needs a subdomain', () => {
  const metadata = { name: `${'a'.repeat(62)}-b`, namespace: 'shop' };
  assert.equal(podHostname({ metadata }), 'a'.repeat(62));
  assert.equal(podFqdn({ metadata }, 'cluster.local'), undefined);
});
