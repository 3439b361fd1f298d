/** `podnet cni add|del|check|gc|status`: a container runtime's role, by hand. */
import { createHash } from 'node:crypto';
import { pluginNamed } from '../cni/plugins/registry.ts';
import { loadNetwork, parseStoredNetwork } from '../cni/runtime/network-files.ts';
import type { ContainerAttachment } from '../cni/runtime/plugin-calls.ts';
import { type CniRuntime, createCniRuntime } from '../cni/runtime/runtime.ts';
import { parseCniArgs } from '../cni/spec/args.ts';
import type { Attachment, NetworkConfigList } from '../cni/spec/config.ts';
import { CniError } from '../cni/spec/error.ts';
import { type JsonObject, isJsonObject } from '../cni/spec/json.ts';
import { isNetns } from '../cni/spec/plugin.ts';
import { PodnetError, errorMessage } from '../model/errors.ts';
import type { CniAttachmentOptions, CniGcOptions, CniPlaces } from './cni-commands.ts';
import { printData } from './data.ts';
import type { Printed } from './options.ts';
import { note, printResult, table } from './terminal.ts';

/** Debian's package puts its plugins into the second one. */
const PLUGIN_DIRECTORIES = ['/opt/cni/bin', '/usr/lib/cni'];

export function add(name: string, netns: string, options: CniAttachmentOptions & Printed): Promise<void> {
  return forPeople(name, async () => {
    const { confDir, output = 'json' } = options;
    const runtime = runtimeOf(options);
    const attachment = attachmentOf(netns, options);
    await runtime.add(loadNetwork(confDir, name), attachment);
    // In the version of the network, as its next reader expects it.
    printData(runtime.cache.get({ network: name, ...attachment })?.result, output);
  });
}

export function del(name: string, netns: string, options: CniAttachmentOptions): Promise<void> {
  return forPeople(name, async () => {
    const runtime = runtimeOf(options);
    const attachment = attachmentOf(netns, options);
    const { network, ...known } = remembered(runtime, name, attachment) ?? {
      network: loadNetwork(options.confDir, name),
    };
    await runtime.del(network, { ...attachment, ...known });
  });
}

export function check(name: string, netns: string, options: CniAttachmentOptions): Promise<void> {
  return forPeople(name, async () => {
    const runtime = runtimeOf(options);
    const attachment = attachmentOf(netns, options);
    const { network, ...known } = remembered(runtime, name, attachment) ?? {
      network: loadNetwork(options.confDir, name),
    };
    await runtime.check(network, { ...attachment, ...known });
    note(network.disableCheck ? `${name} has disableCheck: nothing was checked` : 'as it was made');
  });
}

export function gc(name: string, options: CniGcOptions): Promise<void> {
  return forPeople(name, async () => {
    const runtime = runtimeOf(options);
    const network = loadNetwork(options.confDir, name);
    const alive = runtime.cache.list().filter((one) => one.network === name && isNetns(one.netns));
    const keep = [...(options.keep ?? []).map(readAttachment), ...alive];
    const removed = await runtime.gc(
      network,
      keep.map(({ containerId, ifName }) => ({ containerId, ifName })),
    );
    if (printData(removed, options.output)) return;
    if (network.disableGC) note(`${name} has disableGC: nothing was done`);
    else if (removed.length === 0) note('Nothing was left over.');
    else
      printResult(
        table([
          ['CONTAINER', 'INTERFACE'],
          ...removed.map(({ containerId, ifName }) => [containerId, ifName]),
        ]),
      );
  });
}

export function status(name: string, options: CniPlaces & Printed): Promise<void> {
  return forPeople(name, async () => {
    const plugins = await runtimeOf(options).status(loadNetwork(options.confDir, name));
    if (printData(plugins, options.output)) return;
    const rows = plugins.map(({ type, file, versions }) => [
      type,
      file ?? 'podnet itself',
      versions.join(', '),
    ]);
    printResult(table([['PLUGIN', 'FILE', 'VERSIONS'], ...rows]));
    note(`${name} is ready`);
  });
}

function runtimeOf({ pluginDir, cacheDir }: CniPlaces): CniRuntime {
  const fromEnvironment = (process.env['CNI_PATH'] ?? '').split(':').filter((directory) => directory !== '');
  const usual = fromEnvironment.length > 0 ? fromEnvironment : PLUGIN_DIRECTORIES;
  return createCniRuntime({
    pluginDirectories: pluginDir ?? usual,
    cacheDirectory: cacheDir,
    findPlugin: pluginNamed,
  });
}

/** DEL and CHECK use what ADD was done with, whatever the files say by now. */
function remembered(
  { cache }: CniRuntime,
  network: string,
  { containerId, ifName }: Attachment,
): (Pick<ContainerAttachment, 'args' | 'capabilityArgs'> & { network: NetworkConfigList }) | undefined {
  const cached = cache.get({ network, containerId, ifName });
  if (cached === undefined || cached.config === '') return undefined;
  const { args, capabilityArgs } = cached;
  return { args, capabilityArgs, network: parseStoredNetwork(cached.config) };
}

function attachmentOf(name: string, options: CniAttachmentOptions): ContainerAttachment {
  const netns = name.includes('/') ? name : `/var/run/netns/${name}`;
  const { ifname, containerId = containerIdOf(netns), args = '', capabilityArgs } = options;
  return {
    containerId,
    ifName: ifname,
    netns,
    args: [...parseCniArgs(args)],
    ...(capabilityArgs !== undefined && { capabilityArgs: readCapabilityArgs(capabilityArgs) }),
  };
}

/** The one cnitool of the CNI project makes, so that one takes away what the other made. */
function containerIdOf(netns: string): string {
  return `cnitool-${createHash('sha512').update(netns).digest('hex').slice(0, 20)}`;
}

function readCapabilityArgs(text: string): JsonObject {
  let reason = 'it is no object';
  try {
    const value: unknown = JSON.parse(text);
    if (isJsonObject(value)) return value;
  } catch (error) {
    reason = errorMessage(error);
  }
  throw new PodnetError(`The capability arguments cannot be read: ${reason}`, {
    code: 'invalid-option',
    where: `--capability-args ${text}`,
    fix: 'Give a JSON object, such as {"portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}.',
  });
}

function readAttachment(text: string): Attachment {
  const [containerId, ifName, ...rest] = text.split('/');
  if (containerId && ifName && rest.length === 0) return { containerId, ifName };
  throw new PodnetError(`${text} is no attachment`, {
    code: 'invalid-option',
    where: '--keep',
    fix: 'Give CONTAINERID/IFNAME.',
  });
}

/** Says the errors of plugins the way people read them. */
async function forPeople(network: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof CniError)) throw error;
    throw new PodnetError(error.message, {
      code: `cni-error-${error.code}`,
      where: `network ${network}, CNI error code ${error.code}`,
      ...(error.details !== undefined && { fix: error.details }),
      cause: error,
    });
  }
}
