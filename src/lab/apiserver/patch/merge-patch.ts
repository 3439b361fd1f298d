import { cloneJson, isObject, setKey, type Loose } from '../json-value.ts';

/** RFC 7396: members of the patch replace, null removes. Returns a new value. */
export function applyMergePatch(target: unknown, patch: unknown): unknown {
  return merge(isObject(target) ? cloneJson<Loose>(target) : {}, patch);
}

/** `target` is a copy already and changed in place. */
function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return cloneJson<unknown>(patch);
  const result: Loose = isObject(target) ? target : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else setKey(result, key, merge(Object.hasOwn(result, key) ? result[key] : undefined, value));
  }
  return result;
}
