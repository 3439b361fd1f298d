import type { PluginRequest, PluginResult } from '../spec/plugin.ts';
import type { CniInterface } from '../spec/result.ts';

/** `ADDRESS/PREFIXLENGTH` of the container's own interface, as the plugins before this one answered. */
export function containerAddresses({
  prevResult,
  ifName,
}: Pick<PluginRequest<unknown>, 'prevResult' | 'ifName'>): readonly string[] {
  const { ips = [], interfaces = [] } = prevResult ?? {};
  return ips
    .filter(({ interface: index }) => {
      const of = index === undefined ? undefined : interfaces[index];
      return of === undefined || (of.name === ifName && isInContainer(of));
    })
    .map(({ address }) => address);
}

export function isInContainer({ sandbox }: CniInterface): boolean {
  return sandbox !== undefined && sandbox !== '';
}

/** What ADD of a plugin that changes no result answers. */
export function passOn({ prevResult }: Pick<PluginRequest<unknown>, 'prevResult'>): PluginResult {
  return prevResult ?? {};
}
