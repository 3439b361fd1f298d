/** What requests about qdiscs, classes and filters share: struct tcmsg and TCA_* (linux/rtnetlink.h). */
import { Attributes } from '../netlink/attributes.ts';
import { MessageWriter } from '../netlink/message.ts';
import type { TcHandle } from './handle.ts';
import type { TrafficStatistics } from './traffic-control.ts';

export const TCA = { KIND: 1, OPTIONS: 2, STATS2: 7 } as const;
const STATS = { BASIC: 1, QUEUE: 3 } as const;

export interface TcHeader {
  readonly link: number;
  readonly handle?: TcHandle;
  readonly parent?: TcHandle;
  readonly info?: number;
}

/** Begins a message: family, padding, interface index, handle, parent, info. */
export function tcMessage(type: number, flags: number, header: TcHeader): MessageWriter {
  const { link, handle = 0, parent = 0, info = 0 } = header;
  return new MessageWriter(type, flags).u32(0).i32(link).u32(handle).u32(parent).u32(info);
}

/** Reads header and attributes back. */
export function readTcMessage(payload: Buffer): Required<TcHeader> & { readonly attributes: Attributes } {
  return {
    link: payload.readInt32LE(4),
    handle: payload.readUInt32LE(8),
    parent: payload.readUInt32LE(12),
    info: payload.readUInt32LE(16),
    attributes: new Attributes(payload, 20),
  };
}

/** struct gnet_stats_basic, struct gnet_stats_queue (linux/gen_stats.h) */
export function readStatistics(attributes: Attributes): TrafficStatistics {
  const all = attributes.nested(TCA.STATS2);
  const basic = all?.get(STATS.BASIC);
  const queue = all?.get(STATS.QUEUE);
  return {
    bytes: basic?.readBigUInt64LE(0) ?? 0n,
    packets: basic?.readUInt32LE(8) ?? 0,
    backlogBytes: queue?.readUInt32LE(4) ?? 0,
    drops: queue?.readUInt32LE(8) ?? 0,
    overlimits: queue?.readUInt32LE(16) ?? 0,
  };
}

const TC_LINKLAYER_ETHERNET = 1;

/**
 * struct tc_ratespec: cell_log, linklayer, overhead, cell_align, mpu, rate in bytes a second. With a link layer named
 * the kernel needs no rate table. Faster than 32 bits can say goes in an attribute of its own.
 */
export function rateSpec(rateBytesPerSecond: number): Buffer {
  const spec = Buffer.alloc(12);
  spec.writeUInt8(TC_LINKLAYER_ETHERNET, 1);
  spec.writeUInt32LE(Math.min(rateBytesPerSecond, 0xffff_ffff), 8);
  return spec;
}

/** @throws RangeError unless the number can be written in an unsigned integer of so many bits, and is at least 1 */
export function checkCount(what: string, value: number, bits: 32 | 53): number {
  if (Number.isInteger(value) && value >= 1 && value < 2 ** bits) return value;
  throw new RangeError(`${what} must be a whole number from 1 to ${2 ** bits - 1}, not ${value}`);
}
