import type { DataTypeName, DataValue, FieldValue } from './datatypes.ts';
import type { Expression } from './expressions.ts';
import type { Statement, Verdict } from './statements.ts';

/** An address family of nf_tables. `inet` sees both IPv4 and IPv6. */
export type NftFamily = 'ip' | 'ip6' | 'inet' | 'arp' | 'bridge' | 'netdev';

export interface Table {
  readonly kind: 'table';
  readonly family: NftFamily;
  readonly name: string;
  /** At most 127 bytes, as every comment here. */
  readonly comment?: string;
}

export type ChainType = 'filter' | 'nat' | 'route';
export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting' | 'ingress' | 'egress';

/** The well-known priorities, as `nft` names them for the families ip, ip6 and inet. */
export const priorities = {
  raw: -300,
  mangle: -150,
  dstnat: -100,
  filter: 0,
  security: 50,
  srcnat: 100,
} as const;

/** What makes a chain a base chain: where in the packet's path it hangs. */
export interface BaseChain {
  readonly type: ChainType;
  readonly hook: Hook;
  readonly priority: number;
  /** `accept` unless told. */
  readonly policy?: 'accept' | 'drop';
  /** Of a `netdev` chain: the interface it hangs on. */
  readonly device?: string;
}

export interface Chain {
  readonly kind: 'chain';
  readonly table: Table;
  readonly name: string;
  readonly base?: BaseChain;
  readonly comment?: string;
}

/**
 * The type of a set's key or a map's data: named types (`['ipv4_addr', 'inet_service']`) or expressions whose type
 * it shall have (`typeof`, needed for fields without a named type of fixed size, such as numgen).
 * Several make a concatenation, each padded to four bytes.
 */
export type KeyType = readonly DataTypeName[] | readonly Expression[];

export type SetFlag = 'constant' | 'interval' | 'timeout' | 'dynamic';

interface SetProperties {
  readonly table: Table;
  readonly name: string;
  readonly key: KeyType;
  readonly flags?: readonly SetFlag[];
  /** Of elements that name none themselves; needs the flag `timeout`. */
  readonly timeoutMs?: number;
  readonly gcIntervalMs?: number;
  /** The greatest number of elements. */
  readonly size?: number;
  /** Every element counts its packets and bytes. */
  readonly counter?: boolean;
  readonly comment?: string;
}

export interface NftSet extends SetProperties {
  readonly kind: 'set';
}

export interface NftMap extends SetProperties {
  readonly kind: 'map';
  readonly data: KeyType | 'verdict' | 'counter';
}

/** One element: a key of as many fields as its set's key has, and in a map what it maps to. */
export interface Element {
  readonly key: readonly FieldValue[];
  /** Data of a map; the name of a counter in a map of counters. */
  readonly value?: readonly DataValue[] | Verdict;
  readonly timeoutMs?: number;
  readonly comment?: string;
}

/** Elements of one set or map; a list of any length is one command. */
export interface Elements {
  readonly kind: 'elements';
  readonly set: NftSet | NftMap;
  readonly elements: readonly Element[];
}

export interface Rule {
  readonly kind: 'rule';
  readonly chain: Chain;
  readonly statements: readonly Statement[];
  /** The rule to replace or delete, or the one to add after or insert before. */
  readonly handle?: bigint;
  readonly comment?: string;
}

/** A counter with a name, for `objref` and maps of counters. */
export interface NamedCounter {
  readonly kind: 'counter';
  readonly table: Table;
  readonly name: string;
  readonly comment?: string;
}

export type NftObject = Table | Chain | NftSet | NftMap | Elements | Rule | NamedCounter;

type Options<T, Positional extends keyof T> = Omit<T, 'kind' | Positional>;

export function table(
  family: NftFamily,
  name: string,
  options: Options<Table, 'family' | 'name'> = {},
): Table {
  return { kind: 'table', family, name, ...options };
}

export function chain(of: Table, name: string, options: Options<Chain, 'table' | 'name'> = {}): Chain {
  return { kind: 'chain', table: of, name, ...options };
}

export function set(of: Table, name: string, options: Options<NftSet, 'table' | 'name'>): NftSet {
  return { kind: 'set', table: of, name, ...options };
}

export function map(of: Table, name: string, options: Options<NftMap, 'table' | 'name'>): NftMap {
  return { kind: 'map', table: of, name, ...options };
}

export function elements(of: NftSet | NftMap, list: readonly Element[]): Elements {
  return { kind: 'elements', set: of, elements: list };
}

export function rule(
  of: Chain,
  statements: readonly Statement[],
  options: Options<Rule, 'chain' | 'statements'> = {},
): Rule {
  return { kind: 'rule', chain: of, statements, ...options };
}

export function namedCounter(
  of: Table,
  name: string,
  options: Options<NamedCounter, 'table' | 'name'> = {},
): NamedCounter {
  return { kind: 'counter', table: of, name, ...options };
}

/** The table an object belongs to. */
export function tableOf(object: NftObject): Table {
  switch (object.kind) {
    case 'table':
      return object;
    case 'chain':
    case 'set':
    case 'map':
    case 'counter':
      return object.table;
    case 'elements':
      return object.set.table;
    case 'rule':
      return object.chain.table;
  }
}
