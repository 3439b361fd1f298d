import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pod } from '../model/objects.ts';
import { Client } from './client.ts';
import { createFakeClock, type FakeClock } from './clock.ts';
import { createEventRecorder, type EventRecorder } from './events.ts';
import { createFakeTransport, type FakeTransport } from './fake-transport.ts';
import { events, nodes } from './resources.ts';

interface Scene {
  readonly transport: FakeTransport;
  readonly client: Client;
  readonly clock: FakeClock;
  readonly recorder: EventRecorder;
  readonly errors: unknown[];
}

function start(): Scene {
  const transport = createFakeTransport();
  const client = new Client(transport);
  const clock = createFakeClock();
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const recorder = createEventRecorder(client, { component: 'kubelet', host: 'node-1', clock, onError });
  return { transport, client, clock, recorder, errors };
}

const pod: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u1', resourceVersion: '5' },
};

test('EventRecorder writes an event beside its object', async () => {
  const { client, recorder } = start();
  recorder.record(pod, { type: 'Normal', reason: 'Pulled', message: 'Image is there' });
  await recorder.flush();
  const [event] = (await client.list(events, { namespace: 'shop' })).items;
  assert.match(event?.metadata.name ?? '', /^web\.[0-9a-f]+$/);
  assert.deepEqual(event?.involvedObject, {
    apiVersion: 'v1',
    kind: 'Pod',
    namespace: 'shop',
    name: 'web',
    uid: 'u1',
    resourceVersion: '5',
  });
  assert.deepEqual(event?.source, { component: 'kubelet', host: 'node-1' });
  assert.equal(event?.count, 1);
  assert.equal(event?.firstTimestamp, '2026-01-01T00:00:00Z');
});

test('EventRecorder counts the same text about the same object', async () => {
  const { client, clock, recorder } = start();
  const text = { type: 'Warning', reason: 'BackOff', message: 'Back-off restarting' } as const;
  recorder.record(pod, text);
  recorder.record(pod, text);
  await recorder.flush();
  await clock.advance(5000);
  recorder.record(pod, text);
  recorder.record(pod, { ...text, message: 'Something else' });
  await recorder.flush();
  const { items } = await client.list(events);
  assert.deepEqual(new Set(items.map(({ count }) => count)), new Set([1, 3]));
  assert.equal(items.find(({ count }) => count === 3)?.lastTimestamp, '2026-01-01T00:00:05Z');
});

test('EventRecorder begins a new event when the old one has expired', async () => {
  const { client, recorder } = start();
  const text = { type: 'Normal', reason: 'Pulled', message: 'again' } as const;
  recorder.record(pod, text);
  await recorder.flush();
  const [first] = (await client.list(events)).items;
  await client.delete(events, { namespace: 'shop', name: first?.metadata.name ?? '' });
  recorder.record(pod, text);
  await recorder.flush();
  assert.deepEqual(
    (await client.list(events)).items.map(({ count }) => count),
    [2],
  );
});

test('EventRecorder puts events of cluster-scoped objects into the namespace default', async () => {
  const { client, recorder } = start();
  const node = await client.create(nodes, { metadata: { name: 'node-1' } });
  recorder.record(node, { type: 'Normal', reason: 'NodeReady', message: 'ready' });
  await recorder.flush();
  assert.equal((await client.list(events, { namespace: 'default' })).items.length, 1);
});

test('EventRecorder limits what one object can cause', async () => {
  const { client, clock, recorder } = start();
  for (let i = 0; i < 100; i++)
    recorder.record(pod, { type: 'Normal', reason: 'Loop', message: `number ${i}` });
  await recorder.flush();
  assert.equal((await client.list(events)).items.length, 25);
  await clock.advance(10_000);
  for (let i = 0; i < 5; i++) recorder.record(pod, { type: 'Normal', reason: 'Loop', message: `later ${i}` });
  await recorder.flush();
  assert.equal((await client.list(events)).items.length, 26);
});

test('EventRecorder never throws, and tells of what failed', async () => {
  const { transport, recorder, errors } = start();
  transport.intercept = () => new Error('connection refused');
  recorder.record(pod, { type: 'Normal', reason: 'Pulled', message: 'x' });
  await recorder.flush();
  assert.match(String(errors[0]), /connection refused/);
});
