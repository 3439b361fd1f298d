/** loopback: sets the container's `lo` up. */
import { isErrno } from '../../../kernel/ffi.ts';
import type { Rtnl } from '../../../kernel/rtnl/rtnl.ts';
import { notAsAdded } from '../../attachment/check.ts';
import { withDoors } from '../../attachment/doors.ts';
import type { NetworkConfig } from '../../spec/config.ts';
import { type PluginRequest, type PluginResult, definePlugin } from '../../spec/plugin.ts';

export const plugin = definePlugin({ type: 'loopback', add, del, check });

type Request = PluginRequest<NetworkConfig>;

/** Whatever CNI_IFNAME says. */
const LOOPBACK = 'lo';

function add({ netns, prevResult }: Request): Promise<PluginResult> {
  return withDoors((doors) => {
    const { rtnl } = doors.container(netns);
    rtnl.setLink(LOOPBACK, { up: true });
    // After another plugin its result is what counts.
    if (prevResult) return prevResult;
    return {
      interfaces: [{ name: LOOPBACK, mac: '00:00:00:00:00:00', sandbox: netns }],
      ips: addressesOf(rtnl).map((address) => ({ address, interface: 0 })),
    };
  });
}

function addressesOf(rtnl: Rtnl): string[] {
  return rtnl
    .addresses({ link: LOOPBACK })
    .toSorted((a, b) => a.family - b.family)
    .map(({ address, prefixLength }) => `${address}/${prefixLength}`);
}

async function del({ netns }: Request): Promise<void> {
  await withDoors((doors) => {
    const container = doors.tryContainer(netns);
    try {
      container?.rtnl.setLink(LOOPBACK, { up: false });
    } catch (error) {
      if (!isErrno(error, 'ENODEV')) throw error;
    }
  });
}

async function check({ netns }: Request): Promise<void> {
  await withDoors((doors) => {
    const link = doors.container(netns).rtnl.link(LOOPBACK);
    if (!link?.up) throw notAsAdded('The container’s loopback interface is down');
  });
}
