/** Network configurations: CNI specification 1.1.0, section 1, and what a plugin gets of one (section 3). */
import { CniError, cniErrorCodes } from './error.ts';
import { type Fields, type JsonObject, fieldsOf, parseJsonObject } from './json.ts';
import { type CniDns, type CniResult, parseDns, parseResult } from './result.ts';
import { type RuntimeConfig, parseRuntimeConfig } from './runtime-config.ts';
import { type CniVersion, cniVersions, isCniVersion, latestCniVersion } from './versions.ts';

/** One interface of one container: what GC is told to keep. */
export interface Attachment {
  readonly containerId: string;
  readonly ifName: string;
}

/** What one plugin reads from stdin. Keys that the specification does not have are kept as they are. */
export interface NetworkConfig {
  readonly cniVersion: CniVersion;
  /** Of the network. */
  readonly name: string;
  /** Of the plugin. */
  readonly type: string;
  readonly args?: JsonObject;
  readonly runtimeConfig?: RuntimeConfig;
  readonly ipam?: JsonObject & { readonly type?: string };
  readonly ipMasq?: boolean;
  readonly dns?: CniDns;
  /** In the shape of the latest version, whatever the configuration's. */
  readonly prevResult?: CniResult;
  readonly validAttachments?: readonly Attachment[];
  /** The object as it was read, for delegated plugins. */
  readonly raw: JsonObject;
}

/** One of the plugins of a list, before the runtime made a plugin's configuration of it. */
export interface PluginConfig extends JsonObject {
  readonly type: string;
  readonly capabilities?: Readonly<Record<string, boolean>>;
}

export interface NetworkConfigList {
  /** The latest of cniVersion and cniVersions that podnet speaks. */
  readonly cniVersion: CniVersion;
  readonly cniVersions: readonly string[];
  readonly name: string;
  readonly plugins: readonly PluginConfig[];
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  readonly loadOnlyInlinedPlugins: boolean;
  readonly raw: JsonObject;
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;
export const VALID_ATTACHMENTS = 'cni.dev/valid-attachments';

/**
 * What a plugin reads from stdin.
 *
 * @param versions that the plugin speaks; all unless told
 * @throws CniError: decoding (no JSON), incompatible version, or invalid configuration naming the key
 */
export function parseNetworkConfig(
  text: string,
  versions: readonly CniVersion[] = cniVersions,
): NetworkConfig {
  return readNetworkConfig(parseJsonObject(text, 'The network configuration on stdin'), versions);
}

/** The same from an object that was read already. */
export function readNetworkConfig(
  raw: JsonObject,
  versions: readonly CniVersion[] = cniVersions,
): NetworkConfig {
  const fields = fieldsOf(raw);
  const cniVersion = requireVersion(fields, versions);
  const runtimeConfig = fields.fields('runtimeConfig');
  const dns = fields.fields('dns');
  const args = fields.fields('args');
  const ipam = fields.fields('ipam');
  const ipamType = ipam?.string('type');
  if (ipamType !== undefined) requireFileName(ipamType, 'ipam.type');
  const ipMasq = fields.boolean('ipMasq');
  const prevResult = fields.fields('prevResult');
  const attachments = fields.list(VALID_ATTACHMENTS);
  return {
    cniVersion,
    name: requireName(fields),
    type: requireFileName(fields.requiredString('type'), 'type'),
    ...(args && { args: args.object }),
    ...(runtimeConfig && { runtimeConfig: parseRuntimeConfig(runtimeConfig) }),
    ...(ipam && { ipam: ipam.object }),
    ...(ipMasq !== undefined && { ipMasq }),
    ...(dns && { dns: parseDns(dns) }),
    ...(prevResult && {
      prevResult: parseResult(prevResult.object, { version: cniVersion, path: prevResult.path }),
    }),
    ...(attachments && { validAttachments: attachments.map(parseAttachment) }),
    raw,
  };
}

function requireVersion(fields: Fields, versions: readonly CniVersion[]): CniVersion {
  const version = fields.string('cniVersion');
  if (isCniVersion(version) && versions.includes(version)) return version;
  throw new CniError(
    version
      ? `cniVersion: the configuration speaks ${version}, which this plugin does not`
      : 'cniVersion: the configuration does not say its version',
    { code: cniErrorCodes.incompatibleVersion, details: `This plugin speaks ${versions.join(', ')}.` },
  );
}

function requireName(fields: Fields): string {
  const name = fields.requiredString('name');
  if (!NAME.test(name) || name.length > 255)
    throw fields.error('name', 'letters, digits, “_”, “.” and “-”, beginning with a letter or digit');
  return name;
}

/** A plugin's type becomes a path below CNI_PATH: it must not lead out of there. */
function requireFileName(type: string, key: string): string {
  if (!/^[^/\0]{1,255}$/.test(type) || type === '.' || type === '..')
    throw new CniError(`${key}: must be the name of a file, not ${JSON.stringify(type.slice(0, 60))}`, {
      code: cniErrorCodes.invalidConfig,
    });
  return type;
}

function parseAttachment(fields: Fields): Attachment {
  return { containerId: fields.requiredString('containerID'), ifName: fields.requiredString('ifname') };
}

/**
 * A `.conflist`, or a `.conf` with one plugin, which becomes a list of one.
 *
 * @param source names the file in messages
 * @throws CniError: decoding, incompatible version, or invalid configuration naming source and key
 */
export function parseNetworkConfigList(text: string, source: string): NetworkConfigList {
  const raw = parseJsonObject(text, source);
  const fields = fieldsOf(raw, `${source}: `);
  const name = requireName(fields);
  const versions = [fields.string('cniVersion'), ...(fields.strings('cniVersions') ?? [])].filter(
    (version) => version !== undefined,
  );
  const cniVersion = cniVersions.findLast((version) => versions.includes(version));
  if (!cniVersion)
    throw new CniError(
      `${source}: cniVersion: podnet speaks none of ${versions.join(', ') || 'no version'}`,
      {
        code: cniErrorCodes.incompatibleVersion,
        details: `It speaks ${cniVersions.join(', ')}.`,
      },
    );
  const loadOnlyInlinedPlugins = fields.boolean('loadOnlyInlinedPlugins') ?? false;
  const inlined = fields.has('plugins') || !fields.has('type') ? fields.list('plugins') : [fields];
  if (!inlined && loadOnlyInlinedPlugins)
    throw new CniError(`${source}: loadOnlyInlinedPlugins: must not be true without plugins`, {
      code: cniErrorCodes.invalidConfig,
    });
  return {
    cniVersion,
    cniVersions: [...new Set(versions)],
    name,
    plugins: (inlined ?? []).map(readPluginConfig),
    disableCheck: fields.boolean('disableCheck') ?? false,
    disableGC: fields.boolean('disableGC') ?? false,
    loadOnlyInlinedPlugins,
    raw,
  };
}

/** One plugin of a list, or of a file in the folder named after the network. */
export function parsePluginConfig(text: string, source: string): PluginConfig {
  return readPluginConfig(fieldsOf(parseJsonObject(text, source), `${source}: `));
}

function readPluginConfig(fields: Fields): PluginConfig {
  const type = requireFileName(fields.requiredString('type'), `${fields.path}type`);
  const capabilities = fields.fields('capabilities');
  const entries = Object.keys(capabilities?.object ?? {}).map(
    (name) => [name, capabilities?.boolean(name) ?? false] as const,
  );
  return { ...fields.object, type, ...(capabilities && { capabilities: Object.fromEntries(entries) }) };
}

export interface DerivedFrom {
  /** What the runtime can say, by capability; a plugin gets those it declares. */
  readonly runtimeConfig?: JsonObject;
  /** What the plugin before it answered, or what ADD answered in the end. */
  readonly prevResult?: JsonObject;
  /** For GC. */
  readonly validAttachments?: readonly Attachment[];
}

/** The configuration one plugin of a list reads from stdin (section 3, "Deriving execution configuration"). */
export function derivePluginConfig(
  list: Pick<NetworkConfigList, 'name' | 'cniVersion'>,
  plugin: PluginConfig,
  { runtimeConfig = {}, prevResult, validAttachments }: DerivedFrom = {},
): JsonObject {
  const { capabilities = {}, ...rest } = plugin;
  const wanted = Object.entries(runtimeConfig).filter(([name]) => capabilities[name] === true);
  return {
    ...rest,
    name: list.name,
    cniVersion: list.cniVersion,
    ...(wanted.length > 0 && { runtimeConfig: Object.fromEntries(wanted) }),
    ...(prevResult && { prevResult }),
    ...(validAttachments && {
      [VALID_ATTACHMENTS]: validAttachments.map(({ containerId, ifName }) => ({
        containerID: containerId,
        ifname: ifName,
      })),
    }),
  };
}

/** The version that an answer to unreadable input should bear. */
export function versionForErrors(text: string): string {
  try {
    const version = parseJsonObject(text, 'stdin')['cniVersion'];
    return typeof version === 'string' && version.length <= 32 ? version : latestCniVersion;
  } catch {
    return latestCniVersion;
  }
}
