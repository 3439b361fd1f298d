/**
 * Writes src/lab/apiserver/openapi/schemas.generated.ts: the fields and types of every kind the lab's API server can
 * serve, from the declarations of `kubernetes-types` (themselves made from Kubernetes' OpenAPI document) and the
 * facts of schema-facts.ts. No descriptions are taken. Run: sh tools/node26 tools/generate-schemas.ts [--check]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import {
  addedFields,
  addedKinds,
  atomicDefinitions,
  atomicMaps,
  fieldTypes,
  freeForm,
  listFacts,
  retainKeysFields,
} from './schema-facts.ts';

const sources = [
  'admissionregistration/v1',
  'apiextensions/v1',
  'apps/v1',
  'authentication/v1',
  'authorization/v1',
  'autoscaling/v1',
  'autoscaling/v2',
  'batch/v1',
  'certificates/v1',
  'coordination/v1',
  'core/v1',
  'discovery/v1',
  'events/v1',
  'meta/v1',
  'networking/v1',
  'node/v1',
  'policy/v1',
  'rbac/v1',
  'scheduling/v1',
  'storage/v1',
];
const scalars: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'integer',
  boolean: 'boolean',
  'number | string': 'int-or-string',
  any: 'any',
  'api/resource.Quantity': 'quantity',
  'meta/v1.Time': 'time',
  'meta/v1.MicroTime': 'micro-time',
};

interface Definition {
  readonly fields: Map<string, { type: string; required: boolean }>;
  apiVersion: string;
  kind: string;
}

const definitions = new Map<string, Definition>();

/** A declared type as the artefact writes it: `[]core/v1.Container`, `map string`, `int-or-string`. */
function typeText(declared: string, resolve: (name: string) => string): string {
  const array = /^Array<(.+)>$/.exec(declared) ?? /^(.+)\[\]$/.exec(declared);
  if (array?.[1]) return `[]${typeText(array[1], resolve)}`;
  const scalar = scalars[declared];
  if (scalar) return scalar;
  const name = resolve(declared);
  return scalars[name] ?? (freeForm.includes(name) ? 'any' : name);
}

function readDeclarations(source: string): void {
  const text = readFileSync(
    new URL(`../node_modules/kubernetes-types/${source}.d.ts`, import.meta.url),
    'utf8',
  );
  const code = text.replaceAll(/\/\*\*[\s\S]*?\*\//g, '');
  const imported = new Map<string, string>();
  for (const [, names = '', from = ''] of code.matchAll(/^import \{(.*)\} from "(.*)";$/gm)) {
    const module = from.startsWith('../') ? from.slice(3) : `${source.split('/')[0]}/${from.slice(2)}`;
    for (const name of names.split(',')) imported.set(name.trim(), `${module}.${name.trim()}`);
  }
  const resolve = (name: string): string => imported.get(name) ?? `${source}.${name}`;
  for (const [, name = '', body = ''] of code.matchAll(/^export interface (\w+)[^{]*\{\n?([\s\S]*?)^\}/gm)) {
    const definition: Definition = { fields: new Map(), apiVersion: '', kind: '' };
    const maps = body.replaceAll(/\{\s*\[name: string\]: ([^;]+);\s*\}/g, 'map $1');
    for (const [line, quoted, plain, optional, declared = ''] of maps.matchAll(
      /^\s+(?:readonly )?(?:"([^"]+)"|([\w$]+))(\?)?: (.+);$/gm,
    )) {
      const field = quoted ?? plain;
      if (!field) throw new Error(`${source}.${name}: cannot read the line ${line}`);
      const literal = /^"(.*)"$/.exec(declared)?.[1];
      if (literal !== undefined && field === 'apiVersion') definition.apiVersion = literal;
      if (literal !== undefined && field === 'kind') definition.kind = literal;
      const map = declared.startsWith('map ') ? 'map ' : '';
      const type = literal === undefined ? map + typeText(declared.slice(map.length), resolve) : 'string';
      definition.fields.set(field, { type, required: optional === undefined });
    }
    definitions.set(`${source}.${name}`, definition);
  }
}

function applyFacts(): void {
  for (const [name, fields] of Object.entries(addedFields)) {
    const definition = definitions.get(name) ?? { fields: new Map(), apiVersion: '', kind: '' };
    for (const [field, type] of Object.entries(fields)) {
      const required = type.startsWith('!');
      definition.fields.set(field, { type: required ? type.slice(1) : type, required });
    }
    [definition.apiVersion = '', definition.kind = ''] = addedKinds[name]?.split(' ') ?? [
      definition.apiVersion,
      definition.kind,
    ];
    definitions.set(name, definition);
  }
  for (const [name, fields] of Object.entries(fieldTypes)) {
    for (const [field, type] of Object.entries(fields)) fieldOf(name, field).type = type;
  }
}

function fieldOf(name: string, field: string): { type: string } {
  const found = definitions.get(name)?.fields.get(field);
  if (!found) throw new Error(`schema-facts.ts names ${name}.${field}, which does not exist`);
  return found;
}

/** Words after a field's type: `keys=name merge=name retain`, `set`, `atomic`. */
function listWords(name: string, field: string): string {
  const facts = listFacts[name]?.[field] ?? {};
  const words: string[] = [];
  if (facts.keys === 'set') words.push('set');
  else if (facts.keys) words.push(`keys=${facts.keys.join(',')}`);
  if (facts.merge !== undefined) words.push(`merge=${facts.merge}`);
  if (facts.retain || retainKeysFields[name]?.includes(field)) words.push('retain');
  if (atomicMaps[name]?.includes(field)) words.push('atomic');
  return words.map((word) => ` ${word}`).join('');
}

function isList(name: string): boolean {
  return definitions.get(name)?.fields.get('items')?.type.startsWith('[]') === true;
}

function print(): string {
  const reached = new Set<string>();
  const reach = (name: string): void => {
    const definition = definitions.get(name);
    if (reached.has(name)) return;
    if (!definition) throw new Error(`no declaration of ${name}`);
    reached.add(name);
    for (const { type } of definition.fields.values()) {
      const target = type.replaceAll(/\[\]|map /g, '');
      if (target.includes('.')) reach(target);
    }
  };
  for (const [name, { kind }] of definitions) if (kind && !isList(name)) reach(name);
  for (const extra of ['meta/v1.DeleteOptions', 'meta/v1.Patch', 'meta/v1.Status', 'meta/v1.ListMeta']) {
    if (definitions.has(extra)) reach(extra);
  }
  const blocks = [...reached].sort().map((name) => {
    const { fields, apiVersion, kind } = definitions.get(name) as Definition;
    const words = [name];
    if (kind) words.push(`${apiVersion} ${kind}`);
    if (atomicDefinitions.includes(name)) words.push('atomic');
    const lines = [...fields]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(
        ([field, { type, required }]) => `${field}${required ? '!' : ''} ${type}${listWords(name, field)}`,
      );
    return [words.join(' '), ...lines].join('\n');
  });
  return `// Made by tools/generate-schemas.ts from kubernetes-types; do not edit. The format is told in schema.ts.
export const schemaText = \`
${blocks.join('\n\n')}
\`;
`;
}

for (const source of sources) readDeclarations(source);
applyFacts();
for (const [name, fields] of Object.entries(listFacts))
  for (const field of Object.keys(fields)) fieldOf(name, field);
for (const [name, fields] of Object.entries(retainKeysFields))
  for (const field of fields) fieldOf(name, field);
for (const name of atomicDefinitions)
  if (!definitions.has(name)) throw new Error(`no declaration of ${name}`);

const artefact = new URL('../src/lab/apiserver/openapi/schemas.generated.ts', import.meta.url);
const text = print();
if (process.argv.includes('--check')) {
  if (readFileSync(artefact, 'utf8') !== text) {
    process.stderr.write(
      'schemas.generated.ts is out of date: run sh tools/node26 tools/generate-schemas.ts\n',
    );
    process.exitCode = 1;
  }
} else {
  writeFileSync(artefact, text);
}
