/**
 * `npm run bench -- [NAME…]`: runs benchmarks one after the other, each in a process and namespaces of its own, and
 * prints a row a figure. Exits 1 when a figure misses its target.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { namespaced } from '../tools/namespaced.ts';
import type { BenchRow } from './row.ts';

const directory = import.meta.dirname;

/** What a name on the command line stands for when it is more than the file of that name. */
const suites: Readonly<Record<string, readonly string[]>> = {
  lab: ['up', 'pod-link', 'services', 'service-agent', 'service-connections', 'datapath', 'reflector'],
  services: ['services', 'service-agent', 'service-connections'],
};

/** Benchmarks that start clusters of their own and therefore run as the user, not inside namespaces. */
const onHost = new Set(['up', 'reflector']);

function available(): string[] {
  return readdirSync(directory)
    .filter(
      (file) =>
        file.endsWith('.ts') && !['run.ts', 'row.ts', 'child.ts', 'service-objects.ts'].includes(file),
    )
    .map((file) => file.slice(0, -'.ts'.length));
}

function run(name: string): BenchRow[] {
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', join(directory, 'child.ts'), name];
  const [file, ...args] = onHost.has(name) ? node : namespaced(node);
  const { stdout, status, error } = spawnSync(file ?? '', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 600_000,
    maxBuffer: 1 << 24,
  });
  if (error !== undefined || status !== 0) {
    const reason = error === undefined ? `exit code ${status}` : error.message;
    process.stderr.write(`bench: ${name} failed: ${reason}\n`);
    return [
      {
        figure: name,
        value: Number.NaN,
        unit: '',
        comparedWith: 'it did not run',
        target: 'runs',
        ok: false,
      },
    ];
  }
  return JSON.parse(stdout.slice(stdout.lastIndexOf('\n[') + 1)) as BenchRow[];
}

function cells(row: BenchRow): string[] {
  const digits = Math.abs(row.value) >= 100 ? 0 : Math.abs(row.value) >= 10 ? 1 : 3;
  return [
    row.figure,
    Number.isFinite(row.value) ? `${row.value.toFixed(digits)}${row.unit === '' ? '' : ` ${row.unit}`}` : '-',
    row.comparedWith,
    row.ratio === undefined ? '' : row.ratio.toPrecision(3),
    row.target,
    row.ok ? 'ok' : 'MISS',
  ];
}

function print(rows: readonly BenchRow[]): void {
  const table = [['FIGURE', 'VALUE', 'COMPARED WITH', 'RATIO', 'TARGET', ''], ...rows.map(cells)];
  const widths =
    table[0]?.map((_, column) => Math.max(...table.map((line) => line[column]?.length ?? 0))) ?? [];
  for (const line of table)
    process.stdout.write(
      `${line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd()}\n`,
    );
}

const names = process.argv.slice(2).flatMap((name) => suites[name] ?? [name]);
const unknown = names.filter((name) => !available().includes(name));
if (unknown.length > 0) {
  const known = [...available(), ...Object.keys(suites)].sort().join(', ');
  process.stderr.write(`bench: there is no ${unknown.join(', ')}. Choose from: ${known}.\n`);
  process.exit(2);
}
const rows: BenchRow[] = [];
for (const name of names.length > 0 ? names : available()) {
  process.stderr.write(`bench: ${name}\n`);
  rows.push(...run(name));
}
print(rows);
process.exit(rows.every((row) => row.ok) ? 0 : 1);
