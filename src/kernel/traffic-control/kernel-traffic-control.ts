import { errnoNumber, isErrno } from '../ffi.ts';
import type { NetlinkMessage } from '../netlink/message.ts';
import { NetlinkError } from '../netlink/netlink-error.ts';
import { type NetlinkSocket, openNetlinkSocket } from '../netlink/netlink-socket.ts';
import type { Netns } from '../netns.ts';
import { decodeLink, encodeGetLink } from '../rtnl/link-codec.ts';
import type { LinkRef } from '../rtnl/rtnl.ts';
import * as filter from './filter-codec.ts';
import * as qdisc from './qdisc-codec.ts';
import type { TcHandle } from './handle.ts';
import type {
  Filter,
  FilterSpec,
  Qdisc,
  QdiscSpec,
  TrafficClass,
  TrafficClassSpec,
  TrafficControl,
} from './traffic-control.ts';

/** The kernel's traffic control in `netns`, or in the namespace of the calling thread. Close it when done. */
export function openTrafficControl(options: { netns?: Netns } = {}): TrafficControl {
  return new KernelTrafficControl(openNetlinkSocket('route', options));
}

class KernelTrafficControl implements TrafficControl {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  #resolve(ref: LinkRef): number {
    if (typeof ref === 'number') return ref;
    const [reply] = this.#socket.request(encodeGetLink(ref));
    if (!reply) throw new NetlinkError(errnoNumber('ENODEV'), `get link ${ref}`);
    return decodeLink(reply.payload).index;
  }

  addQdisc(spec: QdiscSpec): void {
    this.#socket.request(qdisc.encodeNewQdisc(spec, this.#resolve(spec.link), 'add'));
  }

  replaceQdisc(spec: QdiscSpec): void {
    this.#socket.request(qdisc.encodeNewQdisc(spec, this.#resolve(spec.link), 'replace'));
  }

  deleteQdisc(link: LinkRef, parent: TcHandle): void {
    this.#socket.request(qdisc.encodeDeleteQdisc(this.#resolve(link), parent));
  }

  qdisc(link: LinkRef, parent: TcHandle): Qdisc | undefined {
    try {
      const [reply] = this.#socket.request(qdisc.encodeGetQdisc(this.#resolve(link), parent));
      return reply && qdisc.decodeQdisc(reply.payload);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  qdiscs(link?: LinkRef): Qdisc[] {
    const index = link === undefined ? undefined : this.#resolve(link);
    return this.#list(qdisc.encodeListQdiscs(), qdisc.RTM_QDISC.NEW, (payload) => {
      const found = qdisc.decodeQdisc(payload);
      return index === undefined || found?.link === index ? found : undefined;
    });
  }

  addClass(spec: TrafficClassSpec): void {
    this.#socket.request(qdisc.encodeAddClass(spec, this.#resolve(spec.link)));
  }

  classes(link: LinkRef): TrafficClass[] {
    const message = qdisc.encodeListClasses(this.#resolve(link));
    return this.#list(message, qdisc.RTM_CLASS.NEW, qdisc.decodeClass);
  }

  addFilter(spec: FilterSpec): void {
    const target = spec.action.kind === 'redirect' ? this.#resolve(spec.action.to) : 0;
    this.#socket.request(filter.encodeAddFilter(spec, this.#resolve(spec.link), target));
  }

  deleteFilters(link: LinkRef, parent: TcHandle, priority?: number): void {
    this.#socket.request(filter.encodeDeleteFilters(this.#resolve(link), parent, priority));
  }

  filters(link: LinkRef, parent: TcHandle): Filter[] {
    const message = filter.encodeListFilters(this.#resolve(link), parent);
    return this.#list(message, filter.RTM_FILTER.NEW, filter.decodeFilter);
  }

  #list<T>(message: NetlinkMessage, type: number, decode: (payload: Buffer) => T | undefined): T[] {
    return this.#socket.dump(message).flatMap((reply) => {
      const value = reply.type === type ? decode(reply.payload) : undefined;
      return value === undefined ? [] : [value];
    });
  }

  close(): void {
    this.#socket.close();
  }
}
