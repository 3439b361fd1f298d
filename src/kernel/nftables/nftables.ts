import type { NftCommand } from './commands.ts';
import type { Chain, Element, NftFamily, NftMap, NftSet, Table } from './objects.ts';

/** The door to nf_tables in one network namespace. */
export interface Nftables {
  /**
   * Applies the commands in order as one atomic batch: all of them, or none and an `NftablesError` that names the
   * failing command. With `atomic: false` a list too long for one batch is cut into several, in order.
   */
  apply(commands: readonly NftCommand[], options?: { readonly atomic?: boolean }): void;
  tables(family?: NftFamily): ListedTable[];
  /** Fails with ENOENT if the table does not exist, as all that follow. */
  chains(table: Table): ListedChain[];
  /** Sets and maps, without their elements. */
  sets(table: Table): ListedSet[];
  /** The elements, read by the key's and the data's types as `set` declares them, in the kernel's order. */
  elements(set: NftSet | NftMap): Element[];
  /** Of one chain, in order, or of all chains of a table. */
  rules(of: Table | Chain): ListedRule[];
  /** Counts the batches anybody committed in this namespace: unchanged means that nothing changed. */
  generation(): number;
  close(): void;
}

export interface ListedTable {
  readonly family: NftFamily;
  readonly name: string;
  readonly handle: bigint;
  readonly comment?: string;
}

export interface ListedChain {
  readonly name: string;
  readonly handle: bigint;
  readonly type?: string;
  readonly hook?: number;
  readonly priority?: number;
  readonly policy?: 'accept' | 'drop';
  readonly comment?: string;
}

export interface ListedSet {
  readonly kind: 'set' | 'map';
  readonly name: string;
  readonly handle: bigint;
  /** The kernel's flags (NFT_SET_*). */
  readonly flags: number;
  readonly keyLength: number;
  readonly dataLength: number;
  readonly comment?: string;
}

export interface ListedRule {
  readonly chain: string;
  readonly handle: bigint;
  /** The kernel's names of its expressions, in order: `['payload', 'lookup']`. */
  readonly expressions: readonly string[];
  readonly comment?: string;
}
