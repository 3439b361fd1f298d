import { type BridgeVlan, type BridgeVlanSpec, checkVlanRange } from './bridge.ts';
import { refuse } from './refuse.ts';
import type { Link } from './rtnl.ts';

interface Flags {
  readonly pvid: boolean;
  readonly untagged: boolean;
}

/** What a link gets when it becomes a bridge or a bridge's port: VLAN 1, as the kernel's `vlan_default_pvid` says. */
const DEFAULT_VLAN = new Map<number, Flags>([[1, { pvid: true, untagged: true }]]);

/** The VLANs of the bridges and ports of one fake namespace. */
export class FakeBridges {
  readonly #vlans = new Map<number, Map<number, Flags>>();

  join(link: number): void {
    this.#vlans.set(link, new Map(DEFAULT_VLAN));
  }

  leave(link: number): void {
    this.#vlans.delete(link);
  }

  add(link: Link, spec: BridgeVlanSpec): void {
    const { first, last = first, pvid = false, untagged = false } = spec;
    const request = `add VLAN ${first} of ${spec.link}`;
    const vlans = this.#of(link, spec, request);
    if (pvid && first !== last) throw refuse('EINVAL', request);
    if (pvid) for (const [id, flags] of vlans) vlans.set(id, { ...flags, pvid: false });
    for (let id = first; id <= last; id++) vlans.set(id, { pvid, untagged });
  }

  delete(link: Link, spec: Pick<BridgeVlanSpec, 'link' | 'first' | 'last' | 'self'>): void {
    const { first, last = first } = spec;
    const vlans = this.#of(link, spec, `delete VLAN ${first} of ${spec.link}`);
    for (let id = first; id <= last; id++) vlans.delete(id);
  }

  #of(link: Link, spec: BridgeVlanSpec, request: string): Map<number, Flags> {
    checkVlanRange(spec);
    const fits = spec.self ? link.kind === 'bridge' : link.bridgePort !== undefined;
    const vlans = this.#vlans.get(link.index);
    if (!fits || !vlans) throw refuse('EOPNOTSUPP', request);
    return vlans;
  }

  /** Neighbours with the same flags as one range, but for the one with `pvid`. */
  list(link?: number): BridgeVlan[] {
    const found: BridgeVlan[] = [];
    for (const [owner, vlans] of this.#vlans) {
      if (link !== undefined && owner !== link) continue;
      let open: BridgeVlan | undefined;
      for (const [id, flags] of [...vlans].toSorted(([a], [b]) => a - b)) {
        const goesOn = open?.last === id - 1 && open.untagged === flags.untagged && !open.pvid && !flags.pvid;
        if (open && goesOn) found.pop();
        open = { link: owner, first: open && goesOn ? open.first : id, last: id, ...flags };
        found.push(open);
      }
    }
    return found;
  }
}
