import { parseCidr, formatCidr } from '../../model/ip.ts';
import type { Link, LinkRef, Rtnl } from '../rtnl/rtnl.ts';
import { refuse } from '../rtnl/refuse.ts';
import { parentOf } from './qdisc-codec.ts';
import { INGRESS, INGRESS_FILTERS, ROOT, type TcHandle, printTcHandle } from './handle.ts';
import type {
  Filter,
  FilterSpec,
  Qdisc,
  QdiscSpec,
  TrafficClass,
  TrafficClassSpec,
  TrafficControl,
  TrafficStatistics,
} from './traffic-control.ts';

const NOTHING_PASSED: TrafficStatistics = {
  bytes: 0n,
  packets: 0,
  drops: 0,
  overlimits: 0,
  backlogBytes: 0,
};

/** The first handle the kernel picks by itself. */
const AUTOMATIC_HANDLE = 0x8001_0000;

/** Traffic control of the links of `rtnl`, which may be a fake too. Nothing flows through it. */
export function createFakeTrafficControl(rtnl: Pick<Rtnl, 'link'>): TrafficControl {
  return new FakeTrafficControl(rtnl);
}

interface Attached {
  readonly qdisc: Qdisc;
  readonly classes: TrafficClass[];
  readonly filters: Filter[];
}

class FakeTrafficControl implements TrafficControl {
  readonly #rtnl: Pick<Rtnl, 'link'>;
  readonly #attached = new Map<string, Attached>();
  #nextHandle = AUTOMATIC_HANDLE;

  constructor(rtnl: Pick<Rtnl, 'link'>) {
    this.#rtnl = rtnl;
  }

  /** Forgets what was on links that are gone: an index is never given twice. */
  #link(ref: LinkRef, request: string): Link {
    for (const [key, { qdisc }] of this.#attached) {
      if (!this.#rtnl.link(qdisc.link)) this.#attached.delete(key);
    }
    const link = this.#rtnl.link(ref);
    if (!link) throw refuse('ENODEV', request);
    return link;
  }

  #at(link: number, parent: TcHandle): Attached | undefined {
    return this.#attached.get(`${link} ${parent}`);
  }

  #put(spec: QdiscSpec, verb: 'add' | 'replace'): void {
    const request = `${verb} qdisc ${spec.options.kind} dev ${spec.link}`;
    const { index: link } = this.#link(spec.link, request);
    const { options } = spec;
    const parent = parentOf(spec);
    const before = this.#at(link, parent);
    if (before && verb === 'add') throw refuse('EEXIST', request);
    const same = before?.qdisc.kind === options.kind ? before : undefined;
    const handle = parent === INGRESS ? INGRESS_FILTERS : (spec.handle ?? same?.qdisc.handle ?? this.#pick());
    const { kind } = options;
    const qdisc = { link, parent, handle, kind, options, statistics: NOTHING_PASSED };
    this.#attached.set(`${link} ${parent}`, {
      qdisc,
      classes: same?.classes ?? [],
      filters: same?.filters ?? [],
    });
  }

  #pick(): TcHandle {
    const handle = this.#nextHandle;
    this.#nextHandle += 0x1_0000;
    return handle;
  }

  addQdisc(spec: QdiscSpec): void {
    this.#put(spec, 'add');
  }

  replaceQdisc(spec: QdiscSpec): void {
    this.#put(spec, 'replace');
  }

  deleteQdisc(ref: LinkRef, parent: TcHandle): void {
    const request = `delete qdisc of link ${ref} parent ${printTcHandle(parent)}`;
    const { index } = this.#link(ref, request);
    if (!this.#attached.delete(`${index} ${parent}`)) throw refuse('ENOENT', request);
  }

  qdisc(ref: LinkRef, parent: TcHandle): Qdisc | undefined {
    return this.#at(this.#link(ref, 'get qdisc').index, parent)?.qdisc;
  }

  qdiscs(ref?: LinkRef): Qdisc[] {
    const index = ref === undefined ? undefined : this.#link(ref, 'list qdiscs').index;
    return [...this.#attached.values()]
      .map(({ qdisc }) => qdisc)
      .filter(({ link }) => (index === undefined ? this.#rtnl.link(link) : link === index));
  }

  /** The qdisc that has this handle. */
  #owner(link: number, handle: TcHandle): Attached | undefined {
    const major = handle >>> 16;
    return [...this.#attached.values()].find(
      ({ qdisc }) => qdisc.link === link && qdisc.handle >>> 16 === major,
    );
  }

  addClass(spec: TrafficClassSpec): void {
    const request = `add class ${printTcHandle(spec.handle)} dev ${spec.link}`;
    const { index: link } = this.#link(spec.link, request);
    const owner = this.#owner(link, spec.handle);
    if (!owner) throw refuse('ENOENT', request);
    if (owner.classes.some(({ handle }) => handle === spec.handle)) throw refuse('EEXIST', request);
    const { handle, rateBytesPerSecond } = spec;
    // So does the kernel list a class that hangs on the qdisc itself.
    const parent = (spec.parent & 0xffff) === 0 ? ROOT : spec.parent;
    owner.classes.push({
      link,
      handle,
      parent,
      kind: 'htb',
      rateBytesPerSecond,
      statistics: NOTHING_PASSED,
    });
  }

  classes(ref: LinkRef): TrafficClass[] {
    const { index } = this.#link(ref, 'list classes');
    return [...this.#attached.values()]
      .filter(({ qdisc }) => qdisc.link === index)
      .flatMap(({ classes }) => classes);
  }

  addFilter(spec: FilterSpec): void {
    const { parent, priority, match, action } = spec;
    const request = `add filter u32 dev ${spec.link} parent ${printTcHandle(parent)}`;
    const target = action.kind === 'redirect' ? this.#link(action.to, request).index : 0;
    const { index: link } = this.#link(spec.link, request);
    const owner = this.#owner(link, parent);
    if (!owner) throw refuse('EINVAL', request);
    owner.filters.push({
      link,
      parent,
      priority,
      kind: 'u32',
      match: match && { field: match.field, prefix: formatCidr(parseCidr(match.prefix)) },
      action: action.kind === 'redirect' ? { kind: 'redirect', to: target } : action,
    });
    owner.filters.sort((a, b) => a.priority - b.priority);
  }

  deleteFilters(ref: LinkRef, parent: TcHandle, priority?: number): void {
    const request = `delete filters of link ${ref} parent ${printTcHandle(parent)}`;
    const { index } = this.#link(ref, request);
    const filters = this.#owner(index, parent)?.filters;
    if (!filters) throw refuse('EINVAL', request);
    const kept = filters.filter((each) => priority !== undefined && each.priority !== priority);
    if (priority !== undefined && kept.length === filters.length) throw refuse('ENOENT', request);
    filters.splice(0, filters.length, ...kept);
  }

  filters(ref: LinkRef, parent: TcHandle): Filter[] {
    const { index } = this.#link(ref, 'list filters');
    return [...(this.#owner(index, parent)?.filters ?? [])];
  }

  close(): void {}
}
