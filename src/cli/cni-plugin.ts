import { pluginNamed, pluginNames } from '../cni/plugins/registry.ts';
import { runPlugin } from '../cni/spec/run-plugin.ts';
import { PodnetError } from '../model/errors.ts';

/** `podnet cni-plugin NAME`: one of our plugins in this process, as a runtime would execute it. */
export async function cniPlugin(name: string): Promise<number> {
  const plugin = await pluginNamed(name);
  if (!plugin)
    throw new PodnetError(`podnet has no plugin ${name}`, {
      code: 'invalid-option',
      where: 'cni-plugin NAME',
      fix: `Choose from ${pluginNames.join(', ')}.`,
    });
  await runPlugin(plugin, pluginNamed);
  return Number(process.exitCode ?? 0);
}
