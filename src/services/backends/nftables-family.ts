import { type NftCommand, add, remove } from '../../kernel/nftables/commands.ts';
import { type Element, type NftMap, type NftSet, elements } from '../../kernel/nftables/objects.ts';
import { goto } from '../../kernel/nftables/statements.ts';
import type { IpFamily } from '../../model/ip.ts';
import { type PlanChange, type PlannedEndpoint, type PlannedPort, frontKey } from '../plan.ts';
import { type ServicesTable, servicesTable, spreadChain, spreadName } from './nftables-table.ts';

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

  constructor(family: IpFamily, nodeName: string) {
    this.table = servicesTable(family);
    this.#nodeName = nodeName;
  }

  /** The commands for a change; the state is taken to be changed already. */
  change({ set, removed }: PlanChange): NftCommand[] {
    const services = new Edits(this.table.services);
    const endpoints = new Edits(this.table.endpoints);
    for (const port of removed) this.#replace(frontKey(port), undefined, { services, endpoints });
    for (const port of set) this.#replace(frontKey(port), port, { services, endpoints });
    const counts = this.#counts.settle();
    const clusterIps = this.#settle(this.#clusterIps, this.table.clusterIps, (address) => [address]);
    const hairpins = this.#settle(this.#hairpins, this.table.hairpin, (address) => [address, address]);
    const edits = [services, endpoints, clusterIps, hairpins];
    return [
      ...edits.flatMap((edit) => edit.removals()),
      ...counts.come.flatMap((count) => {
        const { chain, rule } = spreadChain(this.table, count);
        return [add(chain), add(rule)];
      }),
      ...[endpoints, services, clusterIps, hairpins].flatMap((edit) => edit.additions()),
      ...counts.gone.map((count) => remove(spreadChain(this.table, count).chain)),
    ];
  }

  #settle(uses: Uses<string>, set: NftSet, key: (address: string) => readonly string[]): Edits {
    const edits = new Edits(set);
    const { come, gone } = uses.settle();
    for (const address of gone) edits.take({ key: key(address) });
    for (const address of come) edits.put({ key: key(address) });
    return edits;
  }

  #replace(
    key: string,
    port: PlannedPort | undefined,
    { services, endpoints }: { services: Edits; endpoints: Edits },
  ): void {
    const before = this.#ports.get(key);
    const after = port === undefined ? undefined : this.#hold(port, before?.targets ?? []);
    if (after === undefined) this.#ports.delete(key);
    else this.#ports.set(key, after);

    const had = before?.targets ?? [];
    const has = after?.targets ?? [];
    const front = port ?? before;
    if (front === undefined) return;
    const { address, protocol, port: number } = front;
    for (let index = 0; index < Math.max(had.length, has.length); index++) {
      const old = had[index];
      const now = has[index];
      if (old !== undefined && now !== undefined && sameTarget(old, now)) continue;
      const at = [address, protocol, number, index];
      if (old !== undefined) endpoints.take({ key: at });
      if (now !== undefined) endpoints.put({ key: at, value: [now.address, now.port] });
    }
    if (before === undefined || after === undefined || had.length !== has.length) {
      const at = [address, protocol, number];
      if (before !== undefined) services.take({ key: at });
      if (after !== undefined) services.put({ key: at, value: goto(this.#chainName(has.length)) });
    }
    this.#count(before, -1);
    this.#count(after, 1);
  }

  #chainName(count: number): string {
    return count === 0 ? this.table.noEndpoints.name : spreadName(count);
  }

  #count(port: HeldPort | undefined, by: 1 | -1): void {
    if (port === undefined) return;
    this.#clusterIps.change(port.address, by);
    if (port.targets.length > 0) this.#counts.change(port.targets.length, by);
    for (const address of port.local) this.#hairpins.change(address, by);
  }

  #hold({ address, port, protocol, endpoints }: PlannedPort, before: readonly Target[]): HeldPort {
    const local = endpoints
      .filter(({ source }) => source.nodeName === undefined || source.nodeName === this.#nodeName)
      .map((endpoint) => endpoint.address);
    return { address, port, protocol, targets: placeTargets(before, endpoints), local };
  }

  /** Every element that should be in the kernel, by set. */
  expected(): ReadonlyMap<NftSet | NftMap, Element[]> {
    const services: Element[] = [];
    const endpoints: Element[] = [];
    for (const { address, protocol, port, targets } of this.#ports.values()) {
      services.push({ key: [address, protocol, port], value: goto(this.#chainName(targets.length)) });
      for (const [index, target] of targets.entries()) {
        endpoints.push({ key: [address, protocol, port, index], value: [target.address, target.port] });
      }
    }
    return new Map<NftSet | NftMap, Element[]>([
      [this.table.services, services],
      [this.table.endpoints, endpoints],
      [this.table.clusterIps, [...this.#clusterIps.keys].map((address) => ({ key: [address] }))],
      [this.table.hairpin, [...this.#hairpins.keys].map((address) => ({ key: [address, address] }))],
    ]);
  }

  /** The chains that should be there, each with the number of its rules. */
  expectedChains(): ReadonlyMap<string, number> {
    const chains = new Map(this.table.chains.map(({ name }) => [name, 0]));
    for (const { chain } of this.table.rules) chains.set(chain.name, (chains.get(chain.name) ?? 0) + 1);
    for (const count of this.#counts.keys) chains.set(spreadName(count), 1);
    return chains;
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
