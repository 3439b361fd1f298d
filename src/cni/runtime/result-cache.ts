/**
 * What runtimes remember of each ADD, in the files and the format of libcni, so that any runtime can take away what
 * another one made: `DIRECTORY/results/NETWORK-CONTAINERID-IFNAME`, kind `cniCacheV1`.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PodnetError, errorMessage } from '../../model/errors.ts';
import { isContainerId, isInterfaceName } from '../spec/environment.ts';
import { CniError, cniErrorCodes } from '../spec/error.ts';
import { type JsonObject, fieldsOf, isJsonObject, parseJsonObject } from '../spec/json.ts';

const KIND = 'cniCacheV1';

export interface AttachmentKey {
  /** Name of the network. */
  readonly network: string;
  readonly containerId: string;
  readonly ifName: string;
}

export interface CachedAttachment extends AttachmentKey {
  /** Text of the network's configuration at the time. */
  readonly config: string;
  /** The path of the network namespace. */
  readonly netns: string;
  /** CNI_ARGS. */
  readonly args: readonly (readonly [string, string])[];
  readonly capabilityArgs: JsonObject;
  /** What ADD answered, in the version it says. */
  readonly result: JsonObject;
}

export interface ResultCache {
  /** @throws PodnetError `cni-cache-unwritable` */
  put(attachment: CachedAttachment): void;
  /** Undefined when there is none. @throws CniError (decoding) for a file that makes no sense; PodnetError `cni-cache-unreadable` */
  get(key: AttachmentKey): CachedAttachment | undefined;
  delete(key: AttachmentKey): void;
  /** Files that make no sense are left out. @throws PodnetError `cni-cache-unreadable` */
  list(): readonly CachedAttachment[];
}

export function createResultCache(directory: string): ResultCache {
  const folder = join(directory, 'results');
  const fileOf = (key: AttachmentKey): string => join(folder, fileName(key));
  return {
    put(attachment) {
      const file = fileOf(attachment);
      // Readers of the folder see a whole file or none.
      const temporary = join(folder, `.${fileName(attachment)}.${process.pid}`);
      try {
        mkdirSync(folder, { recursive: true, mode: 0o700 });
        writeFileSync(temporary, JSON.stringify(encode(attachment)), { mode: 0o600 });
        renameSync(temporary, file);
      } catch (cause) {
        rmSync(temporary, { force: true });
        throw new PodnetError(`Cannot remember what was attached: ${errorMessage(cause)}`, {
          code: 'cni-cache-unwritable',
          where: file,
          fix: 'Check that the disk has room and the directory is writable, or give another with --cache-dir.',
          cause,
        });
      }
    },
    get(key) {
      let text: string;
      try {
        text = readFileSync(fileOf(key), 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw unreadable(fileOf(key), error);
      }
      return decode(parseJsonObject(text, fileOf(key)), key);
    },
    delete: (key) => rmSync(fileOf(key), { force: true }),
    list() {
      return namesIn(folder).flatMap((name) => {
        try {
          return [decode(parseJsonObject(readFileSync(join(folder, name), 'utf8'), name))];
        } catch {
          return [];
        }
      });
    },
  };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unreadable(folder, error);
  }
}

function unreadable(path: string, cause: unknown): PodnetError {
  return new PodnetError(`Cannot read what was attached: ${errorMessage(cause)}`, {
    code: 'cni-cache-unreadable',
    where: path,
    fix: 'Be root, as container runtimes are, or give another directory with --cache-dir.',
    cause,
  });
}

/** None of the three may lead out of the folder. @throws CniError (invalid environment) */
function fileName({ network, containerId, ifName }: AttachmentKey): string {
  if (
    !/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(network) ||
    !isContainerId(containerId) ||
    !isInterfaceName(ifName)
  )
    throw new CniError(
      `Not a network, container id and interface: ${JSON.stringify([network, containerId, ifName])}`,
      { code: cniErrorCodes.invalidEnvironment },
    );
  return `${network}-${containerId}-${ifName}`;
}

/** libcni keeps the configuration as Go writes bytes: in base64. */
function encode({ network, args, capabilityArgs, config, netns, ...rest }: CachedAttachment): JsonObject {
  return {
    kind: KIND,
    containerId: rest.containerId,
    config: Buffer.from(config).toString('base64'),
    ifName: rest.ifName,
    networkName: network,
    ...(netns !== '' && { netns }),
    ...(args.length > 0 && { cniArgs: args }),
    ...(Object.keys(capabilityArgs).length > 0 && { capabilityArgs }),
    result: rest.result,
  };
}

/** Before `cniCacheV1` the file was the result alone; its name says the rest, `key`. */
function decode(object: JsonObject, key?: AttachmentKey): CachedAttachment {
  const fields = fieldsOf(object, '', cniErrorCodes.decoding);
  if (key !== undefined && object['kind'] === undefined)
    return { ...key, config: '', netns: '', args: [], capabilityArgs: {}, result: object };
  if (object['kind'] !== KIND) throw fields.error('kind', KIND);
  const args: unknown = object['cniArgs'] ?? [];
  if (!isPairs(args)) throw fields.error('cniArgs', 'a list of pairs of strings');
  const { capabilityArgs, result } = object;
  return {
    network: fields.requiredString('networkName'),
    containerId: fields.requiredString('containerId'),
    ifName: fields.requiredString('ifName'),
    config: Buffer.from(fields.string('config') ?? '', 'base64').toString('utf8'),
    netns: fields.string('netns') ?? '',
    args,
    capabilityArgs: isJsonObject(capabilityArgs) ? capabilityArgs : {},
    result: isJsonObject(result) ? result : {},
  };
}

function isPairs(value: unknown): value is readonly (readonly [string, string])[] {
  const isPair = (pair: unknown): boolean =>
    Array.isArray(pair) && pair.length === 2 && pair.every((text) => typeof text === 'string');
  return Array.isArray(value) && value.every(isPair);
}
