import { quote, StatusError } from './status.ts';

/** One thing wrong with one field of an object: its path, the cause's reason, and the words. */
export interface FieldError {
  readonly field: string;
  readonly reason: string;
  readonly message: string;
}

function print(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  return value === undefined ? 'null' : JSON.stringify(value);
}

export function required(field: string, detail = ''): FieldError {
  return {
    field,
    reason: 'FieldValueRequired',
    message: detail === '' ? 'Required value' : `Required value: ${detail}`,
  };
}

export function invalid(field: string, value: unknown, detail: string): FieldError {
  return { field, reason: 'FieldValueInvalid', message: `Invalid value: ${print(value)}: ${detail}` };
}

export function duplicate(field: string, value: unknown): FieldError {
  return { field, reason: 'FieldValueDuplicate', message: `Duplicate value: ${print(value)}` };
}

export function notSupported(field: string, value: unknown, supported: readonly string[]): FieldError {
  const values = [...supported].sort().map(quote).join(', ');
  return {
    field,
    reason: 'FieldValueNotSupported',
    message: `Unsupported value: ${print(value)}: supported values: ${values}`,
  };
}

export function forbiddenField(field: string, detail: string): FieldError {
  return { field, reason: 'FieldValueForbidden', message: `Forbidden: ${detail}` };
}

export function unknownReference(field: string, value: unknown): FieldError {
  return { field, reason: 'FieldValueNotFound', message: `Not found: ${print(value)}` };
}

export function tooLong(field: string, limitBytes: number): FieldError {
  return {
    field,
    reason: 'FieldValueTooLong',
    message: `Too long: may not be more than ${limitBytes} bytes`,
  };
}

export function tooMany(field: string, count: number, limit: number): FieldError {
  const items = limit === 1 ? '1 item' : `${limit} items`;
  return { field, reason: 'FieldValueTooMany', message: `Too many: ${count}: must have at most ${items}` };
}

/** 422 with every cause. */
export function invalidObject(
  { group, kind }: { readonly group: string; readonly kind: string },
  name: string,
  errors: readonly FieldError[],
): StatusError {
  const lines = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))];
  const words = lines.length === 1 ? lines.join('') : `[${lines.join(', ')}]`;
  const subject = group === '' ? kind : `${kind}.${group}`;
  return new StatusError({
    code: 422,
    reason: 'Invalid',
    message: `${subject} ${quote(name)} is invalid: ${words}`,
    details: {
      name,
      ...(group === '' ? {} : { group }),
      kind,
      causes: errors.map(({ field, reason, message }) => ({ reason, message, field })),
    },
  });
}
