/** Uids known to be gone: uids are never used again, so that this needs to be found out once only. */
export interface GoneOwners {
  add(uid: string): void;
  has(uid: string): boolean;
}

const capacity = 10_000;

export function createGoneOwners(): GoneOwners {
  const uids = new Set<string>();
  return {
    add(uid) {
      uids.delete(uid);
      uids.add(uid);
      const oldest = uids.size > capacity ? uids.values().next().value : undefined;
      if (oldest !== undefined) uids.delete(oldest);
    },
    has: (uid) => uids.has(uid),
  };
}
