import { MAX_ATTRIBUTE_LENGTH, MessageWriter, type NetlinkMessage } from '../netlink/message.ts';
import type { DataValue } from './datatypes.ts';
import { bounds, fieldsLength, keyFields, writeFields } from './fields.ts';
import {
  DATA,
  ELEM,
  ELEM_INTERVAL_END,
  ELEM_LIST,
  LIST_ELEM,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO,
  VERDICT,
  VERDICT_CODE,
} from './nf-tables.ts';
import type { Element, NftMap, NftSet } from './objects.ts';
import type { Verdict } from './statements.ts';
import { commentUserData } from './userdata.ts';

/** Where one message's elements begin in the command's list: to say which element the kernel refused. */
export interface ElementsMessage {
  readonly message: NetlinkMessage;
  readonly first: number;
  readonly count: number;
}

export interface ElementsTarget {
  readonly set: NftSet | NftMap;
  /** Of a set made in the same batch that has no name of its own. */
  readonly id?: number;
}

/** An element at its longest: two keys and data of 64 bytes, a comment and the attributes around them. */
const ELEMENT_RESERVE = 512;

/** The messages for a list of elements, each below the 64 KiB an attribute can have. */
export function encodeElements(
  type: number,
  flags: number,
  target: ElementsTarget,
  list: readonly Element[],
  describe: (first: number, count: number) => string,
): ElementsMessage[] {
  const { set, id } = target;
  const writeElement = elementWriter(set);
  const messages: ElementsMessage[] = [];
  let first = 0;
  while (first < list.length) {
    const start = first;
    const capacity = Math.min(MAX_ATTRIBUTE_LENGTH, 160 + (list.length - start) * 128);
    const out = new MessageWriter((NFNL_SUBSYS_NFTABLES << 8) | type, flags, capacity);
    out.u8(NFPROTO[set.table.family]).u8(0).u16(0);
    out.attrString(ELEM_LIST.TABLE, set.table.name).attrString(ELEM_LIST.SET, set.name);
    if (id !== undefined) out.attrU32be(ELEM_LIST.SET_ID, id);
    const nest = out.openNest(ELEM_LIST.ELEMENTS);
    while (first < list.length && out.length - nest < MAX_ATTRIBUTE_LENGTH - ELEMENT_RESERVE) {
      writeElement(out, list[first] as Element);
      first++;
    }
    out.closeNest(nest);
    const count = first - start;
    messages.push({ message: out.finish(() => describe(start, count)), first: start, count });
  }
  return messages;
}

function elementWriter(set: NftSet | NftMap): (out: MessageWriter, element: Element) => void {
  const key = keyFields(set.key);
  const data = set.kind === 'map' && typeof set.data !== 'string' ? keyFields(set.data) : undefined;
  const objects = set.kind === 'map' && set.data === 'counter';
  const keyLength = fieldsLength(key);
  const interval = set.flags?.includes('interval') === true;
  if (interval && key.some(({ order }) => order === 'host')) {
    throw new RangeError(`Intervals of ${key.map(({ type }) => type).join(' . ')} are not supported`);
  }
  const dataLength = data === undefined ? 0 : fieldsLength(data);
  return (out, element) => {
    const nest = out.openNest(LIST_ELEM);
    let end: Uint8Array | undefined;
    if (interval) {
      const both = element.key.map(bounds);
      const from = both.map(([first]) => first);
      const to = both.map(([, last]) => last);
      const at = openValue(out, ELEM.KEY, keyLength);
      writeFields(out.buffer, at, from, key);
      if (key.length === 1) {
        end = new Uint8Array(keyLength);
        writeFields(end, 0, to, key);
      } else {
        const atEnd = openValue(out, ELEM.KEY_END, keyLength);
        writeFields(out.buffer, atEnd, to, key);
      }
    } else {
      const at = openValue(out, ELEM.KEY, keyLength);
      writeFields(out.buffer, at, element.key as readonly DataValue[], key);
    }
    if (element.value !== undefined) {
      if ('kind' in element.value) {
        const { value } = element;
        out.attrNested(ELEM.DATA, () => writeVerdict(out, value));
      } else if (objects) {
        out.attrString(ELEM.OBJREF, objectName(element.value));
      } else if (data !== undefined) {
        const at = openValue(out, ELEM.DATA, dataLength);
        writeFields(out.buffer, at, element.value, data);
      }
    }
    if (element.timeoutMs !== undefined) out.attrU64be(ELEM.TIMEOUT, BigInt(element.timeoutMs));
    if (element.comment !== undefined) out.attrBytes(ELEM.USERDATA, commentUserData(element.comment));
    out.closeNest(nest);
    if (end !== undefined && increment(end)) {
      const closing = out.openNest(LIST_ELEM);
      out.attrU32be(ELEM.FLAGS, ELEM_INTERVAL_END);
      const at = openValue(out, ELEM.KEY, keyLength);
      out.buffer.set(end, at);
      out.closeNest(closing);
    }
  };
}

/** An attribute around DATA.VALUE of so many bytes; returns where they begin. */
function openValue(out: MessageWriter, type: number, length: number): number {
  const nest = out.openNest(type);
  const at = out.attrZeros(DATA.VALUE, length);
  out.closeNest(nest);
  return at;
}

/** Of an element of a map of counters. Throws RangeError for anything but one name. */
export function objectName(value: readonly DataValue[]): string {
  const [name] = value;
  if (typeof name !== 'string' || value.length !== 1) throw new RangeError('Expected the name of a counter');
  return name;
}

/** NFTA_DATA_VERDICT, within whatever attribute holds the data. */
export function writeVerdict(out: MessageWriter, verdict: Verdict): void {
  const nest = out.openNest(DATA.VERDICT);
  out.attrU32be(VERDICT.CODE, VERDICT_CODE[verdict.verdict] >>> 0);
  if ('chain' in verdict) out.attrString(VERDICT.CHAIN, verdict.chain);
  out.closeNest(nest);
}

/** The next number in network order; false when there is none. */
function increment(bytes: Uint8Array): boolean {
  for (let index = bytes.length - 1; index >= 0; index--) {
    const byte = ((bytes[index] ?? 0) + 1) & 0xff;
    bytes[index] = byte;
    if (byte !== 0) return true;
  }
  return false;
}
