import { type NftCommand, destroy } from '../../kernel/nftables/commands.ts';
import { NftablesError, isNotFound } from '../../kernel/nftables/nftables-error.ts';
import type { Nftables } from '../../kernel/nftables/nftables.ts';
import type { IpFamily } from '../../model/ip.ts';
import {
  type NodeFacts,
  type PlanChange,
  type PlannedPort,
  type ServicePlan,
  UNKNOWN_NODE,
} from '../plan.ts';
import type { ServiceBackend } from './backend.ts';
import { FamilyState } from './nftables-family.ts';
import { elementText } from './nftables-edits.ts';
import { headerOf } from './nftables-table.ts';
import { readTable, takeOver } from './nftables-takeover.ts';

const FAMILIES: readonly IpFamily[] = [4, 6];

/**
 * Services in the kernel's nf_tables: table `podnet-services`, in family ip, and in ip6 once a Service has an IPv6
 * address. It is changed from memory, never by listing the kernel first.
 */
export function createNftablesBackend(options: { readonly nftables: Nftables }): ServiceBackend {
  return new NftablesBackend(options);
}

class NftablesBackend implements ServiceBackend {
  readonly #nftables: Nftables;
  #states = new Map<IpFamily, FamilyState>();
  #generation = 0;

  #node: NodeFacts = UNKNOWN_NODE;

  constructor({ nftables }: { nftables: Nftables }) {
    this.#nftables = nftables;
  }

  sync(plan: ServicePlan): void {
    this.#node = plan.node;
    const ports = Map.groupBy(plan.ports.values(), ({ family }) => family);
    const present = new Set(this.#present());
    const states = new Map<IpFamily, FamilyState>();
    for (const family of FAMILIES) {
      const set = ports.get(family) ?? [];
      if (set.length === 0 && family === 6) {
        if (present.has(family)) this.#commit([[destroy(headerOf(family).table)]]);
        continue;
      }
      states.set(family, this.#load(family, set, present.has(family)));
    }
    this.#states = states;
  }

  /** Makes one family's table, from what is there if that can be. */
  #load(family: IpFamily, ports: readonly PlannedPort[], isPresent: boolean): FamilyState {
    const change = { set: ports, removed: [], node: this.#node };
    if (isPresent) {
      const state = new FamilyState(family, this.#node);
      try {
        const found = readTable(this.#nftables, state.table.header);
        state.adopt(found.sets);
        state.change(change);
        this.#commit(takeOver(this.#nftables, state, found));
        return state;
      } catch (error) {
        if (!(error instanceof NftablesError)) throw error;
        // Not a table as this version makes it.
      }
    }
    const state = new FamilyState(family, this.#node);
    const { create } = state;
    // The base chains come last: in several batches, no packet meets a half-filled map.
    this.#commit([create, state.change(change), state.activate]);
    return state;
  }

  apply(change: PlanChange): void {
    if (change.node !== undefined) this.#node = change.node;
    this.#commit([this.#change(change)]);
  }

  #change({ set, removed, node }: PlanChange): NftCommand[] {
    return FAMILIES.flatMap((family) => {
      const of = (port: PlannedPort): boolean => port.family === family;
      const change = { set: set.filter(of), removed: removed.filter(of), ...(node && { node }) };
      const known = this.#states.get(family);
      if (known !== undefined) return known.change(change);
      if (change.set.length === 0) return [];
      const state = new FamilyState(family, this.#node);
      this.#states.set(family, state);
      return [...state.create, ...state.change({ ...change, node: this.#node }), ...state.activate];
    });
  }

  /**
   * Applies all steps at once if that can be. Without privileges outside a user namespace a batch is limited by
   * net.core.wmem_max; then each step is a batch.
   */
  #commit(steps: readonly (readonly NftCommand[])[]): void {
    const commands = steps.flat();
    if (commands.length === 0) return;
    try {
      this.#nftables.apply(commands);
    } catch (error) {
      if (steps.length < 2 || !(error instanceof NftablesError) || error.code !== 'EMSGSIZE') throw error;
      for (const step of steps) this.#nftables.apply(step, { atomic: false });
    }
    this.#generation = this.#nftables.generation();
  }

  /** The families whose table exists. */
  #present(): IpFamily[] {
    const tables = this.#nftables.tables();
    return FAMILIES.filter((family) => {
      const { table } = headerOf(family);
      return tables.some(({ family: of, name }) => of === table.family && name === table.name);
    });
  }

  isIntact(): boolean {
    const generation = this.#nftables.generation();
    if (generation === this.#generation) return true;
    try {
      if (![...this.#states.values()].every((state) => this.#matches(state))) return false;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
    this.#generation = generation;
    return true;
  }

  #matches(state: FamilyState): boolean {
    const { table } = state.table.header;
    const chains = new Set(this.#nftables.chains(table).map(({ name }) => name));
    const expectedChains = state.expectedChains();
    if (chains.size !== expectedChains.length || !expectedChains.every(({ name }) => chains.has(name)))
      return false;
    const rules = state.expectedRules();
    for (const { name } of expectedChains) {
      const wanted = rules.filter(({ chain }) => chain.name === name).length;
      if (this.#nftables.rules({ kind: 'chain', table, name }).length !== wanted) return false;
    }
    for (const [set, list] of state.expected()) {
      const wanted = new Set(list.map(elementText));
      const found = this.#nftables.elements(set);
      if (found.length !== wanted.size || !found.every((element) => wanted.has(elementText(element))))
        return false;
    }
    return true;
  }

  cleanup(): void {
    this.#states = new Map();
    const commands = this.#present().map((family) => destroy(headerOf(family).table));
    if (commands.length > 0) this.#nftables.apply(commands);
  }
}
