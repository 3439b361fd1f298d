import { parseLogLine, type LogLine } from './log-line.ts';

/** What `kubectl logs` may ask for. */
export interface LogQuery {
  readonly tailLines?: number | undefined;
  /** Lines at or after this time, milliseconds since 1970. */
  readonly sinceMs?: number | undefined;
  readonly timestamps: boolean;
  readonly limitBytes?: number | undefined;
}

/** Parts of a line belong together: a line ends with its last part. */
function printLine({ time, partial, text }: LogLine, timestamps: boolean, continues: boolean): string {
  return `${timestamps && !continues ? `${time} ` : ''}${text}${partial ? '' : '\n'}`;
}

/**
 * Prints lines of a log file one after another, as asked. `print` gives the text for a line of the file, and undefined
 * once the limit of bytes is reached.
 */
export function createLogPrinter({ timestamps, sinceMs, limitBytes }: LogQuery): {
  print(line: string): Buffer | undefined;
} {
  let left = limitBytes ?? Infinity;
  const continues = { stdout: false, stderr: false };
  return {
    print(line) {
      if (left <= 0) return undefined;
      const parsed = parseLogLine(line.endsWith('\n') ? line.slice(0, -1) : line);
      if (!parsed || (sinceMs !== undefined && Date.parse(parsed.time) < sinceMs)) return Buffer.alloc(0);
      const bytes = Buffer.from(printLine(parsed, timestamps, continues[parsed.stream]));
      continues[parsed.stream] = parsed.partial;
      const shown = bytes.length > left ? bytes.subarray(0, left) : bytes;
      left -= shown.length;
      return shown;
    },
  };
}

/** The last `tailLines` lines of a log file's text, those of parts counted once. */
export function selectTail(text: string, tailLines: number | undefined): string[] {
  const lines = text.split('\n').slice(0, -1);
  if (tailLines === undefined || tailLines < 0) return lines;
  let first = lines.length;
  for (let count = 0; first > 0; first--) {
    if (!isPartial(lines[first - 1] ?? '') && ++count > tailLines) break;
  }
  return lines.slice(first);
}

function isPartial(line: string): boolean {
  return /^\S+ std(?:out|err) P /.test(line);
}
