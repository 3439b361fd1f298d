/** RTM_*LINK: struct ifinfomsg and IFLA_* attributes (linux/if_link.h). */
import { isIPv4 } from 'node:net';
import { Attributes } from '../netlink/attributes.ts';
import { MessageWriter, NLM_F, type NetlinkMessage } from '../netlink/message.ts';
import { decodeBridge, decodeBridgePort, encodeBridge, encodeBridgePort } from './bridge-codec.ts';
import { IFF, type LinkHeader, RTM_LINK, ifinfomsg } from './ifinfomsg.ts';
import { checkLinkName, decodeIp, decodeMac, encodeIp, encodeMac, operStateName } from './names.ts';
import type { Link, LinkChange, LinkRef, LinkSpec, VxlanProperties, VxlanSpec } from './rtnl.ts';
import { AF } from '../ffi-sockets.ts';

const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  OPERSTATE: 16,
  LINKINFO: 18,
  IFALIAS: 20,
  AF_SPEC: 26,
  GROUP: 27,
  NET_NS_FD: 28,
  EXT_MASK: 29,
} as const;
const INFO = { KIND: 1, DATA: 2, SLAVE_KIND: 4, SLAVE_DATA: 5 } as const;
const VETH_INFO_PEER = 1;
const VXLAN = { ID: 1, GROUP: 2, LINK: 3, LOCAL: 4, LEARNING: 7, PORT: 15, GROUP6: 16, LOCAL6: 17 } as const;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const RTEXT_FILTER_SKIP_STATS = 1 << 3;

/** Turns names into indexes where a message can only carry an index. */
export type ResolveLink = (ref: LinkRef) => number;

/** Begins a message about an existing link; a name goes as an attribute, so that it needs no lookup. */
function aboutLink(
  type: number,
  ref: LinkRef,
  flags: Pick<LinkHeader, 'up' | 'promiscuous'> = {},
): MessageWriter {
  const writer = new MessageWriter(type, 0);
  if (typeof ref === 'number') return ifinfomsg(writer, { ...flags, index: ref });
  return ifinfomsg(writer, flags).attrString(IFLA.IFNAME, checkLinkName(ref));
}

export function encodeAddLink(spec: LinkSpec, resolve: ResolveLink): NetlinkMessage {
  const writer = new MessageWriter(RTM_LINK.NEW, NLM_F.CREATE | NLM_F.EXCL);
  ifinfomsg(writer, { up: spec.up });
  writer.attrString(IFLA.IFNAME, checkLinkName(spec.name));
  if (spec.mtuBytes !== undefined) writer.attrU32(IFLA.MTU, spec.mtuBytes);
  if (spec.mac !== undefined) writer.attrBytes(IFLA.ADDRESS, encodeMac(spec.mac));
  if (spec.master !== undefined) writer.attrU32(IFLA.MASTER, resolve(spec.master));
  if (spec.group !== undefined) writer.attrU32(IFLA.GROUP, spec.group);
  writer.attrNested(IFLA.LINKINFO, () => {
    writer.attrString(INFO.KIND, spec.kind);
    writer.attrNested(INFO.DATA, () => encodeInfoData(writer, spec, resolve));
  });
  return writer.finish(() => describeAddLink(spec));
}

function encodeInfoData(writer: MessageWriter, spec: LinkSpec, resolve: ResolveLink): void {
  switch (spec.kind) {
    case 'veth': {
      const { peer } = spec;
      writer.attrNested(VETH_INFO_PEER, () => {
        ifinfomsg(writer).attrString(IFLA.IFNAME, checkLinkName(peer.name));
        if (peer.mac !== undefined) writer.attrBytes(IFLA.ADDRESS, encodeMac(peer.mac));
        if (peer.mtuBytes !== undefined) writer.attrU32(IFLA.MTU, peer.mtuBytes);
        if (peer.netns) writer.attrU32(IFLA.NET_NS_FD, peer.netns.fd);
      });
      return;
    }
    case 'bridge':
      encodeBridge(writer, spec);
      return;
    case 'vxlan':
      encodeVxlan(writer, spec, resolve);
      return;
    case 'dummy':
    case 'ifb':
      return;
  }
}

function encodeVxlan(writer: MessageWriter, spec: VxlanSpec, resolve: ResolveLink): void {
  writer.attrU32(VXLAN.ID, spec.id);
  writer.attrU16be(VXLAN.PORT, spec.port ?? 4789);
  writer.attrU8(VXLAN.LEARNING, Number(spec.learning ?? true));
  if (spec.link !== undefined) writer.attrU32(VXLAN.LINK, resolve(spec.link));
  for (const [address, v4, v6] of [
    [spec.remote, VXLAN.GROUP, VXLAN.GROUP6],
    [spec.local, VXLAN.LOCAL, VXLAN.LOCAL6],
  ] as const) {
    if (address !== undefined) writer.attrBytes(isIPv4(address) ? v4 : v6, encodeIp(address).bytes);
  }
}

export function encodeSetLink(ref: LinkRef, change: LinkChange, resolve: ResolveLink): NetlinkMessage {
  // A rename carries the new name in IFLA_IFNAME, so the link must be told by index.
  const about = change.name === undefined ? ref : resolve(ref);
  const { bridge, bridgePort } = change;
  const writer = aboutLink(RTM_LINK.NEW, about, change);
  if (change.name !== undefined) writer.attrString(IFLA.IFNAME, checkLinkName(change.name));
  if (change.mtuBytes !== undefined) writer.attrU32(IFLA.MTU, change.mtuBytes);
  if (change.mac !== undefined) writer.attrBytes(IFLA.ADDRESS, encodeMac(change.mac));
  if (change.master !== undefined) {
    writer.attrU32(IFLA.MASTER, change.master === null ? 0 : resolve(change.master));
  }
  if (change.group !== undefined) writer.attrU32(IFLA.GROUP, change.group);
  if (change.netns) writer.attrU32(IFLA.NET_NS_FD, change.netns.fd);
  if (change.alias !== undefined) writer.attrString(IFLA.IFALIAS, change.alias);
  if (bridge || bridgePort) {
    writer.attrNested(IFLA.LINKINFO, () => {
      if (bridge) {
        writer.attrString(INFO.KIND, 'bridge').attrNested(INFO.DATA, () => encodeBridge(writer, bridge));
      }
      if (bridgePort) {
        writer.attrString(INFO.SLAVE_KIND, 'bridge');
        writer.attrNested(INFO.SLAVE_DATA, () => encodeBridgePort(writer, bridgePort));
      }
    });
  }
  if (change.ipv6AddressGeneration !== undefined) {
    const mode = change.ipv6AddressGeneration === 'none' ? 1 : 0;
    writer.attrNested(IFLA.AF_SPEC, () =>
      writer.attrNested(AF.INET6, () => writer.attrU8(IFLA_INET6_ADDR_GEN_MODE, mode)),
    );
  }
  return writer.finish(() => `set link ${ref} ${JSON.stringify(change, withoutNetns)}`);
}

function withoutNetns(key: string, value: unknown): unknown {
  return key === 'netns' ? 'another namespace' : value;
}

export function encodeDeleteLink(ref: LinkRef): NetlinkMessage {
  return aboutLink(RTM_LINK.DEL, ref).finish(`delete link ${ref}`);
}

export function encodeDeleteLinkGroup(group: number): NetlinkMessage {
  const writer = ifinfomsg(new MessageWriter(RTM_LINK.DEL, 0)).attrU32(IFLA.GROUP, group);
  return writer.finish(`delete links of group ${group}`);
}

export function encodeGetLink(ref: LinkRef): NetlinkMessage {
  const writer = aboutLink(RTM_LINK.GET, ref).attrU32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  return writer.finish(`get link ${ref}`);
}

export function encodeListLinks(): NetlinkMessage {
  const writer = ifinfomsg(new MessageWriter(RTM_LINK.GET, 0));
  return writer.attrU32(IFLA.EXT_MASK, RTEXT_FILTER_SKIP_STATS).finish('list links');
}

export function decodeLink(payload: Buffer): Link {
  const flags = payload.readUInt32LE(8);
  const attributes = new Attributes(payload, 16);
  const info = attributes.nested(IFLA.LINKINFO);
  const kind = info?.string(INFO.KIND);
  const data = info?.nested(INFO.DATA);
  const port = info?.string(INFO.SLAVE_KIND) === 'bridge' ? info.nested(INFO.SLAVE_DATA) : undefined;
  return {
    index: payload.readInt32LE(4),
    name: attributes.string(IFLA.IFNAME) ?? '',
    kind,
    up: (flags & IFF.UP) !== 0,
    operState: operStateName(attributes.u8(IFLA.OPERSTATE) ?? 0),
    loopback: (flags & IFF.LOOPBACK) !== 0,
    promiscuous: (flags & IFF.PROMISC) !== 0,
    mtuBytes: attributes.u32(IFLA.MTU) ?? 0,
    mac: decodeMac(attributes.get(IFLA.ADDRESS)),
    master: attributes.u32(IFLA.MASTER),
    group: attributes.u32(IFLA.GROUP) ?? 0,
    alias: attributes.string(IFLA.IFALIAS),
    peerIndex: attributes.u32(IFLA.LINK) || undefined,
    vxlan: kind === 'vxlan' && data ? decodeVxlan(data) : undefined,
    bridge: kind === 'bridge' && data ? decodeBridge(data) : undefined,
    bridgePort: port && decodeBridgePort(port),
  };
}

function decodeVxlan(data: Attributes): VxlanProperties {
  const remote = data.get(VXLAN.GROUP) ?? data.get(VXLAN.GROUP6);
  const local = data.get(VXLAN.LOCAL) ?? data.get(VXLAN.LOCAL6);
  return {
    id: data.u32(VXLAN.ID) ?? 0,
    port: data.u16be(VXLAN.PORT) ?? 0,
    learning: data.u8(VXLAN.LEARNING) === 1,
    ...(remote && { remote: decodeIp(remote) }),
    ...(local && { local: decodeIp(local) }),
  };
}

function describeAddLink(spec: LinkSpec): string {
  const words = [`add link ${spec.name} type ${spec.kind}`];
  if (spec.kind === 'veth') {
    const { netns, name } = spec.peer;
    words.push(`peer ${name}${netns ? ` in net:[${netns.inode}]` : ''}`);
  }
  if (spec.kind === 'vxlan') words.push(`id ${spec.id}`);
  if (spec.mtuBytes !== undefined) words.push(`mtu ${spec.mtuBytes}`);
  if (spec.mac !== undefined) words.push(`address ${spec.mac}`);
  if (spec.master !== undefined) words.push(`master ${spec.master}`);
  return words.join(' ');
}
