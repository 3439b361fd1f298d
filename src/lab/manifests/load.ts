import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  LineCounter,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  parseAllDocuments,
  type Document,
  type Node,
} from 'yaml';
import { PodnetError, errorMessage } from '../../model/errors.ts';
import type { KubeObject } from '../../model/objects.ts';

/** One object of a manifest and where each of its fields stands. */
export interface ManifestObject {
  readonly object: KubeObject & { apiVersion: string; kind: string };
  /** `app.yaml:12`, of the object, or of the nearest written ancestor of a field such as `spec.ports[0].port`. */
  readonly where: (field?: string) => string;
  /** `Service default/frontend`. */
  readonly title: string;
}

const maxFileBytes = 16 << 20;
const maxAliases = 100;

/** `spec.ports[0].name` and `metadata.labels[app.kubernetes.io/name]` as keys and indexes. */
export function parseFieldPath(path: string): (string | number)[] {
  const steps = [...path.matchAll(/\[(\d+)\]|\["?([^\]"]+)"?\]|([^.[\]]+)/g)];
  return steps.map(([, index, key, name = '']) => (index === undefined ? (key ?? name) : Number(index)));
}

/** The deepest node written in the file on the way to a field. */
function nearestNode(root: Node, path: readonly (string | number)[]): Node {
  let node = root;
  for (const step of path) {
    const pair = isMap(node) ? node.items.find(({ key }) => isScalar(key) && key.value === step) : undefined;
    const next: unknown = pair ?? (isSeq(node) && typeof step === 'number' ? node.items[step] : undefined);
    if (isPair(next)) {
      if (!isNode(next.key)) return node;
      node = isNode(next.value) && next !== undefined ? next.value : next.key;
    } else if (isNode(next)) node = next;
    else return node;
  }
  return node;
}

interface Source {
  readonly file: string;
  readonly text: string;
}

function readSource(file: string): string {
  try {
    if (file !== '-' && statSync(file).size > maxFileBytes)
      throw new Error(`is larger than ${maxFileBytes} bytes`);
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new PodnetError(`Cannot read ${file}: ${errorMessage(error)}`, {
      code: 'manifest-unreadable',
      fix: 'Give -f a file, a folder of .yaml, .yml and .json files, or - for standard input.',
      cause: error,
    });
  }
}

function sourcesOf(path: string): Source[] {
  const stat = path === '-' ? undefined : statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) return [{ file: path, text: readSource(path) }];
  const files = readdirSync(path)
    .filter((name) => /\.(ya?ml|json)$/.test(name))
    .sort();
  if (files.length === 0) {
    throw new PodnetError(`There is no manifest in ${path}`, {
      code: 'manifest-missing',
      fix: 'A folder given to -f holds .yaml, .yml or .json files; folders within it are not read.',
    });
  }
  return files.map((name) => ({ file: join(path, name), text: readSource(join(path, name)) }));
}

function fail(where: string, message: string, fix?: string): never {
  throw new PodnetError(message, { code: 'manifest-invalid', where, ...(fix === undefined ? {} : { fix }) });
}

function checkShape(value: unknown, where: string): ManifestObject['object'] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fail(where, 'A manifest is an object with apiVersion, kind and metadata', 'Check the indentation.');
  }
  const object = value as {
    apiVersion?: unknown;
    kind?: unknown;
    metadata?: { name?: unknown; generateName?: unknown };
  };
  for (const field of ['apiVersion', 'kind'] as const) {
    if (typeof object[field] !== 'string' || object[field] === '') {
      fail(
        where,
        `${field} is missing`,
        `Add ${field === 'kind' ? '"kind: Pod"' : '"apiVersion: v1"'} or what it should be.`,
      );
    }
  }
  const named = object.metadata?.name ?? object.metadata?.generateName;
  if (object.kind !== 'List' && (typeof named !== 'string' || named === '')) {
    fail(where, `${String(object.kind)}: metadata.name is missing`, 'Every object needs a name.');
  }
  return value as ManifestObject['object'];
}

function titleOf({ kind, metadata }: ManifestObject['object']): string {
  const name = metadata?.name ?? `${metadata?.generateName ?? ''}*`;
  return `${kind} ${metadata?.namespace === undefined ? '' : `${metadata.namespace}/`}${name}`;
}

function objectsOf({ file, text }: Source): ManifestObject[] {
  const lines = new LineCounter();
  const documents = parseAllDocuments(text, {
    version: '1.1',
    merge: true,
    lineCounter: lines,
    uniqueKeys: true,
  });
  if (!Array.isArray(documents)) return [];
  const at = (offset: number): string => `${file}:${lines.linePos(offset).line}`;
  return (documents as Document.Parsed[]).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) {
      fail(
        at(error.pos[0]),
        `The YAML is not valid: ${error.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? ''}`,
      );
    }
    const root = document.contents;
    const value: unknown = document.toJS({ maxAliasCount: maxAliases });
    if (root === null || value === null) return [];
    const manifest = (node: Node, candidate: unknown): ManifestObject => {
      const start = at(node.range?.[0] ?? 0);
      const object = checkShape(candidate, start);
      const where = (field = ''): string => at(nearestNode(node, parseFieldPath(field)).range?.[0] ?? 0);
      return { object, where, title: titleOf(object) };
    };
    const whole = manifest(root, value);
    if (whole.object.kind !== 'List') return [whole];
    const items = isMap(root) ? root.get('items') : undefined;
    if (!isSeq(items)) return [];
    return items.items.map((item, index) => {
      const node = isNode(item) ? item : root;
      return manifest(node, (value as { items: unknown[] }).items[index]);
    });
  });
}

/**
 * The objects of files, folders and standard input (`-`), in the order kubectl applies them.
 * @throws PodnetError with file and line: syntax, missing apiVersion, kind or name, or an object written twice
 */
export function loadManifests(paths: readonly string[]): ManifestObject[] {
  const objects = paths.flatMap(sourcesOf).flatMap(objectsOf);
  if (objects.length === 0) {
    throw new PodnetError(`There is no object in ${paths.join(', ')}`, {
      code: 'manifest-missing',
      fix: 'Give -f manifests, or leave it out for a small example.',
    });
  }
  const seen = new Map<string, string>();
  for (const { object, title, where } of objects) {
    if (object.metadata?.name === undefined) continue;
    const identity = `${object.apiVersion} ${object.kind} ${object.metadata.namespace ?? 'default'}/${object.metadata.name}`;
    const first = seen.get(identity);
    if (first !== undefined) {
      fail(
        where('metadata.name'),
        `${title} is written twice, first at ${first}`,
        'Rename or remove one of the two.',
      );
    }
    seen.set(identity, where());
  }
  return objects;
}
