/** RTM_*RULE: struct fib_rule_hdr and FRA_* attributes (linux/fib_rules.h). */
import type { IpFamily } from '../../model/ip.ts';
import { Attributes } from '../netlink/attributes.ts';
import { MessageWriter, NLM_F, type NetlinkMessage } from '../netlink/message.ts';
import { PROTOCOL, TABLE, addressFamily, checkLinkName, decodeIp, encodePrefix, ipFamily } from './names.ts';
import type { Rule, RuleSpec } from './rtnl.ts';

export const RTM_RULE = { NEW: 32, DEL: 33, GET: 34 } as const;

const FRA = {
  DST: 1,
  SRC: 2,
  IIFNAME: 3,
  PRIORITY: 6,
  FWMARK: 10,
  TABLE: 15,
  FWMASK: 16,
  OIFNAME: 17,
  PROTOCOL: 21,
} as const;
const ACTIONS = { lookup: 1, blackhole: 6, unreachable: 7, prohibit: 8 } as const;

export function encodeAddRule(spec: RuleSpec): NetlinkMessage {
  return encodeRule(RTM_RULE.NEW, NLM_F.CREATE | NLM_F.EXCL, spec).finish(
    () => `add rule ${describeRule(spec)}`,
  );
}

export function encodeDeleteRule(spec: RuleSpec): NetlinkMessage {
  return encodeRule(RTM_RULE.DEL, 0, spec).finish(() => `delete rule ${describeRule(spec)}`);
}

function encodeRule(type: number, flags: number, spec: RuleSpec): MessageWriter {
  const from = spec.from === undefined ? undefined : encodePrefix(spec.from);
  const to = spec.to === undefined ? undefined : encodePrefix(spec.to);
  const family = spec.family ?? from?.family ?? to?.family ?? 4;
  if ((from && from.family !== family) || (to && to.family !== family)) {
    throw new RangeError(`Rule ${describeRule(spec)} mixes address families`);
  }
  const action = spec.action ?? 'lookup';
  const table = spec.table ?? (action === 'lookup' ? TABLE.main : 0);
  const writer = new MessageWriter(type, flags);
  writer
    .u8(addressFamily(family))
    .u8(to?.prefixLength ?? 0)
    .u8(from?.prefixLength ?? 0)
    .u8(0);
  writer
    .u8(table > 255 ? 0 : table)
    .u8(0)
    .u8(0)
    .u8(ACTIONS[action])
    .u32(0);
  writer.attrU32(FRA.PRIORITY, spec.priority);
  if (table > 255) writer.attrU32(FRA.TABLE, table);
  if (from) writer.attrBytes(FRA.SRC, from.bytes);
  if (to) writer.attrBytes(FRA.DST, to.bytes);
  if (spec.mark !== undefined) writer.attrU32(FRA.FWMARK, spec.mark);
  if (spec.mask !== undefined) writer.attrU32(FRA.FWMASK, spec.mask);
  if (spec.inputInterface !== undefined) writer.attrString(FRA.IIFNAME, checkLinkName(spec.inputInterface));
  if (spec.outputInterface !== undefined) writer.attrString(FRA.OIFNAME, checkLinkName(spec.outputInterface));
  if (type === RTM_RULE.NEW) writer.attrU8(FRA.PROTOCOL, spec.protocol ?? PROTOCOL.static);
  return writer;
}

export function encodeListRules(family: IpFamily): NetlinkMessage {
  const writer = new MessageWriter(RTM_RULE.GET, 0);
  return writer.u8(addressFamily(family)).bytes(Buffer.alloc(11)).finish('list rules');
}

/** Undefined for families that are not IP. */
export function decodeRule(payload: Buffer): Rule | undefined {
  const family = ipFamily(payload.readUInt8(0));
  if (family === undefined) return undefined;
  const attributes = new Attributes(payload, 12);
  const from = attributes.get(FRA.SRC);
  const to = attributes.get(FRA.DST);
  const action = payload.readUInt8(7);
  return {
    family,
    priority: attributes.u32(FRA.PRIORITY) ?? 0,
    from: from && `${decodeIp(from)}/${payload.readUInt8(2)}`,
    to: to && `${decodeIp(to)}/${payload.readUInt8(1)}`,
    mark: attributes.u32(FRA.FWMARK),
    mask: attributes.u32(FRA.FWMASK),
    inputInterface: attributes.string(FRA.IIFNAME),
    outputInterface: attributes.string(FRA.OIFNAME),
    table: attributes.u32(FRA.TABLE) ?? payload.readUInt8(4),
    action: actionName(action),
    protocol: attributes.u8(FRA.PROTOCOL) ?? 0,
  };
}

function actionName(value: number): Rule['action'] {
  for (const name of ['lookup', 'blackhole', 'unreachable', 'prohibit'] as const) {
    if (ACTIONS[name] === value) return name;
  }
  return 'other';
}

function describeRule(spec: RuleSpec): string {
  const words = [`priority ${spec.priority}`];
  if (spec.from !== undefined) words.push(`from ${spec.from}`);
  if (spec.to !== undefined) words.push(`to ${spec.to}`);
  if (spec.mark !== undefined)
    words.push(`fwmark ${spec.mark}${spec.mask === undefined ? '' : `/${spec.mask}`}`);
  if (spec.inputInterface !== undefined) words.push(`iif ${spec.inputInterface}`);
  if (spec.outputInterface !== undefined) words.push(`oif ${spec.outputInterface}`);
  words.push(spec.action && spec.action !== 'lookup' ? spec.action : `lookup ${spec.table ?? TABLE.main}`);
  return words.join(' ');
}
