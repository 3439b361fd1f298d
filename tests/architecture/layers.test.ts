import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { test } from 'node:test';

const source = resolve(import.meta.dirname, '../../src');

/** From the top of the house to its ground; a file imports from its own folder or from a lower layer. */
const layers: readonly (readonly string[])[] = [
  ['cli'],
  ['web'],
  ['lab'],
  ['agent'],
  ['trace'],
  ['cni', 'fabric', 'services', 'policy', 'dns', 'loadbalancer', 'gateway'],
  ['cluster', 'kernel'],
  ['model'],
];

const layerOf = (folder: string): number => layers.findIndex((names) => names.includes(folder));

function importsOf(file: string): string[] {
  const text = readFileSync(join(source, file), 'utf8');
  return [...text.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)].map(([, specifier = '']) => specifier);
}

const files = globSync('**/*.ts', { cwd: source });

test('every folder of src belongs to a layer', () => {
  const folders = new Set(files.map((file) => file.split('/')[0] ?? ''));
  assert.deepEqual(
    [...folders].filter((folder) => layerOf(folder) < 0),
    [],
  );
});

test('imports point downwards only, and capabilities never import one another', () => {
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => normalize(join(dirname(file), specifier)))
      .filter((target) => {
        const [from = '', to = ''] = [file.split('/')[0], target.split('/')[0]];
        return to !== from && layerOf(to) <= layerOf(from);
      })
      .map((target) => `${file} imports ${target}`),
  );
  assert.deepEqual(wrong, []);
});

test('nothing but kernel/ffi*.ts calls C', () => {
  assert.deepEqual(
    files.filter((file) => importsOf(file).includes('koffi') && !file.startsWith('kernel/ffi')),
    [],
  );
});

/** The door for other packages, `podnet/cni`: it gathers what a CNI plugin of one's own needs. */
const doors = new Set(['cni/sdk.ts']);

test('no barrel, no default export', () => {
  const isBarrel = (file: string): boolean =>
    readFileSync(join(source, file), 'utf8')
      .replaceAll(/\/\*[\s\S]*?\*\//g, '')
      .replaceAll(/^export (type )?(\*|\{[^}]*\}) from '[^']+';$/gm, '')
      .trim() === '';
  assert.deepEqual(
    files.filter((file) => isBarrel(file) && !doors.has(file)),
    [],
  );
  const wrong = files.filter(
    (file) =>
      /(^|\/)index\.ts$/.test(file) || /^export default\b/m.test(readFileSync(join(source, file), 'utf8')),
  );
  assert.deepEqual(wrong, []);
});
