/** RTM_*ADDR: struct ifaddrmsg and IFA_* attributes (linux/if_addr.h). */
import { type IpFamily, bits } from '../../model/ip.ts';
import { Attributes } from '../netlink/attributes.ts';
import { MessageWriter, NLM_F, type NetlinkMessage } from '../netlink/message.ts';
import type { ResolveLink } from './link-codec.ts';
import { addressFamily, decodeIp, encodeIp, ipFamily, scopeName, scopeNumber } from './names.ts';
import type { Address, AddressSpec } from './rtnl.ts';

export const RTM_ADDR = { NEW: 20, DEL: 21, GET: 22 } as const;

const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8 } as const;
const IFA_F = { NODAD: 0x02, DADFAILED: 0x08, TENTATIVE: 0x40, NOPREFIXROUTE: 0x200 } as const;

export function encodeAddAddress(spec: AddressSpec, resolve: ResolveLink): NetlinkMessage {
  const writer = encodeAddress(RTM_ADDR.NEW, NLM_F.CREATE | NLM_F.REPLACE, spec, resolve);
  const flags = (spec.noDad ? IFA_F.NODAD : 0) | (spec.noPrefixRoute ? IFA_F.NOPREFIXROUTE : 0);
  if (flags) writer.attrU32(IFA.FLAGS, flags);
  return writer.finish(() => `add address ${spec.address}/${spec.prefixLength} dev ${spec.link}`);
}

export function encodeDeleteAddress(
  spec: Pick<AddressSpec, 'link' | 'address' | 'prefixLength'>,
  resolve: ResolveLink,
): NetlinkMessage {
  const writer = encodeAddress(RTM_ADDR.DEL, 0, spec, resolve);
  return writer.finish(() => `delete address ${spec.address}/${spec.prefixLength} dev ${spec.link}`);
}

function encodeAddress(type: number, flags: number, spec: AddressSpec, resolve: ResolveLink): MessageWriter {
  const { family, bytes } = encodeIp(spec.address);
  const { prefixLength } = spec;
  if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > bits(family)) {
    throw new RangeError(`Address ${spec.address} cannot have the prefix length ${prefixLength}`);
  }
  const writer = new MessageWriter(type, flags)
    .u8(addressFamily(family))
    .u8(prefixLength)
    .u8(0)
    .u8(scopeNumber(spec.scope ?? 'universe'))
    .u32(resolve(spec.link))
    .attrBytes(IFA.LOCAL, bytes)
    .attrBytes(IFA.ADDRESS, bytes);
  if (family === 4 && prefixLength < 31) writer.attrBytes(IFA.BROADCAST, broadcast(bytes, prefixLength));
  return writer;
}

/** The last address of the subnet. */
function broadcast(bytes: Uint8Array, prefixLength: number): Uint8Array {
  const result = Uint8Array.from(bytes);
  for (let bit = prefixLength; bit < 32; bit++) {
    const index = bit >> 3;
    result[index] = (result[index] ?? 0) | (0x80 >> (bit & 7));
  }
  return result;
}

export function encodeListAddresses(family?: IpFamily, index = 0): NetlinkMessage {
  const writer = new MessageWriter(RTM_ADDR.GET, 0);
  writer
    .u8(family === undefined ? 0 : addressFamily(family))
    .u8(0)
    .u8(0)
    .u8(0)
    .u32(index);
  return writer.finish('list addresses');
}

/** Undefined for families that are not IP. */
export function decodeAddress(payload: Buffer): Address | undefined {
  const family = ipFamily(payload.readUInt8(0));
  const attributes = new Attributes(payload, 8);
  // With a point-to-point peer IFA_ADDRESS is the peer's; IPv6 without one has no IFA_LOCAL.
  const address = attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS);
  if (family === undefined || !address) return undefined;
  const flags = attributes.u32(IFA.FLAGS) ?? payload.readUInt8(2);
  return {
    family,
    link: payload.readUInt32LE(4),
    address: decodeIp(address),
    prefixLength: payload.readUInt8(1),
    scope: scopeName(payload.readUInt8(3)),
    tentative: (flags & IFA_F.TENTATIVE) !== 0,
    dadFailed: (flags & IFA_F.DADFAILED) !== 0,
  };
}
