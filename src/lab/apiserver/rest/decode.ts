import { cloneJson, isObject, type Loose } from '../json-value.ts';
import { checkObject } from '../openapi/check.ts';
import { schemaFor, type GroupVersionKind } from '../openapi/schema.ts';
import { apiVersionOf } from '../registry.ts';
import { badRequest } from '../status.ts';
import type { Call } from './call.ts';

/**
 * The body as an object of the expected kind: apiVersion and kind filled or checked, wrong types refused, unknown
 * fields dropped and reported as `fieldValidation` asks.
 * @throws StatusError 400
 */
export function decodeObject({ body, query, warnings }: Call, expected: GroupVersionKind): Loose {
  if (!isObject(body)) {
    const found = Array.isArray(body) ? 'array' : body === null || body === undefined ? 'null' : typeof body;
    if (found === 'null') throw badRequest(`Object 'Kind' is missing in 'null'`);
    throw badRequest(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${found} into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }`,
    );
  }
  const object: Loose = body;
  const apiVersion = apiVersionOf(expected);
  object['apiVersion'] ??= apiVersion;
  object['kind'] ??= expected.kind;
  if (object['kind'] !== expected.kind) {
    throw badRequest(
      `${text(object['kind'])} in version ${JSON.stringify(expected.version)} cannot be handled as a ${expected.kind}: ` +
        `no kind ${JSON.stringify(object['kind'])} is registered for this resource`,
    );
  }
  if (object['apiVersion'] !== apiVersion) {
    throw badRequest(
      `the API version in the data (${text(object['apiVersion'])}) does not match the expected API version (${apiVersion})`,
    );
  }
  return checkTypes(object, { expected, query, warnings });
}

/** Types and unknown fields against the kind's schema; the unknown ones are removed in place. */
export function checkTypes(
  object: Loose,
  { expected, query, warnings }: { expected: GroupVersionKind } & Pick<Call, 'query' | 'warnings'>,
): Loose {
  const schema = schemaFor(expected);
  if (schema === undefined) {
    if (object['metadata'] !== undefined && !isObject(object['metadata'])) {
      throw badRequest(
        cannotHandle(expected, 'json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta'),
      );
    }
    return object;
  }
  const { unknown, mismatched } = checkObject(schema, object, { prune: true });
  const [first] = mismatched;
  if (first !== undefined) throw badRequest(cannotHandle(expected, first.message));
  const sentences = unknown.map((path) => `unknown field "${path}"`);
  const validation = query['fieldValidation'] ?? 'Warn';
  if (validation === 'Strict' && sentences.length > 0) {
    throw badRequest(cannotHandle(expected, `strict decoding error: ${sentences.join(', ')}`));
  }
  if (validation === 'Warn') warnings.push(...sentences);
  return object;
}

function cannotHandle({ kind, version }: GroupVersionKind, why: string): string {
  return `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${kind}: ${why}`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/**
 * Removes nulls, in place: the API takes them as absent. Empty lists and maps stay. Custom resources keep theirs
 * outside of `metadata`.
 */
export function dropNulls(object: Loose, { custom = false }: { readonly custom?: boolean } = {}): void {
  removeNulls(custom ? object['metadata'] : object);
}

function removeNulls(value: unknown): void {
  if (Array.isArray(value)) {
    const kept = value.filter((item) => item !== null);
    if (kept.length < value.length) value.splice(0, value.length, ...kept);
    for (const item of kept) removeNulls(item);
  } else if (isObject(value)) {
    for (const key of Object.keys(value)) {
      if (value[key] === null) delete value[key];
      else removeNulls(value[key]);
    }
  }
}

/** A fresh copy of a shared object, to change. */
export function mutableCopy(object: object): Loose {
  return cloneJson<Loose>(object as Loose);
}
