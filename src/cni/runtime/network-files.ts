/**
 * The networks of a machine: files in a directory (`/etc/cni/net.d`), as libcni of the CNI project reads them.
 *
 *     *.conflist          lists, in the order of their file names; the first of a name counts
 *     *.conf, *.json      one plugin each, for names that no list has
 *     NAME/*.conf         more plugins of the network NAME, unless its loadOnlyInlinedPlugins is true
 */
import { readFileSync, readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { PodnetError, errorMessage } from '../../model/errors.ts';
import { type NetworkConfigList, parseNetworkConfigList, parsePluginConfig } from '../spec/config.ts';

export interface BrokenFile {
  readonly file: string;
  readonly reason: string;
}

export interface NetworkFiles {
  readonly networks: readonly { readonly file: string; readonly network: NetworkConfigList }[];
  /** Files that hold no network that could be used. */
  readonly broken: readonly BrokenFile[];
}

/** All networks of a directory, in the order in which names are looked for; a name may be there twice. */
export function readNetworkFiles(directory: string): NetworkFiles {
  const networks: { file: string; network: NetworkConfigList }[] = [];
  const broken: BrokenFile[] = [];
  for (const file of [...filesIn(directory, ['.conflist']), ...filesIn(directory, ['.conf', '.json'])]) {
    try {
      networks.push({ file, network: readNetworkFile(file) });
    } catch (error) {
      broken.push({ file, reason: errorMessage(error) });
    }
  }
  return { networks, broken };
}

/**
 * The network of that name.
 *
 * @throws PodnetError `network-missing`, which names the networks that are there and the files that cannot be read
 */
export function loadNetwork(directory: string, name: string): NetworkConfigList {
  const { networks, broken } = readNetworkFiles(directory);
  const found = networks.find(({ network }) => network.name === name);
  if (found !== undefined) return found.network;
  const known = [...new Set(networks.map(({ network }) => network.name))];
  const fixes = [
    ...broken.map(({ reason }) => `Mend it: ${reason}.`),
    known.length > 0
      ? `There are: ${known.join(', ')}.`
      : 'There is no network at all: write one as NAME.conflist.',
  ];
  throw new PodnetError(`There is no network named ${JSON.stringify(name)}`, {
    code: 'network-missing',
    where: directory,
    fix: fixes.join(' '),
  });
}

/** @throws CniError naming file and key; PodnetError `network-unreadable` */
export function readNetworkFile(file: string): NetworkConfigList {
  const network = parseNetworkConfigList(read(file), file);
  if (network.loadOnlyInlinedPlugins) return network;
  const more = filesIn(join(file, '..', network.name), ['.conf']).map((path) =>
    parsePluginConfig(read(path), path),
  );
  const plugins = [...network.plugins, ...more];
  if (plugins.length === 0)
    throw new PodnetError(`${file}: plugins: the network ${network.name} has none`, {
      code: 'network-unreadable',
      where: file,
      fix: `List plugins in it, or put their files into ${join(file, '..', network.name)}.`,
    });
  return { ...network, plugins };
}

/**
 * The whole of a network as the text of one file, to be kept with what was made of it: the plugins of other files are
 * in it, and the list of a single plugin too.
 */
export function printNetwork({ raw, name, cniVersion, plugins }: NetworkConfigList): string {
  const list = Object.hasOwn(raw, 'plugins') || !Object.hasOwn(raw, 'type') ? raw : { cniVersion, name };
  return JSON.stringify({ ...list, loadOnlyInlinedPlugins: true, plugins });
}

/** Reads what `printNetwork` printed. @throws CniError */
export function parseStoredNetwork(text: string): NetworkConfigList {
  return parseNetworkConfigList(text, 'The remembered network');
}

/** Paths in the order of their names' bytes. A directory that does not exist has none. */
function filesIn(directory: string, extensions: readonly string[]): string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && extensions.includes(extname(entry.name)))
      .map((entry) => entry.name)
      .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .map((name) => join(directory, name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unreadable(directory, error);
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(path: string, cause: unknown): PodnetError {
  return new PodnetError(`Cannot read the networks: ${errorMessage(cause)}`, {
    code: 'network-unreadable',
    where: path,
    fix: 'Check the path and its permissions.',
    cause,
  });
}
