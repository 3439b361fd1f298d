/** How packets travel between nodes, and what that adds to each. */
const OVERHEAD_BYTES = {
  /** Plain routes on a network all nodes share. */
  hostroutes: 0,
} as const;

export type FabricMode = keyof typeof OVERHEAD_BYTES;

/** The largest packet a pod may send so that it fits the uplink with everything the fabric puts around it. */
export function podMtuBytes(uplinkMtuBytes: number, mode: FabricMode = 'hostroutes'): number {
  return uplinkMtuBytes - OVERHEAD_BYTES[mode];
}
