import type { ServedKind } from '../registry.ts';
import { type Model, modelsOf, type ModelsOptions } from './models.ts';
import { type Operation, parameterType, pathsOf } from './paths.ts';

/** A parameter of an OpenAPI 2 operation or path. */
export interface ParameterV2 {
  readonly in: 'body' | 'path' | 'query';
  readonly name: string;
  readonly required?: boolean;
  readonly type?: string;
  readonly schema?: Model;
}

export interface OperationV2 {
  readonly operationId: string;
  readonly consumes: readonly string[];
  readonly produces: readonly string[];
  readonly parameters: readonly ParameterV2[];
  readonly responses: Readonly<Record<string, { readonly description: string; readonly schema?: Model }>>;
  readonly 'x-kubernetes-action': string;
  readonly 'x-kubernetes-group-version-kind': object;
}

export type PathItemV2 = {
  readonly [method in Operation['method']]?: OperationV2;
} & { readonly parameters: readonly ParameterV2[] };

export interface DocumentV2 {
  readonly swagger: '2.0';
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, PathItemV2>>;
  readonly definitions: Readonly<Record<string, Model>>;
}

const JSON_TYPES = ['application/json'];
const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/** The whole API as OpenAPI 2. */
export function openApiV2(
  kinds: readonly ServedKind[],
  options: Pick<ModelsOptions, 'customSchema'> & { readonly version: string },
): DocumentV2 {
  const paths = kinds.flatMap((kind) => pathsOf(kind).map((path) => ({ path, custom: kind.custom })));
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: options.version },
    paths: Object.fromEntries(
      paths
        .map(({ path, custom }): [string, PathItemV2] => [
          path.path,
          {
            ...Object.fromEntries(path.operations.map((one) => [one.method, operation(one, custom)])),
            parameters: path.pathParameters.map((name) => ({
              in: 'path',
              name,
              required: true,
              type: 'string',
            })),
          },
        ])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ),
    definitions: modelsOf(kinds, { dialect: 'v2', customSchema: options.customSchema }),
  };
}

function operation(one: Operation, custom: boolean): OperationV2 {
  const { group, version, kind } = one;
  const patchTypes = PATCH_TYPES.filter((type) => !custom || !type.includes('strategic'));
  return {
    operationId: one.id,
    consumes: one.method === 'patch' ? patchTypes : JSON_TYPES,
    produces: JSON_TYPES,
    parameters: [
      ...(one.body ? [{ in: 'body', name: 'body', required: true, schema: ref(one.body) } as const] : []),
      ...one.parameters.map((name) => ({ in: 'query', name, type: parameterType(name) }) as const),
    ],
    responses: { 200: { description: 'OK', ...(one.answer && { schema: ref(one.answer) }) } },
    'x-kubernetes-action': one.action,
    'x-kubernetes-group-version-kind': { group, version, kind },
  };
}

function ref(model: string): Model {
  return { $ref: `#/definitions/${model}` };
}
