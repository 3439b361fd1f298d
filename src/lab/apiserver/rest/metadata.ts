/** What the server itself writes into metadata, and what it keeps of the state before. */
import { randomUUID } from 'node:crypto';

import { equalJson, isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import { randomSuffix } from '../random-suffix.ts';
import { keyOf, type Core } from '../server-core.ts';
import { badRequest } from '../status.ts';
import type { Call } from './call.ts';

const MAX_GENERATED_BASE = 58;

export function initMetadata(core: Core, call: Call, object: Loose): Loose {
  const metadata = (object['metadata'] ??= {}) as Loose;
  metadata['namespace'] = checkedNamespace(call, metadata);
  if (metadata['namespace'] === '') delete metadata['namespace'];
  if (stringAt(metadata, 'resourceVersion') !== '') {
    throw badRequest('resourceVersion should not be set on objects to be created');
  }
  for (const field of [
    'resourceVersion',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'selfLink',
    'generation',
  ]) {
    delete metadata[field];
  }
  metadata['uid'] = randomUUID();
  metadata['creationTimestamp'] = core.timestamp();
  return metadata;
}

function checkedNamespace({ kind, namespace }: Call, metadata: Loose): string {
  const given = stringAt(metadata, 'namespace');
  if (!kind.namespaced) {
    if (given !== '') throw badRequest('namespace is not allowed on this type');
    return '';
  }
  if (namespace === '' && given === '') {
    throw badRequest('an empty namespace may not be set during creation');
  }
  if (given !== '' && namespace !== '' && given !== namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`);
  }
  return namespace === '' ? given : namespace;
}

export function generateName(core: Core, { kind, namespace }: Call, metadata: Loose): void {
  const base = stringAt(metadata, 'generateName');
  if (stringAt(metadata, 'name') !== '' || base === '') return;
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const name = `${base.slice(0, MAX_GENERATED_BASE)}${randomSuffix()}`;
    metadata['name'] = name;
    if (core.store.get(keyOf({ kind, namespace, name })) === undefined) return;
  }
}

const SYSTEM_METADATA = [
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'generation',
  'resourceVersion',
] as const;

export function keepSystemMetadata(object: Loose, old: Loose): void {
  const metadata = (object['metadata'] ??= {}) as Loose;
  const before = objectAt(old, 'metadata');
  for (const field of SYSTEM_METADATA) copyMember(metadata, before, field);
  delete metadata['selfLink'];
  if (before['generateName'] !== undefined) metadata['generateName'] ??= before['generateName'];
}

export function copyMember(target: Loose, source: Loose, name: string): void {
  if (source[name] === undefined) delete target[name];
  else target[name] = source[name];
}

export function keepAllButStatus(object: Loose, old: Loose, labelsMayChange: boolean): void {
  for (const name of Object.keys(object)) if (name !== 'status' && name !== 'metadata') delete object[name];
  for (const name of Object.keys(old)) if (name !== 'status' && name !== 'metadata') object[name] = old[name];
  const metadata = object['metadata'] as Loose;
  copyMember(metadata, objectAt(old, 'metadata'), 'ownerReferences');
  if (!labelsMayChange) copyMember(metadata, objectAt(old, 'metadata'), 'labels');
}

export function countGeneration(object: Loose, old: Loose): void {
  const metadata = object['metadata'] as Loose;
  const before = Number(objectAt(old, 'metadata')['generation'] ?? 1);
  metadata['generation'] = specChanged(object, old) ? before + 1 : before;
}

/** Everything but metadata and status. */
function specChanged(object: Loose, old: Loose): boolean {
  const names = new Set([...Object.keys(object), ...Object.keys(old)]);
  names.delete('metadata');
  names.delete('status');
  return [...names].some((name) => !equalJson(object[name], old[name]));
}

export function sameButForManagedTimes(object: Loose, old: Loose): boolean {
  if (equalJson(object, old)) return true;
  const plain = (value: Loose): Loose => {
    const metadata = objectAt(value, 'metadata');
    const managedFields = listAt(metadata, 'managedFields').map((entry) =>
      isObject(entry) ? { ...entry, time: undefined } : entry,
    );
    return { ...value, metadata: { ...metadata, managedFields } };
  };
  return equalJson(plain(object), plain(old));
}
