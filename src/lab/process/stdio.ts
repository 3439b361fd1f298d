import { closeSync, openSync } from 'node:fs';
import { duplicateFd } from '../../kernel/ffi.ts';

/** Points stdout and stderr at a file for good. */
export function redirectOutput(path: string): void {
  const file = openSync(path, 'a', 0o600);
  for (const fd of [1, 2]) duplicateFd(file, fd);
  closeSync(file);
}
