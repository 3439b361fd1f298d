import type { KubeObject, ObjectMeta } from '../../../model/objects.ts';
import type { ServedKind } from '../registry.ts';

/** meta.k8s.io/v1 TableColumnDefinition. */
export interface TableColumn {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly description: string;
  /** 0 is always shown, higher ones with `-o wide`. */
  readonly priority: number;
}

export type Cell = string | number | boolean | null;

export interface Table {
  readonly kind: 'Table';
  readonly apiVersion: 'meta.k8s.io/v1' | 'meta.k8s.io/v1beta1';
  readonly metadata: object;
  readonly columnDefinitions: readonly TableColumn[] | null;
  readonly rows: readonly TableRow[];
}

export interface TableRow {
  readonly cells: readonly Cell[];
  readonly object?: object;
}

/** `additionalPrinterColumns` of a CustomResourceDefinition's version. */
export interface CustomColumn {
  readonly name: string;
  readonly type: string;
  readonly format?: string;
  readonly description?: string;
  readonly priority?: number;
  readonly jsonPath: string;
}

export interface TableOptions {
  /** The request's `includeObject`; Metadata unless told. */
  readonly includeObject?: 'None' | 'Metadata' | 'Object';
  /** The metadata of the list, kept as it is (resourceVersion, continue). */
  readonly listMetadata?: object;
  /** Columns of a custom kind. */
  readonly customColumns?: readonly CustomColumn[];
  /** False for all but the first event of a watch. */
  readonly withColumns?: boolean;
  /** Of the request: `v1` unless told. */
  readonly version?: 'v1' | 'v1beta1';
  /** The present, for ages. */
  readonly now?: Date;
}

export type PrintedObject = KubeObject & { readonly metadata?: ObjectMeta };

/**
 * Objects as `kubectl get` shows them. Every column is sent; kubectl hides those with a priority unless asked for
 * `-o wide`.
 */
export function toTable(
  _kind: ServedKind,
  _objects: readonly PrintedObject[],
  _options: TableOptions = {},
): Table {
  throw new Error('not yet');
}
