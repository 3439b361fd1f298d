/** Run inside the machine: `run-tests.ts FILE…` tells of every test in one line of JSON, as `ReportedTest` draws it. */
import { resolve } from 'node:path';
import { run } from 'node:test';
import type { TestEvent } from 'node:test/reporters';
import type { ReportedTest } from './node-tests.ts';

const [pattern = '', ...files] = process.argv.slice(2);
const events: AsyncIterable<TestEvent> = run({
  files: files.map((file) => resolve(file)),
  isolation: 'none',
  ...(pattern !== '' && { testNamePatterns: pattern }),
});
for await (const reported of outcomes(events)) {
  if (reported.outcome === 'failed') process.exitCode = 1;
  process.stdout.write(`${JSON.stringify(reported)}\n`);
}

// What a failed test left open must not keep the machine running.
process.exit();

async function* outcomes(source: AsyncIterable<TestEvent>): AsyncGenerator<ReportedTest> {
  const names: string[] = [];
  for await (const event of source) {
    if (event.type === 'test:start') names.splice(event.data.nesting, Infinity, event.data.name);
    if (event.type !== 'test:pass' && event.type !== 'test:fail') continue;
    const { data } = event;
    const error = event.type === 'test:fail' ? event.data.details.error : undefined;
    // A suite fails with its tests, which say why; only its own hooks' failures are nobody else's.
    if (data.details.type === 'suite' && (error === undefined || isOfTests(error))) continue;
    const skipped = data.skip !== undefined && data.skip !== false;
    yield {
      name: [...names.slice(0, data.nesting), data.name].join(' › '),
      outcome: error ? 'failed' : skipped ? 'skipped' : 'passed',
      detail: error ? text(error.cause ?? error) : String(data.skip ?? ''),
      elapsedMs: data.details.duration_ms,
    };
  }
}

function isOfTests(error: Error): boolean {
  return 'failureType' in error && error.failureType === 'subtestsFailed';
}

function text(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
