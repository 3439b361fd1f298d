/** How podnet speaks: results on stdout, everything else on stderr, colour only where a person looks. */
import { createColors } from 'picocolors';

const wantsColour = (stream: NodeJS.WriteStream): boolean =>
  // Undefined, where it is no terminal, would let picocolors decide, and it colours in every CI.
  stream.isTTY ? process.env['NO_COLOR'] === undefined && process.env['TERM'] !== 'dumb' : false;

/** Colours for text that goes to stdout, and for text that goes to stderr. */
export const out = createColors(wantsColour(process.stdout));
export const err = createColors(wantsColour(process.stderr));

export function printResult(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

// Colour codes take no room on the screen.
// oxlint-disable-next-line no-control-regex
const colourCode = /\u001B\[\d+m/g;
const width = (text: string): number => text.replaceAll(colourCode, '').length;

/** Columns as kubectl prints them: three spaces apart, the last one ragged. */
export function table(rows: readonly (readonly string[])[], indent = ''): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, width(cell));
  }
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - width(cell))).join('   ');
  return rows.map((row) => `${indent}${line(row)}`.trimEnd()).join('\n');
}

/** `850 ms`, `1.4 s`, `2 min 5 s`. */
export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
}

export interface StepOptions {
  readonly done?: boolean;
  /** It is over, and something went wrong. */
  readonly failed?: boolean;
  /** Lines below it while it goes on. */
  readonly detail?: readonly string[];
}

/** Work that is shown while it goes on. */
export interface Progress {
  /** Says how far a step is. `detail` lines stand below it on a terminal. */
  step(name: string, text: string, options?: StepOptions): void;
  /** A line that stays. */
  line(text: string): void;
  /** Leaves what is on the screen there. */
  end(): void;
}

interface Step {
  readonly text: string;
  readonly done: boolean;
  readonly failed: boolean;
  readonly detail: readonly string[];
}

const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const redrawMs = 80;

/** A list that is drawn again and again, with a spinner at what is not done. */
function createLiveProgress(stream: NodeJS.WriteStream): Progress {
  const steps = new Map<string, Step>();
  let drawn = 0;
  let ended = false;
  let frame = 0;
  const clip = (text: string, taken = 0): string => {
    const columns = (stream.columns || 80) - taken;
    return width(text) < columns ? text : `${text.slice(0, columns - 2)}…`;
  };
  const erase = (): void => {
    if (drawn > 0) stream.write(`\u001B[${drawn}A\u001B[0J`);
    drawn = 0;
  };
  const draw = (): void => {
    const lines: string[] = [];
    for (const [name, { text, done, failed, detail }] of steps) {
      const spinning = err.cyan(spinner[frame % spinner.length] ?? '');
      const mark = failed ? err.red('✗') : done ? err.green('✔') : spinning;
      lines.push(
        `${mark} ${clip(`${name.padEnd(14)}${text}`, 2)}`,
        ...detail.map((line) => err.dim(clip(`    ${line}`))),
      );
    }
    erase();
    const room = Math.max(4, (stream.rows || 24) - 2);
    const shown = lines.slice(0, room);
    stream.write(shown.map((line) => `${line}\n`).join(''));
    drawn = shown.length;
  };
  const timer = setInterval(() => {
    frame += 1;
    draw();
  }, redrawMs);
  timer.unref();
  return {
    step(name, text, { done = false, failed = false, detail = [] } = {}) {
      steps.set(name, { text, done, failed, detail: done ? [] : detail });
      draw();
    },
    line(text) {
      erase();
      stream.write(`${text}\n`);
      draw();
    },
    end() {
      if (ended) return;
      ended = true;
      clearInterval(timer);
      draw();
    },
  };
}

const plainEveryMs = 1000;

/** Lines, for files and pipes: one when a step is done, and before that at most one a second. */
function createPlainProgress(stream: NodeJS.WriteStream): Progress {
  const said = new Map<string, { text: string; at: number }>();
  return {
    step(name, text, { done = false } = {}) {
      const last = said.get(name);
      if (last?.text === text || (!done && performance.now() - (last?.at ?? -Infinity) < plainEveryMs))
        return;
      said.set(name, { text, at: performance.now() });
      stream.write(`${name}: ${text}\n`);
    },
    line: (text) => stream.write(`${text}\n`),
    end: () => undefined,
  };
}

export function createProgress(): Progress {
  const { stderr } = process;
  return stderr.isTTY && process.env['TERM'] !== 'dumb'
    ? createLiveProgress(stderr)
    : createPlainProgress(stderr);
}
