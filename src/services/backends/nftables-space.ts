import { type NftCommand, add, flush, remove } from '../../kernel/nftables/commands.ts';
import { type Expression, concat, lookup, meta, numgen } from '../../kernel/nftables/expressions.ts';
import {
  type Chain,
  type Element,
  type NftMap,
  type NftSet,
  type Rule,
  chain,
  map,
  rule,
  set,
} from '../../kernel/nftables/objects.ts';
import {
  addToSet,
  deleteFromSet,
  dnat,
  drop,
  goto,
  match,
  reject,
  updateSet,
} from '../../kernel/nftables/statements.ts';
import type { EndpointChoice, PlannedEndpoint } from '../plan.ts';
import { type ElementEdits, type PlacedElement, Uses } from './nftables-edits.ts';
import type { Header } from './nftables-table.ts';

/**
 * Making or deleting a set takes milliseconds, an element a tenth of one. A rolling update takes Services to one
 * endpoint more and back; the empty sets this leaves cost a look-up each for new connections, so they stay few.
 */
const IDLE_SETS = 4;
/** Clients remembered at most, of all Services of a kind. */
const AFFINITY_CLIENTS = 1 << 20;

type Target = Pick<PlannedEndpoint, 'address' | 'port'>;
export type FrontKeyValues = readonly (string | number)[];

interface Held {
  readonly key: FrontKeyValues;
  /** In the order of their indexes in the kernel. */
  readonly targets: readonly Target[];
  readonly affinitySeconds: number | undefined;
  readonly isDropped: boolean;
}

/** What a space holds for a front. */
export interface SpaceEntry {
  readonly key: FrontKeyValues;
  readonly choice: EndpointChoice;
  readonly affinitySeconds: number | undefined;
}

/**
 * One chain that chooses, and what it looks things up in, for fronts that all have a key of one form:
 *
 *     NAME-affinity-10800 {front}     ─▶ chain of that name, which asks NAME-affinity {client . front : endpoint} first
 *     NAME-3 {front}                  ─▶ dnat to what NAME-endpoints {front . 0…2 : endpoint} says of a random number
 *     NAME-drop {front}               ─▶ drop
 *     anything else                   ─▶ reject
 *
 * What comes and goes with Services and endpoints is elements. A verdict map in the place of the rules would save
 * looking in several sets, but the kernel walks a whole verdict map for each base chain whenever one element is
 * added (nft_table_validate): a millisecond at 10,000 Services.
 */
export class Space {
  readonly chain: Chain;
  readonly #name: string;
  readonly #header: Header;
  readonly #front: readonly Expression[];
  readonly #endpoints: NftMap;
  readonly #affinity: NftMap;
  readonly #affinityEndpoints: NftSet;
  readonly #drop: NftSet;
  readonly #held = new Map<string, Held>();
  readonly #counts = new Uses<number>();
  readonly #timeouts = new Uses<number>();
  /** Numbers of endpoints that no Service has any more: their sets stay for a while, for they often come back. */
  readonly #idle = new Set<number>();
  /** Timeouts that there is a chain for; they stay. */
  readonly #chains = new Set<number>();
  readonly #sizedSets = new Map<number, NftSet>();
  #hasDrops = false;
  #dropsMade = false;
  #hasRules = false;

  constructor(name: string, header: Header, front: readonly Expression[]) {
    const { table } = header;
    this.#name = name;
    this.#header = header;
    this.#front = front;
    this.chain = chain(table, name);
    this.#endpoints = map(table, `${name}-endpoints`, {
      key: [...front, numgen('random', 65_536)],
      data: header.endpoint,
    });
    this.#affinity = map(table, `${name}-affinity`, {
      key: [header.saddr, ...front],
      data: header.endpoint,
      flags: ['timeout', 'dynamic'],
      size: AFFINITY_CLIENTS,
    });
    this.#affinityEndpoints = set(table, `${name}-affinity-endpoints`, {
      key: [...front, ...header.endpoint],
    });
    this.#drop = set(table, `${name}-drop`, { key: front });
  }

  get create(): readonly NftCommand[] {
    return [add(this.#endpoints), add(this.chain)];
  }

  /** To be told, before anything else, which sets are in the kernel: the rules keep those they can use. */
  adopt(names: ReadonlySet<string>): void {
    for (const name of names) {
      const [, count] = new RegExp(`^${this.#name}-(\\d+)$`, 'u').exec(name) ?? [];
      if (count !== undefined) this.#idle.add(Number(count));
      const [, seconds] = new RegExp(`^${this.#name}-affinity-(\\d+)$`, 'u').exec(name) ?? [];
      if (seconds !== undefined) this.#chains.add(Number(seconds));
    }
    this.#hasDrops = names.has(this.#drop.name);
  }

  /** Where clients are remembered; undefined while no front has affinity. */
  get affinityMap(): NftMap | undefined {
    return this.#chains.size > 0 ? this.#affinity : undefined;
  }

  get chains(): readonly Chain[] {
    return [this.chain, ...[...this.#chains].map((seconds) => this.#affinityChain(seconds))];
  }

  #sized(count: number): NftSet {
    let sized = this.#sizedSets.get(count);
    if (sized === undefined) {
      sized = set(this.#header.table, `${this.#name}-${count}`, { key: this.#front });
      this.#sizedSets.set(count, sized);
    }
    return sized;
  }

  #timed(seconds: number): NftSet {
    return set(this.#header.table, `${this.#name}-affinity-${seconds}`, { key: this.#front });
  }

  #affinityChain(seconds: number): Chain {
    return chain(this.#header.table, `${this.#name}-affinity-${seconds}`);
  }

  /** Puts what a front gets, or takes it away. */
  replace(frontKey: string, entry: SpaceEntry | undefined, edits: ElementEdits): void {
    const before = this.#held.get(frontKey);
    if (before === undefined && entry === undefined) return;
    const after = entry === undefined ? undefined : hold(entry, before?.targets);
    if (after === undefined) this.#held.delete(frontKey);
    else this.#held.set(frontKey, after);
    this.#count(before, -1);
    this.#count(after, 1);
    if (before === undefined) {
      if (after !== undefined) this.#visit(after, (of, element) => edits.put(of, element));
    } else edits.change(this.#elements(before), after === undefined ? [] : this.#elements(after));
  }

  #count(held: Held | undefined, by: 1 | -1): void {
    if (held === undefined) return;
    if (held.targets.length > 0) this.#counts.change(held.targets.length, by);
    if (held.affinitySeconds !== undefined) this.#timeouts.change(held.affinitySeconds, by);
    if (held.isDropped) this.#hasDrops ||= by > 0;
  }

  #elements(held: Held): PlacedElement[] {
    const list: PlacedElement[] = [];
    this.#visit(held, (of, element) => list.push([of, element]));
    return list;
  }

  #visit(
    { key, targets, affinitySeconds, isDropped }: Held,
    visit: (set: NftSet | NftMap, element: Element) => void,
  ): void {
    for (const [index, { address, port }] of targets.entries()) {
      visit(this.#endpoints, { key: [...key, index], value: [address, port] });
      if (affinitySeconds !== undefined) visit(this.#affinityEndpoints, { key: [...key, address, port] });
    }
    if (targets.length > 0) visit(this.#sized(targets.length), { key });
    if (affinitySeconds !== undefined) visit(this.#timed(affinitySeconds), { key });
    if (isDropped) visit(this.#drop, { key });
  }

  /** The commands around a change of elements: sets to make before, rules and sets to drop after. */
  settle(): { readonly before: NftCommand[]; readonly after: NftCommand[] } {
    const { come, gone } = this.#counts.settle();
    const made = come.filter((count) => !this.#idle.delete(count));
    for (const count of gone) this.#idle.add(count);
    // Sets that were adopted are not empty yet.
    const dropped = this.#hasRules && this.#idle.size > IDLE_SETS ? [...this.#idle] : [];
    if (dropped.length > 0) this.#idle.clear();
    const timeouts = this.#timeouts.settle().come.filter((seconds) => !this.#chains.has(seconds));
    const before = made.map((count) => add(this.#sized(count)));
    if (timeouts.length > 0 && this.#chains.size === 0)
      before.push(add(this.#affinity), add(this.#affinityEndpoints));
    for (const seconds of timeouts) {
      this.#chains.add(seconds);
      before.push(add(this.#timed(seconds)), add(this.#affinityChain(seconds)));
    }
    const newDrops = this.#hasDrops && !this.#dropsMade;
    if (newDrops) before.push(add(this.#drop));
    this.#dropsMade = this.#hasDrops;
    const news = made.length + dropped.length + timeouts.length + (newDrops ? 1 : 0);
    const after = !this.#hasRules || news > 0 ? this.#replaceRules() : [];
    this.#hasRules = true;
    return { before, after: [...after, ...dropped.map((count) => remove(this.#sized(count)))] };
  }

  #replaceRules(): NftCommand[] {
    return [...this.chains.map(flush), ...this.rules().map(add)];
  }

  /** The rules that should be there. */
  rules(): Rule[] {
    const front = concat(...this.#front);
    const counts = [...this.#counts.keys, ...this.#idle].toSorted((a, b) => a - b);
    const chosen = (count: number): Expression =>
      lookup(concat(...this.#front, numgen('random', count)), this.#endpoints);
    const toAny = (of: Chain): Rule[] =>
      counts.map((count) => {
        const key = concat(...this.#front, numgen('random', count));
        return rule(of, [match(front, 'in', this.#sized(count)), dnat({ to: lookup(key, this.#endpoints) })]);
      });
    const ends = (of: Chain): Rule[] => {
      const comment = 'nothing answers';
      return [
        ...(this.#dropsMade
          ? [rule(of, [match(front, 'in', this.#drop), drop], { comment: 'others have endpoints' })]
          : []),
        rule(of, [match(meta.l4proto, '==', 'tcp'), reject('tcp reset')], { comment }),
        rule(of, [reject('port-unreachable')], { comment }),
      ];
    };
    const affine = [...this.#chains].flatMap((seconds) => {
      const of = this.#affinityChain(seconds);
      const client = concat(this.#header.saddr, ...this.#front);
      const known = lookup(client, this.#affinity);
      const timeoutMs = seconds * 1000;
      return [
        // A client stays where it was while that is an endpoint still; what else is known of it is forgotten.
        rule(of, [
          match(concat(...this.#front, known), 'in', this.#affinityEndpoints),
          updateSet(this.#affinity, client, { data: known, timeoutMs }),
          dnat({ to: known }),
        ]),
        rule(of, [deleteFromSet(this.#affinity, client, { data: concat(...this.#header.endpoint) })]),
        ...counts.map((count) =>
          rule(of, [
            match(front, 'in', this.#sized(count)),
            addToSet(this.#affinity, client, { data: chosen(count), timeoutMs }),
            dnat({ to: known }),
          ]),
        ),
        ...toAny(of), // no more clients can be remembered
        ...ends(of),
      ];
    });
    const toAffine = [...this.#chains].map((seconds) =>
      rule(this.chain, [match(front, 'in', this.#timed(seconds)), goto(this.#affinityChain(seconds))]),
    );
    return [...toAffine, ...toAny(this.chain), ...ends(this.chain), ...affine];
  }

  /** Every set there should be. */
  sets(): readonly (NftSet | NftMap)[] {
    return [
      this.#endpoints,
      ...[...this.#counts.keys, ...this.#idle].map((count) => this.#sized(count)),
      ...(this.#chains.size > 0 ? [this.#affinityEndpoints] : []),
      ...[...this.#chains].map((seconds) => this.#timed(seconds)),
      ...(this.#dropsMade ? [this.#drop] : []),
    ];
  }

  /** Every element that should be there. */
  *elements(): Generator<PlacedElement> {
    for (const held of this.#held.values()) yield* this.#elements(held);
  }
}

function hold({ key, choice, affinitySeconds }: SpaceEntry, before: readonly Target[] | undefined): Held {
  const { endpoints, whenNone } = choice;
  return {
    key,
    targets: placeTargets(before ?? [], endpoints),
    affinitySeconds,
    isDropped: endpoints.length === 0 && whenNone === 'drop',
  };
}

/** Gives every endpoint an index below their number. Those that stay keep theirs if they can, so that little moves. */
export function placeTargets(
  before: readonly Target[],
  endpoints: readonly PlannedEndpoint[],
): readonly Target[] {
  if (before.length === 0) return endpoints;
  const wanted = new Map<string, Target>(endpoints.map((each) => [`${each.address} ${each.port}`, each]));
  const placed: (Target | undefined)[] = Array<undefined>(endpoints.length).fill(undefined);
  for (const [index, target] of before.slice(0, endpoints.length).entries()) {
    if (wanted.delete(`${target.address} ${target.port}`)) placed[index] = target;
  }
  const rest = wanted.values();
  return placed.map((target) => target ?? (rest.next().value as Target));
}
