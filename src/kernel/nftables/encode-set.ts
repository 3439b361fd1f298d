import type { MessageWriter, NetlinkMessage } from '../netlink/message.ts';
import { type Field, fieldsLength, keyFields } from './fields.ts';
import {
  DATA_TYPE_VERDICT,
  EXPR,
  MSG,
  OBJECT_COUNTER,
  SET,
  SET_DESC,
  SET_FIELD_LEN,
  SET_FLAG,
} from './nf-tables.ts';
import type { NftMap, NftSet } from './objects.ts';
import { type Describe, tablesMessage } from './tables-message.ts';
import { setUserData, typeNumber } from './userdata.ts';

interface SetEncoding {
  readonly id: number;
  readonly describe: Describe;
  readonly anonymous?: boolean;
}

/** NFT_MSG_NEWSET. */
export function encodeSet(
  object: NftSet | NftMap,
  flags: number,
  { id, describe, anonymous }: SetEncoding,
): NetlinkMessage {
  const key = keyFields(object.key);
  const data = object.kind === 'map' && typeof object.data !== 'string' ? keyFields(object.data) : [];
  const out = tablesMessage(MSG.NEWSET, flags, object.table.family);
  out.attrString(SET.TABLE, object.table.name).attrString(SET.NAME, object.name);
  out.attrU32be(SET.FLAGS, setFlags(object, key) | (anonymous === true ? SET_FLAG.ANONYMOUS : 0));
  out
    .attrU32be(SET.KEY_TYPE, typeNumber(key.map(({ type }) => type)))
    .attrU32be(SET.KEY_LEN, fieldsLength(key));
  if (object.kind === 'map') encodeDataType(out, object, data);
  out.attrU32be(SET.ID, id);
  encodeSetDescription(out, object, key);
  if (object.timeoutMs !== undefined) out.attrU64be(SET.TIMEOUT, BigInt(object.timeoutMs));
  if (object.gcIntervalMs !== undefined) out.attrU32be(SET.GC_INTERVAL, object.gcIntervalMs);
  if (object.counter === true) {
    out.attrNested(SET.EXPR, () => {
      out.attrString(EXPR.NAME, 'counter');
      out.attrNested(EXPR.DATA, () => undefined);
    });
  }
  out.attrBytes(SET.USERDATA, setUserData(object, { key: singleOrder(key), data: singleOrder(data) }));
  return out.finish(describe);
}

function encodeDataType(out: MessageWriter, object: NftMap, data: readonly Field[]): void {
  if (object.data === 'verdict') out.attrU32be(SET.DATA_TYPE, DATA_TYPE_VERDICT).attrU32be(SET.DATA_LEN, 0);
  else if (object.data === 'counter') out.attrU32be(SET.OBJ_TYPE, OBJECT_COUNTER);
  else {
    out.attrU32be(SET.DATA_TYPE, typeNumber(data.map(({ type }) => type)));
    out.attrU32be(SET.DATA_LEN, fieldsLength(data));
  }
}

/** The size, and for intervals of concatenations the length of each field. */
function encodeSetDescription(out: MessageWriter, object: NftSet | NftMap, key: readonly Field[]): void {
  const fields = key.length > 1 && object.flags?.includes('interval') === true;
  if (object.size === undefined && !fields) return;
  out.attrNested(SET.DESC, () => {
    if (object.size !== undefined) out.attrU32be(SET_DESC.SIZE, object.size);
    if (!fields) return;
    out.attrNested(SET_DESC.CONCAT, () => {
      for (const field of key) out.attrNested(1, () => out.attrU32be(SET_FIELD_LEN, field.length));
    });
  });
}

/** Verdicts and concatenations have no byte order as a whole. */
function singleOrder(fields: readonly Field[]): Field['order'] | undefined {
  return fields.length === 1 ? fields[0]?.order : undefined;
}

function setFlags(object: NftSet | NftMap, key: readonly Field[]): number {
  const has = new Set<string>(object.flags);
  return (
    (has.has('constant') ? SET_FLAG.CONSTANT : 0) |
    (has.has('interval') ? SET_FLAG.INTERVAL : 0) |
    (has.has('interval') && key.length > 1 ? SET_FLAG.CONCAT : 0) |
    (has.has('timeout') || object.timeoutMs !== undefined ? SET_FLAG.TIMEOUT : 0) |
    (has.has('dynamic') ? SET_FLAG.EVAL : 0) |
    (object.kind === 'map' ? (object.data === 'counter' ? SET_FLAG.OBJECT : SET_FLAG.MAP) : 0)
  );
}
