import { closeSync, openSync } from 'node:fs';

/**
 * Points stdout and stderr at a file for good. open(2) gives the lowest free descriptor, so closing 1 and opening
 * gives 1 again. To be called before anything touched `process.stdout`, which would keep the old pipe.
 */
export function redirectOutput(path: string): void {
  for (const fd of [1, 2]) {
    closeSync(fd);
    const opened = openSync(path, 'a', 0o600);
    if (opened !== fd) throw new Error(`Cannot redirect file descriptor ${fd}: got ${opened}`);
  }
}
