import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { newRecord, type ContainerRecord, type ContainerRole, type RecordState } from './container-record.ts';
import { decide, type Decision } from './decide.ts';

const nowMs = 1_000_000;
const running: RecordState = { name: 'running', startedAtMs: 0, containerId: 'podnet://1' };
const ended = (exitCode: number): RecordState => ({
  name: 'terminated',
  exitCode,
  signal: 0,
  reason: 'x',
  finishedAtMs: 0,
});

function record(name: string, role: ContainerRole, change: Partial<ContainerRecord> = {}): ContainerRecord {
  return { ...newRecord({ name }, role), ...change };
}

function decideFor(
  records: readonly ContainerRecord[],
  restartPolicy: 'Always' | 'OnFailure' | 'Never' = 'Always',
): Decision {
  return decide({ restartPolicy, records, nowMs });
}

test('decide starts init containers one after another', () => {
  const [a, b, main] = [record('a', 'init'), record('b', 'init'), record('m', 'main')];
  assert.deepEqual(decideFor([a, b, main]).start, ['a']);
  assert.deepEqual(decideFor([{ ...a, state: running }, b, main]).start, []);
  const after = decideFor([{ ...a, state: ended(0) }, b, main]);
  assert.deepEqual([after.start, after.phase, after.initialized], [['b'], 'Pending', false]);
  assert.deepEqual(decideFor([{ ...a, state: ended(0) }, { ...b, state: ended(0) }, main]).start, ['m']);
});

test('decide waits for sidecars to have started, and keeps them up', () => {
  const [sidecar, main] = [record('s', 'sidecar'), record('m', 'main')];
  assert.deepEqual(decideFor([sidecar, main]).start, ['s']);
  assert.deepEqual(decideFor([{ ...sidecar, state: running }, main]).start, []);
  assert.deepEqual(decideFor([{ ...sidecar, state: running, started: true }, main]).start, ['m']);
  assert.deepEqual(
    decideFor([
      { ...sidecar, state: ended(1) },
      { ...main, state: running },
    ]).start,
    ['s'],
  );
});

test('decide fails a pod whose init container failed for good', () => {
  const records = [record('a', 'init', { state: ended(1) }), record('m', 'main')];
  assert.deepEqual(decideFor(records, 'Never'), {
    start: [],
    stop: [],
    retryAtMs: undefined,
    phase: 'Failed',
    initialized: false,
    finished: true,
  });
  assert.deepEqual(decideFor(records, 'OnFailure').start, ['a']);
});

test('decide restarts as the policy says', () => {
  const main = (exitCode: number): ContainerRecord[] => [record('m', 'main', { state: ended(exitCode) })];
  assert.deepEqual(decideFor(main(0), 'Always').start, ['m']);
  assert.equal(decideFor(main(0), 'OnFailure').phase, 'Succeeded');
  assert.deepEqual(decideFor(main(1), 'OnFailure').start, ['m']);
  assert.equal(decideFor(main(1), 'Never').phase, 'Failed');
});

test('decide waits for the end of a back-off', () => {
  const state: RecordState = { name: 'waiting', reason: 'CrashLoopBackOff' };
  const last = ended(1) as Extract<RecordState, { name: 'terminated' }>;
  const decision = decideFor([record('m', 'main', { state, last, notBeforeMs: nowMs + 5 })]);
  assert.deepEqual([decision.start, decision.retryAtMs, decision.phase], [[], nowMs + 5, 'Running']);
});

test('decide stops sidecars when the others are done', () => {
  const [sidecar, main] = [
    record('s', 'sidecar', { state: running, started: true }),
    record('m', 'main', { state: ended(0) }),
  ];
  const decision = decideFor([sidecar, main], 'Never');
  assert.deepEqual([decision.stop, decision.finished, decision.phase], [['s'], false, 'Running']);
  assert.equal(decideFor([{ ...sidecar, state: ended(143) }, main], 'Never').phase, 'Succeeded');
});

test('decide never starts what runs, and finishes only when nothing does', () => {
  const states = fc.constantFrom<RecordState>(running, ended(0), ended(1), { name: 'waiting', reason: 'x' });
  const records = fc.array(
    fc.record({
      role: fc.constantFrom<ContainerRole>('init', 'sidecar', 'main'),
      state: states,
      started: fc.boolean(),
      notBeforeMs: fc.constantFrom(0, nowMs + 1),
    }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(
      records,
      fc.constantFrom('Always' as const, 'OnFailure' as const, 'Never' as const),
      (changes, policy) => {
        const all = changes.map((change, index) => record(`c${index}`, change.role, change));
        const { start, stop, finished } = decideFor(all, policy);
        const runningNames = all.filter(({ state }) => state.name === 'running').map(({ name }) => name);
        assert.ok(start.every((name) => !runningNames.includes(name)));
        assert.ok(stop.every((name) => runningNames.includes(name)));
        assert.ok(!finished || (runningNames.length === 0 && start.length === 0));
      },
    ),
  );
});
