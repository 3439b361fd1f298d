/** RTM_*LINK of the family AF_BRIDGE: the VLANs of bridges and ports; and IFLA_BRPORT_* of ports (linux/if_bridge.h). */
import { AF } from '../ffi-sockets.ts';
import { Attributes } from '../netlink/attributes.ts';
import { MessageWriter, type NetlinkMessage } from '../netlink/message.ts';
import {
  type BridgePortProperties,
  type BridgeProperties,
  type BridgeVlan,
  type BridgeVlanSpec,
  checkVlanRange,
} from './bridge.ts';
import { RTM_LINK, ifinfomsg } from './ifinfomsg.ts';
import type { ResolveLink } from './link-codec.ts';

const IFLA = { AF_SPEC: 26, EXT_MASK: 29 } as const;
const IFLA_BRIDGE = { FLAGS: 0, VLAN_INFO: 2 } as const;
const IFLA_BR = { VLAN_FILTERING: 7, MCAST_SNOOPING: 23 } as const;
const IFLA_BRPORT = { MODE: 4, ISOLATED: 33 } as const;
const BRIDGE_FLAGS_SELF = 2;
const VLAN_INFO = { PVID: 2, UNTAGGED: 4, RANGE_BEGIN: 8, RANGE_END: 16 } as const;
const RTEXT_FILTER_BRVLAN_COMPRESSED = 1 << 2;

/** IFLA_INFO_DATA of a bridge. */
export function encodeBridge(writer: MessageWriter, properties: Partial<BridgeProperties>): void {
  const { vlanFiltering, multicastSnooping } = properties;
  if (vlanFiltering !== undefined) writer.attrU8(IFLA_BR.VLAN_FILTERING, Number(vlanFiltering));
  if (multicastSnooping !== undefined) writer.attrU8(IFLA_BR.MCAST_SNOOPING, Number(multicastSnooping));
}

export function decodeBridge(data: Attributes): BridgeProperties {
  return {
    vlanFiltering: data.u8(IFLA_BR.VLAN_FILTERING) === 1,
    multicastSnooping: data.u8(IFLA_BR.MCAST_SNOOPING) === 1,
  };
}

/** IFLA_INFO_SLAVE_DATA of a bridge's port. */
export function encodeBridgePort(writer: MessageWriter, properties: Partial<BridgePortProperties>): void {
  const { hairpin, isolated } = properties;
  if (hairpin !== undefined) writer.attrU8(IFLA_BRPORT.MODE, Number(hairpin));
  if (isolated !== undefined) writer.attrU8(IFLA_BRPORT.ISOLATED, Number(isolated));
}

export function decodeBridgePort(data: Attributes): BridgePortProperties {
  return { hairpin: data.u8(IFLA_BRPORT.MODE) === 1, isolated: data.u8(IFLA_BRPORT.ISOLATED) === 1 };
}

export function encodeAddBridgeVlan(spec: BridgeVlanSpec, resolve: ResolveLink): NetlinkMessage {
  return encodeVlan(RTM_LINK.SET, spec, resolve).finish(() => `add ${describe(spec)}`);
}

export function encodeDeleteBridgeVlan(spec: BridgeVlanSpec, resolve: ResolveLink): NetlinkMessage {
  return encodeVlan(RTM_LINK.DEL, spec, resolve).finish(() => `delete ${describe(spec)}`);
}

/** struct bridge_vlan_info: flags, VLAN; a range is one that begins and one that ends it. */
function encodeVlan(type: number, spec: BridgeVlanSpec, resolve: ResolveLink): MessageWriter {
  checkVlanRange(spec);
  const { first, last = first, pvid, untagged, self } = spec;
  const writer = ifinfomsg(new MessageWriter(type, 0), { family: AF.BRIDGE, index: resolve(spec.link) });
  const flags = (pvid ? VLAN_INFO.PVID : 0) | (untagged ? VLAN_INFO.UNTAGGED : 0);
  const entry = (flag: number, vlan: number): void => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt16LE(flags | flag, 0);
    bytes.writeUInt16LE(vlan, 2);
    writer.attrBytes(IFLA_BRIDGE.VLAN_INFO, bytes);
  };
  return writer.attrNested(IFLA.AF_SPEC, () => {
    if (self) writer.attrU16(IFLA_BRIDGE.FLAGS, BRIDGE_FLAGS_SELF);
    if (first === last) return entry(0, first);
    entry(VLAN_INFO.RANGE_BEGIN, first);
    entry(VLAN_INFO.RANGE_END, last);
  });
}

function describe({ link, first, last = first, pvid, untagged, self }: BridgeVlanSpec): string {
  const words = [`VLAN ${first === last ? first : `${first}-${last}`} of ${link}`];
  if (pvid) words.push('pvid');
  if (untagged) words.push('untagged');
  if (self) words.push('self');
  return words.join(' ');
}

export function encodeListBridgeVlans(): NetlinkMessage {
  const writer = ifinfomsg(new MessageWriter(RTM_LINK.GET, 0), { family: AF.BRIDGE });
  return writer.attrU32(IFLA.EXT_MASK, RTEXT_FILTER_BRVLAN_COMPRESSED).finish('list VLANs of bridges');
}

export function decodeBridgeVlans(payload: Buffer): BridgeVlan[] {
  const link = payload.readInt32LE(4);
  const vlans: BridgeVlan[] = [];
  let first: number | undefined;
  for (const { type, payload: info } of new Attributes(payload, 16).nested(IFLA.AF_SPEC)?.list() ?? []) {
    if (type !== IFLA_BRIDGE.VLAN_INFO || info.length < 4) continue;
    const [flags, vlan] = [info.readUInt16LE(0), info.readUInt16LE(2)];
    if (flags & VLAN_INFO.RANGE_BEGIN) {
      first = vlan;
      continue;
    }
    const pvid = (flags & VLAN_INFO.PVID) !== 0;
    const untagged = (flags & VLAN_INFO.UNTAGGED) !== 0;
    vlans.push({ link, first: first ?? vlan, last: vlan, pvid, untagged });
    first = undefined;
  }
  return vlans;
}
