/** What rtnetlink says of bridges and their ports beyond what every link has (linux/if_link.h, linux/if_bridge.h). */
import type { LinkRef } from './rtnl.ts';

/** IFLA_BR_* of the bridge itself. */
export interface BridgeProperties {
  /** Whether ports and the bridge keep to their VLANs. Needs CONFIG_BRIDGE_VLAN_FILTERING. */
  readonly vlanFiltering: boolean;
  readonly multicastSnooping: boolean;
}

/** IFLA_BRPORT_* of a port. */
export interface BridgePortProperties {
  /** A frame may leave by the port it came in by: what a pod needs to reach itself through a Service. */
  readonly hairpin: boolean;
  /** No frame goes from one isolated port to another. */
  readonly isolated: boolean;
}

/** VLANs of a port or of the bridge itself, neighbouring ones with the same flags as one range. IEEE 802.1Q. */
export interface BridgeVlan {
  readonly link: number;
  /** 1 to 4094. */
  readonly first: number;
  readonly last: number;
  /** Untagged frames that come in belong to it. One VLAN of each port, so never of a range. */
  readonly pvid: boolean;
  /** Frames go out without tag. */
  readonly untagged: boolean;
}

export interface BridgeVlanSpec {
  /** A port, or with `self` the bridge. */
  readonly link: LinkRef;
  readonly first: number;
  /** `first` unless told. */
  readonly last?: number;
  readonly pvid?: boolean;
  readonly untagged?: boolean;
  /** The VLAN of the bridge's own interface. */
  readonly self?: boolean;
}

/** @throws RangeError for what 802.1Q has no numbers for */
export function checkVlanRange({ first, last = first }: Pick<BridgeVlanSpec, 'first' | 'last'>): void {
  if (Number.isInteger(first) && Number.isInteger(last) && first >= 1 && first <= last && last <= 4094)
    return;
  throw new RangeError(`VLANs ${first} to ${last}: they are numbered from 1 to 4094`);
}
