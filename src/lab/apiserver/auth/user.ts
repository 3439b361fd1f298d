/** Who makes a request. */
export interface User {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** Callers of the same process who did not say otherwise. */
export const MASTER: User = { name: 'system:admin', groups: ['system:masters', 'system:authenticated'] };

export const ANONYMOUS: User = { name: 'system:anonymous', groups: ['system:unauthenticated'] };
