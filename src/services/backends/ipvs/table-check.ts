import { isNotFound } from '../../../kernel/nftables/nftables-error.ts';
import type { NftCommand } from '../../../kernel/nftables/commands.ts';
import type { Nftables } from '../../../kernel/nftables/nftables.ts';
import {
  type Element,
  type NftMap,
  type NftSet,
  type Table,
  chain as chainOf,
} from '../../../kernel/nftables/objects.ts';

/** Whether the kernel's table still has the chains, rules and elements that these commands made it of. */
export function holdsTable(nftables: Nftables, commands: readonly NftCommand[]): boolean {
  try {
    return holds(nftables, commands);
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

function holds(nftables: Nftables, commands: readonly NftCommand[]): boolean {
  const rules = new Map<string, number>();
  const sets = new Map<string, { set: NftSet | NftMap; keys: Set<string> }>();
  let of: Table | undefined;
  for (const { verb, object } of commands) {
    if (verb !== 'add') continue;
    if (object.kind === 'table') of = object;
    if (object.kind === 'chain') rules.set(object.name, 0);
    if (object.kind === 'rule') rules.set(object.chain.name, (rules.get(object.chain.name) ?? 0) + 1);
    if (object.kind === 'set' || object.kind === 'map')
      sets.set(object.name, { set: object, keys: new Set() });
    if (object.kind === 'elements')
      for (const element of object.elements) sets.get(object.set.name)?.keys.add(keyText(element));
  }
  if (of === undefined) return true;
  const table = of;
  const chains = nftables.chains(table);
  return (
    chains.length === rules.size &&
    chains.every(({ name }) => nftables.rules(chainOf(table, name)).length === rules.get(name)) &&
    [...sets.values()].every(({ set, keys }) => {
      const found = nftables.elements(set);
      return found.length === keys.size && found.every((element) => keys.has(keyText(element)));
    })
  );
}

function keyText({ key }: Element): string {
  return key.map(String).join(' ');
}
