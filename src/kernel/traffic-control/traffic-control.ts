/**
 * The door to traffic control (tc(8), linux/pkt_sched.h, linux/pkt_cls.h) of one network namespace: queueing
 * disciplines, their classes, and filters. Everything is synchronous and takes effect before the call returns.
 * Failures are `NetlinkError`s that carry the request; ask for a reason with `isErrno(error, 'EEXIST')`.
 *
 * `openTrafficControl` (kernel-traffic-control.ts) is the kernel's; `createFakeTrafficControl`
 * (fake-traffic-control.ts) keeps it all in memory for tests.
 */
import type { LinkRef } from '../rtnl/rtnl.ts';
import type { TcHandle } from './handle.ts';

export { openTrafficControl } from './kernel-traffic-control.ts';
export { createFakeTrafficControl } from './fake-traffic-control.ts';

/** A token bucket filter (tc-tbf(8)). The kernel sends at most `burstBytes` at once, and so no longer packet. */
export interface TbfOptions {
  readonly kind: 'tbf';
  readonly rateBytesPerSecond: number;
  readonly burstBytes: number;
  /** What may wait for tokens; beyond it packets are dropped. */
  readonly limitBytes: number;
}

/** A hierarchy of classes (tc-htb(8)). */
export interface HtbOptions {
  readonly kind: 'htb';
  /** Minor number of the class for what no filter places; 0, which is not limited, unless told. */
  readonly defaultClass?: number;
}

export type QdiscOptions =
  | TbfOptions
  | HtbOptions
  | { readonly kind: 'ingress' }
  | { readonly kind: 'clsact' };

export interface QdiscSpec {
  readonly link: LinkRef;
  /** `INGRESS` for `ingress` and `clsact`, `ROOT` for others, unless told. */
  readonly parent?: TcHandle;
  /** The kernel picks one unless told. */
  readonly handle?: TcHandle;
  readonly options: QdiscOptions;
}

/** What passed through a qdisc or class, and what did not. */
export interface TrafficStatistics {
  readonly bytes: bigint;
  readonly packets: number;
  readonly drops: number;
  /** How often a packet had to wait. */
  readonly overlimits: number;
  readonly backlogBytes: number;
}

export interface Qdisc {
  /** Index of the link. */
  readonly link: number;
  readonly parent: TcHandle;
  readonly handle: TcHandle;
  readonly kind: string;
  /** Undefined for kinds this door does not make. A `tbf`'s burst comes rounded, see `sameTbf`. */
  readonly options: QdiscOptions | undefined;
  readonly statistics: TrafficStatistics;
}

/** A class of an `htb`. */
export interface TrafficClassSpec {
  readonly link: LinkRef;
  readonly parent: TcHandle;
  readonly handle: TcHandle;
  readonly rateBytesPerSecond: number;
  readonly burstBytes: number;
}

export interface TrafficClass {
  readonly link: number;
  readonly parent: TcHandle;
  readonly handle: TcHandle;
  readonly kind: string;
  readonly rateBytesPerSecond: number;
  readonly statistics: TrafficStatistics;
}

/** A condition on packets of one IP family. */
export interface AddressMatch {
  readonly field: 'source' | 'destination';
  /** `10.0.0.0/8`, `2001:db8::/32`. */
  readonly prefix: string;
}

/** A `u32` filter (tc-u32(8)): takes every packet, or those that match, and does one thing with them. */
export interface FilterSpec {
  readonly link: LinkRef;
  /** The qdisc that asks: `INGRESS_FILTERS` for what comes in. */
  readonly parent: TcHandle;
  /** 1 to 65535; the lowest is asked first. Filters of one priority have one protocol. */
  readonly priority: number;
  /** All packets unless told. */
  readonly match?: AddressMatch;
  readonly action:
    | { readonly kind: 'class'; readonly handle: TcHandle }
    /** Take the packet away and send it out by another link (tc-mirred(8)). */
    | { readonly kind: 'redirect'; readonly to: LinkRef };
}

export interface Filter {
  readonly link: number;
  readonly parent: TcHandle;
  readonly priority: number;
  readonly kind: string;
  readonly match: AddressMatch | undefined;
  /** Undefined for actions this door does not make. */
  readonly action:
    | { readonly kind: 'class'; readonly handle: TcHandle }
    | { readonly kind: 'redirect'; readonly to: number }
    | undefined;
}

export interface TrafficControl {
  /** Fails with EEXIST when one was put there before. */
  addQdisc(spec: QdiscSpec): void;
  /** Puts it there, in place of one of another kind, or changes the one that is there. */
  replaceQdisc(spec: QdiscSpec): void;
  /** Deletes the qdisc with its classes and filters. Fails with ENOENT or EINVAL when none was put there. */
  deleteQdisc(link: LinkRef, parent: TcHandle): void;
  /** The one at `parent`; undefined when there is none, or the link's default. */
  qdisc(link: LinkRef, parent: TcHandle): Qdisc | undefined;
  /** All that were put on the link, or on any. */
  qdiscs(link?: LinkRef): Qdisc[];
  addClass(spec: TrafficClassSpec): void;
  classes(link: LinkRef): TrafficClass[];
  addFilter(spec: FilterSpec): void;
  /** All filters of one priority, or of all. */
  deleteFilters(link: LinkRef, parent: TcHandle, priority?: number): void;
  filters(link: LinkRef, parent: TcHandle): Filter[];
  close(): void;
}
