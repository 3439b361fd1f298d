/** Test files of node:test run under Debian's kernel, and told of here as if they had run here. */
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type VmOptions, runInVm } from './run-in-vm.ts';

/** One test that ran in the machine. */
export interface ReportedTest {
  /** Under the names of the suites it stands in. */
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** The error, or why it was skipped; empty for a test that passed. */
  readonly detail: string;
  readonly elapsedMs: number;
}

export interface VmTests extends Omit<VmOptions, 'command'> {
  readonly testFiles: readonly string[];
  /** Only tests whose names match; all unless told. */
  readonly pattern?: string;
}

/** Runs the files in one machine, as root, and repeats every test in it as a subtest of `t`. */
export async function runTestsInVm(t: TestContext, options: VmTests): Promise<void> {
  const { testFiles, pattern = '', ...vm } = options;
  const runner = [process.execPath, '--disable-warning=ExperimentalWarning'];
  const result = await runInVm({
    ...vm,
    command: [...runner, join(import.meta.dirname, 'run-tests.ts'), pattern, ...testFiles],
  });
  const reported = result.stdout
    .split('\n')
    .filter((line) => line.startsWith('{"name"'))
    .map((line) => JSON.parse(line) as ReportedTest);
  for (const { name, outcome, detail, elapsedMs } of reported) {
    const took = `${(elapsedMs / 1000).toFixed(1)} s`;
    await t.test(`${name} (${took} in the machine)`, (repeated) => {
      if (outcome === 'skipped') repeated.skip(detail);
      if (outcome === 'failed') throw new Error(detail);
    });
  }
  if (result.status === 0 && reported.length > 0) return;
  if (reported.some(({ outcome }) => outcome === 'failed')) return;
  throw new Error(
    `the tests ended with ${result.status}:\n${result.stdout}${result.stderr}${result.console}`,
  );
}
