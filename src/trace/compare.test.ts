import assert from 'node:assert/strict';
import { test } from 'node:test';

import { compare } from './compare.ts';
import { fixtureView } from './fixture.ts';
import type { Observation, ObservedPlace } from './observe.ts';
import { printTrace } from './print.ts';
import type { HopPacket } from './trace.ts';
import { tracePacket } from './walk.ts';

const trace = tracePacket(fixtureView(), {
  source: 'client',
  destination: 'svc/web',
  endpoint: '10.244.2.6:8080',
});

const asked: HopPacket = {
  source: '10.244.1.5',
  sourcePort: 40_000,
  destination: '10.96.0.20',
  destinationPort: 80,
};
const translated: HopPacket = { ...asked, destination: '10.244.2.6', destinationPort: 8080 };

const faithful: readonly ObservedPlace[] = [
  {
    place: { kind: 'pod', namespace: 'default', name: 'client' },
    outputInterface: 'eth0',
    before: asked,
    after: asked,
    verdicts: [],
  },
  {
    place: { kind: 'node', name: 'node-1' },
    inputInterface: 'pod-client',
    outputInterface: 'eth0',
    before: asked,
    after: translated,
    verdicts: ['podnet-services services: accept'],
  },
  {
    place: { kind: 'node', name: 'node-2' },
    inputInterface: 'eth0',
    outputInterface: 'pod-web-2',
    before: translated,
    after: translated,
    verdicts: [],
  },
  {
    place: { kind: 'pod', namespace: 'default', name: 'web-2' },
    inputInterface: 'eth0',
    before: translated,
    after: translated,
    verdicts: [],
  },
];

function observation(
  places: readonly ObservedPlace[],
  reply: Observation['reply'] = 'connected',
): Observation {
  return { protocol: 'tcp', places, reply, milliseconds: 1 };
}

/** The faithful observation with one place changed. */
function changed(index: number, change: Partial<ObservedPlace>): ObservedPlace[] {
  return faithful.map((place, at) => (at === index ? Object.assign({}, place, change) : place));
}

test('compare agrees when every hop was as predicted', () => {
  const comparison = compare(trace, observation(faithful));
  assert.equal(comparison.agrees, true, printTrace(trace, { comparison }));
  assert.match(printTrace(trace, { comparison }), /the kernel did the same/);
});

test('compare names each kind of difference at its hop', () => {
  const rows: [places: readonly ObservedPlace[], expected: RegExp][] = [
    [changed(1, { inputInterface: 'pod-other' }), /the incoming interface is pod-other, not pod-client/],
    [changed(1, { outputInterface: 'wg0' }), /the outgoing interface is wg0, not eth0/],
    [changed(1, { after: asked }), /the destination is 10\.96\.0\.20:80, not 10\.244\.2\.6:8080/],
    [
      changed(3, { after: { ...translated, source: '172.18.0.2' } }),
      /the source is 172\.18\.0\.2, not 10\.244\.1\.5/,
    ],
    [faithful.slice(0, 2), /the packet was not seen here/],
    [
      [...faithful, { place: { kind: 'node', name: 'node-9' }, before: asked, verdicts: [] }],
      /node node-9 → saw 10\.244\.1\.5 → 10\.96\.0\.20:80, which was not predicted/,
    ],
  ];
  for (const [places, expected] of rows) {
    const comparison = compare(trace, observation(places));
    assert.equal(comparison.agrees, false);
    assert.match(printTrace(trace, { comparison }), expected);
    assert.match(printTrace(trace, { comparison }), /the kernel did otherwise/);
  }
});

test('compare holds a rejected packet to its rejection', () => {
  const rejected = tracePacket(fixtureView(), { source: 'client', destination: 'nobody' });
  const packet = { ...asked, destination: '10.96.0.22' };
  const places: ObservedPlace[] = [
    { ...(faithful[0] as ObservedPlace), before: packet, after: packet },
    { place: { kind: 'node', name: 'node-1' }, inputInterface: 'pod-client', before: packet, verdicts: [] },
  ];
  assert.equal(compare(rejected, observation(places, 'refused')).agrees, true);
  assert.equal(compare(rejected, observation(places, 'silence')).agrees, false);
  const passed = places.map((place) => ({ ...place, after: packet }));
  assert.equal(compare(rejected, observation(passed, 'refused')).agrees, false);
});

test('compare tells the first pass of a node from the second, after a detour over another', () => {
  const onNode = (name: string) =>
    trace.hops.filter(({ place }) => place.kind === 'node' && place.name === name);
  const [, first, second] = faithful;
  assert.ok(first && second);
  const back = { place: first.place } as const;
  const detour = {
    ...trace,
    hops: [...onNode('node-1'), ...onNode('node-2'), ...onNode('node-2').map((hop) => ({ ...hop, ...back }))],
  };
  const places = [first, second, { ...second, ...back }];
  const { agrees, hops, unexpected } = compare(detour, observation(places));
  assert.deepEqual(
    hops.flatMap(({ differences }) => differences),
    [],
  );
  assert.deepEqual(unexpected, []);
  assert.equal(agrees, true);
  assert.equal(compare(detour, observation(places.slice(0, 2))).agrees, false);
});
