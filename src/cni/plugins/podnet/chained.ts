/** The capabilities portMappings and bandwidth, which the plugins of those jobs answer, after the link is there. */
import type { NetworkConfig } from '../../spec/config.ts';
import { cniErrorCode, cniErrorCodes } from '../../spec/error.ts';
import type { JsonObject } from '../../spec/json.ts';
import type { PluginRequest, PluginResult } from '../../spec/plugin.ts';
import { convertResult } from '../../spec/result.ts';
import type { PodnetConfig } from './config.ts';

type Request = Pick<PluginRequest<PodnetConfig>, 'delegate' | 'network'>;

/** Of a configuration whose runtime asks for something. */
function chainedTypes({ runtimeConfig }: NetworkConfig): readonly ('portmap' | 'bandwidth')[] {
  const { portMappings = [], bandwidth } = runtimeConfig ?? {};
  const limits = Object.values(bandwidth ?? {}).some((limit) => Number(limit) > 0);
  return [
    ...(portMappings.length > 0 ? ['portmap' as const] : []),
    ...(limits ? ['bandwidth' as const] : []),
  ];
}

export async function addChained(request: Request, result: PluginResult): Promise<void> {
  for (const type of chainedTypes(request.network)) {
    await request.delegate.run(type, 'ADD', configOf(request.network, type, result));
  }
}

/** DEL goes backwards. Everything is tried; the first error is thrown. */
export async function runChained(
  request: Request,
  command: 'CHECK' | 'DEL',
  result?: PluginResult,
): Promise<void> {
  const types = chainedTypes(request.network);
  let first: unknown;
  for (const type of command === 'DEL' ? types.toReversed() : types) {
    try {
      await request.delegate.run(type, command, configOf(request.network, type, result));
    } catch (error) {
      first ??= error;
    }
  }
  if (first !== undefined) throw first;
}

/**
 * GC comes without the capabilities' arguments, so both plugins are asked. One of another maker may have no GC, or not
 * be installed: then there is nothing of it that could be collected.
 */
export async function collectChained({ delegate, network }: Request): Promise<void> {
  for (const type of ['portmap', 'bandwidth']) {
    try {
      await delegate.run(type, 'GC', configOf(network, type, undefined));
    } catch (error) {
      const code = cniErrorCode(error);
      if (code !== cniErrorCodes.incompatibleVersion && code !== cniErrorCodes.invalidConfig) throw error;
    }
  }
}

function configOf(
  { raw, cniVersion }: NetworkConfig,
  type: string,
  result: PluginResult | undefined,
): JsonObject {
  const { ipam: _ipam, mtu: _mtu, ...rest } = raw;
  return { ...rest, type, snat: true, ...(result && { prevResult: convertResult(result, cniVersion) }) };
}
