/** The plugins podnet brings, one line each; every one is loaded when it is called for. */
import type { Plugin } from '../spec/plugin.ts';

type Load = () => Promise<{ readonly plugin: Plugin }>;

const plugins: ReadonlyMap<string, Load> = new Map<string, Load>([
  ['podnet', () => import('./podnet/plugin.ts')],
  ['bridge', () => import('./bridge/plugin.ts')],
  ['ptp', () => import('./ptp/plugin.ts')],
  ['loopback', () => import('./loopback/plugin.ts')],
  ['host-local', () => import('./host-local/plugin.ts')],
  ['portmap', () => import('./portmap/plugin.ts')],
  ['bandwidth', () => import('./bandwidth/plugin.ts')],
  ['firewall', () => import('./firewall/plugin.ts')],
]);

/** Their names, in the order of the documentation. */
export const pluginNames: readonly string[] = [...plugins.keys()];

/** Undefined when podnet has no plugin of that name. */
export async function pluginNamed(name: string): Promise<Plugin | undefined> {
  const load = plugins.get(name);
  return load && (await load()).plugin;
}
