/** What a container runtime does with a network: CNI specification 1.1.0, section 3. */
import { PodnetError, errorMessage } from '../../model/errors.ts';
import type { Attachment, NetworkConfigList } from '../spec/config.ts';
import type { FindPlugin } from '../spec/delegate.ts';
import { requireContainerId, requireInterfaceName } from '../spec/environment.ts';
import { CniError, cniErrorCodes, toCniError } from '../spec/error.ts';
import { parseJsonObject } from '../spec/json.ts';
import { type CniResult, convertResult, parseResult } from '../spec/result.ts';
import { type CniVersion, isAtLeast } from '../spec/versions.ts';
import { printNetwork } from './network-files.ts';
import { type ContainerAttachment, type PluginCalls, createPluginCalls } from './plugin-calls.ts';
import { type PluginVersions, versionForAll } from './plugin-versions.ts';
import { type AttachmentKey, type ResultCache, createResultCache } from './result-cache.ts';

export interface CniRuntimeOptions {
  /** Searched in order. */
  readonly pluginDirectories: readonly string[];
  readonly cacheDirectory: string;
  /** Plugins of this program, for types that none of the directories has. */
  readonly findPlugin?: FindPlugin;
}

export interface CniRuntime {
  /**
   * Runs the plugins in their order. When one fails, all of them are asked to delete, and its error is thrown.
   *
   * @throws CniError of the plugin, its message beginning with the plugin's type; PodnetError `already-attached`
   */
  add(network: NetworkConfigList, attachment: ContainerAttachment): Promise<CniResult>;
  /** Runs the plugins in the reverse order; succeeds when there is nothing. @throws CniError */
  del(network: NetworkConfigList, attachment: ContainerAttachment): Promise<void>;
  /** @throws CniError when something is not as ADD left it, or was never added */
  check(network: NetworkConfigList, attachment: ContainerAttachment): Promise<void>;
  /** Deletes what is remembered and not in `valid`, then lets the plugins do the same. Returns what was deleted. */
  gc(network: NetworkConfigList, valid: readonly Attachment[]): Promise<readonly Attachment[]>;
  /** @throws CniError when a plugin is missing, does not speak the network's version, or could not ADD now */
  status(network: NetworkConfigList): Promise<readonly PluginVersions[]>;
  readonly cache: ResultCache;
}

export function createCniRuntime(options: CniRuntimeOptions): CniRuntime {
  return new ListRuntime(options);
}

class ListRuntime implements CniRuntime {
  readonly cache: ResultCache;
  readonly #plugins: PluginCalls;
  /** The specification forbids two operations at a time for one container. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor({ pluginDirectories, cacheDirectory, findPlugin }: CniRuntimeOptions) {
    this.#plugins = createPluginCalls(pluginDirectories, findPlugin);
    this.cache = createResultCache(cacheDirectory);
  }

  add(network: NetworkConfigList, attachment: ContainerAttachment): Promise<CniResult> {
    return this.#inTurn(attachment, async () => {
      const key = keyOf(network, attachment);
      if (this.cache.get(key) !== undefined) throw alreadyAttached(key);
      const agreed = await this.#agree(network);
      let result: CniResult | undefined;
      try {
        for (const plugin of agreed.plugins) {
          const answer = await this.#plugins.call(agreed, plugin, {
            command: 'ADD',
            attachment,
            prevResult: result,
          });
          const object = parseJsonObject(answer, `The answer of plugin ${plugin.type}`);
          result = parseResult(object, { version: agreed.cniVersion, path: `${plugin.type}: ` });
        }
        if (result === undefined) throw new Error(`The network ${network.name} has no plugins`);
        this.cache.put({
          ...key,
          config: printNetwork(network),
          netns: attachment.netns,
          args: attachment.args ?? [],
          capabilityArgs: attachment.capabilityArgs ?? {},
          result: convertResult(result, agreed.cniVersion),
        });
        return result;
      } catch (error) {
        throw await this.#undo(error, agreed, attachment, result);
      }
    });
  }

  /** The error to throw; it says so when something could not be deleted. */
  async #undo(
    thrown: unknown,
    network: NetworkConfigList,
    attachment: ContainerAttachment,
    prevResult: CniResult | undefined,
  ): Promise<Error> {
    const left: string[] = [];
    for (const plugin of network.plugins.toReversed()) {
      try {
        await this.#plugins.call(network, plugin, { command: 'DEL', attachment, prevResult });
      } catch (error) {
        left.push(errorMessage(error));
      }
    }
    const error = toCniError(thrown);
    const more = left.filter((message) => message !== error.message);
    if (more.length === 0) return thrown instanceof PodnetError ? thrown : error;
    const details = [error.details, `Undoing it failed as well: ${more.join('; ')}`]
      .filter(Boolean)
      .join('; ');
    return new CniError(error.message, { code: error.code, details, cause: thrown });
  }

  del(network: NetworkConfigList, attachment: ContainerAttachment): Promise<void> {
    return this.#inTurn(attachment, () => this.#delete(network, attachment));
  }

  async #delete(network: NetworkConfigList, attachment: ContainerAttachment): Promise<void> {
    const key = keyOf(network, attachment);
    const agreed = await this.#agree(network);
    const prevResult = this.#remembered(key, agreed.cniVersion);
    for (const plugin of agreed.plugins.toReversed())
      await this.#plugins.call(agreed, plugin, { command: 'DEL', attachment, prevResult });
    this.cache.delete(key);
  }

  /** Deleting works without it, so a file that makes no sense is as good as none. */
  #remembered(key: AttachmentKey, version: CniVersion): CniResult | undefined {
    try {
      const cached = this.cache.get(key);
      return cached && parseResult(cached.result, { version });
    } catch {
      return undefined;
    }
  }

  check(network: NetworkConfigList, attachment: ContainerAttachment): Promise<void> {
    return this.#inTurn(attachment, async () => {
      const agreed = await this.#agree(network);
      if (!isAtLeast(agreed.cniVersion, '0.4.0'))
        throw new CniError(`network ${network.name}: version ${agreed.cniVersion} has no CHECK`, {
          code: cniErrorCodes.incompatibleVersion,
          details: 'It came with 0.4.0.',
        });
      if (network.disableCheck) return;
      const cached = this.cache.get(keyOf(network, attachment));
      if (cached === undefined)
        throw new CniError(
          `network ${network.name}: ${attachment.containerId} has no ${attachment.ifName} of it`,
          {
            code: cniErrorCodes.unknownContainer,
            details: 'No ADD of it is remembered: ADD comes before CHECK.',
          },
        );
      const prevResult = parseResult(cached.result, { version: agreed.cniVersion });
      for (const plugin of agreed.plugins)
        await this.#plugins.call(agreed, plugin, { command: 'CHECK', attachment, prevResult });
    });
  }

  async gc(network: NetworkConfigList, valid: readonly Attachment[]): Promise<readonly Attachment[]> {
    if (network.disableGC) return [];
    const agreed = await this.#agree(network);
    const failures: unknown[] = [];
    const attempt = async (run: () => Promise<unknown>): Promise<boolean> => {
      try {
        await run();
        return true;
      } catch (error) {
        failures.push(error);
        return false;
      }
    };
    const isValid = (one: Attachment): boolean =>
      valid.some(({ containerId, ifName }) => containerId === one.containerId && ifName === one.ifName);
    const removed: Attachment[] = [];
    for (const cached of this.cache.list()) {
      if (cached.network !== network.name || isValid(cached)) continue;
      const { containerId, ifName } = cached;
      if (await attempt(() => this.del(network, cached))) removed.push({ containerId, ifName });
    }
    if (isAtLeast(agreed.cniVersion, '1.1.0')) {
      for (const plugin of agreed.plugins)
        await attempt(() => this.#plugins.call(agreed, plugin, { command: 'GC', validAttachments: valid }));
    }
    const [first] = failures;
    if (first === undefined) return removed;
    throw new CniError(failures.map(errorMessage).join('; '), { code: toCniError(first).code, cause: first });
  }

  async status(network: NetworkConfigList): Promise<readonly PluginVersions[]> {
    const plugins = await this.#plugins.versions(network);
    const agreed = { ...network, cniVersion: versionForAll(network, plugins) };
    if (isAtLeast(agreed.cniVersion, '1.1.0')) {
      for (const plugin of agreed.plugins) await this.#plugins.call(agreed, plugin, { command: 'STATUS' });
    }
    return plugins;
  }

  /** A list that offers several versions is used in the latest one that all of its plugins speak. */
  async #agree(network: NetworkConfigList): Promise<NetworkConfigList> {
    if (network.cniVersions.length < 2) return network;
    return { ...network, cniVersion: versionForAll(network, await this.#plugins.versions(network)) };
  }

  async #inTurn<T>({ containerId }: Attachment, run: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(containerId) ?? Promise.resolve();
    const turn = before.then(run, run);
    this.#turns.set(containerId, turn);
    try {
      return await turn;
    } finally {
      if (this.#turns.get(containerId) === turn) this.#turns.delete(containerId);
    }
  }
}

/** @throws CniError (invalid environment) */
function keyOf({ name }: NetworkConfigList, { containerId, ifName }: Attachment): AttachmentKey {
  requireContainerId(containerId);
  requireInterfaceName(ifName);
  return { network: name, containerId, ifName };
}

function alreadyAttached({ network, containerId, ifName }: AttachmentKey): PodnetError {
  return new PodnetError(`${containerId} is attached to the network ${network} already`, {
    code: 'already-attached',
    where: `interface ${ifName}`,
    fix: 'Delete it first, or give another --ifname.',
  });
}
