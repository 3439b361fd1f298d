import { isObject, objectAt, type Loose } from '../json-value.ts';
import type { ServedKind } from '../registry.ts';
import { badRequest } from '../status.ts';
import type { KubeObject } from '../../../model/objects.ts';
import type { CustomColumn } from '../table/custom.ts';
import { toTable } from '../table/table.ts';
import type { WantedForm } from './accept.ts';

export interface FormOptions {
  readonly kind: ServedKind;
  readonly form: WantedForm;
  readonly includeObject: string | undefined;
  readonly customColumns: readonly CustomColumn[] | undefined;
  /** Of a watch: not the first event. */
  readonly withoutColumns?: boolean;
}

/** An answer in the form its client asked for. Statuses and objects of other kinds stay as they are. */
export function inForm(body: object, options: FormOptions): object {
  const { kind, form } = options;
  if (form.as === 'Object') return body;
  const { kind: bodyKind } = body as { kind?: unknown };
  if (bodyKind === `${kind.kind}List`) {
    const items = (body as { items: readonly KubeObject[] }).items;
    const metadata = objectAt(body, 'metadata');
    if (form.as === 'Table') return table(items, options, metadata);
    return {
      kind: 'PartialObjectMetadataList',
      apiVersion: `meta.k8s.io/${form.version}`,
      metadata,
      items: items.map((item) => partial(item, form)),
    };
  }
  if (bodyKind !== kind.kind) return body;
  if (form.as === 'PartialObjectMetadata') return partial(body, form);
  const { resourceVersion } = objectAt(body, 'metadata');
  return table([body], options, { resourceVersion });
}

function partial(object: object, { version }: WantedForm): Loose {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${version}`,
    metadata: isObject(object) ? object['metadata'] : {},
  };
}

function table(
  items: readonly KubeObject[],
  { kind, form, includeObject, customColumns, withoutColumns = false }: FormOptions,
  listMetadata: object,
): object {
  if (includeObject !== undefined && !['None', 'Metadata', 'Object'].includes(includeObject)) {
    throw badRequest(`unrecognized includeObject value: ${JSON.stringify(includeObject)}`);
  }
  return toTable(kind, items, {
    version: form.version,
    withColumns: !withoutColumns,
    listMetadata,
    ...(includeObject === undefined
      ? {}
      : { includeObject: includeObject as 'None' | 'Metadata' | 'Object' }),
    ...(customColumns === undefined ? {} : { customColumns }),
  });
}
