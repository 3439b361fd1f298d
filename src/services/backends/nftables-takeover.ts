import { type NftCommand, add, flush, remove } from '../../kernel/nftables/commands.ts';
import type { Nftables } from '../../kernel/nftables/nftables.ts';
import { type Element, type NftMap, type NftSet, chain, set } from '../../kernel/nftables/objects.ts';
import { ElementEdits, elementText } from './nftables-edits.ts';
import type { FamilyState } from './nftables-family.ts';

/** The names of a table's sets and chains. */
export interface KernelTable {
  readonly sets: ReadonlySet<string>;
  readonly chains: ReadonlySet<string>;
}

export function readTable(nftables: Nftables, { table }: FamilyState['table']['header']): KernelTable {
  return {
    sets: new Set(nftables.sets(table).map(({ name }) => name)),
    chains: new Set(nftables.chains(table).map(({ name }) => name)),
  };
}

/** Elements in one batch when all do not fit in one: far below the 200 KiB that every kernel allows. */
const STEP_ELEMENTS = 1000;

/**
 * What takes a table that another process left, or others changed, to a state; to be applied in order, in as many
 * batches as there are lists. Packets find rules all the while and each front is changed in one batch. The maps in
 * which clients are remembered are left as they are. A set or chain that is there with another definition fails.
 */
export function takeOver(nftables: Nftables, state: FamilyState, found: KernelTable): NftCommand[][] {
  const { baseChains } = state.table;
  const expected = state.expected();
  const sets = [...expected.keys(), ...state.affinityMaps];
  const chains = state.expectedChains();
  const isHooked = baseChains.every(({ name }) => found.chains.has(name));
  const isHook = (name: string): boolean => !isHooked && baseChains.some((each) => each.name === name);
  const rules = Map.groupBy(state.expectedRules(), (rule) => isHook(rule.chain.name));
  const knownSets = new Set(sets.map(({ name }) => name));
  const knownChains = new Set(chains.map(({ name }) => name));
  const { table: of } = state.table.header;
  return [
    // The rules know what is there as well as what comes: there is no wrong moment for an element.
    [
      ...[of, ...sets, ...chains.filter(({ name }) => !isHook(name))].map(add),
      flush(of),
      ...(rules.get(false) ?? []).map(add),
    ],
    ...elementSteps(nftables, expected, found).map((edits) => [...edits.removals(), ...edits.additions()]),
    [
      ...[...chains.filter(({ name }) => isHook(name)), ...(rules.get(true) ?? [])].map(add),
      ...[...found.chains].filter((name) => !knownChains.has(name)).map((name) => remove(chain(of, name))),
      ...[...found.sets]
        .filter((name) => !knownSets.has(name))
        .map((name) => remove(set(of, name, { key: ['mark'] }))),
    ],
  ].filter((commands) => commands.length > 0);
}

/** The differences to what the kernel holds; what concerns one front is in one step. */
function elementSteps(
  nftables: Nftables,
  expected: ReadonlyMap<NftSet | NftMap, readonly Element[]>,
  found: KernelTable,
): ElementEdits[] {
  const byFront = new Map<string, { of: NftSet | NftMap; element: Element; isWanted: boolean }[]>();
  const note = (of: NftSet | NftMap, element: Element, isWanted: boolean): void => {
    // Fronts begin with address and protocol, or with protocol and port.
    const [first, second] = element.key as readonly (string | number)[];
    const front = `${first} ${second}`;
    const list = byFront.get(front);
    if (list === undefined) byFront.set(front, [{ of, element, isWanted }]);
    else list.push({ of, element, isWanted });
  };
  for (const [of, elements] of expected) {
    const missing = new Map(elements.map((element) => [elementText(element), element]));
    if (found.sets.has(of.name)) {
      for (const element of nftables.elements(of))
        if (!missing.delete(elementText(element))) note(of, element, false);
    }
    for (const element of missing.values()) note(of, element, true);
  }
  const steps: ElementEdits[] = [];
  let left = 0;
  for (const list of byFront.values()) {
    if (left <= 0) {
      steps.push(new ElementEdits());
      left = STEP_ELEMENTS;
    }
    const edits = steps.at(-1);
    for (const { of, element, isWanted } of list) {
      if (isWanted) edits?.put(of, element);
      else edits?.take(of, element);
    }
    left -= list.length;
  }
  return steps;
}
