/**
 * A table of nf_tables that attachments share. Each element and rule says in its comment whom it belongs to, so one
 * attachment's can be found and removed whatever its configuration says by then.
 */
import { type NftCommand, add, create, flush, remove } from '../../kernel/nftables/commands.ts';
import type { FieldValue } from '../../kernel/nftables/datatypes.ts';
import type { ListedRule, Nftables } from '../../kernel/nftables/nftables.ts';
import { isNotFound, isOutdated } from '../../kernel/nftables/nftables-error.ts';
import {
  type Chain,
  type Element,
  type NftMap,
  type NftSet,
  type Rule,
  type Table,
  elements,
  rule,
} from '../../kernel/nftables/objects.ts';
import { CniError, cniErrorCodes } from '../spec/error.ts';

export interface TableLayout {
  readonly table: Table;
  readonly sets: readonly (NftSet | NftMap)[];
  readonly chains: readonly Chain[];
  /** The table's own, each with a comment; in the order they are to stand in. */
  readonly rules: readonly Rule[];
  /** Chains whose rules belong to attachments. */
  readonly ownedChains: readonly Chain[];
}

/** An element of one of the layout's sets; its comment is its owner. */
export interface Holding {
  readonly set: NftSet | NftMap;
  readonly element: Element;
}

/** What a table holds for attachments. */
export interface Holdings {
  readonly elements: readonly Holding[];
  readonly rules: readonly (ListedRule & { readonly on: Chain })[];
}

/** Equal for elements of the same key. */
export function keyOf({ set, element }: Holding): string {
  return `${set.name} ${element.key.map(fieldText).join(' . ')}`;
}

/** Equal for elements that are the same altogether. */
export function holdingText(holding: Holding): string {
  return `${keyOf(holding)} : ${JSON.stringify(holding.element.value ?? null)} # ${holding.element.comment}`;
}

/** Of a key, for people. */
export function fieldText(value: FieldValue): string {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return typeof value === 'object' ? `${value.from}-${value.to}` : String(value);
}

const ATTEMPTS = 200;

/** Decides on what the table holds, and again whenever somebody changed it meanwhile. */
export function changeTable(nftables: Nftables, decide: () => readonly NftCommand[]): void {
  for (let attempt = 1; ; attempt++) {
    const generation = nftables.generation();
    try {
      nftables.apply(decide(), { ifGeneration: generation });
      return;
    } catch (error) {
      if (!isOutdated(error)) throw error;
      if (attempt < ATTEMPTS) continue;
      throw new CniError('Other programs change nftables without a pause', {
        code: cniErrorCodes.tryAgainLater,
        cause: error,
      });
    }
  }
}

/** Everything the table holds; undefined when there is no such table. */
export function readHoldings(nftables: Nftables, layout: TableLayout): Holdings | undefined {
  const present = nftables.tables(layout.table.family).some(({ name }) => name === layout.table.name);
  if (!present) return undefined;
  return {
    elements: layout.sets.flatMap((set) =>
      orNothing(() => nftables.elements(set).map((element) => ({ set, element }))),
    ),
    rules: layout.ownedChains.flatMap((on) =>
      orNothing(() => nftables.rules(on).map((listed) => ({ ...listed, on }))),
    ),
  };
}

/** Somebody may have deleted a part of the table. */
function orNothing<T>(list: () => T[]): T[] {
  try {
    return list();
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}

/** What of the table itself is missing or was changed; undefined when nothing is. */
export function findDamage(nftables: Nftables, layout: TableLayout): string | undefined {
  const { table } = layout;
  try {
    const sets = new Set(nftables.sets(table).map(({ name }) => name));
    const lost = layout.sets.find(({ name }) => !sets.has(name));
    if (lost) return `${lost.kind} ${lost.name}`;
    const chains = nftables.chains(table);
    for (const chain of layout.chains) {
      const found = chains.find(({ name }) => name === chain.name);
      if (!found || found.priority !== chain.base?.priority) return `chain ${chain.name}`;
    }
    const rules = nftables.rules(table);
    for (const chain of layout.chains) {
      if (layout.ownedChains.includes(chain)) continue;
      const wanted = layout.rules.filter((each) => each.chain.name === chain.name);
      const found = rules.filter((each) => each.chain === chain.name);
      const text = (list: readonly { readonly comment?: string }[]): string =>
        list.map(({ comment }) => comment).join('\n');
      if (text(wanted) !== text(found)) return `the rules of chain ${chain.name}`;
    }
    return undefined;
  } catch (error) {
    if (isNotFound(error)) return `table ${table.name}`;
    throw error;
  }
}

/** Makes the table, or puts right what was changed in it. Its elements stay. */
export function layoutCommands(layout: TableLayout): NftCommand[] {
  const { table, sets, chains, rules, ownedChains } = layout;
  return [
    ...[table, ...sets, ...chains].map(add),
    ...chains.filter((chain) => !ownedChains.includes(chain)).map(flush),
    ...rules.map(add),
  ];
}

export interface Wanted {
  readonly elements: readonly Holding[];
  readonly rules: readonly Rule[];
}

/**
 * What takes the owner's elements and rules from what there is to what is wanted. Where somebody else has an element of
 * the same key it changes hands: the address it speaks of was given to a new container before the old one was deleted.
 */
export function ownerCommands(owner: string, holdings: Holdings, wanted: Wanted): NftCommand[] {
  const held = holdings.elements.filter(({ element }) => element.comment === owner);
  const heldTexts = new Set(held.map(holdingText));
  const wantedTexts = new Set(wanted.elements.map(holdingText));
  const wantedKeys = new Set(wanted.elements.map(keyOf));
  const gone = holdings.elements.filter(
    (each) =>
      !wantedTexts.has(holdingText(each)) && (each.element.comment === owner || wantedKeys.has(keyOf(each))),
  );
  return [
    ...removals({
      elements: gone,
      rules: holdings.rules.filter(({ comment }) => comment === owner),
    }),
    ...bySet(wanted.elements.filter((each) => !heldTexts.has(holdingText(each)))).map(create),
    ...wanted.rules.map(add),
  ];
}

/** What of it belongs to owners of which `isOwned` says so. */
export function ownedHoldings(
  { elements: list, rules }: Holdings,
  isOwned: (owner: string) => boolean,
): Holdings {
  return {
    elements: list.filter(({ element }) => isOwned(element.comment ?? '')),
    rules: rules.filter(({ comment }) => isOwned(comment ?? '')),
  };
}

/** What removes all this. */
export function removals({ elements: list, rules }: Holdings): NftCommand[] {
  return [...bySet(list).map(remove), ...rules.map(({ on, handle }) => remove(rule(on, [], { handle })))];
}

function bySet(list: readonly Holding[]): ReturnType<typeof elements>[] {
  const sets = Map.groupBy(list, ({ set }) => set);
  return [...sets].map(([set, of]) =>
    elements(
      set,
      of.map(({ element }) => element),
    ),
  );
}
