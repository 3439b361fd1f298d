/** RTM_*QDISC with the options of each kind, RTM_*TCLASS of htb (linux/pkt_sched.h). */
import type { Attributes } from '../netlink/attributes.ts';
import { type MessageWriter, NLM_F, type NetlinkMessage } from '../netlink/message.ts';
import { TCA, checkCount, rateSpec, readStatistics, readTcMessage, tcMessage } from './codec.ts';
import { INGRESS, INGRESS_FILTERS, ROOT, type TcHandle, printTcHandle } from './handle.ts';
import { TICK_NS } from './same-tbf.ts';
import type {
  Qdisc,
  QdiscOptions,
  QdiscSpec,
  TbfOptions,
  TrafficClass,
  TrafficClassSpec,
} from './traffic-control.ts';

export const RTM_QDISC = { NEW: 36, DEL: 37, GET: 38 } as const;
export const RTM_CLASS = { NEW: 40, DEL: 41, GET: 42 } as const;

const TBF = { PARMS: 1, RATE64: 4, BURST: 6 } as const;
const HTB = { PARMS: 1, INIT: 2, RATE64: 6, CEIL64: 7 } as const;
const HTB_VERSION = 3;
/** struct tc_tbf_qopt: rate, peak rate, limit, buffer in ticks, mtu. */
const TBF_QOPT_LENGTH = 36;
/** struct tc_htb_opt: rate, ceil, buffer in ticks, cbuffer, quantum, level, prio. */
const HTB_OPT_LENGTH = 44;

export function parentOf({ parent, options }: QdiscSpec): TcHandle {
  return parent ?? (isIngress(options) ? INGRESS : ROOT);
}

function isIngress({ kind }: QdiscOptions): boolean {
  return kind === 'ingress' || kind === 'clsact';
}

export function encodeNewQdisc(spec: QdiscSpec, link: number, verb: 'add' | 'replace'): NetlinkMessage {
  const { options } = spec;
  const flags = NLM_F.CREATE | (verb === 'add' ? NLM_F.EXCL : NLM_F.REPLACE);
  const handle = isIngress(options) ? INGRESS_FILTERS : (spec.handle ?? 0);
  const writer = tcMessage(RTM_QDISC.NEW, flags, { link, handle, parent: parentOf(spec) });
  writer.attrString(TCA.KIND, options.kind);
  if (!isIngress(options)) writer.attrNested(TCA.OPTIONS, () => encodeOptions(writer, options));
  const place = printTcHandle(parentOf(spec));
  return writer.finish(() => `${verb} qdisc ${options.kind} dev ${spec.link} parent ${place}`);
}

function encodeOptions(writer: MessageWriter, options: QdiscOptions): void {
  if (options.kind === 'tbf') encodeTbf(writer, options);
  if (options.kind === 'htb') {
    // struct tc_htb_glob: version, rate2quantum, defcls, debug, direct_pkts
    const glob = Buffer.alloc(20);
    for (const [index, value] of [HTB_VERSION, 10, options.defaultClass ?? 0].entries()) {
      glob.writeUInt32LE(value, index * 4);
    }
    writer.attrBytes(HTB.INIT, glob);
  }
}

function encodeTbf(writer: MessageWriter, options: TbfOptions): void {
  const rate = checkCount('The rate of a tbf, in bytes a second,', options.rateBytesPerSecond, 53);
  const burst = checkCount('The burst of a tbf, in bytes,', options.burstBytes, 32);
  const parameters = Buffer.alloc(TBF_QOPT_LENGTH);
  rateSpec(rate).copy(parameters);
  parameters.writeUInt32LE(checkCount('The limit of a tbf, in bytes,', options.limitBytes, 32), 24);
  writer.attrBytes(TBF.PARMS, parameters).attrU32(TBF.BURST, burst);
  if (rate >= 2 ** 32) writer.attrU64(TBF.RATE64, BigInt(rate));
}

export function encodeDeleteQdisc(link: number, parent: TcHandle): NetlinkMessage {
  const writer = tcMessage(RTM_QDISC.DEL, 0, { link, parent });
  return writer.finish(`delete qdisc of link ${link} parent ${printTcHandle(parent)}`);
}

/** Newer kernels answer only with NLM_F_ECHO; the others tell just the group of listeners. */
export function encodeGetQdisc(link: number, parent: TcHandle): NetlinkMessage {
  const writer = tcMessage(RTM_QDISC.GET, NLM_F.ECHO, { link, parent });
  return writer.finish(`get qdisc of link ${link} parent ${printTcHandle(parent)}`);
}

export function encodeListQdiscs(): NetlinkMessage {
  return tcMessage(RTM_QDISC.GET, 0, { link: 0 }).finish('list qdiscs');
}

/** Undefined for the one the kernel gives every link by itself, which has no handle. */
export function decodeQdisc(payload: Buffer): Qdisc | undefined {
  const { link, handle, parent, attributes } = readTcMessage(payload);
  if (handle === 0) return undefined;
  const kind = attributes.string(TCA.KIND) ?? '';
  const options = decodeOptions(kind, attributes.nested(TCA.OPTIONS));
  return { link, parent, handle, kind, options, statistics: readStatistics(attributes) };
}

function decodeOptions(kind: string, options: Attributes | undefined): QdiscOptions | undefined {
  if (kind === 'ingress' || kind === 'clsact') return { kind };
  if (kind === 'htb') {
    const glob = options?.get(HTB.INIT);
    return glob && { kind, defaultClass: glob.readUInt32LE(8) };
  }
  const parameters = options?.get(TBF.PARMS);
  if (kind !== 'tbf' || !parameters) return undefined;
  const rateBytesPerSecond = Number(options?.u64(TBF.RATE64) ?? parameters.readUInt32LE(8));
  const burstNs = parameters.readUInt32LE(28) * TICK_NS;
  return {
    kind,
    rateBytesPerSecond,
    burstBytes: Math.round((burstNs * rateBytesPerSecond) / 1e9),
    limitBytes: parameters.readUInt32LE(24),
  };
}

export function encodeAddClass(spec: TrafficClassSpec, link: number): NetlinkMessage {
  const { handle, parent, rateBytesPerSecond: rate, burstBytes } = spec;
  checkCount('The rate of a class, in bytes a second,', rate, 53);
  const ticks = Math.min(Math.ceil((burstBytes * (1e9 / TICK_NS)) / rate), 0xffff_ffff);
  const options = Buffer.alloc(HTB_OPT_LENGTH);
  rateSpec(rate).copy(options, 0);
  rateSpec(rate).copy(options, 12);
  options.writeUInt32LE(ticks, 24);
  options.writeUInt32LE(ticks, 28);
  const writer = tcMessage(RTM_CLASS.NEW, NLM_F.CREATE | NLM_F.EXCL, { link, handle, parent });
  writer.attrString(TCA.KIND, 'htb').attrNested(TCA.OPTIONS, () => {
    writer.attrBytes(HTB.PARMS, options);
    if (rate >= 2 ** 32) writer.attrU64(HTB.RATE64, BigInt(rate)).attrU64(HTB.CEIL64, BigInt(rate));
  });
  return writer.finish(() => `add class ${printTcHandle(handle)} dev ${spec.link}`);
}

export function encodeListClasses(link: number): NetlinkMessage {
  return tcMessage(RTM_CLASS.GET, 0, { link }).finish(`list classes of link ${link}`);
}

export function decodeClass(payload: Buffer): TrafficClass {
  const { link, handle, parent, attributes } = readTcMessage(payload);
  const options = attributes.nested(TCA.OPTIONS);
  const rate = options?.u64(HTB.RATE64) ?? options?.get(HTB.PARMS)?.readUInt32LE(8) ?? 0;
  return {
    link,
    handle,
    parent,
    kind: attributes.string(TCA.KIND) ?? '',
    rateBytesPerSecond: Number(rate),
    statistics: readStatistics(attributes),
  };
}
