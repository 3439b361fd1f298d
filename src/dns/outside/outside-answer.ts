import { FLAG, HEADER_BYTES, RCODE, TYPE } from '../wire/constants.ts';
import { DnsFormatError, readName } from '../wire/name.ts';
import type { PreparedAnswer } from '../zone/prepare.ts';

/** What an upstream said, without its header, question and EDNS record: ready for any client that asks the same. */
export interface OutsideAnswer extends PreparedAnswer {
  readonly rcode: number;
  /** The upstream calls the data authentic (the AD bit, RFC 4035). */
  readonly authenticated: boolean;
  readonly kind: 'found' | 'denied' | 'failed';
  /** Offsets in `bytes` of the records' TTLs. */
  readonly ttlsAt: readonly number[];
  /**
   * How long it may be kept: the least TTL of the records found; for a denial what its SOA record allows (RFC 2308), 0
   * without one. Undefined for a failure, which says nothing of it.
   */
  readonly ttlSeconds: number | undefined;
}

/** Offsets in the fixed fields behind a record's name (RFC 1035 section 3.2.1). */
const FIXED = { fields: 10, type: 0, ttl: 4, length: 8 } as const;

/**
 * Reads a message of an upstream. The question before the records has the same length for every client, so compression
 * pointers stay right. The EDNS record is for us alone and is taken out; it can only be the last record.
 *
 * @throws DnsFormatError | RangeError when the message is cut short or malformed
 */
export function readOutsideAnswer(message: Buffer): OutsideAnswer {
  const flags = message.readUInt16BE(2);
  const start = readName(message, HEADER_BYTES).end + 4;
  const counts = [message.readUInt16BE(6), message.readUInt16BE(8), message.readUInt16BE(10)] as const;
  const [answers, authority] = counts;
  let [, , additional] = counts;
  const ends: number[] = [];
  const ttlsAt: number[] = [];
  let extendedRcode = 0;
  let found: number | undefined;
  let denied: number | undefined;
  let at = start;
  let end = start;
  for (let index = 0; index < answers + authority + additional; index++) {
    const fields = readName(message, at).end;
    if (fields + FIXED.fields > message.length) throw new DnsFormatError('A record runs beyond the message');
    const type = message.readUInt16BE(fields + FIXED.type);
    const ttl = Math.min(message.readUInt32BE(fields + FIXED.ttl), 0x7fff_ffff);
    at = fields + FIXED.fields + message.readUInt16BE(fields + FIXED.length);
    if (at > message.length) throw new DnsFormatError('A record runs beyond the message');
    if (type === TYPE.OPT && index >= answers + authority) {
      if (index !== answers + authority + additional - 1)
        throw new DnsFormatError('Records stand behind the EDNS record');
      extendedRcode = message[fields + FIXED.ttl] ?? 0;
      additional = index - answers - authority;
      break;
    }
    end = at;
    ttlsAt.push(fields + FIXED.ttl - start);
    if (index < answers) {
      ends.push(at - start);
      found = Math.min(found ?? ttl, ttl);
    } else if (type === TYPE.SOA && index < answers + authority) {
      // The last of the SOA's five numbers.
      denied = Math.min(ttl, message.readUInt32BE(at - 4));
    }
  }
  const rcode = (extendedRcode << 4) | (flags & 0xf);
  const kind = kindOf(rcode, answers);
  const ttlSeconds = { found, denied: denied ?? 0, failed: undefined }[kind];
  return {
    // A copy: the message may stand in a buffer that is used again.
    bytes: Buffer.from(message.subarray(start, end)),
    answers,
    authority,
    additional,
    ends,
    rotates: false,
    rcode,
    authenticated: (flags & FLAG.AD) !== 0,
    kind,
    ttlsAt,
    ttlSeconds: (flags & FLAG.TC) === 0 ? ttlSeconds : 0,
  };
}

function kindOf(rcode: number, answers: number): OutsideAnswer['kind'] {
  if (rcode === RCODE.NXDOMAIN) return 'denied';
  if (rcode !== RCODE.NOERROR) return 'failed';
  return answers > 0 ? 'found' : 'denied';
}

/** Lowers the TTLs of an answer that was written at `offset` of a message by its age; never below `floorSeconds`. */
export function ageAnswer(
  message: Buffer,
  { ttlsAt }: Pick<OutsideAnswer, 'ttlsAt'>,
  { offset, length, ageSeconds, floorSeconds }: AgeOptions,
): void {
  for (const ttlAt of ttlsAt) {
    const at = offset + ttlAt;
    if (at + 4 > length) return;
    const ttl = message.readUInt32BE(at);
    message.writeUInt32BE(Math.max(floorSeconds, ttl - ageSeconds), at);
  }
}

export interface AgeOptions {
  /** Where the answer's bytes begin. */
  readonly offset: number;
  /** Of the message, which may have been cut. */
  readonly length: number;
  readonly ageSeconds: number;
  readonly floorSeconds: number;
}
