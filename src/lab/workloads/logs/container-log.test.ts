import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createContainerLog } from './container-log.ts';
import { parseLogLine } from './log-line.ts';
import { createLogPrinter, selectTail } from './log-query.ts';

const directory = mkdtempSync(join(tmpdir(), 'podnet-log-'));
after(() => rmSync(directory, { recursive: true }));
const now = (): number => Date.UTC(2026, 0, 2, 3, 4, 5, 678);

test('createContainerLog writes lines as container runtimes do', () => {
  const log = createContainerLog({ path: join(directory, 'a'), now });
  log.write('stdout', 'one\ntw');
  log.write('stderr', Buffer.from('oops\n'));
  log.write('stdout', 'o\nrest');
  log.end();
  assert.equal(
    log.read(),
    '2026-01-02T03:04:05.678000000Z stdout F one\n2026-01-02T03:04:05.678000001Z stderr F oops\n' +
      '2026-01-02T03:04:05.678000002Z stdout F two\n2026-01-02T03:04:05.678000003Z stdout F rest\n',
  );
});

test('createContainerLog keeps characters whole that arrive in two pieces', () => {
  const log = createContainerLog({ path: join(directory, 'b'), now });
  const bytes = Buffer.from('grün\n');
  log.write('stdout', bytes.subarray(0, 3));
  log.write('stdout', bytes.subarray(3));
  assert.match(log.read(), /F grün\n$/);
});

test('createContainerLog forgets the oldest when its files are full', () => {
  const path = join(directory, 'c');
  const log = createContainerLog({ path, now, maxBytes: 10_000 });
  for (let n = 0; n < 2000; n++) log.write('stdout', `line ${n}\n`);
  const text = log.read();
  assert.ok(text.length <= 20_000 && text.length > 9000, `${text.length} bytes`);
  assert.match(text, /line 1999\n$/);
  log.remove();
  assert.ok(!existsSync(path));
});

test('createContainerLog cuts endless lines', () => {
  const log = createContainerLog({ path: join(directory, 'd'), now });
  log.write('stdout', 'x'.repeat(40_000));
  log.end();
  const parts = log.read().trimEnd().split('\n').map(parseLogLine);
  assert.deepEqual(
    parts.map((line) => [line?.partial, line?.text.length]),
    [
      [true, 16_384],
      [true, 16_384],
      [false, 7232],
    ],
  );
  assert.equal(selectTail(log.read(), 1).length, 3);
});

test('createLogPrinter joins parts, adds times, keeps to since and limitBytes', () => {
  const lines = [
    '2026-01-02T03:00:00.000000000Z stdout F old',
    '2026-01-02T04:00:00.000000000Z stdout P ab',
    '2026-01-02T04:00:01.000000000Z stdout F cd',
    '2026-01-02T04:00:02.000000000Z stderr F ef',
  ];
  const show = (query: Partial<Parameters<typeof createLogPrinter>[0]>): string => {
    const printer = createLogPrinter({ timestamps: false, ...query });
    return lines.map((line) => printer.print(line)?.toString() ?? '|').join('');
  };
  assert.equal(show({}), 'old\nabcd\nef\n');
  assert.equal(
    show({ sinceMs: Date.UTC(2026, 0, 2, 3, 30), timestamps: true }),
    '2026-01-02T04:00:00.000000000Z abcd\n2026-01-02T04:00:02.000000000Z ef\n',
  );
  assert.equal(show({ limitBytes: 6 }), 'old\nab||');
});
