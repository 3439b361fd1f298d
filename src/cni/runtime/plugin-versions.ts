/** Which version a network is used in: CNI specification 1.1.0, section 1, "Version considerations". */
import type { NetworkConfigList } from '../spec/config.ts';
import { CniError, cniErrorCodes } from '../spec/error.ts';
import { fieldsOf, parseJsonObject } from '../spec/json.ts';
import { type CniVersion, cniVersions } from '../spec/versions.ts';

export interface PluginVersions {
  readonly type: string;
  /** Undefined for a plugin that is part of this program. */
  readonly file: string | undefined;
  readonly versions: readonly string[];
}

/** Reads what a plugin answers to VERSION. @throws CniError (decoding) */
export function readVersions(type: string, answer: string): readonly string[] {
  const what = `The answer of plugin ${type}`;
  const fields = fieldsOf(parseJsonObject(answer, what), `${type}: `, cniErrorCodes.decoding);
  return fields.strings('supportedVersions') ?? [];
}

/** @throws CniError (incompatible version) naming the plugins that speak no version of the network */
export function versionForAll(
  { name, cniVersion, cniVersions: offered }: NetworkConfigList,
  plugins: readonly PluginVersions[],
): CniVersion {
  const wanted = offered.length > 0 ? offered : [cniVersion];
  const common = cniVersions.findLast(
    (version) => wanted.includes(version) && plugins.every(({ versions }) => versions.includes(version)),
  );
  if (common !== undefined) return common;
  const behind = plugins.filter(({ versions }) => !wanted.some((version) => versions.includes(version)));
  const described = (behind.length > 0 ? behind : plugins).map(
    ({ type, versions }) => `${type} speaks ${versions.join(', ') || 'none'}`,
  );
  throw new CniError(`network ${name}: not all plugins speak ${wanted.join(' or ')}`, {
    code: cniErrorCodes.incompatibleVersion,
    details: `${described.join('; ')}. Set cniVersion to one they have in common.`,
  });
}
