/**
 * `npm run ok`: everything a change must pass: format, lint, types, tests. Stops at the first that fails.
 * `--static` leaves the tests out.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const all: readonly (readonly [name: string, script: string, args: readonly string[]])[] = [
  ['format', 'node_modules/oxfmt/bin/oxfmt', ['--check', '.']],
  ['lint', 'node_modules/oxlint/bin/oxlint', ['--type-aware', '--deny-warnings']],
  ['types', 'node_modules/typescript/bin/tsc', ['--noEmit']],
  ['test', 'tools/test.ts', []],
];

const steps = process.argv.includes('--static') ? all.slice(0, -1) : all;
for (const [name, script, args] of steps) {
  process.stdout.write(`\n== ${name}\n`);
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    process.stderr.write(`ok: ${name} failed\n`);
    process.exit(1);
  }
}
process.stdout.write('\nok\n');
