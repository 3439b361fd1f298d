import assert from 'node:assert/strict';
import { test } from 'node:test';

import type { Comparison } from './compare.ts';
import { fixtureView } from './fixture.ts';
import { printTrace } from './print.ts';
import type { Trace } from './trace.ts';
import { tracePacket } from './walk.ts';

const view = fixtureView();
const trace = tracePacket(view, {
  source: 'client',
  destination: 'svc/web',
  endpoint: '10.244.2.6:8080',
});

test('printTrace stacks the hops where the table is wider than the terminal', () => {
  assert.equal(
    printTrace(trace, { columns: 100 }),
    `1  pod default/client  DNS: web.default.svc.cluster.local is 10.96.0.20
   10.244.1.5 → 10.96.0.10:53  Service default/web spec.clusterIP
2  pod default/client  default route via 169.254.1.1
   → eth0  10.244.1.5 → 10.96.0.20:80  Pod default/client status.podIPs[0].ip
3  node node-1         DNAT to 10.244.2.6:8080 (2 of 2, 50 % each)
   pod-client →  10.244.1.5 → 10.244.2.6:8080  EndpointSlice default/web-abc endpoints[1]
4  node node-1         10.244.2.0/24 via 172.18.0.3
   pod-client → eth0  10.244.1.5 → 10.244.2.6:8080  Node node-2 spec.podCIDRs[0]
5  node node-2         10.244.2.6 on the pod's link
   eth0 → pod-web-2  10.244.1.5 → 10.244.2.6:8080  Pod default/web-2 status.podIPs[0].ip
6  pod default/web-2   arrives, source unchanged
   eth0 →  10.244.1.5 → 10.244.2.6:8080  Pod default/web-2 status.podIPs[0].ip

delivered to pod default/web-2: the sender's address is kept, MTU 1500
`,
  );
});

test('printTrace gives up aligning a hop rather than break it', () => {
  const [first] = trace.hops;
  assert.ok(first);
  const place = { kind: 'pod', namespace: 'default', name: 'web-687bc55df6-7p7qc' } as const;
  const text = printTrace(
    { ...trace, hops: [first, { ...first, place, summary: 'arrives' }] },
    { columns: 80 },
  );
  assert.match(
    text,
    /^1 {2}pod default\/client {2}DNS: web\.default\.svc\.cluster\.local is 10\.96\.0\.20$/m,
  );
});

test('printTrace prints a table where it fits, and where no width is known', () => {
  const table = printTrace(trace);
  const width = Math.max(...table.split('\n').map((line) => line.length));
  assert.equal(printTrace(trace, { columns: width }), table);
  assert.notEqual(printTrace(trace, { columns: width - 1 }), table);
});

test('printTrace keeps explained hops within the terminal', () => {
  for (const columns of [60, 80, 120]) {
    const [hops = ''] = printTrace(trace, { columns, explain: true }).split('\n\n');
    for (const line of hops.split('\n')) assert.ok(line.length <= columns, `${columns}: ${line}`);
  }
});

test('printTrace says what the sender heard', () => {
  const to = (destination: string, protocol: Trace['protocol'] = 'tcp'): Trace =>
    tracePacket(view, { source: 'client', destination, protocol });
  const rows: [trace: Trace, reply: Comparison['reply'], expected: string][] = [
    [to('web-1:9999'), 'refused', 'the packet arrived, and nobody listens on port 9999: connection refused'],
    [to('web-1:53', 'udp'), 'refused', 'the packet arrived, and nobody listens on port 53: port unreachable'],
    [trace, 'connected', 'the packet arrived, and port 8080 accepted the connection'],
    [to('web-1:53', 'udp'), 'answered', 'the packet arrived, and port 53 answered'],
    [to('web-1'), 'silence', 'the packet arrived, and the sender heard nothing'],
    [to('nobody'), 'refused', 'the sender was told: connection refused'],
    [to('203.0.113.10:9'), 'silence', 'the sender heard nothing'],
  ];
  for (const [sent, reply, expected] of rows) {
    const comparison = { hops: [], unexpected: [], differences: [], reply, agrees: true };
    assert.equal(printTrace(sent, { comparison }).trimEnd().split('\n').at(-2), expected);
  }
});
