/** What pods get beside their link: ports of the node that lead to them, and limits of their traffic. */
import { isErrno } from '../kernel/ffi.ts';
import type { Netns } from '../kernel/netns.ts';
import type { AttachmentKey } from './ipam.ts';
import { POD_NETWORK, type PodLinkPlan, TRASH_LINK_GROUP } from './pod-link-plan.ts';
import type { Sandbox } from './pod-network.ts';
import { applyBandwidth, collectBandwidth, removeBandwidth } from './plugins/bandwidth/bandwidth.ts';
import { type NodeDoors, openNodeDoors } from './attachment/node-doors.ts';
import type { OwnerIdentity } from './attachment/owner.ts';
import { applyPortMappings, collectPortMappings, removePortMappings } from './plugins/portmap/portmap.ts';

export interface PodTraffic {
  /** Opens and limits what the sandbox asks for; nothing is asked of the kernel when that is nothing. */
  apply(sandbox: Pick<Sandbox, 'portMappings' | 'bandwidth'>, pod: AttachmentKey, plan: PodLinkPlan): void;
  /** Nothing happens when the pod had neither. */
  remove(pod: AttachmentKey): void;
  /** Removes what belongs to pods that are not in the list. */
  retain(pods: readonly AttachmentKey[]): void;
  close(): void;
}

/** In the node's namespace; the calling thread's unless told. The plugins portmap and bandwidth do the same. */
export function createPodTraffic(netns?: Netns): PodTraffic {
  let opened: NodeDoors | undefined;
  const doors = (): NodeDoors => (opened ??= openNodeDoors(netns));
  /** It is deleted with the pods' links. */
  function discard(link: string): void {
    try {
      doors().rtnl.setLink(link, { up: false, group: TRASH_LINK_GROUP });
    } catch (error) {
      if (!isErrno(error, 'ENODEV')) throw error;
    }
  }
  return {
    apply({ portMappings = [], bandwidth = {} }, pod, plan) {
      const identity = identityOf(pod);
      if (portMappings.some(({ hostPort }) => hostPort > 0)) {
        const addresses = plan.pod.addresses.map(({ address, prefixLength }) => `${address}/${prefixLength}`);
        applyPortMappings({ ...identity, addresses, mappings: portMappings }, doors());
      }
      if (Object.values(bandwidth).some((value) => value !== undefined && value > 0)) {
        const { mtuBytes, host } = plan;
        applyBandwidth({ ...identity, hostInterface: host.interface, mtuBytes, bandwidth }, doors());
      }
    },
    remove(pod) {
      removePortMappings(identityOf(pod), doors());
      removeBandwidth(identityOf(pod), discard);
    },
    retain(pods) {
      const valid = pods.map(identityOf);
      collectPortMappings(POD_NETWORK, valid, doors());
      collectBandwidth(POD_NETWORK, valid, { rtnl: doors().rtnl, discard });
    },
    close() {
      opened?.close();
      opened = undefined;
    },
  };
}

/** A container has an interface of a name once, whatever the network is called: the same name for all finds it again. */
function identityOf({ containerId, interfaceName }: AttachmentKey): OwnerIdentity {
  return { network: POD_NETWORK, containerId, ifName: interfaceName };
}

/** For kernels that are not there. */
export const noPodTraffic: PodTraffic = { apply() {}, remove() {}, retain() {}, close() {} };
