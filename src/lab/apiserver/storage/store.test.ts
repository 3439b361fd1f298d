import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { stringAt } from '../json-value.ts';
import { StatusError } from '../status.ts';
import { openStore, type Change, type StoredObject } from './store.ts';

function pod(name: string, more: object = {}): StoredObject {
  const object = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', resourceVersion: '' },
    ...more,
  };
  return object;
}

const key = (name: string): { storage: string; namespace: string; name: string } => ({
  storage: 'pods',
  namespace: 'default',
  name,
});

test('put numbers writes from one sequence and keeps objects by reference', () => {
  const store = openStore({ path: ':memory:' });
  const first = store.put(key('a'), pod('a'));
  const second = store.put({ ...key('b'), storage: 'services' }, pod('b'));
  assert.deepEqual([first.metadata.resourceVersion, second.metadata.resourceVersion], ['1', '2']);
  assert.equal(store.get(key('a')), first);
  assert.equal(store.resourceVersion, 2);
  store.close();
});

test('list is ordered, shared until the next write, and a snapshot after it', () => {
  const store = openStore({ path: ':memory:' });
  for (const name of ['c', 'a', 'b']) store.put(key(name), pod(name));
  const list = store.list('pods');
  assert.deepEqual(
    list.map((object) => object.metadata.name),
    ['a', 'b', 'c'],
  );
  assert.equal(store.list('pods'), list);
  store.remove(key('a'));
  assert.equal(list.length, 3);
  assert.equal(store.list('pods', 'default').length, 2);
  assert.equal(store.list('pods', 'elsewhere').length, 0);
  store.close();
});

test('stored objects are frozen under test', () => {
  const store = openStore({ path: ':memory:', freeze: true });
  const stored = store.put(key('a'), pod('a', { spec: { containers: [{}] } }));
  assert.throws(() => Object.assign(stored.metadata, { name: 'b' }), TypeError);
  store.close();
});

test('subscribe hears every change with the state before it', () => {
  const store = openStore({ path: ':memory:' });
  const heard: Change[] = [];
  const unsubscribe = store.subscribe('pods', (change) => heard.push(change));
  store.put(key('a'), pod('a'));
  store.put(key('a'), pod('a', { spec: 1 }));
  store.put({ ...key('s'), storage: 'services' }, pod('s'));
  store.remove(key('a'));
  unsubscribe();
  store.put(key('b'), pod('b'));
  assert.deepEqual(
    heard.map(({ type }) => type),
    ['ADDED', 'MODIFIED', 'DELETED'],
  );
  assert.equal(heard[1]?.previous, heard[0]?.object);
  assert.equal(heard[2]?.object.metadata.resourceVersion, '4');
  store.close();
});

test('changesSince resumes from memory, then from the log, and expires after compaction', () => {
  const store = openStore({
    path: ':memory:',
    windowSize: 4,
    logSize: 1000,
    selectable: () => ['status.phase'],
  });
  for (let count = 0; count < 1500; count += 1)
    store.put(key('a'), pod('a', { status: { phase: count % 2 === 0 ? 'Pending' : 'Running' } }));
  assert.equal(store.changesSince(1500, 'pods').length, 0);
  assert.equal(store.changesSince(1497, 'pods').length, 3);
  const old = store.changesSince(1100, 'pods');
  assert.equal(old.length, 400);
  assert.equal(stringAt(old[0]?.previous, 'status', 'phase'), 'Running');
  // Compaction happens every 1,024 writes: the next one removes what is older than the log.
  for (let count = 1500; count < 2100; count += 1) store.put(key('a'), pod('a'));
  assert.throws(
    () => store.changesSince(100, 'pods'),
    (error: unknown) =>
      error instanceof StatusError && error.status.code === 410 && error.status.reason === 'Expired',
  );
  assert.throws(() => store.changesSince(99_999, 'pods'), StatusError);
  assert.equal((store.get(key('a')) as object as { kind: string }).kind, 'Pod');
  store.close();
});

test('a store opened again has its objects, its sequence and its log', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-store-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'state.db');
  const first = openStore({ path });
  first.put(key('a'), pod('a'));
  first.put(key('b'), pod('b'));
  first.put(key('a'), pod('a', { spec: 2 }));
  first.remove(key('b'));
  first.close();
  const second = openStore({ path });
  assert.equal(second.resourceVersion, 4);
  assert.deepEqual(
    second.list('pods').map(({ metadata }) => [metadata.name, metadata.resourceVersion]),
    [['a', '3']],
  );
  assert.deepEqual(
    second.changesSince(1, 'pods').map(({ type, name }) => [type, name]),
    [
      ['ADDED', 'b'],
      ['MODIFIED', 'a'],
      ['DELETED', 'b'],
    ],
  );
  assert.equal(second.put(key('c'), pod('c')).metadata.resourceVersion, '5');
  second.close();
});
