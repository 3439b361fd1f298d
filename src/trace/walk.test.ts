import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fixtureView } from './fixture.ts';
import { printTrace } from './print.ts';
import type { TraceRequest } from './request.ts';
import type { Trace } from './trace.ts';
import { tracePacket } from './walk.ts';

const view = fixtureView();

function trace(destination: string, rest: Partial<TraceRequest> = {}): Trace {
  return tracePacket(view, { source: 'client', destination, ...rest });
}

/** `node-1 dnat 10.244.1.5>10.244.1.6:8080`, without DNS. */
function steps({ hops }: Trace): string[] {
  return hops
    .filter(({ action }) => action !== 'resolve')
    .map(
      ({ place, action, packet }) =>
        `${place.name} ${action} ${packet.source}>${packet.destination}:${packet.destinationPort}`,
    );
}

test('tracePacket follows a Service to an endpoint on another node', () => {
  const text = printTrace(trace('svc/web', { endpoint: '10.244.2.6:8080' }));
  assert.equal(
    text,
    `   where               in → out           packet                        what happens                                      decided by
1  pod default/client                     10.244.1.5 → 10.96.0.10:53    DNS: web.default.svc.cluster.local is 10.96.0.20  Service default/web spec.clusterIP
2  pod default/client  → eth0             10.244.1.5 → 10.96.0.20:80    default route via 169.254.1.1                     Pod default/client status.podIPs[0].ip
3  node node-1         pod-client →       10.244.1.5 → 10.244.2.6:8080  DNAT to 10.244.2.6:8080 (2 of 2, 50 % each)       EndpointSlice default/web-abc endpoints[1]
4  node node-1         pod-client → eth0  10.244.1.5 → 10.244.2.6:8080  10.244.2.0/24 via 172.18.0.3                      Node node-2 spec.podCIDRs[0]
5  node node-2         eth0 → pod-web-2   10.244.1.5 → 10.244.2.6:8080  10.244.2.6 on the pod's link                      Pod default/web-2 status.podIPs[0].ip
6  pod default/web-2   eth0 →             10.244.1.5 → 10.244.2.6:8080  arrives, source unchanged                         Pod default/web-2 status.podIPs[0].ip

delivered to pod default/web-2: the sender's address is kept, MTU 1500
`,
  );
});

test('tracePacket lists all endpoints with their shares, and why others are skipped', () => {
  const { endpoints, hops, sourceKept } = trace('svc/web');
  assert.deepEqual(
    endpoints.map(({ address, share, pod, node, followed }) => ({ address, share, pod, node, followed })),
    [
      { address: '10.244.1.6', share: 0.5, pod: 'default/web-1', node: 'node-1', followed: true },
      { address: '10.244.2.6', share: 0.5, pod: 'default/web-2', node: 'node-2', followed: false },
    ],
  );
  const details = hops.find(({ action }) => action === 'dnat')?.details ?? [];
  assert.match(details.join('\n'), /not 10\.244\.2\.7: conditions\.ready is false/);
  assert.equal(sourceKept, true);
});

test('tracePacket predicts every kind of destination', () => {
  const rows: [destination: string, outcome: Trace['outcome'], steps: string[]][] = [
    [
      'web-1',
      'delivered',
      [
        'client send 10.244.1.5>10.244.1.6:8080',
        'node-1 route 10.244.1.5>10.244.1.6:8080',
        'web-1 deliver 10.244.1.5>10.244.1.6:8080',
      ],
    ],
    [
      'db',
      'delivered',
      [
        'client send 10.244.1.5>10.244.2.6:5432',
        'node-1 route 10.244.1.5>10.244.2.6:5432',
        'node-2 route 10.244.1.5>10.244.2.6:5432',
        'web-2 deliver 10.244.1.5>10.244.2.6:5432',
      ],
    ],
    [
      'self',
      'delivered',
      [
        'client send 10.244.1.5>10.96.0.24:80',
        'node-1 dnat 10.244.1.5>10.244.1.5:8080',
        'node-1 route 10.244.1.5>10.244.1.5:8080',
        'node-1 masquerade 172.18.0.2>10.244.1.5:8080',
        'client deliver 172.18.0.2>10.244.1.5:8080',
      ],
    ],
    [
      'nobody',
      'rejected',
      ['client send 10.244.1.5>10.96.0.22:80', 'node-1 reject 10.244.1.5>10.96.0.22:80'],
    ],
    [
      '203.0.113.10:443',
      'leaves the cluster',
      [
        'client send 10.244.1.5>203.0.113.10:443',
        'node-1 route 10.244.1.5>203.0.113.10:443',
        'node-1 masquerade 172.18.0.2>203.0.113.10:443',
        '203.0.113.10 deliver 172.18.0.2>203.0.113.10:443',
      ],
    ],
    [
      '172.18.0.3:22',
      'delivered',
      [
        'client send 10.244.1.5>172.18.0.3:22',
        'node-1 route 10.244.1.5>172.18.0.3:22',
        'node-2 deliver 10.244.1.5>172.18.0.3:22',
      ],
    ],
    [
      '172.18.0.2:22',
      'delivered',
      ['client send 10.244.1.5>172.18.0.2:22', 'node-1 deliver 10.244.1.5>172.18.0.2:22'],
    ],
    [
      '10.96.0.10:53',
      'delivered',
      ['client send 10.244.1.5>10.96.0.10:53', 'node-1 deliver 10.244.1.5>10.96.0.10:53'],
    ],
    [
      '10.244.1.99:80',
      'rejected',
      ['client send 10.244.1.5>10.244.1.99:80', 'node-1 reject 10.244.1.5>10.244.1.99:80'],
    ],
    [
      '10.244.2.99:80',
      'rejected',
      [
        'client send 10.244.1.5>10.244.2.99:80',
        'node-1 route 10.244.1.5>10.244.2.99:80',
        'node-2 reject 10.244.1.5>10.244.2.99:80',
      ],
    ],
    [
      '10.244.9.9:80',
      'rejected',
      ['client send 10.244.1.5>10.244.9.9:80', 'node-1 reject 10.244.1.5>10.244.9.9:80'],
    ],
  ];
  for (const [destination, outcome, expected] of rows) {
    const found = trace(destination);
    assert.equal(found.outcome, outcome, destination);
    assert.deepEqual(steps(found), expected, destination);
    assert.deepEqual(JSON.parse(JSON.stringify(found)), found);
    assert.ok(found.hops.every(({ explain }) => explain.endsWith('.')));
    const decided = found.hops.filter(({ place }) => place.kind !== 'outside');
    assert.ok(
      decided.every(({ decidedBy }) => decidedBy !== undefined),
      destination,
    );
  }
});

test('tracePacket starts at the node for a pod on the network of its node', () => {
  assert.deepEqual(steps(trace('svc/web', { source: 'agent' })), [
    'node-1 dnat 172.18.0.2>10.244.1.6:8080',
    'node-1 route 172.18.0.2>10.244.1.6:8080',
    'web-1 deliver 172.18.0.2>10.244.1.6:8080',
  ]);
});

test('tracePacket keeps what a pod sends to itself inside the pod', () => {
  const rows: [source: string, destination: string, expected: string, field: string][] = [
    ['client', '10.244.1.5:8080', 'client deliver 10.244.1.5>10.244.1.5:8080', 'status.podIPs[0].ip'],
    ['client', 'pod/client:8080', 'client deliver 10.244.1.5>10.244.1.5:8080', 'status.podIPs[0].ip'],
    ['deploy/web', 'deploy/web:9', 'web-1 deliver 10.244.1.6>10.244.1.6:9', 'status.podIPs[0].ip'],
    ['client', '127.0.0.1:80', 'client deliver 127.0.0.1>127.0.0.1:80', 'spec.hostNetwork'],
    ['agent', '127.0.0.1:80', 'node-1 deliver 127.0.0.1>127.0.0.1:80', 'spec.hostNetwork'],
    ['agent', '172.18.0.2:80', 'node-1 deliver 172.18.0.2>172.18.0.2:80', 'status.addresses[0].address'],
  ];
  for (const [source, destination, expected, field] of rows) {
    const found = trace(destination, { source });
    assert.equal(found.outcome, 'delivered', destination);
    assert.deepEqual(steps(found), [expected], destination);
    const [{ inputInterface, outputInterface, decidedBy } = assert.fail()] = found.hops;
    assert.deepEqual([outputInterface, inputInterface, decidedBy?.field], ['lo', 'lo', field]);
  }
});

test('tracePacket names what is wrong with a destination, and what there is', () => {
  const rows: [destination: string, code: string, text: RegExp][] = [
    ['svc/web:81', 'trace-unknown-port', /80\/tcp \(http\)/],
    ['svc/two-ports', 'trace-target-ambiguous', /1\/tcp \(a\), 2\/tcp \(b\)/],
    ['external', 'trace-external-name', /db\.example\.com/],
    ['x.y.z', 'trace-unknown-name', /NAME\.NAMESPACE/],
    ['203.0.113.10', 'trace-unknown-port', /203\.0\.113\.10:PORT/],
    ['web-1:grpc', 'trace-unknown-port', /8080 \(http\)/],
    ['fd00::1', 'trace-no-common-family', /fd00::1/],
  ];
  for (const [destination, code, text] of rows) {
    assert.throws(
      () => trace(destination),
      (error: Error & { code?: string; fix?: string }) => {
        assert.equal(error.code, code, destination);
        assert.match(`${error.message} ${error.fix}`, text);
        return true;
      },
    );
  }
  assert.throws(() => trace('svc/web', { endpoint: '10.0.0.1:1' }), { code: 'trace-unknown-endpoint' });
  assert.throws(() => trace('svc/web', { protocol: 'udp' }), { code: 'trace-unknown-port' });
});

test('printTrace explains every hop when asked, and marks parts as its style does', () => {
  const style = {
    strong: (text: string) => `<b>${text}</b>`,
    faint: (text: string) => text,
    good: (text: string) => `<g>${text}</g>`,
    bad: (text: string) => `<r>${text}</r>`,
  };
  const text = printTrace(trace('nobody'), { style, explain: true });
  assert.match(text, /No endpoint of Service default\/nobody takes port 80\/tcp/);
  assert.match(text, /<r>rejected<\/r> by node node-1/);
});
