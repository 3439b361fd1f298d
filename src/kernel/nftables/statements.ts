import type { FieldValue } from './datatypes.ts';
import type { Concat, Conntrack, Expression, MapLookup, Masked, Meta } from './expressions.ts';
import type { Chain, NamedCounter, NftMap, NftSet } from './objects.ts';

/** What becomes of a packet, or where it goes next. */
export type Verdict =
  | { readonly kind: 'verdict'; readonly verdict: 'accept' | 'drop' | 'continue' | 'return' }
  | { readonly kind: 'verdict'; readonly verdict: 'jump' | 'goto'; readonly chain: string };

/** One step of a rule: a condition that ends the rule when it does not hold, or something done. */
export type Statement =
  | Verdict
  | Match
  | VerdictMap
  | Nat
  | Masquerade
  | Redirect
  | Reject
  | CounterStatement
  | Limit
  | Log
  | { readonly kind: 'notrack' }
  | Assign
  | UpdateSet;

export type Relation = '==' | '!=' | '<' | '<=' | '>' | '>=';

export interface Match {
  readonly kind: 'match';
  readonly left: Expression;
  /** `any`: at least one of these flags is set (`ct state established,related`). */
  readonly relation: Relation | 'in' | 'not in' | 'any';
  readonly right: MatchValue;
}

/** One field, a concatenation's fields, a list of elements (an anonymous set), or a named set. */
export type MatchValue = FieldValue | readonly FieldValue[] | readonly (readonly FieldValue[])[] | NftSet;

export interface VerdictMap {
  readonly kind: 'vmap';
  readonly key: Expression;
  readonly map: NftMap | readonly (readonly [readonly FieldValue[], Verdict])[];
}

export interface NatOptions {
  /** `ip` or `ip6`; the table's own unless it is inet. */
  readonly family?: 'ip' | 'ip6';
  /** An address, or a map whose data is an address, or an address and a port. */
  readonly to: FieldValue | MapLookup;
  readonly port?: number | MapLookup;
  readonly random?: boolean;
  readonly fullyRandom?: boolean;
  readonly persistent?: boolean;
}

export interface Nat extends NatOptions {
  readonly kind: 'dnat' | 'snat';
}

export interface Masquerade {
  readonly kind: 'masquerade';
  readonly random?: boolean;
  readonly fullyRandom?: boolean;
}

export interface Redirect {
  readonly kind: 'redirect';
  readonly port?: number;
}

export type RejectWith =
  | 'tcp reset'
  | 'port-unreachable'
  | 'host-unreachable'
  | 'no-route'
  | 'admin-prohibited';

export interface Reject {
  readonly kind: 'reject';
  /** An ICMP error in the packet's own family, or a TCP reset. */
  readonly with: RejectWith;
}

export interface CounterStatement {
  readonly kind: 'counter';
  /** Anonymous without. */
  readonly counter?: NamedCounter | MapLookup;
}

export interface Limit {
  readonly kind: 'limit';
  readonly rate: number;
  readonly per: 'second' | 'minute' | 'hour' | 'day';
  readonly unit?: 'packets' | 'bytes';
  readonly burst?: number;
  /** Matches what is over the limit instead of what is under it. */
  readonly over?: boolean;
}

export interface Log {
  readonly kind: 'log';
  /** At most 127 bytes. */
  readonly prefix?: string;
  /** To nfnetlink_log's group instead of the kernel log. */
  readonly group?: number;
  readonly level?: 'emerg' | 'alert' | 'crit' | 'err' | 'warn' | 'notice' | 'info' | 'debug';
  /** Bytes of the packet to copy, with `group`. */
  readonly snaplen?: number;
}

/** `meta mark set 1`, `ct mark set meta mark`. */
export interface Assign {
  readonly kind: 'assign';
  readonly to: Meta | Conntrack;
  readonly value: FieldValue | Meta | Conntrack | Masked;
}

/** Adds the packet's key to a dynamic set. */
export interface UpdateSet {
  readonly kind: 'add to set' | 'update set' | 'delete from set';
  readonly set: NftSet | NftMap;
  readonly key: Expression | Concat;
  readonly data?: Expression;
  readonly timeoutMs?: number;
  /** Kept by the element, for each key its own; the rule ends here where it does not match. */
  readonly limit?: Omit<Limit, 'kind'>;
}

export const accept: Verdict = { kind: 'verdict', verdict: 'accept' };
export const drop: Verdict = { kind: 'verdict', verdict: 'drop' };
/** Back to the calling chain; in a base chain, its policy. */
export const returnVerdict: Verdict = { kind: 'verdict', verdict: 'return' };
export const continueVerdict: Verdict = { kind: 'verdict', verdict: 'continue' };
export const notrack: Statement = { kind: 'notrack' };

/** To a chain and, when it ends, back to the next rule. */
export function jump(chain: Chain | string): Verdict {
  return { kind: 'verdict', verdict: 'jump', chain: typeof chain === 'string' ? chain : chain.name };
}

/** To a chain, without coming back to this one. */
export function goto(chain: Chain | string): Verdict {
  return { kind: 'verdict', verdict: 'goto', chain: typeof chain === 'string' ? chain : chain.name };
}

/** `match(ip.saddr, '==', '10.0.0.0/8')`, `match(tcp.dport, 'in', [80, 443])`, `match(ip.daddr, 'in', set)`. */
export function match(left: Expression, relation: Match['relation'], right: MatchValue): Match {
  return { kind: 'match', left, relation, right };
}

export function vmap(key: Expression, map: VerdictMap['map']): VerdictMap {
  return { kind: 'vmap', key, map };
}

export function dnat(options: NatOptions): Nat {
  return { kind: 'dnat', ...options };
}

export function snat(options: NatOptions): Nat {
  return { kind: 'snat', ...options };
}

export function masquerade(options: Omit<Masquerade, 'kind'> = {}): Masquerade {
  return { kind: 'masquerade', ...options };
}

export function redirect(options: Omit<Redirect, 'kind'> = {}): Redirect {
  return { kind: 'redirect', ...options };
}

export function reject(reason: RejectWith = 'port-unreachable'): Reject {
  return { kind: 'reject', with: reason };
}

export function counter(named?: NamedCounter | MapLookup): CounterStatement {
  return named === undefined ? { kind: 'counter' } : { kind: 'counter', counter: named };
}

export function limit(options: Omit<Limit, 'kind'>): Limit {
  return { kind: 'limit', ...options };
}

export function log(options: Omit<Log, 'kind'> = {}): Log {
  return { kind: 'log', ...options };
}

export function assign(to: Meta | Conntrack, value: Assign['value']): Assign {
  return { kind: 'assign', to, value };
}

export function addToSet(
  set: UpdateSet['set'],
  key: Expression,
  options: Pick<UpdateSet, 'data' | 'timeoutMs'> = {},
): UpdateSet {
  return { kind: 'add to set', set, key, ...options };
}

export function updateSet(
  set: UpdateSet['set'],
  key: Expression,
  options: Pick<UpdateSet, 'data' | 'timeoutMs' | 'limit'> = {},
): UpdateSet {
  return { kind: 'update set', set, key, ...options };
}

/** A map wants `data` too, of its type; what it says does not matter. */
export function deleteFromSet(
  set: UpdateSet['set'],
  key: Expression,
  options: Pick<UpdateSet, 'data'> = {},
): UpdateSet {
  return { kind: 'delete from set', set, key, ...options };
}
