/**
 * `npm test [-- FILE…]`: every test of the project. Unit tests run as they are, `tests/integration`,
 * `tests/conformance` and `examples` as root of new namespaces, `tests/e2e` as the user who called. Ends with what was skipped and why.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { namespaced } from './namespaced.ts';

interface Suite {
  readonly name: string;
  readonly files: readonly string[];
  readonly wrap: (command: readonly string[]) => readonly string[];
  /** Test files at a time. Clusters and kernels do not like to share two cores. */
  readonly concurrency: number;
}

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
  readonly succeeded: boolean;
}

const root = resolve(import.meta.dirname, '..');
const asIs = (command: readonly string[]): readonly string[] => command;

function suites(chosen: readonly string[]): Suite[] {
  const files =
    chosen.length > 0
      ? chosen.map((file) => relative(root, resolve(file)))
      : globSync(['{src,tools,tests,examples}/**/*.test.ts'], { cwd: root }).sort();
  const inFolder = (...parts: readonly string[]): string[] =>
    files.filter((file) => file.startsWith(`${join(...parts)}/`));
  const integration = [
    ...inFolder('tests', 'integration'),
    ...inFolder('tests', 'conformance'),
    ...inFolder('examples'),
  ];
  const e2e = inFolder('tests', 'e2e');
  const unit = files.filter((file) => !integration.includes(file) && !e2e.includes(file));
  return [
    { name: 'unit', files: unit, wrap: asIs, concurrency: 2 },
    { name: 'integration', files: integration, wrap: namespaced, concurrency: 1 },
    { name: 'e2e', files: e2e, wrap: asIs, concurrency: 1 },
  ].filter((suite) => suite.files.length > 0);
}

/** Runs one suite, passing its output on, and reads the outcome from the lines of node's own spec reporter. */
async function run({ name, files, wrap, concurrency }: Suite): Promise<Outcome> {
  process.stdout.write(`\n== ${name} tests (${files.length} files)\n`);
  const [file = '', ...args] = wrap([
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    '--test',
    `--test-concurrency=${concurrency}`,
    '--test-timeout=180000',
    '--test-reporter=spec',
    ...files,
  ]);
  const child = spawn(file, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env },
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    process.stdout.write(text);
  });
  const status = await new Promise<number>((done, fail) => {
    child.on('error', fail);
    child.on('close', (code) => done(code ?? 1));
  });
  const count = (word: string): number =>
    Number(new RegExp(`^ℹ ${word} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  const skipped = [...output.matchAll(/^\s*﹣ (.+?)(?: \([\d.]+ms\))? # (.*)$/gm)].map(
    ([, test = '', reason = '']) => `${test}: ${reason}`,
  );
  return {
    passed: count('pass'),
    failed: count('fail') + count('cancelled'),
    skipped,
    succeeded: status === 0,
  };
}

const outcomes: Outcome[] = [];
for (const suite of suites(process.argv.slice(2))) outcomes.push(await run(suite));
const total = (pick: (outcome: Outcome) => number): number =>
  outcomes.reduce((sum, one) => sum + pick(one), 0);
const skipped = [...new Set(outcomes.flatMap((outcome) => outcome.skipped))];
for (const reason of skipped) process.stdout.write(`skipped: ${reason}\n`);
process.stdout.write(
  `\n${total((one) => one.passed)} passed, ${total((one) => one.failed)} failed, ${skipped.length} skipped\n`,
);
process.exitCode = outcomes.length > 0 && outcomes.every((outcome) => outcome.succeeded) ? 0 : 1;
