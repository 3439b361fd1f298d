/** Handles name qdiscs and classes (linux/pkt_sched.h, TC_H_*). */

/** `16:1` of tc(8) as a number: major number in the high 16 bits. */
export type TcHandle = number;

/** @throws RangeError unless both are 16 bits */
export function tcHandle(major: number, minor = 0): TcHandle {
  for (const part of [major, minor]) {
    if (!Number.isInteger(part) || part < 0 || part > 0xffff) {
      throw new RangeError(`${part} is no half of a traffic control handle`);
    }
  }
  return ((major << 16) | minor) >>> 0;
}

/** As tc(8) writes it, in hexadecimal. */
export function printTcHandle(handle: TcHandle): string {
  if (handle === ROOT) return 'root';
  const minor = handle & 0xffff;
  return `${(handle >>> 16).toString(16)}:${minor === 0 ? '' : minor.toString(16)}`;
}

/** Parent of a link's outermost qdisc. */
export const ROOT: TcHandle = 0xffff_ffff;
/** Parent of `ingress` and `clsact`. */
export const INGRESS: TcHandle = 0xffff_fff1;
/** Where the filters of a qdisc `ingress` hang. */
export const INGRESS_FILTERS: TcHandle = 0xffff_0000;
