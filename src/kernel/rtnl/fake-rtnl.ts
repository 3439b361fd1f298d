/**
 * rtnetlink in memory, for the tests of whatever uses it: the same requests succeed and fail, with the same errno
 * names, as far as `rtnl-conformance.ts` tells. Packets go nowhere.
 */
import { bits, parseIp } from '../../model/ip.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';
import type { Netns } from '../netns.ts';
import type { BridgeVlan, BridgeVlanSpec } from './bridge.ts';
import { FakeBridges } from './fake-bridges.ts';
import { FakeNeighbours } from './fake-neighbours.ts';
import { FakeRoutes } from './fake-routes.ts';
import { isSameRule, ruleOf } from './fake-rules.ts';
import { checkLinkName, encodeMac } from './names.ts';
import { refuse } from './refuse.ts';
import type * as rtnl from './rtnl.ts';

/** A world of network namespaces that hang together by their veth pairs. */
export interface FakeRtnl {
  /** The door to a namespace; the initial one without. Doors to the same namespace see the same state. */
  readonly open: (options?: { netns?: Netns }) => rtnl.Rtnl;
}

export function createFakeRtnl(): FakeRtnl {
  const namespaces = new Map<bigint, FakeNamespace>();
  const namespaceOf = (netns?: Netns): FakeNamespace => {
    const inode = netns?.inode ?? 0n;
    const known = namespaces.get(inode);
    if (known) return known;
    const made = new FakeNamespace(namespaceOf);
    namespaces.set(inode, made);
    return made;
  };
  return { open: ({ netns } = {}) => namespaceOf(netns) };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

type FakeLink = Mutable<rtnl.Link>;

interface OtherEnd {
  readonly namespace: FakeNamespace;
  readonly link: FakeLink;
}

/** The other end of each end of a veth pair. */
const others = new WeakMap<FakeLink, OtherEnd>();

class FakeNamespace implements rtnl.Rtnl {
  readonly #namespaceOf: (netns?: Netns) => FakeNamespace;
  readonly #listeners = new Set<rtnl.RtnlEventOptions>();
  #nextIndex = 1;
  #links: FakeLink[] = [];
  #addresses: rtnl.Address[] = [];
  readonly #routes = new FakeRoutes({
    find: (ref, request) => this.#find(ref, request),
    addresses: () => this.#addresses,
  });
  #rules: rtnl.Rule[] = [];
  readonly #neighbours = new FakeNeighbours();
  readonly #bridges = new FakeBridges();

  constructor(namespaceOf: (netns?: Netns) => FakeNamespace) {
    this.#namespaceOf = namespaceOf;
    this.#links.push({
      ...this.#blankLink('lo'),
      loopback: true,
      mtuBytes: 65_536,
      mac: '00:00:00:00:00:00',
    });
  }

  #blankLink(name: string): FakeLink {
    const index = this.#nextIndex++;
    return {
      index,
      name,
      kind: undefined,
      up: false,
      operState: 'down',
      loopback: false,
      promiscuous: false,
      mtuBytes: 1500,
      mac: `02:00:00:00:${(index >> 8).toString(16).padStart(2, '0')}:${(index & 0xff).toString(16).padStart(2, '0')}`,
      master: undefined,
      group: 0,
      alias: undefined,
      peerIndex: undefined,
      vxlan: undefined,
      bridge: undefined,
      bridgePort: undefined,
    };
  }

  #find(ref: rtnl.LinkRef, request: string): FakeLink {
    const found = this.#links.find(({ index, name }) => ref === index || ref === name);
    if (!found) throw refuse('ENODEV', request);
    return found;
  }

  #emit(event: rtnl.RtnlEvent): void {
    for (const { kinds, onEvent } of this.#listeners) {
      if (kinds.includes(event.kind)) queueMicrotask(() => onEvent(event));
    }
  }

  addLink(spec: rtnl.LinkSpec): void {
    const request = `add link ${spec.name} type ${spec.kind}`;
    this.#checkFree(spec.name, request);
    const peerNamespace = spec.kind === 'veth' ? this.#namespaceOf(spec.peer.netns) : undefined;
    const peerHome = spec.kind === 'veth' && spec.peer.netns ? peerNamespace : this;
    if (spec.kind === 'veth') {
      if (peerHome === this && spec.peer.name === spec.name) throw refuse('EEXIST', request);
      if (peerHome) peerHome.#checkFree(spec.peer.name, request);
    }
    const master = spec.master === undefined ? undefined : this.#find(spec.master, request);
    const link: FakeLink = { ...this.#blankLink(checkLinkName(spec.name)), kind: spec.kind };
    this.#enslave(link, master);
    link.mtuBytes = spec.mtuBytes ?? (spec.kind === 'vxlan' ? 1450 : 1500);
    link.group = spec.group ?? 0;
    if (spec.mac !== undefined) link.mac = encodeMac(spec.mac) && spec.mac.toLowerCase();
    if (spec.kind === 'vxlan') link.vxlan = { ...spec };
    if (spec.kind === 'bridge') {
      const { vlanFiltering = false, multicastSnooping = true } = spec;
      link.bridge = { vlanFiltering, multicastSnooping };
      this.#bridges.join(link.index);
    }
    this.#links.push(link);
    if (spec.kind === 'veth' && peerHome) peerHome.#addPeer(spec.peer, { namespace: this, link });
    if (spec.up) this.setLink(link.index, { up: true });
    else this.#emit({ kind: 'link', change: 'new', link: snapshot(link) });
  }

  #checkFree(name: string, request: string): void {
    if (this.#links.some((link) => link.name === name)) throw refuse('EEXIST', request);
  }

  #addPeer(spec: rtnl.VethSpec['peer'], other: OtherEnd): void {
    const peer: FakeLink = { ...this.#blankLink(checkLinkName(spec.name)), kind: 'veth' };
    others.set(peer, other);
    peer.mtuBytes = spec.mtuBytes ?? 1500;
    if (spec.mac !== undefined) peer.mac = spec.mac.toLowerCase();
    peer.peerIndex = other.link.index;
    other.link.peerIndex = peer.index;
    others.set(other.link, { namespace: this, link: peer });
    this.#links.push(peer);
  }

  setLink(ref: rtnl.LinkRef, change: rtnl.LinkChange): void {
    const request = `set link ${ref}`;
    const link = this.#find(ref, request);
    if (change.name !== undefined && change.name !== link.name) {
      this.#checkFree(checkLinkName(change.name), request);
      link.name = change.name;
    }
    if (change.mtuBytes !== undefined) link.mtuBytes = change.mtuBytes;
    if (change.mac !== undefined) link.mac = encodeMac(change.mac) && change.mac.toLowerCase();
    if (change.group !== undefined) link.group = change.group;
    if (change.alias !== undefined) link.alias = change.alias === '' ? undefined : change.alias;
    if (change.promiscuous !== undefined) link.promiscuous = change.promiscuous;
    if (change.bridge) {
      if (!link.bridge) throw refuse('EOPNOTSUPP', request);
      link.bridge = { ...link.bridge, ...change.bridge };
    }
    if (change.bridgePort) {
      if (!link.bridgePort) throw refuse('EOPNOTSUPP', request);
      link.bridgePort = { ...link.bridgePort, ...change.bridgePort };
    }
    if (change.master === null) this.#enslave(link, undefined);
    else if (change.master !== undefined) this.#enslave(link, this.#find(change.master, request));
    if (change.up !== undefined) this.#setUp(link, change.up);
    if (change.netns) this.#move(link, this.#namespaceOf(change.netns), request);
    else this.#emit({ kind: 'link', change: 'new', link: snapshot(link) });
  }

  #enslave(link: FakeLink, master: FakeLink | undefined): void {
    if (link.master === master?.index) return;
    link.master = master?.index;
    link.bridgePort = master?.bridge ? { hairpin: false, isolated: false } : undefined;
    if (link.bridgePort) this.#bridges.join(link.index);
    else this.#bridges.leave(link.index);
  }

  /** A link that goes down loses its routes and neighbours; a veth pair is running when both ends are up. */
  #setUp(link: FakeLink, up: boolean): void {
    link.up = up;
    if (!up) this.#forget(link.index, { addresses: false });
    const other = others.get(link);
    if (link.loopback) link.operState = up ? 'unknown' : 'down';
    else if (!other) link.operState = up ? 'unknown' : 'down';
    else {
      const running = up && other.link.up;
      link.operState = running ? 'up' : up ? 'lowerlayerdown' : 'down';
      if (other.link.up) other.link.operState = running ? 'up' : 'lowerlayerdown';
    }
  }

  #move(link: FakeLink, target: FakeNamespace, request: string): void {
    if (target === this) return;
    target.#checkFree(link.name, request);
    this.#links = this.#links.filter((each) => each !== link);
    this.#forget(link.index, { addresses: true });
    this.#emit({ kind: 'link', change: 'delete', link: snapshot(link) });
    link.up = false;
    link.operState = 'down';
    if (target.#links.some(({ index }) => index === link.index)) link.index = target.#nextIndex++;
    target.#links.push(link);
    const other = others.get(link);
    if (other) {
      others.set(other.link, { namespace: target, link });
      other.link.peerIndex = link.index;
    }
    target.#emit({ kind: 'link', change: 'new', link: snapshot(link) });
  }

  #forget(index: number, { addresses }: { addresses: boolean }): void {
    if (addresses) this.#addresses = this.#addresses.filter(({ link }) => link !== index);
    this.#routes.forget(index);
    this.#neighbours.forget(index);
  }

  deleteLink(ref: rtnl.LinkRef): void {
    const link = this.#find(ref, `delete link ${ref}`);
    if (link.loopback) throw refuse('EOPNOTSUPP', `delete link ${ref}`);
    this.#remove(link);
    const other = others.get(link);
    if (other) other.namespace.#remove(other.link);
  }

  #remove(link: FakeLink): void {
    this.#links = this.#links.filter((each) => each !== link);
    this.#neighbours.forgetForwarding(link.index);
    this.#bridges.leave(link.index);
    for (const port of this.#links) if (port.master === link.index) this.#enslave(port, undefined);
    this.#forget(link.index, { addresses: true });
    this.#emit({ kind: 'link', change: 'delete', link: snapshot(link) });
  }

  deleteLinkGroup(group: number): void {
    if (group === 0) throw new RangeError('Link group 0 holds every link that has no other group');
    for (const link of this.#links.filter((each) => each.group === group)) {
      if (this.#links.includes(link)) this.deleteLink(link.index);
    }
  }

  deleteLinkGroupInBackground(group: number): Promise<void> {
    this.deleteLinkGroup(group);
    return Promise.resolve();
  }

  addAddress(spec: rtnl.AddressSpec): void {
    const { address, prefixLength, scope = 'universe' } = spec;
    const request = `add address ${address}/${prefixLength} dev ${spec.link}`;
    const { index: link } = this.#find(spec.link, request);
    const { family } = parseIp(address);
    if (prefixLength < 0 || prefixLength > bits(family))
      throw new RangeError(`Bad prefix length ${prefixLength}`);
    const value: rtnl.Address = {
      family,
      link,
      address,
      prefixLength,
      scope,
      tentative: false,
      dadFailed: false,
    };
    this.#addresses = this.#addresses.filter((each) => !isSameAddress(each, value));
    this.#addresses.push(value);
    this.#emit({ kind: 'address', change: 'new', address: value });
  }

  deleteAddress(spec: Pick<rtnl.AddressSpec, 'link' | 'address' | 'prefixLength'>): void {
    const request = `delete address ${spec.address}/${spec.prefixLength} dev ${spec.link}`;
    const { index: link } = this.#find(spec.link, request);
    const found = this.#addresses.find((each) => isSameAddress(each, { ...spec, link }));
    if (!found) throw refuse('EADDRNOTAVAIL', request);
    this.#addresses = this.#addresses.filter((each) => each !== found);
    this.#emit({ kind: 'address', change: 'delete', address: found });
  }

  replaceRoute(spec: rtnl.RouteSpec): void {
    this.#emit({ kind: 'route', change: 'new', route: this.#routes.replace(spec) });
  }

  deleteRoute(spec: rtnl.RouteSpec): void {
    this.#emit({ kind: 'route', change: 'delete', route: this.#routes.delete(spec) });
  }

  addRule(spec: rtnl.RuleSpec): void {
    const rule = ruleOf(spec);
    if (this.#rules.some((each) => isSameRule(each, rule))) {
      throw refuse('EEXIST', `add rule priority ${spec.priority}`);
    }
    this.#rules.push(rule);
    this.#rules.sort((a, b) => a.family - b.family || a.priority - b.priority);
  }

  deleteRule(spec: rtnl.RuleSpec): void {
    const rule = ruleOf(spec);
    const found = this.#rules.find((each) => isSameRule(each, rule));
    if (!found) throw refuse('ENOENT', `delete rule priority ${spec.priority}`);
    this.#rules = this.#rules.filter((each) => each !== found);
  }

  replaceNeighbour(spec: rtnl.NeighbourSpec): void {
    const { index } = this.#find(spec.link, `replace neighbour ${spec.address}`);
    this.#neighbours.replace(index, spec);
  }

  deleteNeighbour(spec: Pick<rtnl.NeighbourSpec, 'link' | 'address'>): void {
    this.#neighbours.delete(this.#find(spec.link, `delete neighbour ${spec.address}`).index, spec.address);
  }

  replaceForwardingEntry(spec: rtnl.ForwardingEntrySpec): void {
    const { index } = this.#find(spec.link, `replace forwarding entry ${spec.mac}`);
    this.#neighbours.replaceForwarding(index, spec);
  }

  deleteForwardingEntry(spec: rtnl.ForwardingEntrySpec): void {
    const { index } = this.#find(spec.link, `delete forwarding entry ${spec.mac}`);
    this.#neighbours.deleteForwarding(index, spec);
  }

  addBridgeVlan(spec: BridgeVlanSpec): void {
    this.#bridges.add(this.#find(spec.link, `add VLAN ${spec.first} of ${spec.link}`), spec);
  }

  deleteBridgeVlan(spec: Pick<BridgeVlanSpec, 'link' | 'first' | 'last' | 'self'>): void {
    this.#bridges.delete(this.#find(spec.link, `delete VLAN ${spec.first} of ${spec.link}`), spec);
  }

  bridgeVlans({ link }: { link?: rtnl.LinkRef } = {}): BridgeVlan[] {
    return this.#bridges.list(this.#index(link));
  }

  links(): rtnl.Link[] {
    return this.#links.map(snapshot);
  }

  link(ref: rtnl.LinkRef): rtnl.Link | undefined {
    const found = this.#links.find(({ index, name }) => ref === index || ref === name);
    return found && snapshot(found);
  }

  #index(ref: rtnl.LinkRef | undefined): number | undefined {
    return ref === undefined ? undefined : this.#find(ref, `get link ${ref}`).index;
  }

  addresses({ link, family }: { link?: rtnl.LinkRef; family?: 4 | 6 } = {}): rtnl.Address[] {
    const index = this.#index(link);
    return this.#addresses.filter((each) => isWanted(each.link, index) && isWanted(each.family, family));
  }

  routes(filter: { table?: number | 'all'; family?: 4 | 6; protocol?: number } = {}): rtnl.Route[] {
    return this.#routes.list(filter);
  }

  /** By longest prefix and lowest metric in the main table; rules are not looked at. */
  routeTo(destination: string): rtnl.Route | undefined {
    const found = this.#routes.lookup(parseIp(destination));
    return found?.type === 'unreachable' ? undefined : found;
  }

  rules({ family }: { family?: 4 | 6 } = {}): rtnl.Rule[] {
    return this.#rules.filter((each) => isWanted(each.family, family));
  }

  neighbours({ link, family }: { link?: rtnl.LinkRef; family?: 4 | 6 } = {}): rtnl.Neighbour[] {
    const index = this.#index(link);
    return this.#neighbours
      .list()
      .filter((each) => isWanted(each.link, index) && isWanted(each.family, family));
  }

  forwardingEntries({ link }: { link?: rtnl.LinkRef } = {}): rtnl.ForwardingEntry[] {
    const index = this.#index(link);
    return this.#neighbours.forwarding().filter((each) => isWanted(each.link, index));
  }

  batch(
    changes: (to: rtnl.RtnlChanges) => void,
    { tolerate = () => false }: { tolerate?: (error: NetlinkError) => boolean } = {},
  ): void {
    let first: unknown;
    const to = new Proxy<rtnl.RtnlChanges>(this, {
      get: (target, name) => (argument: unknown, second: unknown) => {
        try {
          const method: unknown = Reflect.get(target, name);
          if (typeof method === 'function') Reflect.apply(method, target, [argument, second]);
        } catch (error) {
          if (!(error instanceof NetlinkError)) throw error;
          if (!tolerate(error)) first ??= error;
        }
      },
    });
    changes(to);
    if (first instanceof Error) throw first;
  }

  events(options: rtnl.RtnlEventOptions): { stop(): void } {
    this.#listeners.add(options);
    return { stop: () => void this.#listeners.delete(options) };
  }

  close(): void {}
}

function isWanted<T>(value: T, wanted: T | undefined): boolean {
  return wanted === undefined || value === wanted;
}

function snapshot(link: FakeLink): rtnl.Link {
  return { ...link };
}

type AddressKey = { link: number; address: string; prefixLength: number };

function isSameAddress(a: AddressKey, b: AddressKey): boolean {
  return a.link === b.link && a.address === b.address && a.prefixLength === b.prefixLength;
}
