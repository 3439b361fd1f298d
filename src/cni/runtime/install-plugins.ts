/**
 * The plugins in a directory of a container runtime:
 *
 *     podnet-cni         the forwarder, a static executable
 *     podnet-cni.conf    where it finds the agent
 *     bridge, …          symbolic links to it; the name says which plugin
 *
 * What others put there stays. With `force` it steps aside under another name, and `uninstallPlugins` puts it back.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { PodnetError, errorMessage } from '../../model/errors.ts';
import { SHIM_NAME } from '../spec/delegate.ts';

export interface InstallOptions {
  readonly directory: string;
  /** Path of the forwarder's executable. */
  readonly shim: string;
  /** Of the plugins. */
  readonly names: readonly string[];
  /** Absolute paths, as shim/podnet-cni.c describes them. */
  readonly config: { readonly socket: string; readonly spool: string; readonly program: string };
  readonly force?: boolean;
}

export interface PluginFile {
  readonly name: string;
  readonly file: string;
  /** `kept`: another maker's, untouched. `replaced`: it was another maker's. `restored`: it is again. */
  readonly state: 'installed' | 'unchanged' | 'kept' | 'replaced' | 'removed' | 'restored';
}

const CONFIG_NAME = `${SHIM_NAME}.conf`;
const ASIDE = '.before-podnet';

/** @throws PodnetError `cni-uninstallable` */
export function installPlugins(options: InstallOptions): readonly PluginFile[] {
  const { directory, shim, names, config, force = false } = options;
  const unfit = Object.entries(config).find(([, path]) => !/^\/[^\n\r\0]*$/.test(path));
  if (unfit !== undefined) throw uninstallable(directory, `${unfit[0]} must be an absolute path`);
  try {
    mkdirSync(directory, { recursive: true });
    // A running forwarder keeps its old file: no runtime meets half of one.
    put(join(directory, SHIM_NAME), (file) => {
      copyFileSync(shim, file);
      chmodSync(file, 0o755);
    });
    const lines = Object.entries(config).map(([key, path]) => `${key}=${path}\n`);
    put(join(directory, CONFIG_NAME), (file) => writeFileSync(file, lines.join(''), { mode: 0o644 }));
    return names.map((name) => link(directory, name, force));
  } catch (error) {
    throw uninstallable(directory, errorMessage(error), error);
  }
}

function link(directory: string, name: string, force: boolean): PluginFile {
  const file = join(directory, name);
  const found = ownerOf(file);
  if (found === 'podnet') return { name, file, state: 'unchanged' };
  if (found === 'other') {
    if (!force) return { name, file, state: 'kept' };
    renameSync(file, file + ASIDE);
  }
  put(file, (temporary) => symlinkSync(SHIM_NAME, temporary));
  return { name, file, state: found === 'other' ? 'replaced' : 'installed' };
}

/** Takes out what `installPlugins` put in, and nothing else. @throws PodnetError `cni-uninstallable` */
export function uninstallPlugins(directory: string): readonly PluginFile[] {
  if (!existsSync(directory)) return [];
  try {
    const files = readdirSync(directory)
      .sort()
      .filter((name) => ownerOf(join(directory, name)) === 'podnet')
      .map((name): PluginFile => {
        const file = join(directory, name);
        rmSync(file);
        if (!existsSync(file + ASIDE)) return { name, file, state: 'removed' };
        renameSync(file + ASIDE, file);
        return { name, file, state: 'restored' };
      });
    for (const name of [SHIM_NAME, CONFIG_NAME]) rmSync(join(directory, name), { force: true });
    return files;
  } catch (error) {
    throw uninstallable(directory, errorMessage(error), error);
  }
}

function ownerOf(file: string): 'podnet' | 'other' | undefined {
  const stat = lstatSync(file, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  return stat.isSymbolicLink() && readlinkSync(file) === SHIM_NAME ? 'podnet' : 'other';
}

/** Makes a file under another name, then gives it its own. */
function put(file: string, make: (temporary: string) => void): void {
  const temporary = `${file}.${process.pid}`;
  rmSync(temporary, { force: true });
  try {
    make(temporary);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}

function uninstallable(directory: string, reason: string, cause?: unknown): PodnetError {
  return new PodnetError(`Cannot install the plugins: ${reason}`, {
    code: 'cni-uninstallable',
    where: directory,
    fix: 'Give a directory you may write with --dir; /opt/cni/bin belongs to root.',
    cause,
  });
}
