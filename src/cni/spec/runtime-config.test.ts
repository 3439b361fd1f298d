import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldsOf } from './json.ts';
import { parseRuntimeConfig } from './runtime-config.ts';

test('parseRuntimeConfig reads the keys that containerd writes in Go’s case', () => {
  const config = parseRuntimeConfig(
    fieldsOf({
      portMappings: [{ HostPort: 8080, ContainerPort: 80, Protocol: 'tcp', HostIP: '' }],
      bandwidth: { IngressRate: 1000, IngressBurst: 0, EgressRate: 0, EgressBurst: 0 },
      ipRanges: [[{ Subnet: '10.1.0.0/24', RangeStart: '', RangeEnd: '', Gateway: '10.1.0.1' }]],
      dns: { Servers: ['10.96.0.10'], Searches: ['default.svc.cluster.local'], Options: ['ndots:5'] },
      'io.kubernetes.cri.pod-annotations': { HostPort: 'both', hostPort: 'stay' },
    }),
  );
  assert.deepEqual(config.portMappings, [{ hostPort: 8080, containerPort: 80, protocol: 'tcp' }]);
  assert.equal(config.bandwidth?.ingressRate, 1000);
  assert.deepEqual(config.ipRanges, [[{ subnet: '10.1.0.0/24', gateway: '10.1.0.1' }]]);
  assert.deepEqual(config.dns?.nameservers, ['10.96.0.10']);
  assert.deepEqual(config['io.kubernetes.cri.pod-annotations'], {
    HostPort: 'both',
    hostPort: 'stay',
  });
});

test('parseRuntimeConfig refuses a port mapping without a port, and says where', () => {
  assert.throws(
    () => parseRuntimeConfig(fieldsOf({ portMappings: [{ hostPort: 80 }] }, 'runtimeConfig.')),
    /runtimeConfig\.portMappings\[0\]\.containerPort: must be a port/,
  );
});
