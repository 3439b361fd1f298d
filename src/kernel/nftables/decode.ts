import { Attributes } from '../netlink/attributes.ts';
import { HEADER_LENGTH, NLA_TYPE_MASK } from '../netlink/message.ts';
import {
  type Field,
  fieldsLength,
  keyFields,
  paddedLength,
  prefixBounds,
  readField,
  readFields,
} from './fields.ts';
import {
  CHAIN,
  DATA,
  ELEM,
  ELEM_INTERVAL_END,
  ELEM_LIST,
  EXPR,
  HOOK,
  NFPROTO,
  NF_VERDICT,
  RULE,
  SET,
  SET_FLAG,
  TABLE,
  VERDICT,
  VERDICT_CODE,
} from './nf-tables.ts';
import type { ListedChain, ListedRule, ListedSet, ListedTable } from './nftables.ts';
import type { FieldValue } from './datatypes.ts';
import type { Element, NftFamily, NftMap, NftSet } from './objects.ts';
import type { Verdict } from './statements.ts';
import { readComment, readSetComment } from './userdata.ts';

/** What the kernel sends begins with nfgenmsg: family, version, resource. */
const NFGENMSG_LENGTH = 4;

export function messageAttributes(payload: Buffer): Attributes {
  return new Attributes(payload, NFGENMSG_LENGTH);
}

function optional<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): { readonly [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [K in Key]: Value });
}

export function decodeTable(payload: Buffer): ListedTable {
  const attributes = messageAttributes(payload);
  const family = (Object.keys(NFPROTO) as NftFamily[]).find((name) => NFPROTO[name] === payload[0]);
  return {
    family: family ?? 'inet',
    name: attributes.string(TABLE.NAME) ?? '',
    handle: attributes.u64be(TABLE.HANDLE) ?? 0n,
    ...optional('comment', readComment(attributes.get(TABLE.USERDATA))),
  };
}

export function decodeChain(payload: Buffer): { readonly table: string; readonly listed: ListedChain } {
  const attributes = messageAttributes(payload);
  const hook = attributes.nested(CHAIN.HOOK);
  const policy = attributes.u32be(CHAIN.POLICY);
  const priority = hook?.u32be(HOOK.PRIORITY);
  const listed: ListedChain = {
    name: attributes.string(CHAIN.NAME) ?? '',
    handle: attributes.u64be(CHAIN.HANDLE) ?? 0n,
    ...optional('type', attributes.string(CHAIN.TYPE)),
    ...optional('hook', hook?.u32be(HOOK.NUMBER)),
    ...optional('priority', priority === undefined ? undefined : priority | 0),
    ...optional('policy', policy === undefined ? undefined : policyName(policy)),
    ...optional('comment', readComment(attributes.get(CHAIN.USERDATA))),
  };
  return { table: attributes.string(CHAIN.TABLE) ?? '', listed };
}

function policyName(policy: number): 'accept' | 'drop' {
  return policy === NF_VERDICT.drop ? 'drop' : 'accept';
}

export function decodeSet(payload: Buffer): ListedSet {
  const attributes = messageAttributes(payload);
  const flags = attributes.u32be(SET.FLAGS) ?? 0;
  return {
    kind: (flags & (SET_FLAG.MAP | SET_FLAG.OBJECT)) === 0 ? 'set' : 'map',
    name: attributes.string(SET.NAME) ?? '',
    handle: attributes.u64be(SET.HANDLE) ?? 0n,
    flags,
    keyLength: attributes.u32be(SET.KEY_LEN) ?? 0,
    dataLength: attributes.u32be(SET.DATA_LEN) ?? 0,
    ...optional('comment', readSetComment(attributes.get(SET.USERDATA))),
  };
}

export function decodeRule(payload: Buffer): ListedRule {
  const attributes = messageAttributes(payload);
  const expressions: string[] = [];
  const list = attributes.nested(RULE.EXPRESSIONS);
  if (list !== undefined) {
    for (const { payload: expression } of list.list()) {
      expressions.push(new Attributes(expression).string(EXPR.NAME) ?? '');
    }
  }
  return {
    chain: attributes.string(RULE.CHAIN) ?? '',
    handle: attributes.u64be(RULE.HANDLE) ?? 0n,
    expressions,
    ...optional('comment', readComment(attributes.get(RULE.USERDATA))),
  };
}

interface RawElement {
  readonly key: Buffer;
  readonly end: Buffer | undefined;
  readonly closes: boolean;
  readonly rest: Omit<Element, 'key'>;
}

/** The elements in the parts of a dump, read as `set` declares them. */
export function decodeElements(payloads: readonly Buffer[], set: NftSet | NftMap): Element[] {
  const key = keyFields(set.key);
  const data = set.kind === 'map' && typeof set.data !== 'string' ? keyFields(set.data) : undefined;
  const raw: RawElement[] = [];
  for (const payload of payloads) {
    const list = messageAttributes(payload).nested(ELEM_LIST.ELEMENTS);
    if (list === undefined) continue;
    for (const element of list.list()) raw.push(decodeElement(element.payload, data));
  }
  if (set.flags?.includes('interval') !== true) {
    return raw.map(({ key: bytes, rest }) => ({ key: readFields(bytes, key), ...rest }));
  }
  if (key.length > 1) {
    return raw.map(({ key: from, end, rest }) => ({ key: readRanges(from, end ?? from, key), ...rest }));
  }
  return pairIntervals(raw, key[0] as Field);
}

/**
 * The element of a message to the kernel that lies at a byte the kernel complained of. Of an interval in a set of one
 * field, only its first key.
 */
export function elementAtOffset(message: Buffer, offset: number, set: NftSet | NftMap): Element | undefined {
  const list = new Attributes(message, HEADER_LENGTH + NFGENMSG_LENGTH).get(ELEM_LIST.ELEMENTS);
  if (list === undefined) return undefined;
  const within = offset - (list.byteOffset - message.byteOffset);
  for (const { payload } of new Attributes(list).list()) {
    const start = payload.byteOffset - list.byteOffset - 4;
    if (within < start || within >= start + 4 + payload.length) continue;
    const data = set.kind === 'map' && typeof set.data !== 'string' ? keyFields(set.data) : undefined;
    const { key, rest } = decodeElement(payload, data);
    return { key: readFields(key, keyFields(set.key)), ...rest };
  }
  return undefined;
}

/** Without `Attributes`, for a full read of the kernel is tens of thousands of these. */
function decodeElement(bytes: Buffer, data: readonly Field[] | undefined): RawElement {
  let key: Buffer = EMPTY;
  let end: Buffer | undefined;
  let closes = false;
  const rest: { -readonly [Key in keyof RawElement['rest']]: RawElement['rest'][Key] } = {};
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) break;
    const payload = bytes.subarray(at + 4, at + length);
    switch (bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK) {
      case ELEM.KEY:
        key = onlyValue(payload);
        break;
      case ELEM.KEY_END:
        end = onlyValue(payload);
        break;
      case ELEM.FLAGS:
        closes = (payload.readUInt32BE() & ELEM_INTERVAL_END) !== 0;
        break;
      case ELEM.DATA:
        rest.value = decodeData(payload, data);
        break;
      case ELEM.OBJREF:
        rest.value = [payload.toString('utf8').replace(/\0.*$/su, '')];
        break;
      case ELEM.TIMEOUT:
        rest.timeoutMs = Number(payload.readBigUInt64BE());
        break;
      case ELEM.USERDATA: {
        const comment = readComment(payload);
        if (comment !== undefined) rest.comment = comment;
        break;
      }
    }
    at += (length + 3) & ~3;
  }
  return { key, end, closes, rest };
}

const EMPTY = Buffer.alloc(0);

/** Of a nested attribute that holds nothing but NFTA_DATA_VALUE. */
function onlyValue(nested: Buffer): Buffer {
  return nested.length < 4 ? EMPTY : nested.subarray(4, nested.readUInt16LE());
}

function decodeData(nested: Buffer, fields: readonly Field[] | undefined): NonNullable<Element['value']> {
  if (fields !== undefined) return readFields(onlyValue(nested), fields);
  const verdict = new Attributes(nested).nested(DATA.VERDICT);
  return verdict === undefined ? [onlyValue(nested)] : decodeVerdict(verdict);
}

/** NFTA_VERDICT_*. Throws RangeError for a verdict nft_tables does not let a rule have. */
export function decodeVerdict(attributes: Attributes): Verdict {
  const code = (attributes.u32be(VERDICT.CODE) ?? 0) | 0;
  const verdict = (Object.keys(VERDICT_CODE) as (keyof typeof VERDICT_CODE)[]).find(
    (name) => VERDICT_CODE[name] === code,
  );
  if (verdict === undefined) throw new RangeError(`Unknown verdict ${code}`);
  if (verdict === 'jump' || verdict === 'goto') {
    return { kind: 'verdict', verdict, chain: attributes.string(VERDICT.CHAIN) ?? '' };
  }
  return { kind: 'verdict', verdict };
}

function readRanges(from: Buffer, to: Buffer, fields: readonly Field[]): FieldValue[] {
  let at = 0;
  return fields.map((field) => {
    const value = rangeValue(from.subarray(at, at + field.length), to.subarray(at, at + field.length), field);
    at += paddedLength(field);
    return value;
  });
}

/** An interval set of one field holds the first key of an interval, and the first one after it marked as an end. */
function pairIntervals(raw: readonly RawElement[], field: Field): Element[] {
  const sorted = raw.toSorted((a, b) => a.key.compare(b.key) || Number(b.closes) - Number(a.closes));
  const elements: Element[] = [];
  for (const [index, { key, closes, rest }] of sorted.entries()) {
    if (closes) continue;
    const next = sorted[index + 1];
    const last = next === undefined ? Buffer.alloc(fieldsLength([field]), 0xff) : before(next.key);
    elements.push({ key: [rangeValue(key, last, field)], ...rest });
  }
  return elements;
}

function before(bytes: Buffer): Buffer {
  const result = Buffer.from(bytes);
  for (let index = result.length - 1; index >= 0; index--) {
    const byte = result[index] ?? 0;
    result[index] = (byte - 1) & 0xff;
    if (byte !== 0) break;
  }
  return result;
}

/** One value, a prefix where the range is one, or both ends. */
function rangeValue(from: Buffer, to: Buffer, field: Field): FieldValue {
  const first = readField(from, field);
  if (from.equals(to)) return first;
  if (field.type === 'ipv4_addr' || field.type === 'ipv6_addr') {
    const length = prefixLength(from, to);
    if (length !== undefined && to.equals(prefixBounds(String(first), length).last))
      return `${first}/${length}`;
  }
  return { from: first, to: readField(to, field) };
}

/** The bits both have in common, if `from` has only zeros after them. */
function prefixLength(from: Buffer, to: Buffer): number | undefined {
  let length = 0;
  const bit = (bytes: Buffer, index: number): number => ((bytes[index >> 3] ?? 0) >> (7 - (index & 7))) & 1;
  while (length < from.length * 8 && bit(from, length) === bit(to, length)) length++;
  for (let index = length; index < from.length * 8; index++) if (bit(from, index) === 1) return undefined;
  return length;
}
