import { mkdirSync, rmSync } from 'node:fs';
import type { PodNetwork } from '../../cni/pod-network.ts';
import { createNetns, type Netns } from '../../kernel/netns.ts';
import type { Pod } from '../../model/objects.ts';
import { bandwidthOf, portMappingsOf } from './pod-traffic.ts';
import { createPodNamespaces, type PodNamespaces } from '../workloads/isolate/pod-namespaces.ts';

/** The id a pod's sandbox has for its network: a pod has one sandbox in its life on the node. */
export function sandboxId(podUid: string): string {
  return podUid;
}

/** What stays while the containers of a pod come and go: its network, host name, IPC, and its directory. */
export interface PodSandbox {
  readonly netns: Netns;
  readonly namespaces: PodNamespaces;
  readonly addresses: readonly string[];
  /** `${nodeDirectory}/pods/${uid}` */
  readonly directory: string;
  /** Gives the network back; what is on disk stays until `remove`. */
  release(): Promise<void>;
  remove(): void;
}

export interface SandboxOptions {
  readonly pod: Pod;
  readonly podNetwork: PodNetwork;
  /** The node's namespace and addresses, for `hostNetwork`. */
  readonly nodeNetns: Netns;
  readonly nodeAddresses: readonly string[];
  readonly nodeDirectory: string;
  /** What the containers see as their host name. */
  readonly hostname: string;
}

/** Throws what `PodNetwork.add` throws; nothing is left behind then. */
export async function createSandbox(options: SandboxOptions): Promise<PodSandbox> {
  const { pod, podNetwork, nodeNetns, nodeAddresses, nodeDirectory, hostname } = options;
  const { namespace = '', name = '', uid = '' } = pod.metadata ?? {};
  const directory = `${nodeDirectory}/pods/${uid}`;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  if (pod.spec?.hostNetwork === true) {
    const namespaces = createPodNamespaces(nodeNetns, hostname, directory);
    return {
      netns: nodeNetns,
      namespaces,
      addresses: nodeAddresses,
      directory,
      remove,
      release: async () => namespaces.close(),
    };
  }
  const containerId = sandboxId(uid);
  const netns = createNetns();
  const namespaces = createPodNamespaces(netns, hostname, directory);
  try {
    const [portMappings, bandwidth] = [portMappingsOf(pod), bandwidthOf(pod)];
    const { addresses } = await podNetwork.add({
      containerId,
      namespace,
      name,
      uid,
      netns,
      ...(portMappings.length > 0 && { portMappings }),
      ...(bandwidth && { bandwidth }),
    });
    return {
      netns,
      namespaces,
      addresses,
      directory,
      remove,
      async release() {
        try {
          await podNetwork.del({ containerId });
        } finally {
          namespaces.close();
          netns.close();
        }
      },
    };
  } catch (error) {
    netns.close();
    await podNetwork.del({ containerId }).catch(() => {});
    remove();
    throw error;
  }
}
