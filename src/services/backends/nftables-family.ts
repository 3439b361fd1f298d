import { type NftCommand, add, remove } from '../../kernel/nftables/commands.ts';
import {
  type Element,
  type NftMap,
  type NftSet,
  type Rule,
  elements,
} from '../../kernel/nftables/objects.ts';
import type { IpFamily } from '../../model/ip.ts';
import { type PlanChange, type PlannedEndpoint, type PlannedPort, frontKey } from '../plan.ts';
import {
  type ServicesTable,
  replaceServicesRules,
  servicesRules,
  servicesSet,
  servicesTable,
} from './nftables-table.ts';

/**
 * Making or deleting a set takes milliseconds, an element a tenth of one. A rolling update takes Services to one
 * endpoint more and back; the empty sets this leaves cost a look-up each for new connections, so they stay few.
 */
const IDLE_SETS = 4;

type Target = Pick<PlannedEndpoint, 'address' | 'port'>;

interface HeldPort extends Pick<PlannedPort, 'address' | 'port' | 'protocol'> {
  /** In the order of their indexes in the kernel. */
  readonly targets: readonly Target[];
  /** Addresses of endpoints on this node. */
  readonly local: readonly string[];
}

/** Lists of elements to take out and to put in, of one set. */
class Edits {
  readonly #set: NftSet | NftMap;
  readonly #gone: Element[] = [];
  readonly #come: Element[] = [];

  constructor(set: NftSet | NftMap) {
    this.#set = set;
  }

  take(element: Element): void {
    this.#gone.push(element);
  }

  put(element: Element): void {
    this.#come.push(element);
  }

  removals(): NftCommand[] {
    return this.#gone.length === 0 ? [] : [remove(elements(this.#set, this.#gone))];
  }

  additions(): NftCommand[] {
    return this.#come.length === 0 ? [] : [add(elements(this.#set, this.#come))];
  }
}

/** Counts who needs something, and tells when the first came and when the last went. */
class Uses<Key> {
  readonly #counts = new Map<Key, number>();
  readonly #before = new Map<Key, number>();

  get keys(): Iterable<Key> {
    return this.#counts.keys();
  }

  change(key: Key, by: 1 | -1): void {
    const count = this.#counts.get(key) ?? 0;
    if (!this.#before.has(key)) this.#before.set(key, count);
    if (count + by === 0) this.#counts.delete(key);
    else this.#counts.set(key, count + by);
  }

  /** What came into use and what went out of use since the last call. */
  settle(): { readonly come: Key[]; readonly gone: Key[] } {
    const come: Key[] = [];
    const gone: Key[] = [];
    for (const [key, before] of this.#before) {
      const now = this.#counts.get(key) ?? 0;
      if (before === 0 && now > 0) come.push(key);
      if (before > 0 && now === 0) gone.push(key);
    }
    this.#before.clear();
    return { come, gone };
  }
}

/** What the kernel's table of one family holds, and the commands that take it from one plan to the next. */
export class FamilyState {
  readonly table: ServicesTable;
  readonly #nodeName: string;
  readonly #ports = new Map<string, HeldPort>();
  readonly #counts = new Uses<number>();
  readonly #clusterIps = new Uses<string>();
  readonly #hairpins = new Uses<string>();
  /** Numbers of endpoints that no Service has any more: their sets stay for a while, for they often come back. */
  readonly #idle = new Set<number>();
  #hasRules = false;

  constructor(family: IpFamily, nodeName: string) {
    this.table = servicesTable(family);
    this.#nodeName = nodeName;
  }

  /** The commands for a change; the state is taken to be changed already. */
  change({ set, removed }: Pick<PlanChange, 'set' | 'removed'>): NftCommand[] {
    const edits = new TableEdits(this.table);
    for (const port of removed) this.#replace(frontKey(port), undefined, edits);
    for (const port of set) this.#replace(frontKey(port), port, edits);
    const { made, dropped } = this.#settleCounts();
    const clusterIps = this.#settle(this.#clusterIps, this.table.clusterIps, (address) => [address]);
    const hairpins = this.#settle(this.#hairpins, this.table.hairpin, (address) => [address, address]);
    const lists = [edits.endpoints, ...edits.services.values(), clusterIps, hairpins];
    const newRules = !this.#hasRules || made.length + dropped.length > 0;
    this.#hasRules = true;
    return [
      ...lists.flatMap((list) => list.removals()),
      ...made.map((count) => add(servicesSet(this.table, count))),
      ...lists.flatMap((list) => list.additions()),
      ...(newRules ? replaceServicesRules(this.table, this.#allCounts()) : []),
      ...dropped.map((count) => remove(servicesSet(this.table, count))),
    ];
  }

  /** The numbers of endpoints whose sets are to be made, and those whose sets go. */
  #settleCounts(): { made: readonly number[]; dropped: readonly number[] } {
    const { come, gone } = this.#counts.settle();
    const made = come.filter((count) => !this.#idle.delete(count));
    for (const count of gone) this.#idle.add(count);
    const dropped = this.#idle.size > IDLE_SETS ? [...this.#idle] : [];
    if (dropped.length > 0) this.#idle.clear();
    return { made, dropped };
  }

  #allCounts(): readonly number[] {
    return [...this.#counts.keys, ...this.#idle];
  }

  #settle(uses: Uses<string>, set: NftSet, key: (address: string) => readonly string[]): Edits {
    const edits = new Edits(set);
    const { come, gone } = uses.settle();
    for (const address of gone) edits.take({ key: key(address) });
    for (const address of come) edits.put({ key: key(address) });
    return edits;
  }

  #replace(key: string, port: PlannedPort | undefined, edits: TableEdits): void {
    const before = this.#ports.get(key);
    const after = port === undefined ? undefined : this.#hold(port, before?.targets ?? []);
    if (after === undefined) this.#ports.delete(key);
    else this.#ports.set(key, after);
    this.#count(before, -1);
    this.#count(after, 1);

    const front = port ?? before;
    if (front === undefined) return;
    const had = before?.targets ?? [];
    const has = after?.targets ?? [];
    const at = [front.address, front.protocol, front.port];
    for (let index = 0; index < Math.max(had.length, has.length); index++) {
      const old = had[index];
      const now = has[index];
      if (old !== undefined && now !== undefined && sameTarget(old, now)) continue;
      if (old !== undefined) edits.endpoints.take({ key: [...at, index] });
      if (now !== undefined) edits.endpoints.put({ key: [...at, index], value: [now.address, now.port] });
    }
    if (had.length === has.length) return;
    if (had.length > 0) edits.servicesWith(had.length).take({ key: at });
    if (has.length > 0) edits.servicesWith(has.length).put({ key: at });
  }

  #count(port: HeldPort | undefined, by: 1 | -1): void {
    if (port === undefined) return;
    this.#clusterIps.change(port.address, by);
    if (port.targets.length > 0) this.#counts.change(port.targets.length, by);
    for (const address of port.local) this.#hairpins.change(address, by);
  }

  #hold(
    { address, port, protocol, inside: { endpoints } }: PlannedPort,
    before: readonly Target[],
  ): HeldPort {
    const local = endpoints
      .filter(({ source }) => source.nodeName === undefined || source.nodeName === this.#nodeName)
      .map((endpoint) => endpoint.address);
    return { address, port, protocol, targets: placeTargets(before, endpoints), local };
  }

  /** Every element that should be in the kernel, by set. */
  expected(): ReadonlyMap<NftSet | NftMap, Element[]> {
    const services = new Map<number, Element[]>();
    const endpoints: Element[] = [];
    for (const count of this.#allCounts()) services.set(count, []);
    for (const { address, protocol, port, targets } of this.#ports.values()) {
      services.get(targets.length)?.push({ key: [address, protocol, port] });
      for (const [index, target] of targets.entries()) {
        endpoints.push({ key: [address, protocol, port, index], value: [target.address, target.port] });
      }
    }
    return new Map<NftSet | NftMap, Element[]>([
      [this.table.endpoints, endpoints],
      [this.table.clusterIps, [...this.#clusterIps.keys].map((address) => ({ key: [address] }))],
      [this.table.hairpin, [...this.#hairpins.keys].map((address) => ({ key: [address, address] }))],
      ...[...services].map(([count, list]) => [servicesSet(this.table, count), list] as const),
    ]);
  }

  /** The rules that should be there. */
  expectedRules(): readonly Rule[] {
    return [...this.table.baseRules, ...servicesRules(this.table, this.#allCounts())];
  }
}

/** The elements to change in one table. */
class TableEdits {
  readonly #table: ServicesTable;
  readonly endpoints: Edits;
  readonly services = new Map<number, Edits>();

  constructor(table: ServicesTable) {
    this.#table = table;
    this.endpoints = new Edits(table.endpoints);
  }

  servicesWith(count: number): Edits {
    let edits = this.services.get(count);
    if (edits === undefined) this.services.set(count, (edits = new Edits(servicesSet(this.#table, count))));
    return edits;
  }
}

/** Gives every endpoint an index below their number. Those that stay keep theirs if they can, so that little moves. */
export function placeTargets(
  before: readonly Target[],
  endpoints: readonly PlannedEndpoint[],
): readonly Target[] {
  if (before.length === 0) return endpoints.map(({ address, port }) => ({ address, port }));
  const wanted = new Map(endpoints.map(({ address, port }) => [`${address} ${port}`, { address, port }]));
  const placed: (Target | undefined)[] = Array<undefined>(endpoints.length).fill(undefined);
  for (const [index, target] of before.slice(0, endpoints.length).entries()) {
    if (wanted.delete(`${target.address} ${target.port}`)) placed[index] = target;
  }
  const rest = wanted.values();
  return placed.map((target) => target ?? (rest.next().value as Target));
}

function sameTarget(a: Target, b: Target): boolean {
  return a.address === b.address && a.port === b.port;
}
