import type { Clock } from '../../cluster/clock.ts';
import { objectKey, type KubeObject } from '../../model/objects.ts';

/**
 * What a controller wrote and its informer has not shown yet. Without it a controller that looks again too early
 * would create a second time what it has just created.
 */
export interface RecentWrites<T extends KubeObject> {
  /** Remembers what the server answered to a create or update made for `owner`. */
  wrote(owner: string, object: T): void;
  deleted(owner: string, object: T): void;
  /** `known` from the informer, corrected by what was written since. */
  correct(owner: string, known: readonly T[]): readonly T[];
}

interface Write<T> {
  /** Undefined: deleted. */
  readonly object: T | undefined;
  readonly uid: string | undefined;
  readonly version: string;
  readonly expiresMs: number;
}

/** After this an object that the informer never showed is taken for gone. */
const lifetimeMs = 30_000;

export function createRecentWrites<T extends KubeObject>(clock: Clock): RecentWrites<T> {
  const byOwner = new Map<string, Map<string, Write<T>>>();

  function remember(owner: string, written: T, object: T | undefined): void {
    const writes = byOwner.get(owner) ?? new Map<string, Write<T>>();
    byOwner.set(owner, writes);
    const { uid, resourceVersion: version = '' } = written.metadata ?? {};
    writes.set(objectKey(written), { object, uid, version, expiresMs: clock.now() + lifetimeMs });
  }

  /** The informer has caught up with the write. */
  function isSeen({ object, uid, version }: Write<T>, known: T | undefined): boolean {
    if (!object) return known === undefined || known.metadata?.uid !== uid || isTerminating(known);
    if (!known) return false;
    return (
      known.metadata?.uid !== uid || compareVersions(known.metadata?.resourceVersion ?? '', version) >= 0
    );
  }

  return {
    wrote: (owner, object) => remember(owner, object, object),
    deleted: (owner, object) => remember(owner, object, undefined),
    correct(owner, known) {
      const writes = byOwner.get(owner);
      if (!writes) return known;
      const objects = new Map(known.map((object) => [objectKey(object), object]));
      const nowMs = clock.now();
      for (const [key, write] of writes)
        if (isSeen(write, objects.get(key)) || write.expiresMs <= nowMs) writes.delete(key);
        else if (write.object) objects.set(key, write.object);
        else objects.delete(key);
      if (writes.size === 0) byOwner.delete(owner);
      return [...objects.values()];
    },
  };
}

function isTerminating({ metadata }: KubeObject): boolean {
  return metadata?.deletionTimestamp !== undefined;
}

/** Resource versions of one resource count upwards (KEP-5504). */
export function compareVersions(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}
