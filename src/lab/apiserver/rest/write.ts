import { whatIsIdle } from '../../idle-kinds.ts';
import { fromStored, toStored } from '../conversion.ts';
import { invalidObject, type FieldError } from '../field-error.ts';
import { listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import { trackUpdate } from '../patch/apply.ts';
import { keyOf, type Core } from '../server-core.ts';
import { alreadyExists, badRequest, conflict, forbidden, notFound } from '../status.ts';
import type { StoredObject } from '../storage/store.ts';
import { validateMetadata, validateMetadataUpdate } from '../validation/metadata.ts';
import { fieldManager, isDryRun, type Answer, type Call } from './call.ts';
import { decodeObject, dropNulls, mutableCopy } from './decode.ts';
import {
  copyMember,
  countGeneration,
  generateName,
  initMetadata,
  keepAllButStatus,
  keepSystemMetadata,
  sameButForManagedTimes,
} from './metadata.ts';

/** POST to a collection. */
export function createObject(core: Core, call: Call): Answer {
  const object = decodeObject(call, call.kind);
  dropNulls(object, call.kind);
  return storeNew(core, call, object);
}

/** Stores an object that does not exist yet, decoded and the server's own. @throws StatusError */
export function storeNew(core: Core, call: Call, object: Loose): Answer {
  const { kind } = call;
  const strategy = core.strategyOf(kind);
  const metadata = initMetadata(core, call, object);
  const stored = toStored(kind, object);
  const context = { store: core.store, call };
  if (strategy.hasStatus === true && kind.storage !== 'nodes' && !kind.custom) delete stored['status'];
  strategy.setDefaults?.(stored);
  generateName(core, call, metadata);
  const name = stringAt(metadata, 'name');
  admitNamespace(core, call, name);
  strategy.prepareCreate?.(stored, context);
  if (strategy.hasGeneration === true) metadata['generation'] = 1;
  if (call.contentType !== 'application/apply-patch+yaml') delete metadata['managedFields'];
  refuse(call, name, [...validateMetadata(kind, stored), ...(strategy.validate?.(stored, context) ?? [])]);
  const key = keyOf({ kind, namespace: stringAt(metadata, 'namespace'), name });
  if (core.store.get(key) !== undefined) throw alreadyExists(kind, name);
  const idle = whatIsIdle({ ...stored, kind: kind.kind });
  if (idle !== undefined) call.warnings.push(idle);
  const dryRun = isDryRun(call);
  const giveBack = strategy.allocate?.(stored, { ...context, dryRun });
  if (dryRun) {
    giveBack?.();
    return { status: 201, body: fromStored(kind, stored) };
  }
  return { status: 201, body: fromStored(kind, put(core, { key, object: stored, giveBack })) };
}

function put(
  core: Core,
  {
    key,
    object,
    giveBack,
  }: { key: ReturnType<typeof keyOf>; object: Loose; giveBack: (() => void) | undefined },
): StoredObject {
  try {
    return core.store.put(key, object as unknown as StoredObject);
  } catch (error) {
    giveBack?.();
    throw error;
  }
}

/** NamespaceLifecycle: objects live in namespaces that exist and stay. */
function admitNamespace({ store }: Core, { kind, namespace }: Call, name: string): void {
  if (!kind.namespaced) return;
  const found = store.get({ storage: 'namespaces', namespace: '', name: namespace });
  if (found === undefined) throw notFound({ group: '', plural: 'namespaces' }, namespace);
  if (found.metadata.deletionTimestamp === undefined) return;
  throw forbidden(kind, name, {
    why: `unable to create new content in namespace ${namespace} because it is being terminated`,
    causes: [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  });
}

function refuse({ kind }: Call, name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalidObject(kind, name, errors);
}

/** PUT. */
export function updateObject(core: Core, call: Call): Answer {
  const object = decodeObject(call, call.kind);
  dropNulls(object, call.kind);
  const metadata = (object['metadata'] ??= {}) as Loose;
  if (call.kind.namespaced && stringAt(metadata, 'namespace') === '') metadata['namespace'] = call.namespace;
  const name = stringAt(metadata, 'name');
  if (name !== call.name) {
    throw badRequest(
      name === ''
        ? 'name must be provided'
        : `the name of the object (${name}) does not match the name on the URL (${call.name})`,
    );
  }
  if (stringAt(metadata, 'namespace') !== (call.kind.namespaced ? call.namespace : '')) {
    throw badRequest(
      `the namespace of the object (${stringAt(metadata, 'namespace')}) does not match the namespace on the URL (${call.namespace})`,
    );
  }
  const { kind, namespace } = call;
  if (core.store.get(keyOf({ kind, namespace, name })) === undefined) {
    const creates = core.strategyOf(kind).createOnUpdate === true && call.subresource === '';
    if (!creates || stringAt(metadata, 'uid') !== '') throw notFound(kind, name);
    delete metadata['resourceVersion'];
    return storeNew(core, call, object);
  }
  return replaceObject(core, call, () => object);
}

/**
 * Replaces an object by what `change` makes of its present state, as the request's subresource allows. `change` gets
 * the shared object in the call's version and returns one that is the server's own.
 */
export function replaceObject(core: Core, call: Call, change: (present: Loose) => Loose): Answer {
  const { kind, namespace, name } = call;
  const key = keyOf({ kind, namespace, name });
  const present = core.store.get(key);
  if (present === undefined) throw notFound(kind, name);
  const old = present as unknown as Loose;
  const changed = change(fromStored(kind, old));
  checkVersion(call, changed, present);
  const object = toStored(kind, changed);
  keepSystemMetadata(object, old);
  const strategy = core.strategyOf(kind);
  const context = { store: core.store, call };
  let errors: FieldError[];
  if (call.subresource === 'status') {
    keepAllButStatus(object, old, kind.storage === 'pods' || kind.storage === 'nodes');
    strategy.prepareStatusUpdate?.(object, old);
    errors = strategy.validateStatusUpdate?.(object, old) ?? [];
  } else {
    const binding = call.subresource === 'binding';
    if (strategy.hasStatus === true && !binding) copyMember(object, old, 'status');
    strategy.setDefaults?.(object);
    strategy.prepareUpdate?.(object, old, context);
    if (strategy.hasGeneration === true && !binding) countGeneration(object, old);
    errors = [
      ...(strategy.validate?.(object, context) ?? []),
      ...(strategy.validateUpdate?.(object, old, context) ?? []),
    ];
    errors.unshift(...validateMetadata(kind, object));
  }
  refuse(call, name, [...validateMetadataUpdate(object, old), ...errors]);
  if (call.contentType !== 'application/apply-patch+yaml') {
    trackUpdate(object, old, {
      kind,
      manager: fieldManager(call),
      subresource: call.subresource,
      now: core.timestamp(),
    });
  }
  if (sameButForManagedTimes(object, old)) return { status: 200, body: fromStored(kind, present) };
  const dryRun = isDryRun(call);
  const giveBack =
    call.subresource === '' ? strategy.allocate?.(object, { ...context, old, dryRun }) : undefined;
  if (dryRun) {
    giveBack?.();
    return { status: 200, body: fromStored(kind, object) };
  }
  const written = put(core, { key, object, giveBack });
  removeIfFinal(core, kind, written);
  return { status: 200, body: fromStored(kind, written) };
}

function checkVersion({ kind, name }: Call, object: Loose, present: StoredObject): void {
  const { uid, resourceVersion } = objectAt(object, 'metadata');
  if (typeof uid === 'string' && uid !== '' && uid !== present.metadata.uid) {
    throw conflict(
      kind,
      name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${present.metadata.uid}`,
    );
  }
  if (
    typeof resourceVersion === 'string' &&
    resourceVersion !== '' &&
    resourceVersion !== present.metadata.resourceVersion
  ) {
    throw conflict(kind, name);
  }
}

/** An object that is being deleted goes when nothing holds it any more. */
export function removeIfFinal(core: Core, kind: Call['kind'], object: StoredObject): boolean {
  const {
    deletionTimestamp,
    deletionGracePeriodSeconds = 0,
    finalizers = [],
    name,
    namespace = '',
  } = object.metadata;
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds > 0 || finalizers.length > 0)
    return false;
  if (kind.storage === 'namespaces' && listAt(object, 'spec', 'finalizers').length > 0) return false;
  core.store.remove({ storage: kind.storage, namespace, name });
  core.strategyOf(kind).released?.(mutableCopy(object));
  return true;
}
