/**
 * `npm run package`: the package as it is published, in `dist/package`: compiled JavaScript (Node strips no types below
 * node_modules), its type declarations, the launcher, the CNI shim, and a package.json that says so.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildShim } from '../src/cni/server/build-shim.ts';

const root = resolve(import.meta.dirname, '..');
const target = join(root, 'dist/package');

/** Copied as they are. */
const copied = ['podnet', 'tools/node26', 'shim', 'examples', 'README.md', 'LICENSE'];

interface Manifest {
  readonly exports: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** Pure: the published package.json of the project's. */
export function publishedManifest({ exports, ...manifest }: Manifest): Record<string, unknown> {
  const compiled = (source: string, extension: string): string =>
    source.replace(/^\.\/src\//, './dist/').replace(/\.ts$/, extension);
  const { scripts: _scripts, devDependencies: _devDependencies, ...kept } = manifest;
  return {
    ...kept,
    exports: Object.fromEntries(
      Object.entries(exports).map(([name, source]) => [
        name,
        { types: compiled(source, '.d.ts'), default: compiled(source, '.js') },
      ]),
    ),
  };
}

async function build(): Promise<void> {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  const sources = join(target, 'tsconfig.json');
  writeFileSync(
    sources,
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: {
        noEmit: false,
        declaration: true,
        rewriteRelativeImportExtensions: true,
        rootDir: '../../src',
        outDir: 'dist',
        typeRoots: ['../../node_modules/@types'],
      },
      include: ['../../src'],
      exclude: ['../../src/**/*.test.ts'],
    }),
  );
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '--project', sources], { stdio: ['ignore', 2, 'inherit'] });
  rmSync(sources);
  for (const path of copied) cpSync(join(root, path), join(target, path), { recursive: true });
  // The forwarder of this machine's architecture; others build theirs at the first use.
  const prebuilt = join(target, 'shim/prebuilt', process.arch);
  mkdirSync(prebuilt, { recursive: true });
  cpSync(await buildShim(), join(prebuilt, 'podnet-cni'));
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  writeFileSync(join(target, 'package.json'), `${JSON.stringify(publishedManifest(manifest), null, 2)}\n`);
  process.stdout.write(`${target}\n`);
}

if (import.meta.main) await build();
