import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { safePath, volumeFiles } from './volume-files.ts';
import { writeVolume } from './volume-writer.ts';

const sources = {
  pod: { metadata: { name: 'web', labels: { a: 'b' } }, spec: { containers: [] } },
  facts: { podAddresses: [], hostAddresses: [], nodeName: 'n', cpus: 1, memoryBytes: 1 },
  configMap: (name: string) =>
    name === 'conf'
      ? { data: { a: '1', b: '2' }, binaryData: { c: Buffer.from([0, 255]).toString('base64') } }
      : undefined,
  secret: () => undefined,
  token: (audience: string) => (audience === '' ? 'tok' : undefined),
};

test('volumeFiles projects keys, items and tokens', () => {
  const all = volumeFiles({ name: 'v', configMap: { name: 'conf', defaultMode: 0o400 } }, sources);
  assert.deepEqual(
    all.map(({ path, content, mode }) => [path, content.toString('hex'), mode]),
    [
      ['a', '31', 0o400],
      ['b', '32', 0o400],
      ['c', '00ff', 0o400],
    ],
  );
  const projected = volumeFiles(
    {
      name: 'v',
      projected: {
        sources: [
          { configMap: { name: 'conf', items: [{ key: 'a', path: 'dir/x', mode: 0o600 }] } },
          { serviceAccountToken: { path: 'token' } },
          { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
        ],
      },
    },
    sources,
  );
  assert.deepEqual(
    projected.map(({ path, content }) => [path, content.toString()]),
    [
      ['dir/x', '1'],
      ['token', 'tok'],
      ['labels', 'a="b"'],
    ],
  );
});

test('volumeFiles names what is missing', () => {
  assert.throws(() => volumeFiles({ name: 'v', secret: { secretName: 's' } }, sources), {
    message: 'secret "s" not found',
    where: 'volume v',
  });
  assert.throws(
    () => volumeFiles({ name: 'v', configMap: { name: 'conf', items: [{ key: 'z', path: 'z' }] } }, sources),
    { message: 'configmap references non-existent config key: z' },
  );
  assert.deepEqual(volumeFiles({ name: 'v', secret: { secretName: 's', optional: true } }, sources), []);
});

test('safePath stays in the volume', () => {
  for (const path of ['', '/etc', '../x', 'a/../../x', '..data', 'a\0b'])
    assert.throws(() => safePath(path, 'here'), /must stay in the volume/, path);
  assert.equal(safePath('a//./b', 'here'), 'a/b');
});

test('writeVolume swaps all files at once', () => {
  const directory = mkdtempSync(join(tmpdir(), 'podnet-volume-'));
  const file = (path: string, text: string): Parameters<typeof writeVolume>[1][number] => ({
    path,
    content: Buffer.from(text),
    mode: 0o644,
  });
  writeVolume(directory, [file('a', '1'), file('d/e', '2')]);
  writeVolume(directory, [file('a', '3')]);
  assert.equal(readFileSync(join(directory, 'a'), 'utf8'), '3');
  assert.equal(readdirSync(directory).filter((name) => name.startsWith('..') && name !== '..data').length, 1);
  rmSync(directory, { recursive: true });
});
