import { cloneJson, equalJson, isObject, setKey, type Loose } from '../json-value.ts';
import { PatchError } from './patch-error.ts';

const MAX_OPERATIONS = 10_000;

/** RFC 6902. Returns a new document. @throws PatchError */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw new PatchError('malformed', 'a JSON patch must be an array of operations');
  if (patch.length > MAX_OPERATIONS) {
    const limit = `The allowed maximum operations in a JSON patch is ${MAX_OPERATIONS}, got ${patch.length}`;
    throw new PatchError('too-large', limit);
  }
  let result = cloneJson<unknown>(document);
  for (const operation of patch) result = applyOperation(result, operation);
  return result;
}

function applyOperation(document: unknown, operation: unknown): unknown {
  const path = isObject(operation) ? operation['path'] : undefined;
  if (!isObject(operation) || typeof path !== 'string') {
    throw new PatchError('malformed', 'an operation of a JSON patch needs op and path');
  }
  const { op, value } = operation;
  const steps = parsePointer(path);
  switch (op) {
    case 'add':
      return edit(
        document,
        steps,
        add(cloneJson<unknown>(needed(operation, 'value') ? value : undefined), path),
      );
    case 'remove':
      return edit(document, steps, remove(path));
    case 'replace':
      needed(operation, 'value');
      read(document, steps, path);
      return edit(document, steps, replace(cloneJson<unknown>(value)));
    case 'move': {
      const from = fromOf(operation);
      const moved = read(document, parsePointer(from), from);
      if (path.startsWith(`${from}/`)) throw new PatchError('failed', `cannot move ${from} into itself`);
      return edit(edit(document, parsePointer(from), remove(from)), steps, add(moved, path));
    }
    case 'copy': {
      const from = fromOf(operation);
      return edit(document, steps, add(cloneJson(read(document, parsePointer(from), from)), path));
    }
    case 'test':
      if (!equalJson(read(document, steps, path) ?? null, value ?? null)) {
        throw new PatchError('failed', `testing value ${path} failed: test failed`);
      }
      return document;
    default:
      throw new PatchError(
        'malformed',
        `Unexpected kind: ${typeof op === 'string' ? op : JSON.stringify(op)}`,
      );
  }
}

function needed(operation: Loose, member: string): boolean {
  if (operation[member] === undefined)
    throw new PatchError('malformed', `an operation of a JSON patch lacks ${member}`);
  return true;
}

function fromOf(operation: Loose): string {
  if (typeof operation['from'] !== 'string')
    throw new PatchError('malformed', 'a move or copy of a JSON patch lacks from');
  return operation['from'];
}

/** RFC 6901. */
function parsePointer(pointer: string): string[] {
  if (pointer === '') return [];
  if (!pointer.startsWith('/')) throw new PatchError('malformed', `"${pointer}" is not a JSON pointer`);
  return pointer
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function read(document: unknown, steps: readonly string[], pointer: string): unknown {
  let at = document;
  for (const step of steps) {
    const found = Array.isArray(at)
      ? at[itemIndex(at, step, pointer)]
      : isObject(at) && Object.hasOwn(at, step)
        ? at[step]
        : undefined;
    if (found === undefined) throw missing(pointer);
    at = found;
  }
  return at;
}

function missing(pointer: string): PatchError {
  return new PatchError('failed', `doc is missing path: ${pointer}: missing value`);
}

function itemIndex(list: readonly unknown[], step: string, pointer: string, limit = list.length - 1): number {
  if (!/^(?:0|[1-9]\d{0,8})$/u.test(step) || Number(step) > limit) throw missing(pointer);
  return Number(step);
}

type Edit = (parent: unknown, step: string) => void;

/** The document is a copy already: parents are changed in place. */
function edit(document: unknown, steps: readonly string[], change: Edit): unknown {
  const root: Loose = { document };
  const parent = steps.length === 0 ? root : read(document, steps.slice(0, -1), `/${steps.join('/')}`);
  change(parent, steps.at(-1) ?? 'document');
  return root['document'];
}

function add(value: unknown, pointer: string): Edit {
  return (parent, step) => {
    if (Array.isArray(parent)) {
      parent.splice(step === '-' ? parent.length : itemIndex(parent, step, pointer, parent.length), 0, value);
    } else if (isObject(parent)) setKey(parent, step, value);
    else throw missing(pointer);
  };
}

function replace(value: unknown): Edit {
  return (parent, step) => {
    if (Array.isArray(parent)) parent[Number(step)] = value;
    else if (isObject(parent)) setKey(parent, step, value);
  };
}

function remove(pointer: string): Edit {
  return (parent, step) => {
    if (Array.isArray(parent)) parent.splice(itemIndex(parent, step, pointer), 1);
    else if (isObject(parent) && Object.hasOwn(parent, step)) delete parent[step];
    else throw new PatchError('failed', `unable to remove nonexistent key: ${step}: missing value`);
  };
}
