import type { Netns } from '../kernel/netns.ts';
import type { Rtnl } from '../kernel/rtnl/rtnl.ts';
import type { Bandwidth, PortMapping } from './spec/runtime-config.ts';

/** A pod's sandbox: the namespace that keeps the pod's address while its containers come and go. */
export interface Sandbox {
  /** Unique for the life of the node, as a container runtime gives it: 1 to 64 of `[A-Za-z0-9_.-]`. */
  readonly containerId: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly netns: Netns;
  /** A door to that namespace, if one is open already. It stays open. */
  readonly rtnl?: Rtnl;
  /** The name of the network it joins; `podnet` unless told. */
  readonly network?: string;
  /** Of the pod's end; `eth0` unless told. */
  readonly interfaceName?: string;
  /** Addresses of the node's pod CIDRs that it shall have, at most one of each; the next in turn unless told. */
  readonly requestedAddresses?: readonly string[];
  /** Addresses that somebody else's IPAM gave it: the node's own is not asked. */
  readonly assignedAddresses?: readonly string[];
  /** Of the pod's end; made of its first address unless told. */
  readonly mac?: string;
  /** Ports of the node that lead to the pod (`hostPort`), as in CNI's capability `portMappings`. */
  readonly portMappings?: readonly PortMapping[];
  /** Limits of the pod's traffic, as in CNI's capability `bandwidth`. */
  readonly bandwidth?: Bandwidth;
}

/**
 * How pods are connected: `routed` by a link of their own with a route to each, or `bridge` as ports of `cbr0`, which
 * has the gateway's address of the node's pod CIDR.
 */
export type LinkMode = 'routed' | 'bridge';

export const linkModes = ['routed', 'bridge'] as const satisfies readonly LinkMode[];

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
  del(sandbox: Pick<Sandbox, 'containerId' | 'interfaceName'>): Promise<void>;
}
