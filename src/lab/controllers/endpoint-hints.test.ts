import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '../../model/objects.ts';
import { type Topology, hintsFor } from './endpoint-hints.ts';
import { testPod } from './scene.ts';
import { type Backend, backendsOf } from './service-endpoints.ts';

const zones: Readonly<Record<string, string>> = { 'node-1': 'a', 'node-2': 'b', 'node-3': 'c' };
const topology: Topology = {
  zoneOf: (node) => zones[node],
  cpusByZone: () =>
    new Map([
      ['a', 4000],
      ['b', 4000],
      ['c', 4000],
    ]),
};

function service(spec: Service['spec'], annotations?: Record<string, string>): Service {
  return {
    metadata: { name: 'web', namespace: 'default', ...(annotations && { annotations }) },
    spec: { selector: { app: 'web' }, ...spec },
  };
}

/** As many pods on each node. */
function backends(...counts: readonly number[]): readonly Backend[] {
  const pods = counts.flatMap((count, node) =>
    Array.from({ length: count }, (_, index) => {
      const pod = testPod(`web-${node}-${index}`, { ip: `10.244.${node}.${index + 2}` });
      return { ...pod, spec: { ...pod.spec, containers: [], nodeName: `node-${node + 1}` } };
    }),
  );
  return backendsOf(service({}), pods);
}

function zonesOf(of: Service, list: readonly Backend[], place = topology): readonly string[] {
  const hints = hintsFor(of, list, place);
  return list.map((backend) => (hints(backend)?.forZones ?? []).map(({ name }) => name).join());
}

test('hintsFor names the own zone for PreferClose and PreferSameZone', () => {
  for (const trafficDistribution of ['PreferClose', 'PreferSameZone'])
    assert.deepEqual(zonesOf(service({ trafficDistribution }), backends(1, 2)), ['a', 'b', 'b']);
  assert.deepEqual(zonesOf(service({}), backends(1, 2)), ['', '', '']);
});

test('hintsFor names node and zone for PreferSameNode', () => {
  const [backend] = backends(1);
  assert.ok(backend);
  const hints = hintsFor(service({ trafficDistribution: 'PreferSameNode' }), [backend], topology);
  assert.deepEqual(hints(backend), { forZones: [{ name: 'a' }], forNodes: [{ name: 'node-1' }] });
});

const auto = service({}, { 'service.kubernetes.io/topology-mode': 'Auto' });

test('hintsFor by the annotation gives every zone its share', () => {
  assert.deepEqual(zonesOf(auto, backends(2, 2, 2)), ['a', 'a', 'b', 'b', 'c', 'c']);
  const shared = zonesOf(auto, backends(6, 3, 3));
  assert.equal(shared.length, 12);
  for (const zone of ['a', 'b', 'c']) assert.ok(shared.filter((each) => each === zone).length >= 3, zone);
  const moved = zonesOf(auto, backends(9, 0, 0));
  assert.deepEqual(
    ['a', 'b', 'c'].map((zone) => moved.filter((each) => each === zone).length),
    [3, 3, 3],
  );
});

test('hintsFor by the annotation gives none when there are too few, or a node has no zone', () => {
  assert.deepEqual(zonesOf(auto, backends(1, 1)), ['', '']);
  assert.deepEqual(
    zonesOf(auto, backends(2, 2, 2), { zoneOf: topology.zoneOf, cpusByZone: () => undefined }),
    ['', '', '', '', '', ''],
  );
});
