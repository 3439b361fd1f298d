import { execFile } from 'node:child_process';
import { resolve } from 'node:path';
import type { KitReport } from '../../../src/cni/kit/report.ts';

export const root = resolve(import.meta.dirname, '../../..');

/** What `podnet cni test` says of a plugin. */
export async function kit(...args: readonly string[]): Promise<KitReport> {
  const stdout = await new Promise<string>((done, fail) => {
    execFile(
      resolve(root, 'podnet'),
      ['cni', 'test', ...args, '-o', 'json'],
      { cwd: root, maxBuffer: 1 << 24 },
      (error, text, stderr) => {
        // Exit code 1 with a report means that a case failed.
        if (text === '') fail(new Error(`${error?.message}\n${stderr}`));
        else done(text);
      },
    );
  });
  return JSON.parse(stdout) as KitReport;
}

/** What failed, with the reasons, for messages of tests. */
export function failures({ cases }: KitReport): Readonly<Record<string, string>> {
  const failed = cases.filter(({ verdict }) => verdict === 'fail');
  return Object.fromEntries(failed.map(({ name, reason }) => [name, reason]));
}
