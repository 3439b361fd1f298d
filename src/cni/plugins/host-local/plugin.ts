/** host-local: gives addresses of configured ranges and keeps them in files of this machine. */
import { type Ip, formatIp } from '../../../model/ip.ts';
import type { Attachment } from '../../spec/config.ts';
import { CniError, cniErrorCodes } from '../../spec/error.ts';
import { type PluginRequest, type PluginResult, definePlugin } from '../../spec/plugin.ts';
import { chooseAddresses } from './allocate.ts';
import { type HostLocalConfig, parseHostLocalConfig, wantedByArgs } from './config.ts';
import { formatAddress, printRangeSet } from './ranges.ts';
import { readResolvConf } from './resolv-conf.ts';
import { type Reservation, withStore } from './store.ts';

export const plugin = definePlugin<HostLocalConfig>({
  type: 'host-local',
  parse: parseHostLocalConfig,
  add,
  del,
  check,
  gc,
  status,
});

type Request = PluginRequest<HostLocalConfig>;

async function add({ config, args, containerId, ifName }: Request): Promise<PluginResult> {
  const { directory, rangeSets, routes, resolvConf } = config;
  const wanted = [...wantedByArgs(args), ...config.wanted];
  const dns = resolvConf === undefined ? undefined : readResolvConf(resolvConf);
  const chosen = await withStore(directory, (store) => {
    const reservations = store.reservations();
    const own = reservations.filter((each) => isOf(each, { containerId, ifName })).map(({ ip }) => ip);
    if (own.length > 0) throw alreadyAdded(own, { containerId, ifName });
    const reserved = new Set(reservations.map(({ ip }) => formatIp(ip)));
    const candidates = chooseAddresses({ rangeSets, wanted, reserved, last: (index) => store.last(index) });
    try {
      for (const [setIndex, { ip }] of candidates.entries())
        store.reserve(ip, { containerId, ifName, setIndex });
    } catch (error) {
      store.tidy();
      // None of them was anybody's.
      for (const { ip } of candidates) store.release(ip);
      throw error;
    }
    return candidates;
  });
  return {
    ips: chosen.map((one) => ({ address: formatAddress(one), gateway: formatIp(one.range.gateway) })),
    ...(routes.length > 0 && { routes }),
    ...(dns && { dns }),
  };
}

function isOf({ containerId, ifName }: Reservation, attachment: Attachment): boolean {
  return containerId === attachment.containerId && (ifName === attachment.ifName || ifName === '');
}

function alreadyAdded(ips: readonly Ip[], { containerId, ifName }: Attachment): CniError {
  return new CniError(`Container ${containerId} has ${ips.map(formatIp).join(', ')} for ${ifName} already`, {
    code: cniErrorCodes.invalidEnvironment,
    details: 'DEL must come before another ADD.',
  });
}

async function del({ config: { directory }, containerId, ifName }: Request): Promise<void> {
  await withStore(directory, (store) => {
    for (const each of store.reservations()) if (isOf(each, { containerId, ifName })) store.release(each.ip);
  });
}

async function check({ config: { directory }, containerId, ifName, network }: Request): Promise<void> {
  const own = await withStore(directory, (store) =>
    store.reservations().filter((each) => isOf(each, { containerId, ifName })),
  );
  if (own.length > 0) return;
  throw new CniError(`No address of network ${network.name} is reserved for container ${containerId}`, {
    code: cniErrorCodes.unknownContainer,
    details: `Looked for ${ifName} in ${directory}.`,
  });
}

/** Takes back what belongs to no valid attachment, and what a program left that was killed while it wrote. */
async function gc({ config: { directory }, validAttachments }: Request): Promise<void> {
  await withStore(directory, (store) => {
    store.tidy();
    for (const each of store.reservations())
      if (!validAttachments.some((attachment) => isOf(each, attachment))) store.release(each.ip);
  });
}

async function status({ config: { directory, rangeSets }, network }: Request): Promise<void> {
  const full = await withStore(directory, (store) => {
    store.tryWrite();
    const reserved = store.reserved();
    return rangeSets.find((set) => {
      try {
        chooseAddresses({ rangeSets: [set], wanted: [], reserved, last: () => undefined });
        return false;
      } catch {
        return true;
      }
    });
  });
  if (!full) return;
  throw new CniError(`No address is left in the range ${printRangeSet(full)} of network ${network.name}`, {
    code: cniErrorCodes.pluginNotAvailable,
    details: `They are kept in ${directory}.`,
  });
}
