import { formatIp, ipFromBytes, ipToBytes, tryParseIp } from '../../model/ip.ts';
import { type DataType, type DataTypeName, type FieldValue, dataType } from './datatypes.ts';
import type { Expression } from './expressions.ts';
import type { KeyType } from './objects.ts';

/** How one value lies in a register or an element: its type, its bytes and their order. */
export interface Field {
  readonly type: DataTypeName;
  /** In bytes. */
  readonly length: number;
  readonly order: DataType['order'];
}

/** The bytes a field takes in a concatenation. */
export function paddedLength({ length }: Field): number {
  return (length + 3) & ~3;
}

/** A field alone is as long as it is; several are padded to four bytes each. */
export function fieldsLength(fields: readonly Field[]): number {
  if (fields.length === 1) return fields[0]?.length ?? 0;
  return fields.reduce((sum, field) => sum + paddedLength(field), 0);
}

export function typeField(name: DataTypeName): Field {
  const { length, order } = dataType(name);
  return { type: name, length, order };
}

/** The fields of a set's key or data. */
export function keyFields(type: KeyType): Field[] {
  return type.flatMap((part: DataTypeName | Expression) =>
    typeof part === 'string' ? [typeField(part)] : expressionFields(part),
  );
}

/** The fields an expression yields: several only for a concatenation and for maps that hold one. */
export function expressionFields(expression: Expression): Field[] {
  switch (expression.kind) {
    case 'concat':
      return expression.parts.flatMap(expressionFields);
    case 'map':
      return typeof expression.map.data === 'string' ? [] : keyFields(expression.map.data);
    case 'payload':
      return [{ type: expression.type, length: expression.length, order: 'big' }];
    case 'masked':
      return expressionFields(expression.of);
    case 'meta':
    case 'ct':
    case 'numgen':
    case 'fib':
    case 'jhash':
      return [typeField(expression.type)];
  }
}

/** The first and the last value a field stands for; most stand for one. Prefixes are `10.0.0.0/8`. */
export function bounds(
  value: FieldValue,
): readonly [string | number | Uint8Array, string | number | Uint8Array] {
  if (value instanceof Uint8Array || typeof value === 'number') return [value, value];
  if (typeof value === 'object') return [value.from, value.to];
  const slash = value.indexOf('/');
  if (slash === -1) return [value, value];
  const { first, last } = prefixBounds(value.slice(0, slash), Number(value.slice(slash + 1)));
  return [first, last];
}

/** The first and the last address of a prefix, in network order. */
export function prefixBounds(address: string, prefixLength: number): { first: Uint8Array; last: Uint8Array } {
  const ip = tryParseIp(address);
  const width = ip?.family === 4 ? 32 : 128;
  if (ip === undefined || !Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > width) {
    throw new RangeError(`Cannot read ${JSON.stringify(`${address}/${prefixLength}`)} as a prefix`);
  }
  const hostBits = (1n << BigInt(width - prefixLength)) - 1n;
  return {
    first: ipToBytes({ family: ip.family, value: ip.value & ~hostBits }),
    last: ipToBytes({ family: ip.family, value: ip.value | hostBits }),
  };
}

/** Writes the values of a key or of data; `target` holds zeros. Throws RangeError when they do not fit the fields. */
export function writeFields(
  target: Uint8Array,
  offset: number,
  values: readonly (string | number | Uint8Array)[],
  fields: readonly Field[],
): void {
  if (values.length !== fields.length) {
    throw new RangeError(`Expected ${fields.length} fields, got ${values.length} (${values.join(' . ')})`);
  }
  let at = offset;
  for (let index = 0; index < fields.length; index++) {
    const field = fields[index] as Field;
    writeField(target, at, values[index] as string | number | Uint8Array, field);
    at += paddedLength(field);
  }
}

/** One value as the bytes of its field. */
export function fieldBytes(value: string | number | Uint8Array, field: Field): Uint8Array {
  const bytes = new Uint8Array(field.length);
  writeField(bytes, 0, value, field);
  return bytes;
}

/** Writes one value at `offset` of `target`, which holds zeros. Throws RangeError when the type has no such value. */
export function writeField(
  target: Uint8Array,
  offset: number,
  value: string | number | Uint8Array,
  field: Field,
): void {
  if (typeof value === 'number') return writeNumber(target, offset, value, field);
  if (typeof value !== 'string') {
    if (value.length !== field.length) throw unreadable(`${value.length} bytes`, field.type);
    target.set(value, offset);
    return;
  }
  const write = TEXT_WRITERS[field.type];
  if (write === undefined) writeNumber(target, offset, namedNumber(value, field.type), field);
  else write(target, offset, value);
}

/** The types whose text is more than a number's name. */
const TEXT_WRITERS: Partial<
  Record<DataTypeName, (target: Uint8Array, offset: number, text: string) => void>
> = {
  ipv4_addr: writeIpv4,
  ipv6_addr: writeIpv6,
  ether_addr: writeEther,
  ifname: writeName,
};

function writeNumber(
  target: Uint8Array,
  offset: number,
  value: number,
  { type, length, order }: Field,
): void {
  if (!Number.isInteger(value) || value < 0 || value >= limitOf(length)) {
    throw unreadable(String(value), type);
  }
  let rest = value;
  for (let index = 0; index < length; index++) {
    target[offset + (order === 'big' ? length - 1 - index : index)] = rest & 0xff;
    rest = length > 4 ? Math.floor(rest / 256) : rest >>> 8;
  }
}

/** The first number that does not fit so many bytes; beyond six, that a number cannot hold exactly. */
function limitOf(length: number): number {
  return length < 4 ? 1 << (8 * length) : 2 ** (8 * Math.min(length, 6));
}

/** The number of a name of the type, or of decimal digits. */
export function namedNumber(value: string, type: DataTypeName): number {
  const { names } = dataType(type);
  const named = names !== undefined && Object.hasOwn(names, value) ? names[value] : undefined;
  if (named !== undefined) return named;
  if (/^\d{1,10}$/u.test(value)) return Number(value);
  throw unreadable(value, type);
}

/** Without BigInt: full loads write hundreds of thousands. */
function writeIpv4(target: Uint8Array, offset: number, text: string): void {
  let octet = 0;
  let digits = 0;
  let at = offset;
  for (let index = 0; index <= text.length; index++) {
    const code = index === text.length ? 0x2e : text.charCodeAt(index);
    if (code === 0x2e) {
      if (digits === 0 || at - offset > 3) throw unreadable(text, 'ipv4_addr');
      target[at++] = octet;
      octet = 0;
      digits = 0;
    } else {
      if (code < 0x30 || code > 0x39 || (digits > 0 && octet === 0)) throw unreadable(text, 'ipv4_addr');
      octet = octet * 10 + code - 0x30;
      digits++;
      if (octet > 255) throw unreadable(text, 'ipv4_addr');
    }
  }
  if (at - offset !== 4) throw unreadable(text, 'ipv4_addr');
}

function writeIpv6(target: Uint8Array, offset: number, text: string): void {
  const ip = tryParseIp(text);
  if (ip?.family !== 6) throw unreadable(text, 'ipv6_addr');
  target.set(ipToBytes(ip), offset);
}

function writeEther(target: Uint8Array, offset: number, text: string): void {
  if (!/^[\da-f]{2}(?::[\da-f]{2}){5}$/iu.test(text)) throw unreadable(text, 'ether_addr');
  for (const [index, octet] of text.split(':').entries()) target[offset + index] = Number.parseInt(octet, 16);
}

/** Interface names are at most 15 bytes (IFNAMSIZ with its NUL). */
function writeName(target: Uint8Array, offset: number, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length === 0 || bytes.length > 15 || bytes.includes(0)) throw unreadable(text, 'ifname');
  target.set(bytes, offset);
}

function unreadable(value: string, type: DataTypeName): RangeError {
  return new RangeError(`Cannot read ${JSON.stringify(value)} as ${type}`);
}

/** The inverse of `writeFields`. */
export function readFields(bytes: Uint8Array, fields: readonly Field[]): (string | number)[] {
  const values: (string | number)[] = [];
  let at = 0;
  for (const field of fields) {
    values.push(readField(bytes.subarray(at, at + field.length), field));
    at += paddedLength(field);
  }
  return values;
}

/** Text for addresses, names and named values, numbers for the rest. */
export function readField(bytes: Uint8Array, { type, order }: Field): string | number {
  const read = TEXT_READERS[type];
  if (read !== undefined) return read(bytes);
  let number = 0;
  for (let index = 0; index < bytes.length; index++) {
    number = number * 256 + (bytes[order === 'big' ? index : bytes.length - 1 - index] ?? 0);
  }
  return valueName(number, type);
}

const TEXT_READERS: Partial<Record<DataTypeName, (bytes: Uint8Array) => string>> = {
  ipv4_addr: (bytes) => `${bytes[0]}.${bytes[1]}.${bytes[2]}.${bytes[3]}`,
  ipv6_addr: (bytes) => formatIp(ipFromBytes(bytes)),
  ether_addr: (bytes) => [...bytes].map((octet) => octet.toString(16).padStart(2, '0')).join(':'),
  ifname: (bytes) => {
    const end = bytes.indexOf(0);
    return Buffer.from(bytes.subarray(0, end === -1 ? bytes.length : end)).toString('utf8');
  },
};

/** The name a type gives a value, if it has one. */
export function valueName(value: number, type: DataTypeName): string | number {
  const { names, bitmask } = dataType(type);
  if (names === undefined || bitmask === true) return value;
  for (const name in names) if (names[name] === value) return name;
  return value;
}
