import { fromStored } from '../conversion.ts';
import { isObject, listAt, objectAt, stringAt, type Loose } from '../json-value.ts';
import type { ServedKind } from '../registry.ts';
import { keyOf, type Core } from '../server-core.ts';
import { badRequest, conflict, forbidden, notFound } from '../status.ts';
import type { StoredObject } from '../storage/store.ts';
import { isDryRun, queryBoolean, queryInteger, type Answer, type Call } from './call.ts';
import { mutableCopy } from './decode.ts';
import { selectObjects } from './select.ts';
import { removeIfFinal } from './write.ts';

interface DeleteOptions {
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: string | undefined;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly dryRun: boolean;
}

function deleteOptions(call: Call): DeleteOptions {
  const { body, query } = call;
  if (body !== undefined && body !== null && !isObject(body))
    throw badRequest('DeleteOptions must be an object');
  const options: Loose = isObject(body) ? body : {};
  const grace = options['gracePeriodSeconds'] ?? queryInteger(query, 'gracePeriodSeconds');
  if (grace !== undefined && grace !== null && !Number.isInteger(grace)) {
    throw badRequest(
      'DeleteOptions in version "v1" cannot be handled as a DeleteOptions: json: cannot unmarshal into Go struct field DeleteOptions.gracePeriodSeconds of type int64',
    );
  }
  const orphan =
    options['orphanDependents'] ??
    (query['orphanDependents'] === undefined ? undefined : queryBoolean(query, 'orphanDependents'));
  const policy = stringAt(options, 'propagationPolicy') || query['propagationPolicy'] || undefined;
  if (policy !== undefined && !['Background', 'Foreground', 'Orphan'].includes(policy)) {
    throw badRequest(
      `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Invalid value: "${policy}": valid values are Background, Foreground, Orphan or nil`,
    );
  }
  const preconditions = objectAt(options, 'preconditions');
  return {
    gracePeriodSeconds: typeof grace === 'number' ? grace : undefined,
    propagationPolicy:
      policy ?? (orphan === undefined ? undefined : orphan === true ? 'Orphan' : 'Background'),
    uid: stringAt(preconditions, 'uid'),
    resourceVersion: stringAt(preconditions, 'resourceVersion'),
    dryRun: isDryRun(call),
  };
}

/** DELETE of one object. */
export function deleteObject(core: Core, call: Call): Answer {
  const { kind, namespace, name } = call;
  const present = core.store.get(keyOf({ kind, namespace, name }));
  if (present === undefined) throw notFound(kind, name);
  const options = deleteOptions(call);
  const left = deleteOne(core, { kind, present, options });
  if (left !== undefined) return { status: 200, body: fromStored(kind, left) };
  if (core.strategyOf(kind).returnsDeleted === true) return { status: 200, body: fromStored(kind, present) };
  const { group, plural } = kind;
  const details = { name, ...(group === '' ? {} : { group }), kind: plural, uid: present.metadata.uid };
  return {
    status: 200,
    body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details },
  };
}

/** DELETE of a collection: every object the selectors choose. */
export function deleteCollection(core: Core, call: Call): Answer {
  const options = deleteOptions(call);
  const items = selectObjects(core, call).map((present) => {
    const left = deleteOne(core, { kind: call.kind, present, options });
    return fromStored(call.kind, left ?? present);
  });
  const { kind, group, version } = call.kind;
  return {
    status: 200,
    body: {
      kind: `${kind}List`,
      apiVersion: group === '' ? version : `${group}/${version}`,
      metadata: { resourceVersion: String(core.store.resourceVersion) },
      items,
    },
  };
}

interface Deletion {
  readonly kind: ServedKind;
  readonly present: StoredObject;
  readonly options: DeleteOptions;
}

/** The object as it lives on, or `undefined` when it is gone. */
function deleteOne(core: Core, { kind, present, options }: Deletion): StoredObject | undefined {
  const { name, namespace = '' } = present.metadata;
  const { uid, resourceVersion } = options;
  if (uid !== '' && uid !== present.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${present.metadata.uid}`;
    throw conflict(kind, name, why);
  }
  if (resourceVersion !== '' && resourceVersion !== present.metadata.resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${present.metadata.resourceVersion}`;
    throw conflict(kind, name, why);
  }
  if (kind.storage === 'namespaces' && ['default', 'kube-system', 'kube-public'].includes(name)) {
    throw forbidden(kind, name, { why: 'this namespace may not be deleted' });
  }
  const marked = markDeleted(core, { kind, present, options });
  if (options.dryRun) return marked;
  const key = { storage: kind.storage, namespace, name };
  if (marked !== present) {
    // Objects that nothing holds go at once, without a visible state in between.
    if (goesAtOnce(kind, marked)) {
      core.store.remove(key);
      core.strategyOf(kind).released?.(mutableCopy(marked));
      return undefined;
    }
    core.store.put(key, marked);
  }
  return removeIfFinal(core, kind, marked) ? undefined : marked;
}

function goesAtOnce({ storage }: ServedKind, object: StoredObject): boolean {
  const { deletionGracePeriodSeconds = 0, finalizers = [] } = object.metadata;
  if (deletionGracePeriodSeconds > 0 || finalizers.length > 0) return false;
  return storage !== 'namespaces' || listAt(object, 'spec', 'finalizers').length === 0;
}

/** A copy with deletion marks, or the object itself when it carries them already. */
function markDeleted(core: Core, { kind, present, options }: Deletion): StoredObject {
  const { metadata } = present;
  const grace = gracePeriodSeconds(kind, present, options);
  const finalizers = finalizersAfter(metadata.finalizers ?? [], options.propagationPolicy);
  const marked = metadata.deletionTimestamp !== undefined;
  const shorter = marked && grace < (metadata.deletionGracePeriodSeconds ?? 0);
  if (marked && !shorter) return present;
  const copy = mutableCopy(present);
  const copied = copy['metadata'] as Loose;
  copied['deletionTimestamp'] = core.timestamp(grace);
  copied['deletionGracePeriodSeconds'] = grace;
  if (core.strategyOf(kind).hasGeneration === true) copied['generation'] = (metadata.generation ?? 0) + 1;
  if (finalizers.length > 0) copied['finalizers'] = finalizers;
  if (kind.storage === 'namespaces') copy['status'] = { ...objectAt(copy, 'status'), phase: 'Terminating' };
  return copy as unknown as StoredObject;
}

function gracePeriodSeconds(
  { storage }: ServedKind,
  object: StoredObject,
  { gracePeriodSeconds: asked }: DeleteOptions,
): number {
  if (storage !== 'pods') return 0;
  const spec = objectAt(object, 'spec');
  const phase = stringAt(object, 'status', 'phase');
  // Nobody runs it: nobody would finish the deletion.
  if (stringAt(spec, 'nodeName') === '' || phase === 'Succeeded' || phase === 'Failed') return 0;
  const grace = asked ?? Number(spec['terminationGracePeriodSeconds'] ?? 30);
  return grace < 0 ? 1 : grace;
}

function finalizersAfter(finalizers: readonly string[], policy: string | undefined): string[] {
  const others = finalizers.filter((name) => name !== 'orphan' && name !== 'foregroundDeletion');
  if (policy === 'Orphan') return [...others, 'orphan'];
  if (policy === 'Foreground') return [...others, 'foregroundDeletion'];
  return policy === undefined ? [...finalizers] : others;
}
