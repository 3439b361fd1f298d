import { type DataTypeName, type FieldValue, dataType } from './datatypes.ts';
import type { Conntrack, Expression, Meta } from './expressions.ts';
import { type Field, expressionFields, readField, valueName } from './fields.ts';

/** A string of nft's grammar, which has no escapes: what would end it is refused. */
export function quote(text: string): string {
  if (/["\n\0]/u.test(text)) throw new RangeError(`nft has no way to write ${JSON.stringify(text)}`);
  return `"${text}"`;
}

const UNQUALIFIED_META: ReadonlySet<Meta['key']> = new Set([
  'iif',
  'oif',
  'iifname',
  'oifname',
  'iifgroup',
  'oifgroup',
]);

/** An expression in nft's words. */
export function printExpression(expression: Expression): string {
  switch (expression.kind) {
    case 'payload':
      return `${expression.protocol} ${expression.field}`;
    case 'meta':
      return UNQUALIFIED_META.has(expression.key) ? expression.key : `meta ${expression.key}`;
    case 'ct':
      return printConntrack(expression);
    case 'numgen': {
      const { mode, modulus, offset } = expression;
      return `numgen ${mode} mod ${modulus}${offset === 0 ? '' : ` offset ${offset}`}`;
    }
    case 'fib':
      return `fib ${expression.flags.join(' . ')} ${expression.result}`;
    case 'jhash': {
      const seed = expression.seed === undefined ? '' : ` seed 0x${expression.seed.toString(16)}`;
      const offset = expression.offset === 0 ? '' : ` offset ${expression.offset}`;
      return `jhash ${printExpression(expression.of)} mod ${expression.modulus}${seed}${offset}`;
    }
    case 'masked': {
      const [field] = expressionFields(expression.of);
      return `${printExpression(expression.of)} & ${printMask(expression.mask, field)}`;
    }
    case 'concat':
      return expression.parts.map(printExpression).join(' . ');
    case 'map':
      return `${printExpression(expression.key)} map @${expression.map.name}`;
  }
}

function printMask(mask: number, field: Field | undefined): string {
  return field?.type === 'mark' ? `0x${mask.toString(16).padStart(8, '0')}` : String(mask);
}

function printConntrack({ key, direction }: Conntrack): string {
  const side = direction === undefined || key === 'protocol' ? '' : `${direction} `;
  return `ct ${key === 'protocol' ? 'original ' : ''}${side}${key}`;
}

/** A field as nft writes it. */
export function printField(value: FieldValue, type: DataTypeName): string {
  if (value instanceof Uint8Array) {
    return printField(readField(value, { type, length: value.length, order: dataType(type).order }), type);
  }
  if (typeof value === 'object') return `${printField(value.from, type)}-${printField(value.to, type)}`;
  if (type === 'ifname') return quote(String(value));
  if (typeof value === 'string') return plain(value);
  if (type === 'mark') return `0x${value.toString(16).padStart(8, '0')}`;
  return String(valueName(value, type));
}

/** What may stand in nft's text without quotes: addresses, prefixes, numbers, names. */
function plain(text: string): string {
  if (!/^[\w.:/+-]+$/u.test(text)) throw new RangeError(`nft has no value ${JSON.stringify(text)}`);
  return text;
}

/** Several fields of a key or of data: `10.0.0.1 . 80`. */
export function printFields(values: readonly FieldValue[], fields: readonly Field[]): string {
  return values.map((value, index) => printField(value, fields[index]?.type ?? 'integer')).join(' . ');
}
