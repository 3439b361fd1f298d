import { ApiError, isAlreadyExists, type Client } from '../../cluster/client.ts';
import { parseApiVersion, type Resource } from '../../cluster/resources.ts';
import type { KubeObject } from '../../model/objects.ts';
import type { ManifestObject } from './load.ts';

/** What became of one object. */
export type ApplyResult =
  | { readonly manifest: ManifestObject; readonly outcome: 'created' | 'configured' }
  | { readonly manifest: ManifestObject; readonly outcome: 'refused'; readonly problems: readonly Problem[] };

/** One thing the API server refused. */
export interface Problem {
  /** `app.yaml:41`. */
  readonly where: string;
  /** `spec.clusterIP`; empty when the whole object is meant. */
  readonly field: string;
  readonly message: string;
}

interface ResourceList {
  readonly resources: readonly { name: string; kind: string; namespaced: boolean }[];
}

/** Whose fields these are: kubectl's, so that it goes on from here. */
const fieldManager = 'kubectl-client-side-apply';

/** The annotation by which `kubectl apply` knows what was written last time. */
const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

/** Finds the resource of a kind by the server's own discovery, asking once per group version. */
function createDiscovery(
  client: Client,
): (apiVersion: string, kind: string) => Promise<Resource | undefined> {
  const lists = new Map<string, Promise<ResourceList | undefined>>();
  const load = async (apiVersion: string): Promise<ResourceList | undefined> => {
    const { group } = parseApiVersion(apiVersion);
    try {
      return await client.raw<ResourceList>(group === '' ? `/api/${apiVersion}` : `/apis/${apiVersion}`);
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return undefined;
      throw error;
    }
  };
  return async (apiVersion, kind) => {
    const loading = lists.get(apiVersion) ?? load(apiVersion);
    lists.set(apiVersion, loading);
    const found = (await loading)?.resources.find((one) => one.kind === kind && !one.name.includes('/'));
    if (found === undefined) return undefined;
    return { ...parseApiVersion(apiVersion), plural: found.name, kind, namespaced: found.namespaced };
  };
}

/** The field named in a refusal without causes: `unknown field "spec.prts"`, `Go struct field ServiceSpec.spec.type of`. */
function fieldInMessage(message: string): string {
  return /field "([^"]+)"/.exec(message)?.[1] ?? /struct field \w+\.(\S+) of type/.exec(message)?.[1] ?? '';
}

function problemsOf({ where }: ManifestObject, error: ApiError): Problem[] {
  const causes = error.status.details?.causes ?? [];
  if (causes.length > 0) {
    return causes.map(({ field = '', message = '' }) => ({
      where: where(field),
      field,
      message: field === '' ? message : `${field}: ${message}`,
    }));
  }
  const field = fieldInMessage(error.message);
  return [{ where: where(field), field, message: error.message }];
}

async function applyOne(client: Client, resource: Resource, manifest: ManifestObject): Promise<ApplyResult> {
  const { object } = manifest;
  const metadata = { ...object.metadata };
  if (resource.namespaced) metadata.namespace ??= 'default';
  const text = `${JSON.stringify({ ...object, metadata: { ...metadata, annotations: metadata.annotations ?? {} } })}\n`;
  const body: KubeObject = {
    ...object,
    metadata: { ...metadata, annotations: { ...metadata.annotations, [lastApplied]: text } },
  };
  try {
    await client.create(resource, body, { fieldManager, fieldValidation: 'Strict' });
    return { manifest, outcome: 'created' };
  } catch (error) {
    if (!isAlreadyExists(error) || metadata.name === undefined) throw error;
  }
  const name = {
    name: metadata.name,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
  };
  await client.patch(resource, name, { type: 'merge', body, fieldManager, fieldValidation: 'Strict' });
  return { manifest, outcome: 'configured' };
}

/**
 * Applies objects in order, as `kubectl apply` would: one that is refused does not stop the others. Yields each
 * result as it is known; throws only when the API server does not answer.
 */
export async function* applyManifests(
  client: Client,
  manifests: readonly ManifestObject[],
): AsyncGenerator<ApplyResult> {
  const discover = createDiscovery(client);
  for (const manifest of manifests) {
    const { apiVersion, kind } = manifest.object;
    const resource = await discover(apiVersion, kind);
    if (resource === undefined) {
      const message = `no matches for kind "${kind}" in version "${apiVersion}"`;
      yield {
        manifest,
        outcome: 'refused',
        problems: [{ where: manifest.where('kind'), field: 'kind', message }],
      };
      continue;
    }
    try {
      yield await applyOne(client, resource, manifest);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      yield { manifest, outcome: 'refused', problems: problemsOf(manifest, error) };
    }
  }
}
