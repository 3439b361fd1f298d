import type { Client } from '../../cluster/client.ts';
import type { Clock } from '../../cluster/clock.ts';
import type { PodNetwork } from '../../cni/pod-network.ts';
import type { Netns } from '../../kernel/netns.ts';

export interface KubeletOptions {
  readonly client: Client;
  readonly nodeName: string;
  /** The node's own addresses, IPv4 first: `InternalIP` of the Node, `hostIP` of its pods. */
  readonly nodeAddresses: readonly string[];
  /** The node's network namespace. The calling thread lives in it: probes leave from there. */
  readonly netns: Netns;
  readonly podNetwork: PodNetwork;
  /** `/run/podnet`, on a tmpfs of the lab's own. The kubelet keeps to `nodes/<nodeName>` below it. */
  readonly runtimeDirectory: string;
  /** Addresses of the cluster DNS. */
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** The text of the node's own resolv.conf; empty when it has none. */
  readonly nodeResolvConf?: string;
  readonly nodeLabels?: Readonly<Record<string, string>>;
  /** `status.capacity.pods` */
  readonly maxPods?: number;
  /** `status.nodeInfo.kubeletVersion` */
  readonly version?: string;
  readonly clock?: Clock;
  /** Told of what went wrong and is not said by an Event; the kubelet goes on. */
  readonly onError?: (error: unknown) => void;
}

export interface Kubelet {
  /** `${runtimeDirectory}/nodes/${nodeName}/kubelet.sock`: logs, exec, attach, port forwarding. */
  readonly socketPath: string;
  /** Resolves when the Node is registered, the pods are known and the socket listens. */
  readonly ready: Promise<void>;
  /** Runs until the signal aborts; then kills every workload and gives back every pod's network. */
  run(signal: AbortSignal): Promise<void>;
}

/** One node's kubelet. Nothing is inherited from an earlier one: its namespaces and programs died with it. */
export function createKubelet(options: KubeletOptions): Kubelet {
  throw new Error(`not yet: ${options.nodeName}`);
}
