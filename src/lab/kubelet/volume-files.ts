import type { ConfigMap, Pod, Secret } from '../../model/objects.ts';
import { PodnetError } from '../../model/errors.ts';
import { fieldValue, resourceValue, type PodFacts } from './downward.ts';

type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];
type Projection = NonNullable<NonNullable<NonNullable<Volume['projected']>['sources']>[number]>;

/** A file in a volume. */
export interface VolumeFile {
  /** Relative, without `..`. */
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
}

export interface VolumeSources {
  readonly pod: Pod;
  readonly facts: PodFacts;
  configMap(name: string): ConfigMap | undefined;
  secret(name: string): Secret | undefined;
  /** A service account's token for an audience; undefined where the API gives none. */
  token(audience: string): string | undefined;
}

/** Volumes whose files come from objects. */
export function isProjection(volume: Volume): boolean {
  return (
    volume.configMap !== undefined ||
    volume.secret !== undefined ||
    volume.downwardAPI !== undefined ||
    volume.projected !== undefined
  );
}

export interface VolumeReferences {
  /** Names in the pod's namespace. */
  readonly configMaps: ReadonlySet<string>;
  readonly secrets: ReadonlySet<string>;
  readonly audiences: ReadonlySet<string>;
}

/** Pure: the objects whose contents stand in these volumes, and the audiences of tokens. */
export function referencesOf(volumes: readonly Volume[]): VolumeReferences {
  const [maps, secrets, audiences] = [new Set<string>(), new Set<string>(), new Set<string>()];
  for (const { configMap, secret, projected } of volumes) {
    if (configMap?.name !== undefined) maps.add(configMap.name);
    if (secret?.secretName !== undefined) secrets.add(secret.secretName);
    for (const source of projected?.sources ?? []) {
      if (source.configMap?.name !== undefined) maps.add(source.configMap.name);
      if (source.secret?.name !== undefined) secrets.add(source.secret.name);
      if (source.serviceAccountToken) audiences.add(source.serviceAccountToken.audience ?? '');
    }
  }
  return { configMaps: maps, secrets, audiences };
}

/**
 * Pure: what stands in such a volume. Throws `PodnetError` with code `config-missing` when an object or key is not
 * there and is not optional.
 */
export function volumeFiles(volume: Volume, sources: VolumeSources): VolumeFile[] {
  const where = `volume ${volume.name}`;
  if (volume.configMap) {
    const { name = '', items, optional, defaultMode } = volume.configMap;
    return files(configMapData(sources.configMap(name)), {
      kind: 'configmap',
      name,
      items,
      optional,
      defaultMode,
      where,
    });
  }
  if (volume.secret) {
    const { secretName: name = '', items, optional, defaultMode } = volume.secret;
    return files(secretData(sources.secret(name)), {
      kind: 'secret',
      name,
      items,
      optional,
      defaultMode,
      where,
    });
  }
  if (volume.downwardAPI)
    return downwardFiles(volume.downwardAPI.items ?? [], volume.downwardAPI.defaultMode, sources, where);
  const { sources: projections = [], defaultMode } = volume.projected ?? {};
  return projections.flatMap((projection) => projectionFiles(projection, defaultMode, sources, where));
}

function projectionFiles(
  projection: Projection,
  defaultMode: number | undefined,
  sources: VolumeSources,
  where: string,
): VolumeFile[] {
  const { configMap, secret, downwardAPI, serviceAccountToken } = projection;
  if (configMap) {
    const { name = '', items, optional } = configMap;
    // The lab may run without the controller that publishes the API server's certificate everywhere.
    const lenient = name === 'kube-root-ca.crt' ? true : optional;
    return files(configMapData(sources.configMap(name)), {
      kind: 'configmap',
      name,
      items,
      optional: lenient,
      defaultMode,
      where,
    });
  }
  if (secret) {
    const { name = '', items, optional } = secret;
    return files(secretData(sources.secret(name)), {
      kind: 'secret',
      name,
      items,
      optional,
      defaultMode,
      where,
    });
  }
  if (downwardAPI) return downwardFiles(downwardAPI.items ?? [], defaultMode, sources, where);
  const token = serviceAccountToken && sources.token(serviceAccountToken.audience ?? '');
  if (!serviceAccountToken || token === undefined) return [];
  return [
    {
      path: safePath(serviceAccountToken.path, where),
      content: Buffer.from(token),
      mode: defaultMode ?? 0o644,
    },
  ];
}

interface FilesOptions {
  readonly kind: 'configmap' | 'secret';
  readonly name: string;
  readonly items: readonly { key: string; path: string; mode?: number }[] | undefined;
  readonly optional: boolean | undefined;
  readonly defaultMode: number | undefined;
  readonly where: string;
}

function files(data: ReadonlyMap<string, Buffer> | undefined, options: FilesOptions): VolumeFile[] {
  const { kind, name, items, optional = false, defaultMode = 0o644, where } = options;
  if (!data) {
    if (optional) return [];
    throw new PodnetError(`${kind} "${name}" not found`, {
      code: 'config-missing',
      where,
      fix: `Create the ${kind} ${name}.`,
    });
  }
  if (!items)
    return [...data].map(([key, content]) => ({ path: safePath(key, where), content, mode: defaultMode }));
  return items.flatMap(({ key, path, mode }) => {
    const content = data.get(key);
    if (content) return [{ path: safePath(path, where), content, mode: mode ?? defaultMode }];
    if (optional) return [];
    throw new PodnetError(`${kind} references non-existent config key: ${key}`, {
      code: 'config-missing',
      where,
      fix: `Add the key ${key} to the ${kind} ${name}.`,
    });
  });
}

function downwardFiles(
  items: NonNullable<NonNullable<Volume['downwardAPI']>['items']>,
  defaultMode: number | undefined,
  { pod, facts }: VolumeSources,
  where: string,
): VolumeFile[] {
  return items.map(({ path, fieldRef, resourceFieldRef, mode }) => {
    const container = pod.spec?.containers.find(({ name }) => name === resourceFieldRef?.containerName);
    const text = fieldRef
      ? fieldValue(pod, fieldRef.fieldPath, facts, where)
      : resourceFieldRef && container
        ? resourceValue(container, resourceFieldRef.resource, resourceFieldRef.divisor, facts)
        : '';
    return { path: safePath(path, where), content: Buffer.from(text), mode: mode ?? defaultMode ?? 0o644 };
  });
}

function configMapData(configMap: ConfigMap | undefined): ReadonlyMap<string, Buffer> | undefined {
  if (!configMap) return undefined;
  const texts = Object.entries(configMap.data ?? {}).map(([key, text]): [string, Buffer] => [
    key,
    Buffer.from(text),
  ]);
  const binaries = Object.entries(configMap.binaryData ?? {}).map(([key, text]): [string, Buffer] => [
    key,
    Buffer.from(text, 'base64'),
  ]);
  return new Map([...texts, ...binaries]);
}

function secretData(secret: Secret | undefined): ReadonlyMap<string, Buffer> | undefined {
  return (
    secret &&
    new Map(Object.entries(secret.data ?? {}).map(([key, text]) => [key, Buffer.from(text, 'base64')]))
  );
}

/** Stays in the volume, and away from the names that swap its contents. */
export function safePath(path: string, where: string): string {
  const parts = path.split('/');
  if (
    path === '' ||
    path.startsWith('/') ||
    path.includes('\0') ||
    parts.includes('..') ||
    path.startsWith('..')
  )
    throw new PodnetError(`invalid path ${JSON.stringify(path)}: it must stay in the volume`, {
      code: 'config-missing',
      where,
      fix: 'Use a relative path without "..".',
    });
  return parts.filter((part) => part !== '' && part !== '.').join('/');
}
