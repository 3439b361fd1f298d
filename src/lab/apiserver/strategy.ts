import type { FieldError } from './field-error.ts';
import type { Loose } from './json-value.ts';
import type { Store } from './storage/store.ts';
import type { Call } from './rest/call.ts';

/** What the rules of a kind may look at besides the object. */
export interface RuleContext {
  readonly store: Store;
  readonly call: Call;
}

/** What is particular to one stored kind. All functions work on the server's own copy, in place. */
export interface Strategy {
  /** The kind has a status that only its subresource may change. */
  readonly hasStatus?: boolean;
  /** `metadata.generation` counts changes of the spec. */
  readonly hasGeneration?: boolean;
  /** Fields that a field selector may name, besides `metadata.name` and `metadata.namespace`. */
  readonly selectable?: readonly string[];
  /** A selectable field's value where it is not simply at its path. */
  readonly fieldValue?: (object: object, field: string) => string | undefined;
  /** PUT to a name that does not exist creates it. */
  readonly createOnUpdate?: boolean;
  /** DELETE answers with the object rather than with a Status. */
  readonly returnsDeleted?: boolean;
  readonly setDefaults?: (object: Loose) => void;
  /** Admission and resets, before validation. */
  readonly prepareCreate?: (object: Loose, context: RuleContext) => void;
  readonly prepareUpdate?: (object: Loose, old: Loose, context: RuleContext) => void;
  readonly prepareStatusUpdate?: (object: Loose, old: Loose) => void;
  readonly validate?: (object: Loose, context: RuleContext) => FieldError[];
  readonly validateUpdate?: (object: Loose, old: Loose, context: RuleContext) => FieldError[];
  readonly validateStatusUpdate?: (object: Loose, old: Loose) => FieldError[];
  /**
   * Takes what the object needs from the cluster (addresses, ports) just before it is written, and says how to give
   * it back should the write fail. `old` is absent on creation.
   */
  readonly allocate?: (object: Loose, context: RuleContext & { old?: Loose; dryRun: boolean }) => () => void;
  /** After the object is gone. */
  readonly released?: (object: Loose) => void;
}
