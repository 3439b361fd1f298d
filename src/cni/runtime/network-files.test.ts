import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { PodnetError } from '../../model/errors.ts';
import { loadNetwork, parseStoredNetwork, printNetwork, readNetworkFiles } from './network-files.ts';

function directory(t: TestContext, files: Readonly<Record<string, unknown>>): string {
  const path = mkdtempSync(join(tmpdir(), 'podnet-networks-'));
  t.after(() => rmSync(path, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(path, name)), { recursive: true });
    writeFileSync(join(path, name), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return path;
}

const list = (name: string, ...types: readonly string[]): object => ({
  cniVersion: '1.0.0',
  name,
  plugins: types.map((type) => ({ type })),
});
const single = (name: string, type: string): object => ({ cniVersion: '1.0.0', name, type });
const types = (path: string, name: string): readonly string[] =>
  loadNetwork(path, name).plugins.map(({ type }) => type);

test('loadNetwork takes the first list of that name, and single plugins when there is none', (t) => {
  const path = directory(t, {
    '20-b.conflist': list('net', 'second'),
    '10-a.conflist': list('net', 'first'),
    '00-c.conf': single('net', 'single'),
    '30-d.json': single('only', 'json'),
    '31-e.conf': single('only', 'conf'),
    'notes.txt': 'no network',
  });
  assert.deepEqual(types(path, 'net'), ['first']);
  assert.deepEqual(types(path, 'only'), ['json']);
  assert.equal(readNetworkFiles(path).networks.length, 5);
});

test('loadNetwork adds the plugins of the folder named after the network, unless told otherwise', (t) => {
  const path = directory(t, {
    '10-a.conflist': list('net', 'inlined'),
    'net/20.conf': { type: 'last' },
    'net/10.conf': { type: 'middle' },
    'net/30.json': { type: 'never' },
    '20-b.conflist': { ...list('closed', 'inlined'), loadOnlyInlinedPlugins: true },
    'closed/10.conf': { type: 'never' },
    '30-c.conflist': { cniVersion: '1.0.0', name: 'outside' },
    'outside/10.conf': { type: 'only' },
  });
  assert.deepEqual(types(path, 'net'), ['inlined', 'middle', 'last']);
  assert.deepEqual(types(path, 'closed'), ['inlined']);
  assert.deepEqual(types(path, 'outside'), ['only']);
});

test('loadNetwork says which networks there are, and which files it could not read', (t) => {
  const path = directory(t, {
    '10-a.conflist': '{"name": "net",',
    '20-b.conflist': { name: 'void', cniVersion: '1.0.0' },
    '30-c.conflist': list('good', 'one'),
  });
  assert.throws(
    () => loadNetwork(path, 'net'),
    (error) =>
      error instanceof PodnetError &&
      error.code === 'network-missing' &&
      /10-a\.conflist is not JSON.*20-b\.conflist.*There are: good\./s.test(error.fix ?? ''),
  );
  assert.throws(() => loadNetwork('/nonexistent', 'net'), { code: 'network-missing' });
  assert.deepEqual(types(path, 'good'), ['one']);
});

test('printNetwork keeps everything of a network in one text', (t) => {
  const path = directory(t, {
    '10-a.conflist': { ...list('net', 'inlined'), disableCheck: true },
    'net/10.conf': { type: 'more', mtu: 1400 },
    '20-b.conf': { ...single('only', 'conf'), isGateway: true },
  });
  const net = parseStoredNetwork(printNetwork(loadNetwork(path, 'net')));
  assert.equal(net.disableCheck, true);
  assert.deepEqual(net.plugins, [{ type: 'inlined' }, { type: 'more', mtu: 1400 }]);
  const only = parseStoredNetwork(printNetwork(loadNetwork(path, 'only')));
  assert.equal(only.plugins[0]?.['isGateway'], true);
});
