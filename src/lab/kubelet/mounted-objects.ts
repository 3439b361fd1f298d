import type { Client } from '../../cluster/client.ts';
import type { Clock } from '../../cluster/clock.ts';
import { createInformer } from '../../cluster/informer.ts';
import { configMaps, secrets, type Resource } from '../../cluster/resources.ts';
import { createWorkQueue } from '../../cluster/work-queue.ts';
import type { ConfigMap, KubeObject, Pod, Secret } from '../../model/objects.ts';
import { referencesOf } from './volume-files.ts';

const RETRY_MS = 1000;

/** Brings changes of ConfigMaps and Secrets to the pods that have mounted them. */
export interface MountedObjects {
  /** Calls `refresh` with the `plural/name` of what has changed, until the result is called. */
  follow(pod: Pod, refresh: (changed: ReadonlySet<string>) => Promise<void>): () => void;
  run(signal: AbortSignal): Promise<void>;
}

export interface MountedObjectsOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
  /** Told of each change before any pod is: what was read of the object is old. */
  readonly onChange: (plural: string, namespace: string, name: string) => void;
}

interface Follower {
  readonly pending: Set<string>;
  readonly refresh: (changed: ReadonlySet<string>) => Promise<void>;
}

/**
 * One watch of each kind for the whole node, begun when the first pod mounts an object of that kind; of every object
 * only the name is kept. The pods that mounted what changed are refreshed one after another.
 */
export function createMountedObjects(options: MountedObjectsOptions): MountedObjects {
  const { client, clock, onError, onChange } = options;
  /** By uid of the pod. */
  const followers = new Map<string, Follower>();
  /** Uids by `plural/namespace/name`. */
  const users = new Map<string, Set<string>>();
  const watching = new Map<string, Promise<void>>();
  const stopping = new AbortController();

  const queue = createWorkQueue({
    clock,
    onError: (_, error) => onError(error),
    async process(uid) {
      const follower = followers.get(uid);
      if (!follower || follower.pending.size === 0) return;
      const changed = new Set(follower.pending);
      follower.pending.clear();
      try {
        await follower.refresh(changed);
      } catch (error) {
        for (const reference of changed) follower.pending.add(reference);
        throw error;
      }
    },
  });

  function watch<T extends ConfigMap | Secret>(resource: Resource<T>): void {
    const { plural } = resource;
    if (watching.has(plural)) return;
    const informer = createInformer<T, KubeObject>(client, resource, {
      transform: nameOnly,
      maxDelayMs: RETRY_MS,
      onError,
      clock,
    });
    informer.onChange(({ type, key, object }) => {
      // What was there and is no more stays mounted.
      if (type === 'deleted') return;
      const { namespace = '', name = '' } = object.metadata ?? {};
      onChange(plural, namespace, name);
      for (const uid of users.get(`${plural}/${key}`) ?? []) {
        followers.get(uid)?.pending.add(`${plural}/${name}`);
        queue.add(uid);
      }
    });
    watching.set(plural, informer.run(stopping.signal));
    informer.synced.catch(() => {}); // aborted
  }

  return {
    follow(pod, refresh) {
      const { uid = '', namespace = '' } = pod.metadata ?? {};
      const { configMaps: maps, secrets: hidden } = referencesOf(pod.spec?.volumes ?? []);
      const used = [
        ...[...maps].map((name) => `configmaps/${namespace}/${name}`),
        ...[...hidden].map((name) => `secrets/${namespace}/${name}`),
      ];
      if (used.length === 0) return () => {};
      followers.set(uid, { pending: new Set(), refresh });
      for (const key of used) users.set(key, (users.get(key) ?? new Set()).add(uid));
      if (maps.size > 0) watch(configMaps);
      if (hidden.size > 0) watch(secrets);
      return () => {
        followers.delete(uid);
        for (const key of used) {
          users.get(key)?.delete(uid);
          if (users.get(key)?.size === 0) users.delete(key);
        }
      };
    },
    async run(signal) {
      await queue.run(signal);
      stopping.abort();
      await Promise.all(watching.values());
    },
  };
}

function nameOnly({ metadata }: KubeObject): KubeObject {
  const { name = '', namespace = '', resourceVersion = '' } = metadata ?? {};
  return { metadata: { name, namespace, resourceVersion } };
}
