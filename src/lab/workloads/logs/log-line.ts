/** A line of a log file as container runtimes write it: time, stream, `F` (full) or `P` (goes on), text. */
export interface LogLine {
  /** RFC 3339 in UTC with nine decimals. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  readonly partial: boolean;
  readonly text: string;
}

/** A longer line is cut into parts of this many bytes. */
export const MAX_LINE_BYTES = 16 * 1024;

export function formatLogLine({ time, stream, partial, text }: LogLine): string {
  return `${time} ${stream} ${partial ? 'P' : 'F'} ${text}\n`;
}

/** Undefined for what is no such line. */
export function parseLogLine(line: string): LogLine | undefined {
  const match = /^(\S+) (stdout|stderr) ([FP]) (.*)$/s.exec(line);
  if (!match) return undefined;
  const [, time = '', stream, flag, text = ''] = match;
  return { time, stream: stream === 'stderr' ? 'stderr' : 'stdout', partial: flag === 'P', text };
}

/** Milliseconds since 1970, with a fraction that only orders lines of the same millisecond. */
export function formatLogTime(ms: number, sequence = 0): string {
  return new Date(ms).toISOString().replace('Z', `${String(sequence % 1_000_000).padStart(6, '0')}Z`);
}
