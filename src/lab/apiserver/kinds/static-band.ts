/**
 * The lower part of a range is for addresses that people choose (KEP-3070, KEP-3668): min(max(16, size/16), 256)
 * addresses, min(max(16, size/32), 128) ports. Dynamic choices begin above it and come back to it only when all else is taken.
 */
export function staticBand(size: number, { divisor, most }: { divisor: number; most: number }): number {
  if (size <= 16) return 0;
  return Math.min(Math.max(16, Math.floor(size / divisor)), most);
}

/** Every candidate once: a random start above the static band, round to it, then the band itself. */
export function* candidates(size: number, band: number): Generator<number> {
  const dynamic = size - band;
  const start = Math.floor(Math.random() * dynamic);
  for (let index = 0; index < dynamic; index += 1) yield band + ((start + index) % dynamic);
  for (let index = 0; index < band; index += 1) yield index;
}
