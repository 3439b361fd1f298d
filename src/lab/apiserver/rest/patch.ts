import { isObject, objectAt, stringAt, type Loose } from '../json-value.ts';
import { schemaFor } from '../openapi/schema.ts';
import { applyServerSide } from '../patch/apply.ts';
import { applyJsonPatch } from '../patch/json-patch.ts';
import { applyMergePatch } from '../patch/merge-patch.ts';
import { PatchError } from '../patch/patch-error.ts';
import { applyStrategicMergePatch } from '../patch/strategic-merge-patch.ts';
import type { ServedKind } from '../registry.ts';
import { keyOf, type Core } from '../server-core.ts';
import { badRequest, StatusError, unsupportedMediaType } from '../status.ts';
import { queryBoolean, type Answer, type Call } from './call.ts';
import { checkTypes, dropNulls } from './decode.ts';
import { replaceObject, storeNew } from './write.ts';

const JSON_PATCH = 'application/json-patch+json';
const MERGE_PATCH = 'application/merge-patch+json';
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json';
const APPLY_PATCH = 'application/apply-patch+yaml';

/** PATCH, of every kind of patch. */
export function patchObject(core: Core, call: Call): Answer {
  const { kind } = call;
  if (call.contentType === APPLY_PATCH) return applyObject(core, call);
  return replaceObject(core, call, (present) => {
    const patched = patchValue(present, call, kind);
    dropNulls(patched, kind);
    return checkTypes(patched, { expected: kind, query: call.query, warnings: call.warnings });
  });
}

/**
 * The patched object, a new one.
 * @throws StatusError 400 for a patch that cannot be read, 422 for one that does not fit, 415
 */
export function patchValue(
  present: Loose,
  { contentType, body }: Pick<Call, 'contentType' | 'body'>,
  kind: ServedKind,
): Loose {
  const schema = schemaFor(kind);
  try {
    const patched = applyPatch();
    if (!isObject(patched) || !isObject(patched['metadata']))
      throw new PatchError('failed', 'the patch removes the object');
    return patched;
  } catch (error) {
    throw error instanceof PatchError ? patchStatus(error) : error;
  }

  function applyPatch(): unknown {
    switch (contentType) {
      case JSON_PATCH:
        return applyJsonPatch(present, body);
      case MERGE_PATCH:
        if (!isObject(body)) throw new PatchError('malformed', 'a merge patch must be an object');
        return applyMergePatch(present, body);
      case STRATEGIC_PATCH:
        if (schema !== undefined) return applyStrategicMergePatch(present, body, schema);
        throw unsupportedMediaType([JSON_PATCH, MERGE_PATCH, APPLY_PATCH]);
      default:
        throw unsupportedMediaType([JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH]);
    }
  }
}

function patchStatus({ why, message }: PatchError): StatusError {
  if (why === 'malformed') return badRequest(message);
  if (why === 'too-large') return new StatusError({ code: 413, reason: 'RequestEntityTooLarge', message });
  return new StatusError({
    code: 422,
    reason: 'Invalid',
    message: 'the server rejected our request due to an error in our request',
    details: { causes: [{ reason: 'UnexpectedServerResponse', message }] },
  });
}

/** Server-side apply: creates or merges what one manager wants. */
function applyObject(core: Core, call: Call): Answer {
  const { kind, query, body, name, namespace } = call;
  const manager = query['fieldManager'] ?? '';
  if (manager === '') {
    throw badRequest(
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    );
  }
  if (!isObject(body)) throw badRequest('an apply patch must be an object');
  dropNulls(body, kind);
  const applied = checkTypes(body, { expected: kind, query, warnings: call.warnings });
  checkIdentity(applied, call);
  const options = {
    kind,
    manager,
    force: queryBoolean(query, 'force'),
    subresource: call.subresource,
    now: core.timestamp(),
  };
  const present = core.store.get(keyOf({ kind, namespace, name }));
  if (present === undefined) {
    const metadata = (applied['metadata'] ??= {}) as Loose;
    metadata['name'] = name;
    return storeNew(core, call, applyServerSide(undefined, applied, options));
  }
  return replaceObject(core, call, (old) => applyServerSide(old, applied, options));
}

function checkIdentity(applied: Loose, { kind, name, namespace }: Call): void {
  const metadata = objectAt(applied, 'metadata');
  const given = stringAt(metadata, 'name');
  if (stringAt(applied, 'kind') !== kind.kind) {
    throw badRequest(`invalid object type: expected ${kind.kind}, got ${stringAt(applied, 'kind')}`);
  }
  if (given !== '' && given !== name) {
    throw badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
  }
  const givenNamespace = stringAt(metadata, 'namespace');
  if (givenNamespace !== '' && givenNamespace !== namespace) {
    throw badRequest(
      `the namespace of the object (${givenNamespace}) does not match the namespace on the URL (${namespace})`,
    );
  }
  if (metadata['managedFields'] !== undefined) {
    throw badRequest('metadata.managedFields must be nil');
  }
}
