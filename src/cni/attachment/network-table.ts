/**
 * A table of nf_tables that belongs to one network: it exists as long as an attachment of the network holds something
 * in it. Elements say in their comments whose they are.
 */
import { add, create, remove } from '../../kernel/nftables/commands.ts';
import type { Nftables } from '../../kernel/nftables/nftables.ts';
import { isAlreadyExists, isNotFound } from '../../kernel/nftables/nftables-error.ts';
import { type Element, type NftMap, type NftSet, elements } from '../../kernel/nftables/objects.ts';
import {
  type Holding,
  type TableLayout,
  changeTable,
  findDamage,
  holdingText,
  keyOf,
  layoutCommands,
  readHoldings,
  removals,
} from './owned-table.ts';

/** How the name of a network becomes part of a table's, which `nft` must be able to read. */
export function tableName(prefix: string, network: string): string {
  return `${prefix}-${network}`.slice(0, 200);
}

export interface HeldElement {
  readonly set: NftSet | NftMap;
  readonly element: Element;
}

/** Gives the owner these elements and no others, whoever had their keys, and makes the table if there is none. */
export function holdElements(
  nftables: Nftables,
  layout: TableLayout,
  { owner, wanted }: { readonly owner: string; readonly wanted: readonly HeldElement[] },
): void {
  const held = wanted.map(({ set, element }) => elements(set, [{ ...element, comment: owner }]));
  try {
    // Nearly always the table is there, and nobody left anything of these keys in it.
    nftables.apply(held.map((each) => create(each)));
    return;
  } catch (error) {
    if (!isNotFound(error) && !isAlreadyExists(error)) throw error;
  }
  changeTable(nftables, () => {
    const holdings = readHoldings(nftables, layout);
    const keys = new Set(wanted.map((each) => keyOf(each)));
    const outdated =
      holdings?.elements.filter((each) => each.element.comment === owner || keys.has(keyOf(each))) ?? [];
    return [
      ...(holdings && findDamage(nftables, layout) === undefined ? [] : layoutCommands(layout)),
      ...removals({ elements: outdated, rules: [] }),
      ...held.map((each) => add(each)),
    ];
  });
}

/** Takes away what `isOwned` says of the comment; with the last element the table goes. */
export function releaseElements(
  nftables: Nftables,
  layout: TableLayout,
  isOwned: (owner: string) => boolean,
): void {
  try {
    changeTable(nftables, () => {
      const holdings = readHoldings(nftables, layout);
      if (!holdings) return [];
      const [gone, kept] = [true, false].map((wanted) =>
        holdings.elements.filter(({ element }) => isOwned(element.comment ?? '') === wanted),
      ) as [Holding[], Holding[]];
      return kept.length === 0 ? [remove(layout.table)] : removals({ elements: gone, rules: [] });
    });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** What of the owner's is missing or changed, in words; undefined when nothing is. */
export function findTableDamage(
  nftables: Nftables,
  layout: TableLayout,
  { owner, wanted }: { readonly owner: string; readonly wanted: readonly HeldElement[] },
): string | undefined {
  const damage = findDamage(nftables, layout);
  if (damage !== undefined)
    return `${damage} of nftables table ${layout.table.name} is missing or was changed`;
  const held = new Set(readHoldings(nftables, layout)?.elements.map((each) => holdingText(each)));
  const lost = wanted.find(
    ({ set, element }) => !held.has(holdingText({ set, element: { ...element, comment: owner } })),
  );
  return lost && `nftables table ${layout.table.name} lacks ${keyOf(lost)}`;
}
