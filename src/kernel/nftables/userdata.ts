import { type DataTypeName, dataType } from './datatypes.ts';
import type { Expression } from './expressions.ts';
import { META_KEY } from './nf-tables.ts';
import type { KeyType, NftMap, NftSet } from './objects.ts';

/**
 * What `nft` keeps beside objects for its own listing (NFTA_*_USERDATA): comments, the byte order of set keys and
 * the `typeof` of sets. The kernel stores these bytes unread. They are a list of
 *
 *     ┌──────┬────────┬───────┐
 *     │ type │ length │ value │   8, 8 and 8 × length bits; nested values are such lists again
 *     └──────┴────────┴───────┘
 *
 * with the numbers of libnftnl's udata.h and nft's expression.h and proto.h.
 */

/** Comments of tables, chains, rules, elements and objects are entry 0 of their list; a set's is entry 7. */
const COMMENT = 0;
const SET = { KEY_BYTE_ORDER: 0, DATA_BYTE_ORDER: 1, KEY_TYPEOF: 3, DATA_TYPEOF: 4, COMMENT: 7 } as const;
const TYPEOF = { EXPRESSION: 0, DATA: 1 } as const;
const EXPRESSION = { verdict: 1, payload: 7, meta: 9, ct: 12, concat: 13, numgen: 23 } as const;
const HEADER = { icmp: 4, udp: 6, tcp: 8, sctp: 10, th: 11, ip: 12, ip6: 13, icmpv6: 14, ether: 17 } as const;
const HEADER_FIELDS: Readonly<Record<string, readonly string[]>> = {
  ip: ['', 'version', '', '', '', 'length', '', '', 'ttl', 'protocol', '', 'saddr', 'daddr'],
  ip6: ['', 'version', '', '', '', '', 'nexthdr', 'hoplimit', 'saddr', 'daddr'],
  ether: ['', 'daddr', 'saddr', 'type'],
  tcp: ['', 'sport', 'dport', '', '', '', '', 'flags'],
  udp: ['', 'sport', 'dport'],
  sctp: ['', 'sport', 'dport'],
  th: ['', 'sport', 'dport'],
  icmp: ['', 'type'],
  icmpv6: ['', 'type'],
};
/** NFTNL_UDATA_COMMENT_MAXLEN, its NUL included. */
const COMMENT_MAX = 128;

function entry(type: number, value: Uint8Array): Buffer {
  if (value.length > 255) throw new RangeError(`User data of ${value.length} bytes is too long`);
  return Buffer.concat([Buffer.of(type, value.length), value]);
}

function number(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return entry(type, bytes);
}

function text(type: number, value: string): Buffer {
  const bytes = Buffer.from(`${value}\0`, 'utf8');
  if (bytes.length > COMMENT_MAX) {
    throw new RangeError(`A comment has at most ${COMMENT_MAX - 1} bytes: ${JSON.stringify(value)}`);
  }
  return entry(type, bytes);
}

/** User data that holds a comment and nothing else. */
export function commentUserData(comment: string): Buffer {
  return text(COMMENT, comment);
}

/** Undefined for what has no byte order as a whole: nft would turn round a verdict's or a concatenation's bytes. */
interface SetByteOrder {
  readonly key: 'host' | 'big' | undefined;
  readonly data: 'host' | 'big' | undefined;
}

function byteOrderNumber(order: 'host' | 'big' | undefined): number {
  if (order === undefined) return 0;
  return order === 'host' ? 1 : 2;
}

/** Of a set or map: how `nft` is to print its key and data, and the comment. */
export function setUserData(set: NftSet | NftMap, byteOrder: SetByteOrder): Buffer {
  const parts = [number(SET.KEY_BYTE_ORDER, byteOrderNumber(byteOrder.key))];
  if (set.kind === 'map') parts.push(number(SET.DATA_BYTE_ORDER, byteOrderNumber(byteOrder.data)));
  if (isTypeof(set.key)) {
    parts.push(entry(SET.KEY_TYPEOF, typeofKey(set.key)));
    if (set.kind === 'map' && set.data === 'verdict') {
      const verdict = [number(TYPEOF.EXPRESSION, EXPRESSION.verdict), entry(TYPEOF.DATA, Buffer.alloc(0))];
      parts.push(entry(SET.DATA_TYPEOF, Buffer.concat(verdict)));
    } else if (set.kind === 'map' && typeof set.data !== 'string' && isTypeof(set.data)) {
      parts.push(entry(SET.DATA_TYPEOF, typeofKey(set.data)));
    }
  }
  if (set.comment !== undefined) parts.push(text(SET.COMMENT, set.comment));
  return Buffer.concat(parts);
}

export function isTypeof(type: KeyType): type is readonly Expression[] {
  return typeof type[0] === 'object';
}

function typeofKey(key: readonly Expression[]): Buffer {
  const [first] = key;
  return typeofExpression(key.length === 1 && first !== undefined ? first : { kind: 'concat', parts: key });
}

function typeofExpression(expression: Expression): Buffer {
  const described = (kind: keyof typeof EXPRESSION, ...data: readonly Buffer[]): Buffer =>
    Buffer.concat([number(TYPEOF.EXPRESSION, EXPRESSION[kind]), entry(TYPEOF.DATA, Buffer.concat(data))]);
  switch (expression.kind) {
    case 'payload': {
      const field = HEADER_FIELDS[expression.protocol]?.indexOf(expression.field) ?? -1;
      if (field < 1) break;
      return described('payload', number(0, HEADER[expression.protocol]), number(1, field));
    }
    case 'meta':
      return described('meta', number(0, META_KEY[expression.key]));
    case 'numgen': {
      const mode = expression.mode === 'random' ? 1 : 0;
      return described(
        'numgen',
        number(0, mode),
        number(1, expression.modulus),
        number(2, expression.offset),
      );
    }
    case 'concat':
      return described(
        'concat',
        ...expression.parts.map((part, index) => entry(index, typeofExpression(part))),
      );
    case 'ct':
    case 'fib':
    case 'jhash':
    case 'masked':
    case 'map':
      break;
  }
  throw new RangeError(`typeof ${expression.kind} is not supported: name the type instead`);
}

/** nft's number for a key or data type: six bits a part, the first highest. `integer` has no size of its own. */
export function typeNumber(types: readonly DataTypeName[]): number {
  if (types.length > 5) throw new RangeError(`At most five fields can be concatenated: ${types.join(' . ')}`);
  return types.reduce((sum, name) => (sum << 6) | dataType(name).id, 0);
}

function* entries(data: Uint8Array): Generator<readonly [number, Uint8Array]> {
  for (let at = 0; at + 2 <= data.length;) {
    const length = data[at + 1] ?? 0;
    yield [data[at] ?? 0, data.subarray(at + 2, at + 2 + length)];
    at += 2 + length;
  }
}

function readText(data: Uint8Array | undefined, type: number): string | undefined {
  if (data === undefined) return undefined;
  for (const [found, value] of entries(data)) {
    if (found === type) return Buffer.from(value).toString('utf8').replace(/\0.*$/su, '');
  }
  return undefined;
}

/** The comment in the user data of anything but a set. */
export function readComment(data: Uint8Array | undefined): string | undefined {
  return readText(data, COMMENT);
}

export function readSetComment(data: Uint8Array | undefined): string | undefined {
  return readText(data, SET.COMMENT);
}
