import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../../cluster/client.ts';
import { createFakeClock, type FakeClock } from '../../cluster/clock.ts';
import { createFakeTransport, type FakeTransport } from '../../cluster/fake-transport.ts';
import { createInformer } from '../../cluster/informer.ts';
import { pods } from '../../cluster/resources.ts';
import type { Pod, PodCondition, PodStatus } from '../../model/objects.ts';
import { createStatusWriter } from './status-writer.ts';

const place = { namespace: 'shop', name: 'web' };
const running: PodStatus = {
  phase: 'Running',
  conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
};

interface Scene {
  readonly clock: FakeClock;
  readonly transport: FakeTransport;
  /** As somebody who is not the kubelet. */
  readonly overwrite: (conditions: readonly PodCondition[]) => Promise<void>;
  readonly pod: () => Promise<Pod>;
  readonly writes: () => number;
}

async function withWriter(use: (scene: Scene) => Promise<void>): Promise<void> {
  const clock = createFakeClock();
  const transport = createFakeTransport({ now: () => clock.now() });
  const client = new Client(transport);
  const writer = createStatusWriter(client, { clock, onError: assert.ifError });
  const stop = new AbortController();
  const informer = createInformer(client, pods, { clock });
  informer.onChange(({ object }) => writer.observe(object));
  const tasks = [informer.run(stop.signal), writer.run(stop.signal)];
  writer.set(await client.create(pods, { metadata: place, spec: { containers: [] } }), running);
  await clock.advance(100);
  let foreign = 0;
  const isWrite = ({ method }: { readonly method: string }): boolean => method === 'PATCH';
  const others = new Client({
    ...transport,
    request: async (request) => {
      const answer = await transport.request(request);
      foreign++;
      return answer;
    },
  });
  await use({
    clock,
    transport,
    async overwrite(conditions) {
      const body = { status: { conditions } };
      await others.patch(pods, place, { type: 'merge', subresource: 'status', body });
    },
    pod: () => client.get(pods, place),
    writes: () => transport.requests.filter(isWrite).length - foreign,
  });
  stop.abort();
  await Promise.all(tasks);
}

const ready = (status: 'True' | 'False'): PodCondition => ({ type: 'Ready', status });

test('createStatusWriter writes again what somebody else has changed', () =>
  withWriter(async ({ clock, overwrite, pod, writes }) => {
    assert.equal(writes(), 1);
    await overwrite([ready('False')]);
    await clock.advance(100);
    assert.deepEqual((await pod()).status, running);
    assert.equal(writes(), 2);
  }));

test("createStatusWriter leaves others' conditions alone", () =>
  withWriter(async ({ clock, overwrite, pod, writes }) => {
    await overwrite([ready('True'), { type: 'shop.example/warm', status: 'True' }]);
    await clock.advance(3000);
    assert.equal(writes(), 1);
    await overwrite([ready('False'), { type: 'shop.example/warm', status: 'False' }]);
    await clock.advance(100);
    assert.deepEqual(
      (await pod()).status?.conditions?.map(({ type, status }) => `${type}=${status}`),
      ['Ready=True', 'shop.example/warm=False'],
    );
    assert.equal(writes(), 2);
  }));

test('createStatusWriter answers one that keeps overwriting once a second', () =>
  withWriter(async ({ clock, overwrite, pod, writes }) => {
    for (let round = 0; round < 50; round++) {
      await overwrite([ready('False')]);
      await clock.advance(100);
    }
    assert.ok(writes() >= 5 && writes() <= 7, `${writes()} writes`);
    await clock.advance(1000);
    assert.deepEqual((await pod()).status, running);
  }));
