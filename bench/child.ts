/** Runs one benchmark and prints its rows as one line of JSON, the last on stdout. */
import type { Benchmark } from './row.ts';

const { rows } = (await import(`./${process.argv[2] ?? ''}.ts`)) as { rows: Benchmark };
process.stdout.write(`\n${JSON.stringify(await rows())}\n`);
process.exit(0);
