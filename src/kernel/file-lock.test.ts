import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { PodnetError } from '../model/errors.ts';
import { tryFlock } from './ffi.ts';
import { withFileLock } from './file-lock.ts';

const directory = mkdtempSync(join(tmpdir(), 'podnet-lock-'));
const path = join(directory, 'lock');
after(() => rmSync(directory, { recursive: true }));

test('withFileLock holds the lock while it runs, and gives it back when that throws', async () => {
  const another = (): boolean => {
    const fd = openSync(path, 'r');
    const got = tryFlock(fd);
    closeSync(fd);
    return got;
  };
  assert.equal(await withFileLock(path, another), false);
  const fail = withFileLock(path, () => {
    throw new Error('no');
  });
  await assert.rejects(fail, /no/);
  assert.equal(another(), true);
});

test('withFileLock waits for whoever has it, and not for ever', async () => {
  const fd = openSync(path, 'w');
  assert.equal(tryFlock(fd), true);
  await assert.rejects(
    withFileLock(path, () => 1, { timeoutMs: 30 }),
    (error) => error instanceof PodnetError && error.code === 'file-locked',
  );
  const waiting = withFileLock(path, () => 'after');
  closeSync(fd);
  assert.equal(await waiting, 'after');
});
