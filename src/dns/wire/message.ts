import { addressBytes, printAddress } from './address.ts';
import { CLASS, HEADER_BYTES, MAX_BYTES, TYPE } from './constants.ts';
import { DnsFormatError, labelsToKey, parseLabels, printLabels, readName } from './name.ts';

/** What a record says, by its type; any other type keeps its bytes (RFC 3597). */
export type RecordData =
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'CNAME' | 'NS' | 'PTR'; readonly target: string }
  | {
      readonly type: 'SRV';
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | { readonly type: 'TXT'; readonly strings: readonly string[] }
  | {
      readonly type: 'SOA';
      readonly primary: string;
      readonly mailbox: string;
      readonly serial: number;
      readonly refreshSeconds: number;
      readonly retrySeconds: number;
      readonly expireSeconds: number;
      /** How long a negative answer may be kept (RFC 2308). */
      readonly minimumSeconds: number;
    }
  | { readonly type: 'other'; readonly number: number; readonly bytes: Buffer };

export interface DnsRecord {
  /** Written form without the final dot. */
  readonly name: string;
  readonly class?: number;
  readonly ttlSeconds: number;
  readonly data: RecordData;
}

export interface DnsQuestion {
  readonly name: string;
  readonly type: number;
  readonly class?: number;
}

/**
 * A whole message, for forwarding and tests; the server's fast path reads questions with `parseQuery` instead.
 * An OPT record stands among `additional` like any other, as type `other`.
 */
export interface DnsMessage {
  readonly id: number;
  /** The header's second word: `FLAG` bits, opcode in bits 11-14, rcode in bits 0-3. */
  readonly flags: number;
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
}

/** The number of a record's type. */
export function recordType(data: RecordData): number {
  return data.type === 'other' ? data.number : TYPE[data.type];
}

/** Writes a message; names are compressed against every name before them (RFC 1035 section 4.1.4). */
export function encodeMessage(message: DnsMessage): Buffer {
  const writer = new MessageWriter();
  writer.uint16(message.id);
  writer.uint16(message.flags);
  const sections = [message.answers, message.authority, message.additional];
  writer.uint16(message.questions.length);
  for (const records of sections) writer.uint16(records.length);
  for (const { name, type, class: questionClass } of message.questions) {
    writer.name(name, 'compress');
    writer.uint16(type);
    writer.uint16(questionClass ?? CLASS.IN);
  }
  for (const records of sections) for (const record of records) writer.record(record);
  return writer.bytes();
}

/**
 * Where each record of a section ends, for cutting a message short at a record's edge: the offsets after each of the
 * first `count` records behind `offset`.
 */
export function recordEnds(message: Buffer, offset: number, count: number): number[] {
  const ends: number[] = [];
  let at = offset;
  for (let index = 0; index < count; index++) {
    const { end } = readName(message, at);
    if (end + 10 > message.length) throw new DnsFormatError('A record runs beyond the message');
    at = end + 10 + message.readUInt16BE(end + 8);
    ends.push(at);
  }
  return ends;
}

class MessageWriter {
  #buffer = Buffer.allocUnsafe(1024);
  #length = 0;
  /** Offset of every name and its tails written so far, within reach of a 14-bit pointer. */
  readonly #offsets = new Map<string, number>();

  #room(bytes: number): void {
    if (this.#length + bytes > MAX_BYTES)
      throw new DnsFormatError(`A message is longer than ${MAX_BYTES} bytes`);
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  uint8(value: number): void {
    this.#room(1);
    this.#length = this.#buffer.writeUInt8(value, this.#length);
  }

  uint16(value: number): void {
    this.#room(2);
    this.#length = this.#buffer.writeUInt16BE(value, this.#length);
  }

  uint32(value: number): void {
    this.#room(4);
    this.#length = this.#buffer.writeUInt32BE(value >>> 0, this.#length);
  }

  raw(bytes: Buffer): void {
    this.#room(bytes.length);
    this.#length += bytes.copy(this.#buffer, this.#length);
  }

  name(text: string, compression: 'compress' | 'plain'): void {
    const labels = parseLabels(text);
    for (let index = 0; index < labels.length; index++) {
      const tail = labelsToKey(labels.slice(index));
      const known = this.#offsets.get(tail);
      if (known !== undefined && compression === 'compress') {
        this.uint16(0xc000 | known);
        return;
      }
      if (known === undefined && this.#length < 0x4000) this.#offsets.set(tail, this.#length);
      const label = Buffer.from(labels[index] ?? '', 'latin1');
      this.uint8(label.length);
      this.raw(label);
    }
    this.uint8(0);
  }

  record({ name, class: recordClass, ttlSeconds, data }: DnsRecord): void {
    this.name(name, 'compress');
    this.uint16(recordType(data));
    this.uint16(recordClass ?? CLASS.IN);
    this.uint32(ttlSeconds);
    this.uint16(0);
    const start = this.#length;
    this.#data(data);
    this.#buffer.writeUInt16BE(this.#length - start, start - 2);
  }

  #data(data: RecordData): void {
    switch (data.type) {
      case 'A':
        return this.raw(addressBytes(data.address, 4));
      case 'AAAA':
        return this.raw(addressBytes(data.address, 6));
      case 'CNAME':
      case 'NS':
      case 'PTR':
        return this.name(data.target, 'compress');
      case 'SRV':
        this.uint16(data.priority);
        this.uint16(data.weight);
        this.uint16(data.port);
        // RFC 2782: the target is never compressed.
        return this.name(data.target, 'plain');
      case 'TXT':
        return this.#strings(data.strings);
      case 'SOA':
        this.name(data.primary, 'compress');
        this.name(data.mailbox, 'compress');
        this.uint32(data.serial);
        this.uint32(data.refreshSeconds);
        this.uint32(data.retrySeconds);
        this.uint32(data.expireSeconds);
        return this.uint32(data.minimumSeconds);
      case 'other':
        return this.raw(data.bytes);
    }
  }

  #strings(strings: readonly string[]): void {
    for (const text of strings.length > 0 ? strings : ['']) {
      const bytes = Buffer.from(text);
      if (bytes.length > 255) throw new DnsFormatError('A string of a TXT record is longer than 255 bytes');
      this.uint8(bytes.length);
      this.raw(bytes);
    }
  }

  bytes(): Buffer {
    return Buffer.from(this.#buffer.subarray(0, this.#length));
  }
}

/** Reads a whole message. Throws `DnsFormatError`; every length is checked against the message's end. */
export function decodeMessage(message: Buffer): DnsMessage {
  if (message.length < HEADER_BYTES) throw new DnsFormatError('A message is shorter than its header');
  let at = HEADER_BYTES;
  const questions: DnsQuestion[] = [];
  for (let index = 0; index < message.readUInt16BE(4); index++) {
    const { labels, end } = readName(message, at);
    if (end + 4 > message.length) throw new DnsFormatError('A question runs beyond the message');
    questions.push({
      name: printLabels(labels),
      type: message.readUInt16BE(end),
      class: message.readUInt16BE(end + 2),
    });
    at = end + 4;
  }
  const section = (count: number): DnsRecord[] => {
    const records: DnsRecord[] = [];
    for (let index = 0; index < count; index++) {
      const { record, end } = readRecord(message, at);
      records.push(record);
      at = end;
    }
    return records;
  };
  return {
    id: message.readUInt16BE(0),
    flags: message.readUInt16BE(2),
    questions,
    answers: section(message.readUInt16BE(6)),
    authority: section(message.readUInt16BE(8)),
    additional: section(message.readUInt16BE(10)),
  };
}

function readRecord(message: Buffer, start: number): { record: DnsRecord; end: number } {
  const { labels, end: at } = readName(message, start);
  if (at + 10 > message.length) throw new DnsFormatError('A record runs beyond the message');
  const end = at + 10 + message.readUInt16BE(at + 8);
  if (end > message.length) throw new DnsFormatError('The data of a record runs beyond the message');
  const record = {
    name: printLabels(labels),
    class: message.readUInt16BE(at + 2),
    ttlSeconds: message.readUInt32BE(at + 4),
    data: readData(message, message.readUInt16BE(at), at + 10, end),
  };
  return { record, end };
}

function readData(message: Buffer, type: number, start: number, end: number): RecordData {
  const bytes = message.subarray(start, end);
  const name = (at: number): { target: string; end: number } => {
    const { labels, end: after } = readName(message, at);
    if (after > end) throw new DnsFormatError('A name runs beyond its record');
    return { target: printLabels(labels), end: after };
  };
  const whole = (at: number): string => {
    const { target, end: after } = name(at);
    if (after !== end) throw new DnsFormatError('A record has bytes behind its name');
    return target;
  };
  const sized = (size: number): void => {
    if (bytes.length !== size)
      throw new DnsFormatError(`The data of a record has ${bytes.length} bytes, not ${size}`);
  };
  switch (type) {
    case TYPE.A:
      sized(4);
      return { type: 'A', address: printAddress(bytes) };
    case TYPE.AAAA:
      sized(16);
      return { type: 'AAAA', address: printAddress(bytes) };
    case TYPE.CNAME:
      return { type: 'CNAME', target: whole(start) };
    case TYPE.NS:
      return { type: 'NS', target: whole(start) };
    case TYPE.PTR:
      return { type: 'PTR', target: whole(start) };
    case TYPE.SRV:
      if (bytes.length < 7) throw new DnsFormatError('An SRV record is too short');
      return {
        type: 'SRV',
        priority: bytes.readUInt16BE(0),
        weight: bytes.readUInt16BE(2),
        port: bytes.readUInt16BE(4),
        target: whole(start + 6),
      };
    case TYPE.TXT:
      return { type: 'TXT', strings: readStrings(bytes) };
    case TYPE.SOA: {
      const primary = name(start);
      const mailbox = name(primary.end);
      if (end - mailbox.end !== 20) throw new DnsFormatError('An SOA record has the wrong length');
      const number = (index: number): number => message.readUInt32BE(mailbox.end + index * 4);
      return {
        type: 'SOA',
        primary: primary.target,
        mailbox: mailbox.target,
        serial: number(0),
        refreshSeconds: number(1),
        retrySeconds: number(2),
        expireSeconds: number(3),
        minimumSeconds: number(4),
      };
    }
    default:
      return { type: 'other', number: type, bytes };
  }
}

function readStrings(bytes: Buffer): string[] {
  const strings: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + (bytes[at] ?? 0);
    if (end > bytes.length) throw new DnsFormatError('A string of a TXT record runs beyond it');
    strings.push(bytes.toString('utf8', at + 1, end));
    at = end;
  }
  return strings;
}
