/** Addresses by delegation: the `ipam` of a configuration names a plugin that is called for every command. */
import type { NetworkConfig } from '../spec/config.ts';
import { CniError, cniErrorCodes } from '../spec/error.ts';
import type { PluginRequest } from '../spec/plugin.ts';
import type { CniDns, CniIp, CniRoute } from '../spec/result.ts';

/** What the IPAM plugin answered. */
export interface IpamAnswer {
  readonly ips: readonly CniIp[];
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns | undefined;
}

type Request = Pick<PluginRequest<unknown>, 'delegate' | 'network'>;

/** Undefined without an IPAM plugin: the attachment gets no addresses. */
export function ipamType({ ipam }: NetworkConfig): string | undefined {
  return ipam?.type || undefined;
}

/**
 * Gets addresses, and gives them back when what is done with them fails.
 *
 * @throws CniError of the IPAM plugin, or when it answers no address
 */
export async function withAddresses<T>(
  { delegate, network }: Request,
  use: (answer: IpamAnswer) => Promise<T>,
): Promise<T> {
  const type = ipamType(network);
  if (type === undefined) return use({ ips: [], routes: [], dns: undefined });
  const result = await delegate.run(type, 'ADD');
  try {
    const { ips = [], routes = [], dns } = result ?? {};
    if (ips.length === 0)
      throw new CniError(`IPAM plugin ${type} answered no address`, { code: cniErrorCodes.decoding });
    return await use({ ips, routes, dns });
  } catch (error) {
    // The error to tell is the first; the runtime's DEL tries again.
    await delegate.run(type, 'DEL').catch(() => {});
    throw error;
  }
}

/** Passes DEL, CHECK, GC or STATUS on. Nothing happens without an IPAM plugin. */
export async function passToIpam({ delegate, network }: Request): Promise<void> {
  const type = ipamType(network);
  if (type !== undefined) await delegate.run(type);
}

/** The configuration's own dns when it has any, else the IPAM plugin's. */
export function resultDns({ dns: configured }: NetworkConfig, dns: CniDns | undefined): CniDns | undefined {
  return configured && Object.values(configured).some((value) => value.length > 0) ? configured : dns;
}
