import type { Client } from './client.ts';
import type { Resource } from './resources.ts';

/** A resource the server has, as its discovery documents describe it. */
export interface DiscoveredResource extends Resource {
  readonly verbs: readonly string[];
}

interface ResourceListDocument {
  readonly resources?: readonly {
    readonly name: string;
    readonly kind: string;
    readonly namespaced: boolean;
    readonly verbs?: readonly string[] | null;
  }[];
}

interface GroupListDocument {
  readonly groups?: readonly {
    readonly name: string;
    readonly preferredVersion?: { readonly version: string };
    readonly versions?: readonly { readonly version: string }[];
  }[];
}

/** Every resource of the server, each group in its preferred version; no subresources. */
export async function discoverResources(
  client: Client,
  signal?: AbortSignal,
): Promise<readonly DiscoveredResource[]> {
  const [core, { groups = [] }] = await Promise.all([
    resourcesAt(client, { group: '', version: 'v1', path: '/api/v1', signal }),
    client.raw<GroupListDocument>('/apis', signal),
  ]);
  const others = await Promise.all(
    groups.map(({ name: group, preferredVersion, versions }) => {
      const version = preferredVersion?.version ?? versions?.[0]?.version ?? 'v1';
      return resourcesAt(client, { group, version, path: `/apis/${group}/${version}`, signal });
    }),
  );
  return [core, ...others].flat();
}

async function resourcesAt(
  client: Client,
  {
    group,
    version,
    path,
    signal,
  }: { group: string; version: string; path: string; signal: AbortSignal | undefined },
): Promise<DiscoveredResource[]> {
  const { resources = [] } = await client.raw<ResourceListDocument>(path, signal);
  return resources
    .filter(({ name }) => !name.includes('/'))
    .map(({ name, kind, namespaced, verbs }) => ({
      group,
      version,
      plural: name,
      kind,
      namespaced,
      verbs: verbs ?? [],
    }));
}
