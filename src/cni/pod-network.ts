import type { Netns } from '../kernel/netns.ts';

/** A pod's sandbox: the namespace that keeps the pod's address while its containers come and go. */
export interface Sandbox {
  /** Unique for the life of the node, as a container runtime gives it: 1 to 64 of `[A-Za-z0-9_.-]`. */
  readonly containerId: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly netns: Netns;
}

/** What a pod got. */
export interface PodAttachment {
  /** Addresses without prefix length, IPv4 first. */
  readonly addresses: readonly string[];
  readonly mac: string;
  /** The node's end of the veth pair. */
  readonly hostInterface: string;
  readonly mtuBytes: number;
}

/** The two verbs of CNI that a kubelet needs. Both are idempotent. */
export interface PodNetwork {
  add(sandbox: Sandbox): Promise<PodAttachment>;
  /** Succeeds for a sandbox that was never added. */
  del(sandbox: Pick<Sandbox, 'containerId'>): Promise<void>;
}
