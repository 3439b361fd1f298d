import type { IpFamily } from '../../model/ip.ts';
import { errnoNumber, isErrno } from '../ffi.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';
import { type NetlinkSocket, openNetlinkSocket } from '../netlink/netlink-socket.ts';
import { type NetlinkReply } from '../netlink/reply.ts';
import type { Netns } from '../netns.ts';
import * as address from './address-codec.ts';
import type { BridgeVlan, BridgeVlanSpec } from './bridge.ts';
import * as bridge from './bridge-codec.ts';
import { RTM_LINK } from './ifinfomsg.ts';
import * as link from './link-codec.ts';
import * as neighbour from './neighbour-codec.ts';
import * as route from './route-codec.ts';
import type {
  Address,
  AddressSpec,
  ForwardingEntry,
  ForwardingEntrySpec,
  Link,
  LinkChange,
  LinkRef,
  LinkSpec,
  Neighbour,
  NeighbourSpec,
  Route,
  RouteQuery,
  RouteSpec,
  Rtnl,
  RtnlChanges,
  RtnlEvent,
  RtnlEventOptions,
  Rule,
  RuleSpec,
} from './rtnl.ts';
import { TABLE } from './names.ts';
import * as rule from './rule-codec.ts';

/**
 * The kernel's rtnetlink in `netns`, or in the namespace of the calling thread. It stays there; close it when done.
 * `events` and `deleteLinkGroupInBackground` open sockets of their own: keep `netns` open as long as they are used.
 */
export function openRtnl({ netns }: { netns?: Netns } = {}): Rtnl {
  return new KernelRtnl(netns);
}

/** Where changes go: encodes each and hands it on. */
class Changes implements RtnlChanges {
  readonly #submit: (message: NetlinkMessage) => void;
  readonly #resolve: link.ResolveLink;

  constructor(submit: (message: NetlinkMessage) => void, resolve: link.ResolveLink) {
    this.#submit = submit;
    this.#resolve = resolve;
  }

  addLink(spec: LinkSpec): void {
    this.#submit(link.encodeAddLink(spec, this.#resolve));
  }
  setLink(ref: LinkRef, change: LinkChange): void {
    this.#submit(link.encodeSetLink(ref, change, this.#resolve));
  }
  deleteLink(ref: LinkRef): void {
    this.#submit(link.encodeDeleteLink(ref));
  }
  deleteLinkGroup(group: number): void {
    if (group === 0) throw new RangeError('Link group 0 holds every link that has no other group');
    this.#submit(link.encodeDeleteLinkGroup(group));
  }
  addAddress(spec: AddressSpec): void {
    this.#submit(address.encodeAddAddress(spec, this.#resolve));
  }
  deleteAddress(spec: Pick<AddressSpec, 'link' | 'address' | 'prefixLength'>): void {
    this.#submit(address.encodeDeleteAddress(spec, this.#resolve));
  }
  replaceRoute(spec: RouteSpec): void {
    this.#submit(route.encodeReplaceRoute(spec, this.#resolve));
  }
  deleteRoute(spec: RouteSpec): void {
    this.#submit(route.encodeDeleteRoute(spec, this.#resolve));
  }
  addRule(spec: RuleSpec): void {
    this.#submit(rule.encodeAddRule(spec));
  }
  deleteRule(spec: RuleSpec): void {
    this.#submit(rule.encodeDeleteRule(spec));
  }
  replaceNeighbour(spec: NeighbourSpec): void {
    this.#submit(neighbour.encodeReplaceNeighbour(spec, this.#resolve));
  }
  deleteNeighbour(spec: Pick<NeighbourSpec, 'link' | 'address'>): void {
    this.#submit(neighbour.encodeDeleteNeighbour(spec, this.#resolve));
  }
  replaceForwardingEntry(spec: ForwardingEntrySpec): void {
    this.#submit(neighbour.encodeReplaceForwardingEntry(spec, this.#resolve));
  }
  deleteForwardingEntry(spec: ForwardingEntrySpec): void {
    this.#submit(neighbour.encodeDeleteForwardingEntry(spec, this.#resolve));
  }
  addBridgeVlan(spec: BridgeVlanSpec): void {
    this.#submit(bridge.encodeAddBridgeVlan(spec, this.#resolve));
  }
  deleteBridgeVlan(spec: Pick<BridgeVlanSpec, 'link' | 'first' | 'last' | 'self'>): void {
    this.#submit(bridge.encodeDeleteBridgeVlan(spec, this.#resolve));
  }
}

/** RTNLGRP_* to join for each kind of event. */
const GROUPS = { link: [1], neighbour: [3], address: [5, 9], route: [7, 11] } as const satisfies Record<
  RtnlEvent['kind'],
  readonly number[]
>;

class KernelRtnl extends Changes implements Rtnl {
  readonly #socket: NetlinkSocket;
  /** Kept for the sockets that events need. */
  readonly #netns: Netns | undefined;

  constructor(netns: Netns | undefined) {
    const socket = openNetlinkSocket('route', netns ? { netns } : {});
    super(
      (message) => socket.request(message),
      (ref) => this.#resolve(ref),
    );
    this.#socket = socket;
    this.#netns = netns;
  }

  #resolve(ref: LinkRef): number {
    if (typeof ref === 'number') return ref;
    const found = this.link(ref);
    if (!found) throw new NetlinkError(errnoNumber('ENODEV'), `get link ${ref}`);
    return found.index;
  }

  override deleteLinkGroup(group: number): void {
    try {
      super.deleteLinkGroup(group);
    } catch (error) {
      if (!isErrno(error, 'ENODEV')) throw error;
    }
  }

  async deleteLinkGroupInBackground(group: number): Promise<void> {
    if (group === 0) throw new RangeError('Link group 0 holds every link that has no other group');
    const socket = openNetlinkSocket('route', this.#netns ? { netns: this.#netns } : {});
    try {
      await socket.requestInBackground(link.encodeDeleteLinkGroup(group));
    } catch (error) {
      if (!isErrno(error, 'ENODEV')) throw error;
    } finally {
      socket.close();
    }
  }

  link(ref: LinkRef): Link | undefined {
    try {
      const [reply] = this.#socket.request(link.encodeGetLink(ref));
      return reply && link.decodeLink(reply.payload);
    } catch (error) {
      if (isErrno(error, 'ENODEV')) return undefined;
      throw error;
    }
  }

  links(): Link[] {
    return this.#list(link.encodeListLinks(), RTM_LINK.NEW, link.decodeLink);
  }

  addresses({ link: ref, family }: { link?: LinkRef; family?: IpFamily } = {}): Address[] {
    const index = ref === undefined ? 0 : this.#resolve(ref);
    return this.#list(address.encodeListAddresses(family, index), address.RTM_ADDR.NEW, (payload) => {
      const found = address.decodeAddress(payload);
      return family === undefined || found?.family === family ? found : undefined;
    });
  }

  routes(filter: { table?: number | 'all'; family?: IpFamily; protocol?: number } = {}): Route[] {
    const { table = TABLE.main, family, protocol } = filter;
    return families(family).flatMap((one) => {
      try {
        return this.#list(route.encodeListRoutes(one, table), route.RTM_ROUTE.NEW, (payload) => {
          const found = route.decodeRoute(payload);
          // A kernel without IPv6 answers for all families.
          if (found?.family !== one) return undefined;
          return protocol === undefined || found.protocol === protocol ? found : undefined;
        });
      } catch (error) {
        if (isErrno(error, 'ENOENT')) return []; // no such table yet
        throw error;
      }
    });
  }

  routeTo(destination: string, query: RouteQuery = {}): Route | undefined {
    const message = route.encodeGetRoute(destination, query, (ref) => this.#resolve(ref));
    try {
      const [reply] = this.#socket.request(message);
      return reply && route.decodeRoute(reply.payload);
    } catch (error) {
      if (isErrno(error, 'ENETUNREACH', 'EHOSTUNREACH')) return undefined;
      throw error;
    }
  }

  rules({ family }: { family?: IpFamily } = {}): Rule[] {
    return families(family).flatMap((one) =>
      this.#list(rule.encodeListRules(one), rule.RTM_RULE.NEW, (payload) => {
        const found = rule.decodeRule(payload);
        return found?.family === one ? found : undefined;
      }),
    );
  }

  neighbours({ link: ref, family }: { link?: LinkRef; family?: IpFamily } = {}): Neighbour[] {
    const index = ref === undefined ? 0 : this.#resolve(ref);
    const message = neighbour.encodeListNeighbours(family, index);
    return this.#list(message, neighbour.RTM_NEIGH.NEW, neighbour.decodeNeighbour);
  }

  forwardingEntries({ link: ref }: { link?: LinkRef } = {}): ForwardingEntry[] {
    const index = ref === undefined ? 0 : this.#resolve(ref);
    const message = neighbour.encodeListForwardingEntries(index);
    return this.#list(message, neighbour.RTM_NEIGH.NEW, neighbour.decodeForwardingEntry);
  }

  bridgeVlans({ link: ref }: { link?: LinkRef } = {}): BridgeVlan[] {
    const index = ref === undefined ? undefined : this.#resolve(ref);
    return this.#list(bridge.encodeListBridgeVlans(), RTM_LINK.NEW, bridge.decodeBridgeVlans)
      .flat()
      .filter((vlan) => index === undefined || vlan.link === index);
  }

  #list<T>(message: NetlinkMessage, type: number, decode: (payload: Buffer) => T | undefined): T[] {
    const values: T[] = [];
    for (const reply of this.#socket.dump(message)) {
      if (reply.type !== type) continue;
      const value = decode(reply.payload);
      if (value !== undefined) values.push(value);
    }
    return values;
  }

  batch(
    changes: (to: RtnlChanges) => void,
    { tolerate = () => false }: { tolerate?: (error: NetlinkError) => boolean } = {},
  ): void {
    const messages: NetlinkMessage[] = [];
    changes(
      new Changes(
        (message) => messages.push(message),
        (ref) => this.#resolve(ref),
      ),
    );
    const error = this.#socket.batch(messages).errors.find((each) => !tolerate(each));
    if (error) throw error;
  }

  events({ kinds, onEvent, onOverflow }: RtnlEventOptions): { stop(): void } {
    const groups = kinds.flatMap((kind) => [...GROUPS[kind]]);
    const socket = openNetlinkSocket('route', this.#netns ? { netns: this.#netns, groups } : { groups });
    const listener = socket.listen({
      message(reply) {
        const event = decodeEvent(reply);
        if (event) onEvent(event);
      },
      overflow: onOverflow,
    });
    return {
      stop() {
        listener.stop();
        socket.close();
      },
    };
  }

  close(): void {
    this.#socket.close();
  }
}

function families(family: IpFamily | undefined): readonly IpFamily[] {
  return family === undefined ? [4, 6] : [family];
}

function decodeEvent({ type, payload }: NetlinkReply): RtnlEvent | undefined {
  switch (type) {
    case RTM_LINK.NEW:
    case RTM_LINK.DEL:
      // Bridges repeat the news of their ports with their own family in the header.
      if (payload.readUInt8(0) !== 0) return undefined;
      return { kind: 'link', change: changeOf(type, RTM_LINK.NEW), link: link.decodeLink(payload) };
    case address.RTM_ADDR.NEW:
    case address.RTM_ADDR.DEL: {
      const value = address.decodeAddress(payload);
      return value && { kind: 'address', change: changeOf(type, address.RTM_ADDR.NEW), address: value };
    }
    case route.RTM_ROUTE.NEW:
    case route.RTM_ROUTE.DEL: {
      const value = route.decodeRoute(payload);
      return value && { kind: 'route', change: changeOf(type, route.RTM_ROUTE.NEW), route: value };
    }
    case neighbour.RTM_NEIGH.NEW:
    case neighbour.RTM_NEIGH.DEL: {
      const value = neighbour.decodeNeighbour(payload);
      return (
        value && { kind: 'neighbour', change: changeOf(type, neighbour.RTM_NEIGH.NEW), neighbour: value }
      );
    }
    default:
      return undefined;
  }
}

function changeOf(type: number, added: number): 'new' | 'delete' {
  return type === added ? 'new' : 'delete';
}
