/** Calling the plugins of a network, one at a time: what they read, and the environment they run in. */
import {
  type Attachment,
  type NetworkConfigList,
  type PluginConfig,
  derivePluginConfig,
} from '../spec/config.ts';
import { type FindPlugin, callPlugin, findExecutable } from '../spec/delegate.ts';
import { CniError, cniErrorCodes } from '../spec/error.ts';
import type { JsonObject } from '../spec/json.ts';
import { type CniResult, convertResult } from '../spec/result.ts';
import { type CniCommand, isAtLeast, latestCniVersion } from '../spec/versions.ts';
import { type PluginVersions, readVersions } from './plugin-versions.ts';

export interface ContainerAttachment extends Attachment {
  /** The path of the network namespace; empty when it is gone. */
  readonly netns: string;
  /** CNI_ARGS, in their order. */
  readonly args?: readonly (readonly [string, string])[];
  /** What is known at run time, by capability: a plugin gets those it declares. */
  readonly capabilityArgs?: JsonObject;
}

/** What a command says beside the configuration. */
export interface Call {
  readonly command: Exclude<CniCommand, 'VERSION'>;
  readonly attachment?: ContainerAttachment;
  readonly prevResult?: CniResult | undefined;
  readonly validAttachments?: readonly Attachment[];
}

export interface PluginCalls {
  /** What the plugin printed. @throws CniError of the plugin, its message beginning with the plugin's type */
  call(network: NetworkConfigList, plugin: PluginConfig, call: Call): Promise<string>;
  /** Which versions the plugins of a network speak. */
  versions(network: NetworkConfigList): Promise<readonly PluginVersions[]>;
}

/** @param own plugins of this program, for types that none of the directories has */
export function createPluginCalls(path: readonly string[], own?: FindPlugin): PluginCalls {
  // What is installed is executed, even our own: only that way reaches the agent behind it.
  const findPlugin: FindPlugin = async (type) =>
    findExecutable(type, path) === undefined ? own?.(type) : undefined;
  const run = (type: string, environment: Record<string, string>, stdin: JsonObject): Promise<string> =>
    callPlugin(type, { path, environment, stdin: JSON.stringify(stdin), findPlugin, longLived: false });
  return {
    call: (network, plugin, call) =>
      run(plugin.type, environmentOf(call.command, path, call.attachment), configOf(network, plugin, call)),
    versions: ({ plugins }) =>
      Promise.all(
        plugins.map(async ({ type }) => {
          const answer = await run(type, environmentOf('VERSION', path), { cniVersion: latestCniVersion });
          return { type, file: findExecutable(type, path), versions: readVersions(type, answer) };
        }),
      ),
  };
}

function configOf(network: NetworkConfigList, plugin: PluginConfig, call: Call): JsonObject {
  const { command, attachment, prevResult, validAttachments } = call;
  const version = network.cniVersion;
  const takesResult = command === 'ADD' || isAtLeast(version, '0.4.0');
  return derivePluginConfig(network, plugin, {
    ...(attachment?.capabilityArgs && { runtimeConfig: attachment.capabilityArgs }),
    ...(prevResult && takesResult && { prevResult: convertResult(prevResult, version) }),
    ...(validAttachments && { validAttachments }),
  });
}

/** @throws CniError (invalid environment) for arguments that CNI_ARGS cannot say */
function environmentOf(
  command: CniCommand,
  path: readonly string[],
  attachment?: ContainerAttachment,
): Record<string, string> {
  const args = attachment?.args ?? [];
  const unsayable = args.find(([name, value]) => /[;=]/.test(name) || value.includes(';'));
  if (unsayable !== undefined)
    throw new CniError(`CNI_ARGS cannot say ${unsayable.join('=')}: “;” ends a pair, “=” a name`, {
      code: cniErrorCodes.invalidEnvironment,
    });
  return {
    CNI_COMMAND: command,
    CNI_PATH: path.join(':'),
    CNI_CONTAINERID: attachment?.containerId ?? '',
    CNI_NETNS: attachment?.netns ?? '',
    CNI_IFNAME: attachment?.ifName ?? '',
    CNI_ARGS: args.map((pair) => pair.join('=')).join(';'),
  };
}
