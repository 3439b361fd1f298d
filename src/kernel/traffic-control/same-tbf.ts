import type { QdiscOptions, TbfOptions } from './traffic-control.ts';

/** The kernel counts time in ticks of this many nanoseconds (PSCHED_SHIFT) and tells a burst in ticks of 32 bits. */
export const TICK_NS = 64;

/**
 * Whether a listed `tbf` is what was asked for. The kernel tells the burst as the time it takes at the rate, rounded
 * and modulo 2^32 ticks, so that is what is compared.
 */
export function sameTbf(listed: QdiscOptions | undefined, wanted: TbfOptions): boolean {
  if (listed?.kind !== 'tbf') return false;
  if (listed.rateBytesPerSecond !== wanted.rateBytesPerSecond || listed.limitBytes !== wanted.limitBytes) {
    return false;
  }
  const ticks = (burst: number): number => (burst * (1e9 / TICK_NS)) / wanted.rateBytesPerSecond;
  const expected = ticks(wanted.burstBytes);
  const difference = Math.abs((expected % 2 ** 32) - (ticks(listed.burstBytes) % 2 ** 32));
  const tolerance = 2 + expected * 1e-6;
  return difference <= tolerance || 2 ** 32 - difference <= tolerance;
}
