/** What the definitions of commands share. */
import { InvalidArgumentError, Option } from 'commander';

/** For options that take a number. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new InvalidArgumentError('Give a whole number.');
  return value;
}

export const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

/** Of the cluster that a command is about. */
export const nameOption = (): Option => new Option('--name <name>', 'of the cluster').default('podnet');
export const outputOption = (): Option =>
  new Option('-o, --output <format>', 'print as data').choices(['json', 'yaml']);

export interface Named {
  readonly name: string;
}

export interface Printed {
  readonly output?: 'json' | 'yaml';
}

/** The text after a command's help. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}`).join('\n')}\n`;
}

/** Runs an action and leaves with the code it resolves with. */
export function finish<A extends unknown[]>(
  action: (...values: A) => Promise<number | void>,
): (...values: A) => Promise<void> {
  return async (...values) => {
    process.exitCode = (await action(...values)) ?? 0;
  };
}
