import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
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
  for (const name of new Set(files.map(({ path }) => path.split('/', 1)[0] ?? ''))) {
    if (!existsSync(`${directory}/${name}`)) symlinkSync(`..data/${name}`, `${directory}/${name}`);
  }
  if (before !== undefined) rmSync(`${directory}/${before}`, { recursive: true, force: true });
}
