import { stringify } from 'yaml';
import { printResult } from './terminal.ts';

/** Prints a value as the user asked for it; true when it was asked for as data. */
export function printData(value: unknown, format: 'json' | 'yaml' | undefined): boolean {
  if (format === undefined) return false;
  printResult(format === 'json' ? JSON.stringify(value, null, 2) : stringify(value).trimEnd());
  return true;
}
