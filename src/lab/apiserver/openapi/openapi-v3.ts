import type { ServedKind } from '../registry.ts';
import { type Model, modelsOf, type ModelsOptions } from './models.ts';
import { type Operation, parameterType, pathsOf } from './paths.ts';

export interface DocumentV3 {
  readonly openapi: '3.0.0';
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, object>>;
  readonly components: { readonly schemas: Readonly<Record<string, Model>> };
}

/** `api/v1`, `apis/apps/v1`: the name of a group and version in `/openapi/v3`. */
export function groupVersionPath({
  group,
  version,
}: {
  readonly group: string;
  readonly version: string;
}): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`;
}

const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/** One group and version as OpenAPI 3. */
export function openApiV3(
  kinds: readonly ServedKind[],
  options: Pick<ModelsOptions, 'customSchema'> & { readonly version: string },
): DocumentV3 {
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: options.version },
    paths: Object.fromEntries(
      kinds.flatMap((kind) =>
        pathsOf(kind).map(({ path, pathParameters, operations }) => [
          path,
          {
            ...Object.fromEntries(operations.map((one) => [one.method, operation(one, kind.custom)])),
            parameters: pathParameters.map((name) => ({
              name,
              in: 'path',
              required: true,
              schema: { type: 'string' },
            })),
          },
        ]),
      ),
    ),
    components: { schemas: modelsOf(kinds, { dialect: 'v3', customSchema: options.customSchema }) },
  };
}

function operation(one: Operation, custom: boolean): object {
  const { group, version, kind } = one;
  const patchTypes = PATCH_TYPES.filter((type) => !custom || !type.includes('strategic'));
  return {
    operationId: one.id,
    parameters: one.parameters.map((name) => ({ name, in: 'query', schema: { type: parameterType(name) } })),
    ...(one.body && { requestBody: { required: true, content: content(['application/json'], one.body) } }),
    ...(one.method === 'patch' && {
      requestBody: { required: true, content: content(patchTypes, undefined) },
    }),
    responses: { 200: { description: 'OK', content: content(['application/json'], one.answer) } },
    'x-kubernetes-action': one.action,
    'x-kubernetes-group-version-kind': { group, version, kind },
  };
}

function content(types: readonly string[], model: string | undefined): object {
  const media = model ? { schema: { $ref: `#/components/schemas/${model}` } } : {};
  return Object.fromEntries(types.map((type) => [type, media]));
}
