/**
 * RTM_*TFILTER of the classifier u32 with the action mirred (linux/pkt_cls.h, linux/tc_act/tc_mirred.h). A u32 key is
 * a 32 bit word of the packet, counted from its network header, with a mask and a value.
 */
import { type Cidr, formatCidr, ipFromBytes, ipToBytes, parseCidr } from '../../model/ip.ts';
import type { Attributes } from '../netlink/attributes.ts';
import { type MessageWriter, NLM_F, type NetlinkMessage } from '../netlink/message.ts';
import { TCA, readTcMessage, tcMessage } from './codec.ts';
import { type TcHandle, printTcHandle } from './handle.ts';
import type { AddressMatch, Filter, FilterSpec } from './traffic-control.ts';

export const RTM_FILTER = { NEW: 44, DEL: 45, GET: 46 } as const;

const U32 = { CLASSID: 1, SEL: 5, ACT: 7 } as const;
const ACT = { KIND: 1, OPTIONS: 2 } as const;
const MIRRED_PARMS = 2;
const TCA_EGRESS_REDIR = 1;
const TC_ACT_STOLEN = 4;
const TC_U32_TERMINAL = 1;
/** struct tc_u32_sel without its keys. */
const SELECTOR_LENGTH = 16;
const KEY_LENGTH = 16;
const ETHERTYPES = { all: 0x0003, 4: 0x0800, 6: 0x86dd } as const;
const OFFSETS = { 4: { source: 12, destination: 16 }, 6: { source: 8, destination: 24 } } as const;

/** tcm_info: the priority, and the Ethernet protocol in network order. */
function filterInfo(priority: number, protocol: number): number {
  const swapped = ((protocol & 0xff) << 8) | (protocol >>> 8);
  return ((priority << 16) | swapped) >>> 0;
}

/** `redirectTo` is the index of the link an action names. */
export function encodeAddFilter(spec: FilterSpec, link: number, redirectTo: number): NetlinkMessage {
  const { parent, priority, match, action } = spec;
  if (!Number.isInteger(priority) || priority < 1 || priority > 0xffff) {
    throw new RangeError(`The priority of a filter is 1 to 65535, not ${priority}`);
  }
  const cidr = match && parseCidr(match.prefix);
  const info = filterInfo(priority, ETHERTYPES[cidr?.family ?? 'all']);
  const writer = tcMessage(RTM_FILTER.NEW, NLM_F.CREATE | NLM_F.EXCL, { link, parent, info });
  writer.attrString(TCA.KIND, 'u32').attrNested(TCA.OPTIONS, () => {
    if (action.kind === 'class') writer.attrU32(U32.CLASSID, action.handle);
    else encodeRedirect(writer, redirectTo);
    writer.attrBytes(U32.SEL, selector(match && cidr && { field: match.field, cidr }));
  });
  return writer.finish(() => describeFilter(spec));
}

function encodeRedirect(writer: MessageWriter, to: number): void {
  // struct tc_mirred: index, capab, action, refcnt, bindcnt, eaction, ifindex
  const parameters = Buffer.alloc(28);
  parameters.writeUInt32LE(TC_ACT_STOLEN, 8);
  parameters.writeUInt32LE(TCA_EGRESS_REDIR, 20);
  parameters.writeUInt32LE(to, 24);
  const first = 1;
  writer.attrNested(U32.ACT, () =>
    writer.attrNested(first, () => {
      writer.attrString(ACT.KIND, 'mirred');
      writer.attrNested(ACT.OPTIONS, () => writer.attrBytes(MIRRED_PARMS, parameters));
    }),
  );
}

/** Every word of the prefix is a key; without a match one key that asks for nothing. */
function selector(match: { field: AddressMatch['field']; cidr: Cidr } | undefined): Buffer {
  const words = match ? prefixWords(match.cidr) : [{ mask: 0, value: 0 }];
  const start = match ? OFFSETS[match.cidr.family][match.field] : 0;
  const bytes = Buffer.alloc(SELECTOR_LENGTH + words.length * KEY_LENGTH);
  bytes.writeUInt8(TC_U32_TERMINAL, 0);
  bytes.writeUInt8(words.length, 2);
  for (const [index, { mask, value }] of words.entries()) {
    const at = SELECTOR_LENGTH + index * KEY_LENGTH;
    bytes.writeUInt32BE(mask, at);
    bytes.writeUInt32BE(value, at + 4);
    bytes.writeInt32LE(start + index * 4, at + 8);
  }
  return bytes;
}

function prefixWords(cidr: Cidr): { mask: number; value: number }[] {
  const address = Buffer.from(ipToBytes(cidr));
  const words: { mask: number; value: number }[] = [];
  for (let at = 0; at < address.length && (at === 0 || at * 8 < cidr.prefixLength); at += 4) {
    const length = Math.min(Math.max(cidr.prefixLength - at * 8, 0), 32);
    const mask = length === 0 ? 0 : (0xffff_ffff << (32 - length)) >>> 0;
    words.push({ mask, value: (address.readUInt32BE(at) & mask) >>> 0 });
  }
  return words;
}

export function encodeDeleteFilters(
  link: number,
  parent: TcHandle,
  priority: number | undefined,
): NetlinkMessage {
  const info = priority === undefined ? 0 : filterInfo(priority, 0);
  const writer = tcMessage(RTM_FILTER.DEL, 0, { link, parent, info });
  return writer.finish(`delete filters of link ${link} parent ${printTcHandle(parent)}`);
}

export function encodeListFilters(link: number, parent: TcHandle): NetlinkMessage {
  const writer = tcMessage(RTM_FILTER.GET, 0, { link, parent });
  return writer.finish(`list filters of link ${link} parent ${printTcHandle(parent)}`);
}

/** Undefined for what is no filter: u32 lists its hash tables too. */
export function decodeFilter(payload: Buffer): Filter | undefined {
  const { link, parent, info, attributes } = readTcMessage(payload);
  const options = attributes.nested(TCA.OPTIONS);
  const sel = options?.get(U32.SEL);
  const kind = attributes.string(TCA.KIND) ?? '';
  if (!options || (kind === 'u32' && !sel)) return undefined;
  const match = sel && decodeSelector(sel);
  return { link, parent, priority: info >>> 16, kind, match, action: decodeAction(options) };
}

function decodeAction(options: Attributes): Filter['action'] {
  const [first] = options.nested(U32.ACT)?.list() ?? [];
  const handle = options.u32(U32.CLASSID);
  if (!first) return handle === undefined ? undefined : { kind: 'class', handle };
  const mirred = options.nested(U32.ACT)?.nested(first.type);
  const parameters = mirred?.nested(ACT.OPTIONS)?.get(MIRRED_PARMS);
  if (mirred?.string(ACT.KIND) !== 'mirred' || !parameters) return undefined;
  return parameters.readInt32LE(20) === TCA_EGRESS_REDIR
    ? { kind: 'redirect', to: parameters.readUInt32LE(24) }
    : undefined;
}

/** The one address prefix that the keys ask for; undefined when they ask for nothing, or for something else. */
function decodeSelector(sel: Buffer): AddressMatch | undefined {
  const keys = Array.from({ length: sel.readUInt8(2) }, (_, index) => {
    const at = SELECTOR_LENGTH + index * KEY_LENGTH;
    return {
      mask: sel.readUInt32BE(at),
      value: sel.subarray(at + 4, at + 8),
      offset: sel.readInt32LE(at + 8),
    };
  });
  const offset = keys[0]?.offset;
  const found = ([4, 6] as const)
    .flatMap((family) => (['source', 'destination'] as const).map((field) => ({ family, field })))
    .find(({ family, field }) => OFFSETS[family][field] === offset);
  if (!found) return undefined;
  const bytes = Buffer.alloc(found.family === 4 ? 4 : 16);
  bytes.set(Buffer.concat(keys.map(({ value }) => value)).subarray(0, bytes.length));
  const prefixLength = keys.reduce((sum, { mask }) => sum + (mask === 0 ? 0 : Math.clz32(~mask)), 0);
  return { field: found.field, prefix: formatCidr({ ...ipFromBytes(bytes), prefixLength }) };
}

function describeFilter({ link, parent, priority, match }: FilterSpec): string {
  const words = match ? ` match ${match.field} ${match.prefix}` : '';
  return `add filter u32 dev ${link} parent ${printTcHandle(parent)} pref ${priority}${words}`;
}
