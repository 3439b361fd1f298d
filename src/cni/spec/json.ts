/** Reading values out of JSON that somebody else wrote, with errors that name the key. */
import { errorMessage } from '../../model/errors.ts';
import { CniError, cniErrorCodes } from './error.ts';

export interface JsonObject {
  readonly [key: string]: unknown;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws CniError (decoding) when the text is no JSON object. `what` begins the message. */
export function parseJsonObject(text: string, what: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = text.trim() === '' ? 'is empty' : `is not JSON: ${errorMessage(cause)}`;
    throw new CniError(`${what} ${reason}`, { code: cniErrorCodes.decoding, cause });
  }
  if (!isJsonObject(value))
    throw new CniError(`${what} must be a JSON object`, { code: cniErrorCodes.decoding });
  return value;
}

/**
 * The keys of one object of a network configuration. Every reader returns undefined for a key that is absent or null,
 * and throws a CniError (invalid configuration) that names the key when the value is of another kind.
 */
export interface Fields {
  /** The path in front of keys in messages: `ipam.` */
  readonly path: string;
  readonly object: JsonObject;
  has(key: string): boolean;
  string(key: string): string | undefined;
  /** A whole number, not below `min` (0 unless told) and not above `max`. */
  integer(key: string, bounds?: { readonly min?: number; readonly max?: number }): number | undefined;
  boolean(key: string): boolean | undefined;
  strings(key: string): readonly string[] | undefined;
  /** The keys of an object below this one. */
  fields(key: string): Fields | undefined;
  /** One of these for every object of a list. */
  list(key: string): readonly Fields[] | undefined;
  /** Like the value of `string`, but absent is an error too. */
  requiredString(key: string): string;
  /** The same place, another object: for values these readers do not reach. */
  with(object: JsonObject): Fields;
  /** The error to throw about one key: `ipam.subnet: must be …, not "x"` */
  error(key: string, must: string): CniError;
}

/** @param code of the errors; invalid configuration unless told */
export function fieldsOf(object: JsonObject, path = '', code: number = cniErrorCodes.invalidConfig): Fields {
  const error = (key: string, must: string): CniError => {
    const value = object[key];
    const found = value === undefined ? '' : `, not ${shorten(JSON.stringify(value))}`;
    return new CniError(`${path}${key}: must be ${must}${found}`, { code });
  };
  function read<T>(key: string, isRight: (value: unknown) => value is T, must: string): T | undefined {
    const value = Object.hasOwn(object, key) ? object[key] : undefined;
    if (value === undefined || value === null) return undefined;
    if (!isRight(value)) throw error(key, must);
    return value;
  }
  const isObjects = (value: unknown): value is readonly JsonObject[] =>
    Array.isArray(value) && value.every(isJsonObject);
  const string = (key: string): string | undefined => read(key, isString, 'a string');
  return {
    path,
    object,
    error,
    string,
    has: (key) => Object.hasOwn(object, key) && object[key] !== undefined && object[key] !== null,
    integer: (key, { min = 0, max = Number.MAX_SAFE_INTEGER } = {}) =>
      read(
        key,
        (value): value is number =>
          Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max,
        `a whole number ${max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`}`,
      ),
    boolean: (key) => read(key, (value) => typeof value === 'boolean', 'true or false'),
    strings: (key) => read(key, isStrings, 'a list of strings'),
    fields: (key) => {
      const value = read(key, isJsonObject, 'an object');
      return value && fieldsOf(value, `${path}${key}.`, code);
    },
    list: (key) =>
      read(key, isObjects, 'a list of objects')?.map((value, index) =>
        fieldsOf(value, `${path}${key}[${index}].`, code),
      ),
    with: (other) => fieldsOf(other, path, code),
    requiredString: (key) => {
      const value = string(key);
      if (value === undefined || value === '') throw error(key, 'a string that is not empty');
      return value;
    },
  };
}

const isString = (value: unknown): value is string => typeof value === 'string';
const isStrings = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.every(isString);

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
