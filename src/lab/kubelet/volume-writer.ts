import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import type { VolumeFile } from './volume-files.ts';

/**
 * Writes a volume so that readers see all of the old files or all of the new: the names are links through `..data`,
 * which is swapped in one rename.
 */
export function writeVolume(directory: string, files: readonly VolumeFile[]): void {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  if (isWritten(directory, files)) return;
  const version = `..${randomBytes(8).toString('hex')}`;
  mkdirSync(`${directory}/${version}`, { mode: 0o755 });
  for (const { path, content, mode } of files) {
    const target = `${directory}/${version}/${path}`;
    mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
    writeFileSync(target, content);
    chmodSync(target, mode & 0o777);
  }
  const data = `${directory}/..data`;
  const before = existsSync(data) ? readlinkSync(data) : undefined;
  symlinkSync(version, `${data}_next`);
  renameSync(`${data}_next`, data);
  const names = new Set(files.map(({ path }) => path.split('/', 1)[0] ?? ''));
  for (const name of readdirSync(directory))
    if (!name.startsWith('..') && !names.has(name)) rmSync(`${directory}/${name}`);
  for (const name of names) {
    if (!existsSync(`${directory}/${name}`)) symlinkSync(`..data/${name}`, `${directory}/${name}`);
  }
  if (before !== undefined) rmSync(`${directory}/${before}`, { recursive: true, force: true });
}

/** Whether the volume has just these files already: who waits for changes is not to be woken for none. */
function isWritten(directory: string, files: readonly VolumeFile[]): boolean {
  const data = `${directory}/..data`;
  if (!existsSync(data)) return false;
  const there = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return (
    there.length === files.length &&
    files.every(
      ({ path, content }) => existsSync(`${data}/${path}`) && readFileSync(`${data}/${path}`).equals(content),
    )
  );
}
