import { resolve } from 'node:path';
import { type PluginFile, installPlugins, uninstallPlugins } from '../cni/runtime/install-plugins.ts';
import { pluginNames } from '../cni/plugins/registry.ts';
import { buildShim } from '../cni/server/build-shim.ts';
import { DEFAULT_CNI_SPOOL } from '../cni/server/server.ts';
import { PodnetError } from '../model/errors.ts';
import { printData } from './data.ts';
import type { Printed } from './options.ts';
import { note, printResult, table } from './terminal.ts';

const root = resolve(import.meta.dirname, '../..');

/** `podnet cni install`. */
export async function install(
  options: Printed & { dir: string; socket: string; plugin?: readonly string[]; force?: boolean },
): Promise<void> {
  const { dir, socket, plugin: names = pluginNames, force = false, output } = options;
  const unknown = names.filter((name) => !pluginNames.includes(name));
  if (unknown.length > 0)
    throw new PodnetError(`podnet has no plugin ${unknown.join(', ')}`, {
      code: 'invalid-option',
      where: '--plugin',
      fix: `Choose from ${pluginNames.join(', ')}.`,
    });
  const files = installPlugins({
    directory: resolve(dir),
    shim: await buildShim(),
    names,
    force,
    config: { socket: resolve(socket), spool: DEFAULT_CNI_SPOOL, program: resolve(root, 'podnet') },
  });
  print(files, output);
  const kept = files.filter(({ state }) => state === 'kept');
  if (kept.length > 0)
    note(
      `${kept.map(({ name }) => name).join(', ')}: of another maker, so left as it was; --force replaces it`,
    );
}

/** `podnet cni uninstall`. */
export function uninstall({ dir, output }: Printed & { dir: string }): void {
  const files = uninstallPlugins(resolve(dir));
  if (files.length === 0 && output === undefined) note(`No plugin of podnet is in ${resolve(dir)}.`);
  else print(files, output);
}

function print(files: readonly PluginFile[], output: Printed['output']): void {
  if (printData(files, output)) return;
  printResult(table([['PLUGIN', 'FILE', ''], ...files.map(({ name, file, state }) => [name, file, state])]));
}
