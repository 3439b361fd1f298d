import type { User } from './auth/user.ts';
import type { Registry, ServedKind } from './registry.ts';
import type { Key, Store } from './storage/store.ts';
import type { Strategy } from './strategy.ts';

/** What the verbs work with. */
export interface Core {
  readonly store: Store;
  readonly registry: Registry;
  strategyOf(kind: ServedKind): Strategy;
  /** RFC 3339, whole seconds. */
  timestamp(offsetSeconds?: number): string;
  /** Signs a service account token (RFC 7519). */
  issueToken(request: TokenSubject): { token: string; expirationTimestamp: string };
  /** Who a bearer token stands for. */
  authenticateToken(token: string): User | undefined;
}

export interface TokenSubject {
  readonly namespace: string;
  readonly serviceAccount: { readonly name: string; readonly uid: string };
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly pod?: { readonly name: string; readonly uid: string };
}

export function keyOf({ kind, namespace, name }: { kind: ServedKind; namespace: string; name: string }): Key {
  return { storage: kind.storage, namespace: kind.namespaced ? namespace : '', name };
}
