import { appendFileSync, renameSync, statSync } from 'node:fs';

export type LogLevel = 'info' | 'warning' | 'error';
export type Log = (level: LogLevel, message: string) => void;

const maxBytes = 8 << 20;

/** An error for the log: with its stack, where it has one. */
export function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** Appends lines to a file of bounded size, the older half kept beside it as `.1`. */
export function createLogger(path: string): Log {
  let written = 0;
  return (level, message) => {
    const line = `${new Date().toISOString()} ${level} ${message}\n`;
    written += line.length;
    if (written > maxBytes / 2) {
      written = 0;
      if (statSync(path, { throwIfNoEntry: false }) !== undefined) renameSync(path, `${path}.1`);
    }
    appendFileSync(path, line, { mode: 0o600 });
  };
}
