import type { LinkMode } from '../../../src/cni/pod-network.ts';

/** When a worker kills itself: just before or after something of an ADD or DEL. */
export const moments = [
  'before the address is written',
  'after the address is written',
  'after the veth pair is made',
  'after the pod’s end is set up',
  'after the node’s end is set up',
  'after the link is out of service',
  'before the address is given back',
  'after the address is given back',
] as const;

export type Moment = (typeof moments)[number];

export interface CrashJob {
  /** `agent`: one process has the network. `podnet`, `host-local`: the plugin of that name, without an agent. */
  readonly kind: 'agent' | 'podnet' | 'host-local';
  readonly pods: readonly { readonly containerId: string; readonly netns: string }[];
  /** The worker's own, with a line an answer: `ADD CONTAINER ADDRESS`, `DEL CONTAINER` before it asks. */
  readonly answers: string;
  readonly linkMode: LinkMode;
  readonly podCidr: string;
  /** The SQLite file of `agent`, the configuration of a plugin. */
  readonly databasePath: string;
  readonly config: Readonly<Record<string, unknown>>;
  /** Kills itself the `occurrence`th time it comes there; without it runs until it is done. */
  readonly moment?: Moment;
  readonly occurrence: number;
}
