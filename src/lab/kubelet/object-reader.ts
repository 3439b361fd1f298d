import { isForbidden, isNotFound, type Client } from '../../cluster/client.ts';
import type { Clock } from '../../cluster/clock.ts';
import { configMaps, secrets, services, type Resource } from '../../cluster/resources.ts';
import type { ConfigMap, KubeObject, Secret, Service } from '../../model/objects.ts';

/** Objects that containers refer to. An answer serves for a moment: pods that start together ask for the same. */
export interface ObjectReader {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>;
  secret(namespace: string, name: string): Promise<Secret | undefined>;
  services(namespace: string): Promise<readonly Service[]>;
  /** The object has changed: the next answer is a new one. */
  forget(plural: string, namespace: string, name: string): void;
}

const FRESH_MS = 2000;

export function createObjectReader(client: Client, clock: Clock): ObjectReader {
  const answers = new Map<string, Promise<unknown>>();

  function remember<T>(key: string, ask: () => Promise<T>): Promise<T> {
    const known = answers.get(key);
    if (known) return known as Promise<T>; // the key names the kind
    const answer = ask();
    answers.set(key, answer);
    clock.after(FRESH_MS, () => {
      if (answers.get(key) === answer) answers.delete(key);
    });
    return answer;
  }

  function get<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
  ): Promise<T | undefined> {
    return remember(`${resource.plural}/${namespace}/${name}`, async () => {
      try {
        return await client.get(resource, { namespace, name });
      } catch (error) {
        if (isNotFound(error) || isForbidden(error)) return undefined;
        throw error;
      }
    });
  }

  return {
    configMap: (namespace, name) => get(configMaps, namespace, name),
    secret: (namespace, name) => get(secrets, namespace, name),
    forget: (plural, namespace, name) => void answers.delete(`${plural}/${namespace}/${name}`),
    services: (namespace) =>
      remember(`services/${namespace}`, async () => {
        const { items } = await client.list(services, { namespace });
        if (namespace === 'default') return items;
        // Every pod knows the way to the API server.
        const api = await get(services, 'default', 'kubernetes');
        return api ? [api, ...items] : items;
      }),
  };
}
