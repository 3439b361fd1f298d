import type { Chain, Elements, NamedCounter, NftMap, NftObject, NftSet, Rule, Table } from './objects.ts';

/** What can be declared: everything but elements and rules. */
export type NftContainer = Table | Chain | NftSet | NftMap | NamedCounter;

/**
 * One change. A batch is a list of them, applied in order and all or nothing.
 *
 * | verb    | table | chain | set, map | counter | elements | rule |
 * |---------|-------|-------|----------|---------|----------|------|
 * | add     | ✓     | ✓     | ✓        | ✓       | ✓        | ✓ appends, or after `handle` |
 * | create  | ✓     | ✓     | ✓        | ✓       | ✓        |      |
 * | delete  | ✓     | ✓     | ✓        | ✓       | ✓        | ✓ by `handle` |
 * | destroy | ✓     | ✓     | ✓        | ✓       |          |      |
 * | flush   | ✓ its rules | ✓ its rules | ✓ | |        |      |
 * | insert  |       |       |          |         |          | ✓ first, or before `handle` |
 * | replace |       |       |          |         |          | ✓ `handle` |
 */
export type NftCommand =
  | { readonly verb: 'add'; readonly object: NftObject }
  | { readonly verb: 'create'; readonly object: NftContainer | Elements }
  | { readonly verb: 'delete'; readonly object: NftObject }
  | { readonly verb: 'destroy'; readonly object: NftContainer }
  | { readonly verb: 'flush'; readonly object: Table | Chain | NftSet | NftMap }
  | { readonly verb: 'insert' | 'replace'; readonly object: Rule };

export type Verb = NftCommand['verb'];

/** Fine if it exists already with the same definition; a rule is appended. */
export function add(object: NftObject): NftCommand {
  return { verb: 'add', object };
}

/** Fails with EEXIST if it exists. */
export function create(object: NftContainer | Elements): NftCommand {
  return { verb: 'create', object };
}

/** Fails with ENOENT if it does not exist; a rule needs its handle. */
export function remove(object: NftObject): NftCommand {
  return { verb: 'delete', object };
}

/** Deletes it if it exists (done as add, then delete, which every kernel knows). */
export function destroy(object: NftContainer): NftCommand {
  return { verb: 'destroy', object };
}

/** Empties it: a table and a chain of rules, a set and a map of elements. */
export function flush(object: Table | Chain | NftSet | NftMap): NftCommand {
  return { verb: 'flush', object };
}

export function insert(object: Rule): NftCommand {
  return { verb: 'insert', object };
}

export function replace(object: Rule): NftCommand {
  return { verb: 'replace', object };
}
