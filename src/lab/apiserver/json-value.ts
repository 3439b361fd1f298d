/** Values as JSON has them. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: JsonValue;
}

/** Objects as they are read, defaulted and patched: of no known kind yet. */
export type Loose = Record<string, unknown>;

export function isObject(value: unknown): value is Loose {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `value` when it is an object, an empty one otherwise: for reading paths that may be missing. */
export function objectAt(value: unknown, ...path: readonly string[]): Loose {
  let at: unknown = value;
  for (const key of path) at = isObject(at) ? at[key] : undefined;
  return isObject(at) ? at : {};
}

export function listAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  let at: unknown = value;
  for (const key of path) at = isObject(at) ? at[key] : undefined;
  return Array.isArray(at) ? at : [];
}

export function stringAt(value: unknown, ...path: readonly string[]): string {
  let at: unknown = value;
  for (const key of path) at = isObject(at) ? at[key] : undefined;
  return typeof at === 'string' ? at : '';
}

/** A value as messages show it. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** A deep copy of plain data; members that are `undefined` are dropped, as JSON would. */
export function cloneJson<T>(value: T): T;
export function cloneJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => cloneJson<unknown>(item));
  if (value instanceof Date) return value.toISOString();
  const copy: Loose = {};
  for (const key in value) {
    const member = (value as Loose)[key];
    if (member !== undefined) setKey(copy, key, cloneJson<unknown>(member));
  }
  return copy;
}

/** Assigns an own member even when the key is `__proto__`. */
export function setKey(target: Loose, key: string, value: unknown): void {
  if (key === '__proto__') {
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
  } else {
    target[key] = value;
  }
}

/** Deep equality of plain data; a member that is `undefined` counts as absent. */
export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => equalJson(item, b[index]));
  }
  if (Array.isArray(b)) return false;
  const [left, right] = [a as Loose, b as Loose];
  let count = 0;
  for (const key in left) {
    if (left[key] === undefined) continue;
    if (!equalJson(left[key], right[key])) return false;
    count += 1;
  }
  for (const key in right) if (right[key] !== undefined) count -= 1;
  return count === 0;
}

/** Freezes plain data all the way down. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const member of Object.values(value)) deepFreeze(member);
  }
  return value;
}
