import { type Netns, openNetns } from '../../../kernel/netns.ts';
import { PodnetError } from '../../../model/errors.ts';
import { type PluginRequest, definePlugin } from '../../spec/plugin.ts';
import { identityOf } from '../../attachment/host-interface.ts';
import { discardLink } from '../../attachment/link-trash.ts';
import { passOn } from '../../attachment/container-addresses.ts';
import { type NodeDoors, withNodeDoors } from '../../attachment/node-doors.ts';
import { applyBandwidth, checkBandwidth, collectBandwidth, removeBandwidth } from './bandwidth.ts';
import { type BandwidthConfig, parseBandwidthConfig } from './config.ts';
import type { BandwidthAttachment } from './plan.ts';

type Request = PluginRequest<BandwidthConfig>;

function attachmentOf(request: Request, doors: NodeDoors): BandwidthAttachment {
  const { ifName, config } = request;
  const netns = openNetns(request.netns);
  try {
    return { ...identityOf(request), ...config, ...hostEnd(netns, ifName, doors) };
  } finally {
    netns.close();
  }
}

/** The node's end of the container's veth pair. */
function hostEnd(
  netns: Netns,
  ifName: string,
  doors: NodeDoors,
): Pick<BandwidthAttachment, 'hostInterface' | 'mtuBytes'> {
  const inside = doors.openRtnl(netns);
  const link = inside.link(ifName);
  inside.close();
  const peer = link?.peerIndex === undefined ? undefined : doors.rtnl.link(link.peerIndex);
  if (link?.kind !== 'veth' || peer?.kind !== 'veth') {
    const found = link ? `is ${link.kind === undefined ? 'no veth' : `a ${link.kind}`}` : 'does not exist';
    throw new PodnetError(
      `Bandwidth can be limited at veth pairs whose other end is on the node only: ${ifName} ${found}`,
      {
        code: 'no-host-interface',
        where: `interface ${ifName} of the container`,
        fix: 'Put this plugin behind one that makes a veth pair: podnet, bridge or ptp.',
      },
    );
  }
  return { hostInterface: peer.name, mtuBytes: peer.mtuBytes };
}

function isLimited({ bandwidth }: BandwidthConfig): boolean {
  return Object.values(bandwidth).some((value) => value !== undefined && value !== 0);
}

/** Limits what goes to and comes from the container: the capability `bandwidth`. */
export const plugin = definePlugin<BandwidthConfig>({
  type: 'bandwidth',
  chained: true,
  parse: parseBandwidthConfig,
  add(request) {
    if (!isLimited(request.config)) return passOn(request);
    return withNodeDoors((doors) => {
      const { egress, device } = applyBandwidth(attachmentOf(request, doors), doors);
      if (!egress) return passOn(request);
      const { interfaces = [], ...rest } = passOn(request);
      const mac = doors.rtnl.link(device)?.mac;
      const others = interfaces.filter(({ name }) => name !== device);
      return { ...rest, interfaces: [...others, { name: device, ...(mac !== undefined && { mac }) }] };
    });
  },
  del(request) {
    withNodeDoors(({ rtnl }) =>
      removeBandwidth(identityOf(request), (link) => discardLink(rtnl, link, { later: request.longLived })),
    );
  },
  check(request) {
    if (!isLimited(request.config)) return;
    withNodeDoors((doors) => checkBandwidth(attachmentOf(request, doors), doors));
  },
  gc({ network, validAttachments, longLived }) {
    withNodeDoors(({ rtnl }) => {
      const discard = (link: string): void => discardLink(rtnl, link, { later: longLived });
      collectBandwidth(network.name, validAttachments, { rtnl, discard });
    });
  },
});
