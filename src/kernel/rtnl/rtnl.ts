/**
 * The door to rtnetlink (rtnetlink(7)): a network namespace's links, addresses, routes, rules and neighbours.
 * Everything is synchronous and takes effect before the call returns. Failures are `NetlinkError`s that carry the
 * request; ask for a reason with `isErrno(error, 'EEXIST')`.
 *
 * `openRtnl` (kernel-rtnl.ts) is the kernel's; `createFakeRtnl` (fake-rtnl.ts) keeps it all in memory for tests.
 */
import type { IpFamily } from '../../model/ip.ts';
import type { NetlinkError } from '../netlink/netlink-error.ts';
import type { Netns } from '../netns.ts';
import type { BridgePortProperties, BridgeProperties, BridgeVlan, BridgeVlanSpec } from './bridge.ts';

export { PROTOCOL, TABLE } from './names.ts';
export { openRtnl } from './kernel-rtnl.ts';
export { createFakeRtnl, type FakeRtnl } from './fake-rtnl.ts';

/** An interface by name or index. An index costs nothing; a name may cost a lookup. */
export type LinkRef = string | number;

export interface Link {
  readonly index: number;
  readonly name: string;
  /** `veth`, `bridge`, `vxlan` …; undefined for plain devices and `lo`. */
  readonly kind: string | undefined;
  /** Administratively up. */
  readonly up: boolean;
  /** RFC 2863 operational state: `up`, `down`, `lowerlayerdown`, `unknown` … */
  readonly operState: string;
  readonly loopback: boolean;
  /** Set by somebody, as `ip link set promisc on` does; not for what the kernel needs itself. */
  readonly promiscuous: boolean;
  readonly mtuBytes: number;
  readonly mac: string | undefined;
  /** Index of the bridge or VRF it belongs to. */
  readonly master: number | undefined;
  readonly group: number;
  /** Free text that a person sees in `ip link`. */
  readonly alias: string | undefined;
  /** Index of the other end of a veth pair, or of a VXLAN's underlying device, in its own namespace. */
  readonly peerIndex: number | undefined;
  readonly vxlan: VxlanProperties | undefined;
  readonly bridge: BridgeProperties | undefined;
  /** When its master is a bridge. */
  readonly bridgePort: BridgePortProperties | undefined;
}

interface NewLink {
  readonly name: string;
  readonly up?: boolean;
  readonly mtuBytes?: number;
  readonly mac?: string;
  readonly master?: LinkRef;
  readonly group?: number;
}

export interface VethSpec extends NewLink {
  readonly kind: 'veth';
  /** The other end, made at once in its own namespace when one is given. The kernel leaves it down. */
  readonly peer: {
    readonly name: string;
    readonly netns?: Netns;
    readonly mac?: string;
    readonly mtuBytes?: number;
  };
}

export interface BridgeSpec extends NewLink, Partial<BridgeProperties> {
  readonly kind: 'bridge';
}

export interface VxlanProperties {
  /** The VXLAN network identifier, 24 bits. */
  readonly id: number;
  /** Default destination: a peer or a multicast group. */
  readonly remote?: string;
  readonly local?: string;
  /** UDP port of the other side; 4789 unless told. */
  readonly port?: number;
  readonly learning?: boolean;
}

export interface VxlanSpec extends NewLink, VxlanProperties {
  readonly kind: 'vxlan';
  /** The device the packets leave by. */
  readonly link?: LinkRef;
}

/** An intermediate functional block: where traffic control puts packets that came in, to queue them as if going out. */
export interface IfbSpec extends NewLink {
  readonly kind: 'ifb';
}

/** A device that swallows what is sent to it: somewhere to keep addresses. */
export interface DummySpec extends NewLink {
  readonly kind: 'dummy';
}

export type LinkSpec = VethSpec | BridgeSpec | VxlanSpec | IfbSpec | DummySpec;

export interface LinkChange {
  readonly name?: string;
  readonly up?: boolean;
  readonly mtuBytes?: number;
  readonly mac?: string;
  /** `null` takes the link out of its bridge. */
  readonly master?: LinkRef | null;
  readonly group?: number;
  /** Up to 255 bytes; `''` removes it. */
  readonly alias?: string;
  readonly promiscuous?: boolean;
  /** Of a bridge. */
  readonly bridge?: Partial<BridgeProperties>;
  /** Of a link that is a bridge's port already, by an earlier change. */
  readonly bridgePort?: Partial<BridgePortProperties>;
  readonly netns?: Netns;
  /** How the kernel makes the link-local IPv6 address when the link comes up. */
  readonly ipv6AddressGeneration?: 'eui64' | 'none';
}

/** How far an address or route reaches; IPv6 routes have `universe` only. */
export type Scope = 'universe' | 'site' | 'link' | 'host' | 'nowhere';

export interface Address {
  readonly family: IpFamily;
  readonly link: number;
  readonly address: string;
  readonly prefixLength: number;
  readonly scope: Scope;
  /** IPv6: duplicate address detection has not finished. */
  readonly tentative: boolean;
  /** IPv6: somebody else has the address, so this one stays unused. */
  readonly dadFailed: boolean;
}

export interface AddressSpec {
  readonly link: LinkRef;
  readonly address: string;
  readonly prefixLength: number;
  readonly scope?: Scope;
  /** IPv6: usable at once, without duplicate address detection (which takes 1 to 2 seconds). */
  readonly noDad?: boolean;
  /** Do not make the route to the prefix by itself. */
  readonly noPrefixRoute?: boolean;
}

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw';

export interface NextHop {
  readonly gateway?: string;
  readonly link?: LinkRef;
  readonly onlink?: boolean;
  /** Share among the next hops, 1 to 256. */
  readonly weight?: number;
}

export interface Route {
  readonly family: IpFamily;
  readonly type: RouteType;
  /** `10.244.1.0/24`; the default route is `0.0.0.0/0` or `::/0`. */
  readonly dst: string;
  readonly gateway: string | undefined;
  readonly link: number | undefined;
  /** Preferred source address. */
  readonly source: string | undefined;
  readonly scope: Scope;
  readonly table: number;
  /** Who made the route (RTPROT_*): 2 kernel, 3 boot, 4 static; podnet's own numbers are above 60. */
  readonly protocol: number;
  /** Priority: the lowest wins. */
  readonly metric: number;
  readonly onlink: boolean;
  readonly mtuBytes: number | undefined;
  /** The TCP segment size to advertise. */
  readonly advertisedMssBytes: number | undefined;
  /** When there are several. */
  readonly nextHops: readonly (NextHop & { readonly link: number })[];
}

export interface RouteSpec {
  readonly dst: string;
  readonly type?: RouteType;
  /** May be IPv6 for an IPv4 destination (RFC 5549). */
  readonly gateway?: string;
  readonly link?: LinkRef;
  readonly source?: string;
  /** `link` without a gateway, `host` for local routes, else `universe`, unless told. */
  readonly scope?: Scope;
  /** `TABLE.main` unless told. */
  readonly table?: number;
  /** `PROTOCOL.static` unless told. */
  readonly protocol?: number;
  readonly metric?: number;
  /** The gateway is on the link even if no address says so. */
  readonly onlink?: boolean;
  readonly mtuBytes?: number;
  readonly advertisedMssBytes?: number;
  readonly nextHops?: readonly NextHop[];
}

export interface RouteQuery {
  readonly from?: string;
  /** As if the packet had come in by this link. */
  readonly inputInterface?: LinkRef;
  readonly outputInterface?: LinkRef;
  readonly mark?: number;
  /** Return the entry of the table that matched, with its prefix, instead of the resolved route. */
  readonly match?: boolean;
}

export interface Rule {
  readonly family: IpFamily;
  readonly priority: number;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly mark: number | undefined;
  readonly mask: number | undefined;
  readonly inputInterface: string | undefined;
  readonly outputInterface: string | undefined;
  readonly table: number;
  readonly action: 'lookup' | 'blackhole' | 'unreachable' | 'prohibit' | 'other';
  readonly protocol: number;
}

export interface RuleSpec {
  /** Unless `from` or `to` tells. */
  readonly family?: IpFamily;
  readonly priority: number;
  readonly from?: string;
  readonly to?: string;
  readonly mark?: number;
  readonly mask?: number;
  readonly inputInterface?: string;
  readonly outputInterface?: string;
  readonly table?: number;
  readonly action?: 'lookup' | 'blackhole' | 'unreachable' | 'prohibit';
  readonly protocol?: number;
}

export type NeighbourState =
  | 'incomplete'
  | 'reachable'
  | 'stale'
  | 'delay'
  | 'probe'
  | 'failed'
  | 'noarp'
  | 'permanent'
  | 'none';

/** An entry of the ARP or neighbour discovery table. */
export interface Neighbour {
  readonly family: IpFamily;
  readonly link: number;
  readonly address: string;
  readonly mac: string | undefined;
  readonly state: NeighbourState;
}

export interface NeighbourSpec {
  readonly link: LinkRef;
  readonly address: string;
  readonly mac: string;
  /** `permanent` unless told. */
  readonly state?: 'permanent' | 'reachable' | 'stale' | 'noarp';
}

/** An entry of a bridge's or VXLAN's forwarding table (FDB). */
export interface ForwardingEntry {
  readonly link: number;
  readonly mac: string;
  /** VXLAN: the node to send to. */
  readonly destination: string | undefined;
  readonly state: NeighbourState;
  /** The entry is the device's own (VXLAN), not its bridge's. */
  readonly self: boolean;
}

export interface ForwardingEntrySpec {
  readonly link: LinkRef;
  /** `00:00:00:00:00:00` is where unknown and broadcast frames of a VXLAN go. */
  readonly mac: string;
  readonly destination?: string;
}

/** What changes the namespace. */
export interface RtnlChanges {
  addLink(spec: LinkSpec): void;
  setLink(link: LinkRef, change: LinkChange): void;
  deleteLink(link: LinkRef): void;
  /** Deletes every link of the group in one go; none is no error (in a batch ENODEV). Group 0 is refused. */
  deleteLinkGroup(group: number): void;
  /** Changes flags and lifetime when the address is there already. */
  addAddress(spec: AddressSpec): void;
  deleteAddress(spec: Pick<AddressSpec, 'link' | 'address' | 'prefixLength'>): void;
  /** Creates the route or replaces the one of the same destination, table and metric. */
  replaceRoute(spec: RouteSpec): void;
  deleteRoute(spec: RouteSpec): void;
  addRule(spec: RuleSpec): void;
  deleteRule(spec: RuleSpec): void;
  replaceNeighbour(spec: NeighbourSpec): void;
  deleteNeighbour(spec: Pick<NeighbourSpec, 'link' | 'address'>): void;
  replaceForwardingEntry(spec: ForwardingEntrySpec): void;
  deleteForwardingEntry(spec: ForwardingEntrySpec): void;
  /** Adds VLANs to a bridge's port or to the bridge itself; changes their flags when they are there. */
  addBridgeVlan(spec: BridgeVlanSpec): void;
  deleteBridgeVlan(spec: Pick<BridgeVlanSpec, 'link' | 'first' | 'last' | 'self'>): void;
}

export type RtnlEvent =
  | { readonly kind: 'link'; readonly change: 'new' | 'delete'; readonly link: Link }
  | { readonly kind: 'address'; readonly change: 'new' | 'delete'; readonly address: Address }
  | { readonly kind: 'route'; readonly change: 'new' | 'delete'; readonly route: Route }
  | { readonly kind: 'neighbour'; readonly change: 'new' | 'delete'; readonly neighbour: Neighbour };

export interface RtnlEventOptions {
  readonly kinds: readonly RtnlEvent['kind'][];
  readonly onEvent: (event: RtnlEvent) => void;
  /** Events were lost: read the state again. */
  readonly onOverflow: () => void;
}

export interface Rtnl extends RtnlChanges {
  links(): Link[];
  /** Undefined when there is none. */
  link(ref: LinkRef): Link | undefined;
  addresses(filter?: { link?: LinkRef; family?: IpFamily }): Address[];
  /** The main table's unless `table` tells; `all` for every table. */
  routes(filter?: { table?: number | 'all'; family?: IpFamily; protocol?: number }): Route[];
  /** The kernel's own decision for a packet; undefined when it is unreachable. */
  routeTo(destination: string, query?: RouteQuery): Route | undefined;
  rules(filter?: { family?: IpFamily }): Rule[];
  neighbours(filter?: { link?: LinkRef; family?: IpFamily }): Neighbour[];
  forwardingEntries(filter?: { link?: LinkRef }): ForwardingEntry[];
  /** Of every bridge and port, or of one; none on a kernel without bridge VLAN filtering. */
  bridgeVlans(filter?: { link?: LinkRef }): BridgeVlan[];
  /**
   * Sends what `changes` asks for in one go. Each takes effect in order and on its own; the first error is thrown
   * after all were tried, unless `tolerate` accepts it. Links that a change refers to by name must exist already.
   */
  batch(changes: (to: RtnlChanges) => void, options?: { tolerate?: (error: NetlinkError) => boolean }): void;
  /** As `deleteLinkGroup`, on another thread: it takes the kernel tens of milliseconds. */
  deleteLinkGroupInBackground(group: number): Promise<void>;
  events(options: RtnlEventOptions): { stop(): void };
  close(): void;
}
