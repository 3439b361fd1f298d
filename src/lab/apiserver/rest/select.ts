import {
  matchesSelector,
  parseFieldSelector,
  parseLabelSelector,
  SelectorSyntaxError,
  type FieldRequirement,
} from '../../../model/selectors.ts';
import { fromStored } from '../conversion.ts';
import { isObject } from '../json-value.ts';
import type { ServedKind } from '../registry.ts';
import type { Core } from '../server-core.ts';
import { badRequest } from '../status.ts';
import type { StoredObject } from '../storage/store.ts';
import type { Strategy } from '../strategy.ts';
import type { Call } from './call.ts';

export type Matches = (object: StoredObject) => boolean;

/**
 * The request's selectors (and the name, of a watch of one object) as one test on stored objects; `undefined` when
 * everything is chosen.
 * @throws StatusError 400
 */
export function selectorOf({ kind, name, query }: Call, strategy: Strategy): Matches | undefined {
  const tests: Matches[] = [];
  try {
    const labels = parseLabelSelector(query['labelSelector'] ?? '');
    if (labels.length > 0) tests.push((object) => matchesSelector(labels, object.metadata.labels));
    const fields = parseFieldSelector(query['fieldSelector'] ?? '');
    for (const requirement of fields) tests.push(fieldTest(kind, requirement, strategy));
  } catch (error) {
    if (error instanceof SelectorSyntaxError) throw badRequest(error.message);
    throw error;
  }
  if (name !== '') tests.push((object) => object.metadata.name === name);
  if (tests.length === 0) return undefined;
  return (object) => tests.every((test) => test(object));
}

function fieldTest(kind: ServedKind, { field, equal, value }: FieldRequirement, strategy: Strategy): Matches {
  const known =
    field === 'metadata.name' ||
    (field === 'metadata.namespace' && kind.namespaced) ||
    strategy.selectable?.includes(field) === true;
  if (!known) {
    throw badRequest(
      `Unable to find "${kind.group === '' ? '' : `${kind.group}/`}${kind.version}, Resource=${kind.plural}" that match label selector "", field selector "${field}${equal ? '=' : '!='}${value}": field label not supported: ${field}`,
    );
  }
  const path = field.split('.');
  return (object) => {
    const found = strategy.fieldValue?.(object, field) ?? valueAt(object, path);
    return (found === value) === equal;
  };
}

function valueAt(object: unknown, path: readonly string[]): string {
  let at = object;
  for (const step of path) at = isObject(at) ? at[step] : undefined;
  return typeof at === 'string' || typeof at === 'number' || typeof at === 'boolean' ? String(at) : '';
}

/** The objects a request chooses, ordered by namespace and name. */
export function selectObjects(core: Core, call: Call): readonly StoredObject[] {
  const { kind } = call;
  const matches = selectorOf(call, core.strategyOf(kind));
  const objects = core.store.list(
    kind.storage,
    kind.namespaced && call.namespace !== '' ? call.namespace : undefined,
  );
  return matches === undefined ? objects : objects.filter(matches);
}

/** Objects in the form the request's kind serves; the array itself when that is how they are stored. */
export function servedObjects(kind: ServedKind, objects: readonly StoredObject[]): readonly StoredObject[] {
  const [first] = objects;
  if (first === undefined || fromStored(kind, first) === first) return objects;
  return objects.map((object) => fromStored(kind, object));
}
