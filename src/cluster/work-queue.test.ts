import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFakeClock, settle } from './clock.ts';
import { createWorkQueue } from './work-queue.ts';

test('WorkQueue processes a key once, however often it is added while it waits', async () => {
  const seen: string[] = [];
  const queue = createWorkQueue({ process: (key) => void seen.push(key) });
  for (const key of ['a', 'b', 'a', 'a']) queue.add(key);
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  await queue.idle();
  assert.deepEqual(seen, ['a', 'b']);
  stop.abort();
  await ended;
});

test('WorkQueue processes a key once more that was added while it was in work', async () => {
  let release = (): void => {};
  let runs = 0;
  const queue = createWorkQueue({
    concurrency: 4,
    process: () => {
      runs++;
      return new Promise<void>((resolve) => {
        release = resolve;
      });
    },
  });
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  queue.add('a');
  queue.add('a');
  queue.add('a');
  assert.equal(runs, 1, 'never twice at the same time');
  release();
  await settle();
  assert.equal(runs, 2);
  release();
  await queue.idle();
  stop.abort();
  await ended;
});

test('WorkQueue works on as many keys at a time as told', async () => {
  let [now, most] = [0, 0];
  const queue = createWorkQueue({
    concurrency: 3,
    async process() {
      most = Math.max(most, ++now);
      await settle(1);
      now--;
    },
  });
  for (let i = 0; i < 10; i++) queue.add(`k${i}`);
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  await queue.idle();
  assert.equal(most, 3);
  stop.abort();
  await ended;
});

test('WorkQueue tries a key that fails again, later each time, and forgets failures after a success', async () => {
  const clock = createFakeClock();
  const times: number[] = [];
  const start = clock.now();
  let failing = true;
  const queue = createWorkQueue({
    clock,
    random: () => 1,
    minDelayMs: 100,
    maxDelayMs: 1000,
    process() {
      times.push(clock.now() - start);
      if (failing) throw new Error('no');
    },
  });
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  queue.add('a');
  await clock.advance(4000);
  assert.deepEqual(times, [0, 100, 300, 700, 1500, 2500, 3500]);
  failing = false;
  await clock.advance(1000);
  failing = true;
  times.length = 0;
  queue.add('a');
  await clock.advance(150);
  assert.equal(times.length, 2, 'the first retry comes after the first delay again');
  stop.abort();
  await ended;
  assert.equal(clock.waiting, 0);
});

test('WorkQueue reports failures with their attempt', async () => {
  const clock = createFakeClock();
  const reports: string[] = [];
  const queue = createWorkQueue({
    clock,
    process: () => Promise.reject(new Error('no')),
    onError: (key, error, attempt) => reports.push(`${key} ${String(error)} ${attempt}`),
  });
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  queue.add('a');
  await clock.advance(30);
  stop.abort();
  await ended;
  assert.deepEqual(reports, ['a Error: no 1', 'a Error: no 2']);
});

test('WorkQueue.addAfter keeps the earliest time, and add overtakes it', async () => {
  const clock = createFakeClock();
  const seen: number[] = [];
  const start = clock.now();
  const queue = createWorkQueue({ clock, process: () => void seen.push(clock.now() - start) });
  const stop = new AbortController();
  const ended = queue.run(stop.signal);
  queue.addAfter('a', 100);
  queue.addAfter('a', 50);
  queue.addAfter('a', 200);
  await clock.advance(300);
  assert.deepEqual(seen, [50]);
  queue.addAfter('a', 100);
  queue.add('a');
  await clock.advance(300);
  assert.deepEqual(seen, [50, 300]);
  stop.abort();
  await ended;
});

test('WorkQueue.run ends when what is in work has ended', async () => {
  let release = (): void => {};
  const queue = createWorkQueue({
    process: () =>
      new Promise<void>((resolve) => {
        release = resolve;
      }),
  });
  const stop = new AbortController();
  let ended = false;
  const run = queue.run(stop.signal).finally(() => {
    ended = true;
  });
  queue.add('a');
  queue.add('b');
  stop.abort();
  await settle();
  assert.equal(ended, false);
  release();
  await run;
  assert.equal(ended, true);
});

test('WorkQueue.run with an aborted signal ends at once', async () => {
  const queue = createWorkQueue({ process: () => assert.fail('must not run') });
  queue.add('a');
  await queue.run(AbortSignal.abort());
});
