import type { IptablesTable, Jump, TableEdits } from '../../../kernel/iptables/iptables.ts';
import type { RuleText, TableText } from '../../../kernel/iptables/rule-text.ts';
import type { IpFamily } from '../../../model/ip.ts';
import { type NodeFacts, type PlannedPort, frontKey } from '../../plan.ts';
import { isServiceChain } from './chain-names.ts';
import { type PortChains, portChains } from './service-chains.ts';
import { jumps, sharedChains } from './shared-chains.ts';

const TABLES = ['nat', 'filter'] as const satisfies IptablesTable[];

/** Our part of the tables: chains of ours, and whether each of our jumps is where it belongs. */
interface Held {
  readonly chains: Record<IptablesTable, Map<string, readonly RuleText[]>>;
  readonly jumps: Record<IptablesTable, Set<string>>;
}

/** The part of a `PlanChange` that is of one family. */
export interface FamilyChange {
  readonly set: readonly PlannedPort[];
  readonly removed: readonly PlannedPort[];
  /** What was there in the place of `set`. */
  readonly before?: readonly PlannedPort[];
  readonly node?: NodeFacts;
}

/** What the kernel's tables of one family hold of ours, and the edits that take them from one plan to the next. */
export class FamilyRules {
  readonly #family: IpFamily;
  #node: NodeFacts;
  /** By Service port, then by front. */
  readonly #fronts = new Map<string, Map<string, PlannedPort>>();
  readonly #ports = new Map<string, PortChains>();
  #held: Held;

  /** `tables` are the kernel's as they are now. */
  constructor(family: IpFamily, options: { node: NodeFacts; tables: ReadonlyMap<string, TableText> }) {
    this.#family = family;
    this.#node = options.node;
    this.#held = readHeld(options.tables);
  }

  get isEmpty(): boolean {
    return this.#fronts.size === 0;
  }

  /** Whether anything of ours is in the tables. */
  get holdsAnything(): boolean {
    return TABLES.some((table) => this.#held.chains[table].size + this.#held.jumps[table].size > 0);
  }

  /** The edits for a change; the tables are taken to be changed already. With `all`, whatever they held before. */
  change(
    { set, removed, before = [], node }: FamilyChange,
    { all = false }: { all?: boolean } = {},
  ): TableEdits[] {
    const touched = new Set<string>();
    // What is set may have been another Service's before.
    for (const port of [...removed, ...before]) {
      const key = groupKey(port);
      const fronts = this.#fronts.get(key);
      if (fronts?.delete(frontKey(port)) === true) touched.add(key);
      if (fronts?.size === 0) this.#fronts.delete(key);
    }
    for (const port of set) {
      const key = groupKey(port);
      let fronts = this.#fronts.get(key);
      if (fronts === undefined) this.#fronts.set(key, (fronts = new Map()));
      fronts.set(frontKey(port), port);
      touched.add(key);
    }
    if (node !== undefined) {
      this.#node = node;
      for (const key of this.#fronts.keys()) touched.add(key);
    }
    const own = new Map<string, readonly RuleText[]>();
    const left = new Set<string>();
    let shared = all || node !== undefined;
    for (const key of touched) {
      const had = this.#ports.get(key);
      const fronts = this.#fronts.get(key);
      const after = fronts && portChains(inOrder(fronts.values()), this.#node);
      if (after === undefined) this.#ports.delete(key);
      else this.#ports.set(key, after);
      for (const name of had?.own.keys() ?? []) left.add(name);
      for (const [name, rules] of after?.own ?? []) own.set(name, rules);
      shared ||= !sameShared(had, after);
    }
    if (all) for (const [, { own: chains }] of this.#ports) for (const each of chains) own.set(...each);
    for (const name of own.keys()) left.delete(name);
    const wanted = shared ? this.#shared() : { nat: new Map(), filter: new Map() };
    const nat = new Map([...own, ...wanted.nat]);
    if (all) for (const name of this.#held.chains.nat.keys()) if (!nat.has(name)) left.add(name);
    const stale = all ? [...this.#held.chains.filter.keys()].filter((name) => !wanted.filter.has(name)) : [];
    return [
      this.#edit('nat', { chains: nat, gone: left, jumps: all }),
      this.#edit('filter', { chains: wanted.filter, gone: stale, jumps: all }),
    ];
  }

  /** Takes out everything of ours. */
  removal(): TableEdits[] {
    this.#fronts.clear();
    this.#ports.clear();
    return TABLES.map((table) => {
      const deletions = [...this.#held.jumps[table]].map((text): Jump => {
        const [chain, rule] = splitJump(text);
        return { verb: 'delete', chain, rule };
      });
      const deleted = [...this.#held.chains[table].keys()];
      this.#held.chains[table].clear();
      this.#held.jumps[table].clear();
      return { table, chains: new Map(), deleted, jumps: deletions };
    });
  }

  /** Whether these tables have of ours exactly what they were left with. */
  matches(tables: ReadonlyMap<string, TableText>): boolean {
    const found = readHeld(tables);
    return TABLES.every((table) => {
      const held = this.#held;
      return (
        sameChains(found.chains[table], held.chains[table]) &&
        found.jumps[table].size === held.jumps[table].size &&
        [...held.jumps[table]].every((text) => found.jumps[table].has(text))
      );
    });
  }

  #shared(): ReturnType<typeof sharedChains> {
    const sorted = [...this.#ports].toSorted(([a], [b]) => (a < b ? -1 : 1));
    const clusterIps = new Set<string>();
    for (const [key] of sorted) {
      for (const { kind, address } of this.#fronts.get(key)?.values() ?? []) {
        if (kind === 'clusterIP') clusterIps.add(address);
      }
    }
    return sharedChains(
      sorted.map(([, chains]) => chains),
      { family: this.#family, node: this.#node, clusterIps: [...clusterIps] },
    );
  }

  /** Only what differs from what is held is written, so that the rest keeps its packet counters. */
  #edit(
    table: IptablesTable,
    options: {
      chains: ReadonlyMap<string, readonly RuleText[]>;
      gone: Iterable<string>;
      jumps: boolean;
    },
  ): TableEdits {
    const held = this.#held.chains[table];
    const chains = new Map<string, readonly RuleText[]>();
    for (const [name, rules] of options.chains) {
      const before = held.get(name);
      if (before !== undefined && sameRules(before, rules)) continue;
      chains.set(name, rules);
      held.set(name, rules);
    }
    const deleted = [...options.gone].filter((name) => held.delete(name));
    return { table, chains, deleted, jumps: options.jumps ? this.#jumps(table) : [] };
  }

  #jumps(table: IptablesTable): Jump[] {
    const held = this.#held.jumps[table];
    const wanted = new Map(jumps[table].map((each) => [joinJump(each), each]));
    const edits: Jump[] = [];
    for (const text of held) {
      if (wanted.has(text)) continue;
      const [chain, rule] = splitJump(text);
      edits.push({ verb: 'delete', chain, rule });
    }
    for (const [text, each] of wanted) if (!held.has(text)) edits.push({ verb: 'insert', ...each });
    this.#held.jumps[table] = new Set(wanted.keys());
    return edits;
  }
}

/** What kube-proxy names chains after: ports of one Service differ in name, or in protocol if they have none. */
function groupKey({ service, portName, protocol }: PlannedPort): string {
  return `${service}:${portName} ${protocol}`;
}

const KINDS = ['clusterIP', 'externalIP', 'loadBalancerIP', 'nodePort'];

function inOrder(fronts: Iterable<PlannedPort>): PlannedPort[] {
  const rank = (front: PlannedPort): string => `${KINDS.indexOf(front.kind)} ${frontKey(front)}`;
  return [...fronts].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

const SHARED = ['services', 'nodePorts', 'clusterRefusals', 'externalRefusals', 'firewall'] as const;

function sameShared(a: PortChains | undefined, b: PortChains | undefined): boolean {
  return a !== undefined && b !== undefined && SHARED.every((part) => sameRules(a[part], b[part]));
}

function sameRules(a: readonly RuleText[], b: readonly RuleText[]): boolean {
  return a.length === b.length && a.every((rule, index) => rule === b[index]);
}

function sameChains(
  a: ReadonlyMap<string, readonly RuleText[]>,
  b: ReadonlyMap<string, readonly RuleText[]>,
): boolean {
  if (a.size !== b.size) return false;
  for (const [name, rules] of a) {
    const others = b.get(name);
    if (others === undefined || !sameRules(rules, others)) return false;
  }
  return true;
}

/** What is ours in the tables: the chains by their names, the jumps by where they lead. */
function readHeld(tables: ReadonlyMap<string, TableText>): Held {
  const held: Held = {
    chains: { nat: new Map(), filter: new Map() },
    jumps: { nat: new Set(), filter: new Set() },
  };
  for (const table of TABLES) {
    for (const [chain, rules] of tables.get(table) ?? []) {
      if (isServiceChain(chain)) {
        held.chains[table].set(chain, rules);
        continue;
      }
      for (const rule of rules) {
        const target = /-j (\S+)$/u.exec(rule)?.[1] ?? '';
        if (isServiceChain(target)) held.jumps[table].add(joinJump({ chain, rule }));
      }
    }
  }
  return held;
}

function joinJump({ chain, rule }: Omit<Jump, 'verb'>): string {
  return `${chain} ${rule}`;
}

function splitJump(text: string): readonly [chain: string, rule: string] {
  const end = text.indexOf(' ');
  return [text.slice(0, end), text.slice(end + 1)];
}
