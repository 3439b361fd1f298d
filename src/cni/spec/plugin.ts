/**
 * A plugin is a value: its type, and one function for each command. `definePlugin` adds what the specification asks of
 * every plugin: versions, environment, configuration, conversion of results, error objects.
 */
import { statfsSync } from 'node:fs';
import { type Attachment, type NetworkConfig, parseNetworkConfig, versionForErrors } from './config.ts';
import { type Delegate, type DelegateOptions, type FindPlugin, createDelegate } from './delegate.ts';
import { type CniEnvironment, type Parameters, parseEnvironment } from './environment.ts';
import { CniError, cniErrorCodes, errorObject, toCniError } from './error.ts';
import type { JsonObject } from './json.ts';
import { type CniResult, convertResult } from './result.ts';
import { type CniVersion, cniVersions, commandSince, isAtLeast } from './versions.ts';

export interface PluginRequest<C> {
  /** Empty for GC and STATUS. */
  readonly containerId: string;
  /** The path of the container's network namespace; empty for GC, STATUS, and DEL when it is gone. */
  readonly netns: string;
  readonly ifName: string;
  /** CNI_ARGS. */
  readonly args: ReadonlyMap<string, string>;
  /** The directories of CNI_PATH. */
  readonly path: readonly string[];
  /** What `parse` made of the configuration; the configuration itself without `parse`. */
  readonly config: C;
  readonly network: NetworkConfig;
  readonly prevResult?: CniResult;
  /** For GC: what must stay. */
  readonly validAttachments: readonly Attachment[];
  readonly delegate: Delegate;
  /** Whether the process goes on after the answer, so that what is slow and harmless may be done later. */
  readonly longLived: boolean;
}

/** What ADD returns; the version is put in afterwards. */
export type PluginResult = Omit<CniResult, 'cniVersion'> & { readonly cniVersion?: string };

type Awaitable<T> = T | Promise<T>;

export interface PluginDefinition<C> {
  /** The name of the executable. */
  readonly type: string;
  /** All that podnet speaks unless told. */
  readonly versions?: readonly CniVersion[];
  /** The names in CNI_ARGS the plugin understands. Others are refused without IgnoreUnknown; unset, none is. */
  readonly args?: readonly string[];
  /** Works on what the plugin before it answered: ADD without prevResult is refused. */
  readonly chained?: boolean;
  /** Reads the plugin's own keys. Throw CniErrors: `fieldsOf(network.raw)` has readers that do. */
  readonly parse?: (network: NetworkConfig) => C;
  readonly add: (request: PluginRequest<C>) => Awaitable<PluginResult>;
  /** Succeeds when there is nothing (any more). */
  readonly del: (request: PluginRequest<C>) => Awaitable<void>;
  /** Throws when something is not as ADD left it. Without it CHECK succeeds. */
  readonly check?: (request: PluginRequest<C>) => Awaitable<void>;
  /** Removes what belongs to no valid attachment. */
  readonly gc?: (request: PluginRequest<C>) => Awaitable<void>;
  /** Throws when ADD could not succeed: codes 50 and 51. */
  readonly status?: (request: PluginRequest<C>) => Awaitable<void>;
}

/** Of a plugin that works on what the one before it answered: ADD has a prevResult for certain. */
export interface ChainedDefinition<C> extends Omit<PluginDefinition<C>, 'add' | 'chained'> {
  readonly chained: true;
  readonly add: (request: PluginRequest<C> & { readonly prevResult: CniResult }) => Awaitable<PluginResult>;
}

/** Without it the configuration is passed on as it was read. */
interface Parsed<C> {
  readonly parse: (network: NetworkConfig) => C;
}

export interface PluginInput {
  readonly environment: CniEnvironment;
  readonly stdin: string;
  /** Finds plugins to delegate to inside this program. */
  readonly findPlugin?: FindPlugin | undefined;
  /** Of a server; not so unless told. */
  readonly longLived?: boolean;
}

export interface PluginAnswer {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Plugin {
  readonly type: string;
  readonly versions: readonly CniVersion[];
  /** Never rejects: what goes wrong is an error object on stdout and exit code 1. */
  answer(input: PluginInput): Promise<PluginAnswer>;
}

export function definePlugin<C>(definition: ChainedDefinition<C> & Parsed<C>): Plugin;
export function definePlugin<C>(definition: PluginDefinition<C> & Parsed<C>): Plugin;
export function definePlugin(definition: ChainedDefinition<NetworkConfig>): Plugin;
export function definePlugin(definition: PluginDefinition<NetworkConfig>): Plugin;
export function definePlugin<C>(definition: PluginDefinition<C> | ChainedDefinition<C>): Plugin {
  const { type, versions = cniVersions } = definition;
  return {
    type,
    versions,
    async answer(input) {
      try {
        const output = await run(definition, versions, input);
        return { exitCode: 0, stdout: output ? `${JSON.stringify(output)}\n` : '', stderr: '' };
      } catch (thrown) {
        const object = errorObject(toCniError(thrown), versionForErrors(input.stdin));
        return { exitCode: 1, stdout: `${JSON.stringify(object)}\n`, stderr: '' };
      }
    },
  };
}

async function run<C>(
  definition: PluginDefinition<C> | ChainedDefinition<C>,
  versions: readonly CniVersion[],
  { environment, stdin, findPlugin, longLived = false }: PluginInput,
): Promise<JsonObject | undefined> {
  const parameters = parseEnvironment(environment, definition.args);
  const { command, path } = parameters;
  if (command === 'VERSION') return versionObject(versions, stdin);
  const network = parseNetworkConfig(stdin, versions);
  if (!isAtLeast(network.cniVersion, commandSince[command]))
    throw new CniError(`cniVersion: version ${network.cniVersion} has no command ${command}`, {
      code: cniErrorCodes.incompatibleVersion,
      details: `It came with ${commandSince[command]}.`,
    });
  const request = createRequest(definition, parameters, network, {
    environment,
    findPlugin,
    path,
    longLived,
  });
  switch (command) {
    case 'ADD': {
      requireNetns(parameters);
      const { prevResult, cniVersion } = network;
      if (!definition.chained) return convertResult(await definition.add(request), cniVersion);
      if (!prevResult) throw missingPrevResult(command);
      return convertResult(await definition.add({ ...request, prevResult }), cniVersion);
    }
    case 'CHECK': {
      if (!network.prevResult) throw missingPrevResult(command);
      requireNetns(parameters);
      await definition.check?.(request);
      return undefined;
    }
    case 'DEL': {
      await definition.del(request);
      return undefined;
    }
    case 'GC': {
      await definition.gc?.(request);
      return undefined;
    }
    case 'STATUS': {
      await definition.status?.(request);
      return undefined;
    }
  }
}

function createRequest<C>(
  { parse }: Pick<PluginDefinition<C>, 'parse'>,
  parameters: Parameters,
  network: NetworkConfig,
  options: Pick<DelegateOptions, 'environment' | 'findPlugin' | 'path' | 'longLived'>,
): PluginRequest<C> {
  const { command, containerId, netns, ifName, args, path } = parameters;
  const { prevResult, validAttachments = [], cniVersion, raw } = network;
  return {
    containerId,
    // A path whose namespace is gone may lead to something else by now: of /proc/PID/fd, for one.
    netns: command === 'DEL' && !isNetns(netns) ? '' : netns,
    ifName,
    args,
    path,
    // The overloads of definePlugin see to it that C is NetworkConfig when there is no parse.
    config: parse ? parse(network) : (network as C),
    network,
    ...(prevResult && { prevResult }),
    validAttachments,
    delegate: createDelegate({ ...options, command, version: cniVersion, raw }),
    longLived: options.longLived,
  };
}

function versionObject(versions: readonly CniVersion[], stdin: string): JsonObject {
  return { cniVersion: versionForErrors(stdin), supportedVersions: versions };
}

/** Of NSFS_MAGIC in linux/magic.h. */
const NSFS_MAGIC = 0x6e73_6673;

function requireNetns({ command, netns }: Parameters): void {
  if (isNetns(netns)) return;
  throw new CniError(`CNI_NETNS: there is no network namespace at ${netns}`, {
    code: command === 'ADD' ? cniErrorCodes.invalidEnvironment : cniErrorCodes.unknownContainer,
    details: 'It takes the path of one: /run/netns/NAME or /proc/PID/ns/net.',
  });
}

/** Whether there is a network namespace at a path. */
export function isNetns(path: string): boolean {
  try {
    return path !== '' && statfsSync(path).type === NSFS_MAGIC;
  } catch {
    return false;
  }
}

function missingPrevResult(command: string): CniError {
  return new CniError(`prevResult: ${command} needs what was answered before`, {
    code: cniErrorCodes.invalidConfig,
    details: command === 'ADD' ? 'This plugin must come after one that makes an interface.' : undefined,
  });
}
