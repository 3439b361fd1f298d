/** Records in their written form: master files (RFC 1035 section 5) and single lines of them. */
import { PodnetError } from '../../model/errors.ts';
import { tryParseIp } from '../../model/ip.ts';
import { TYPE, typeName, typeNumber } from './constants.ts';
import type { DnsRecord, RecordData } from './message.ts';
import { nameKey } from './name.ts';

export interface ZoneFileOptions {
  /** What names without a final dot end with; `.` unless told. */
  readonly origin?: string;
  /** For records that do not say. */
  readonly ttlSeconds?: number;
}

/** More than a ConfigMap holds. */
const MAX_CHARACTERS = 1 << 20;

/** @throws PodnetError naming the line */
export function parseZoneFile(
  text: string,
  { origin = '.', ttlSeconds = 3600 }: ZoneFileOptions = {},
): DnsRecord[] {
  if (text.length > MAX_CHARACTERS) refuse(1, 'The file is too large');
  const records: DnsRecord[] = [];
  const defaults = { origin: stripDot(origin), ttlSeconds, owner: stripDot(origin) };
  for (const { words, line, ownerLeftOut } of entries(text)) {
    const [first = '', value = ''] = words;
    if (first === '$ORIGIN') {
      defaults.origin = absolute(value, defaults.origin, line);
    } else if (first === '$TTL') {
      defaults.ttlSeconds = readTtl(value, line);
    } else if (first.startsWith('$')) {
      refuse(line, `${first} is not supported`);
    } else {
      const owner = ownerLeftOut ? defaults.owner : absolute(first, defaults.origin, line);
      defaults.owner = owner;
      records.push(readRecord(owner, ownerLeftOut ? words : words.slice(1), { ...defaults, line }));
    }
  }
  return records;
}

interface Entry {
  readonly words: readonly string[];
  readonly line: number;
  /** The line began with white space: the owner is the one before. */
  readonly ownerLeftOut: boolean;
}

/** Lines, joined where parentheses say so, without comments; quoted words keep a quote in front to be told apart. */
function* entries(text: string): Generator<Entry> {
  let words: string[] = [];
  let start = 1;
  let depth = 0;
  let ownerLeftOut = false;
  for (const [index, line] of text.split('\n').entries()) {
    if (depth === 0) {
      words = [];
      start = index + 1;
      ownerLeftOut = /^\s/.test(line);
    }
    for (const [word] of line.matchAll(/"(?:[^"\\]|\\.)*"|;.*|[()]|(?:[^\s;()"\\]|\\.)+/g)) {
      if (word.startsWith(';')) break;
      if (word === '(') depth += 1;
      else if (word === ')') depth -= 1;
      else words.push(word);
    }
    if (depth < 0) refuse(index + 1, 'A ) closes nothing');
    if (depth === 0 && words.length > 0) yield { words, line: start, ownerLeftOut };
  }
  if (depth > 0) refuse(start, 'A ( has no end');
}

interface Context {
  readonly origin: string;
  readonly ttlSeconds: number;
  readonly line: number;
}

/** `[TTL] [CLASS] TYPE DATA`, TTL and class in either order. */
function readRecord(name: string, words: readonly string[], context: Context): DnsRecord {
  let { ttlSeconds } = context;
  let at = 0;
  for (; at < 2; at++) {
    const word = words[at] ?? '';
    if (/^\d+[smhdw]?$/i.test(word)) ttlSeconds = readTtl(word, context.line);
    else if (word.toUpperCase() !== 'IN') break;
  }
  const type = typeNumber(words[at] ?? '');
  if (type === undefined) refuse(context.line, `"${words[at] ?? ''}" is not a record type`);
  return { name, ttlSeconds, data: readData(type, words.slice(at + 1), context) };
}

function readData(type: number, words: readonly string[], { origin, line }: Context): RecordData {
  const count = (wanted: number): void => {
    if (words.length !== wanted)
      refuse(line, `${typeName(type)} takes ${wanted} values, and here are ${words.length}`);
  };
  const text = (index: number): string => words[index] ?? '';
  const name = (index: number): string => absolute(text(index), origin, line);
  const number = (index: number, most = 0xffff_ffff): number => {
    const value = Number(text(index));
    return /^\d+$/.test(text(index)) && value <= most
      ? value
      : refuse(line, `"${text(index)}" is not a number up to ${most}`);
  };
  if (text(0) === '\\#') return { type: 'other', number: type, bytes: readBytes(words, line) };
  switch (type) {
    case TYPE.A:
    case TYPE.AAAA: {
      count(1);
      const family = type === TYPE.A ? 4 : 6;
      if (tryParseIp(text(0))?.family !== family) refuse(line, `"${text(0)}" is not an IPv${family} address`);
      return { type: type === TYPE.A ? 'A' : 'AAAA', address: text(0) };
    }
    case TYPE.CNAME:
    case TYPE.NS:
    case TYPE.PTR:
      count(1);
      return { type: typeName(type) as 'CNAME' | 'NS' | 'PTR', target: name(0) };
    case TYPE.SRV:
      count(4);
      return {
        type: 'SRV',
        priority: number(0, 0xffff),
        weight: number(1, 0xffff),
        port: number(2, 0xffff),
        target: name(3),
      };
    case TYPE.TXT:
      return { type: 'TXT', strings: words.map(unquote) };
    case TYPE.SOA:
      count(7);
      return {
        type: 'SOA',
        primary: name(0),
        mailbox: name(1),
        serial: number(2),
        refreshSeconds: readTtl(text(3), line),
        retrySeconds: readTtl(text(4), line),
        expireSeconds: readTtl(text(5), line),
        minimumSeconds: readTtl(text(6), line),
      };
    case TYPE.MX: {
      count(2);
      const bytes = Buffer.concat([Buffer.alloc(2), Buffer.from(nameKey(name(1)), 'latin1')]);
      bytes.writeUInt16BE(number(0, 0xffff), 0);
      return { type: 'other', number: type, bytes };
    }
    case TYPE.HINFO:
      count(2);
      return { type: 'other', number: type, bytes: Buffer.concat(words.map(characterString)) };
    case TYPE.CAA:
      count(3);
      return {
        type: 'other',
        number: type,
        bytes: Buffer.concat([
          Buffer.from([number(0, 255)]),
          characterString(text(1)),
          Buffer.from(unquote(text(2)), 'latin1'),
        ]),
      };
    default:
      return refuse(line, `${typeName(type)} is read in the form \\# LENGTH HEX only`);
  }
}

/** `\# LENGTH HEX…` (RFC 3597 section 5). */
function readBytes([, length = '', ...hex]: readonly string[], line: number): Buffer {
  const bytes = Buffer.from(hex.join(''), 'hex');
  if (String(bytes.length) !== length) refuse(line, `The data has ${bytes.length} bytes, and says ${length}`);
  return bytes;
}

function characterString(word: string): Buffer {
  const bytes = Buffer.from(unquote(word), 'latin1').subarray(0, 255);
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function unquote(word: string): string {
  const inner = word.startsWith('"') ? word.slice(1, -1) : word;
  return inner.replace(/\\(\d{3}|.)/g, (_, escaped: string) =>
    escaped.length === 3 ? String.fromCharCode(Number(escaped) & 0xff) : escaped,
  );
}

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Seconds, with a unit behind or without. */
function readTtl(text: string, line: number): number {
  const [, count = '', unit = 's'] = /^(\d{1,10})([smhdw]?)$/i.exec(text) ?? [];
  if (count === '') refuse(line, `"${text}" is not a TTL`);
  return Number(count) * (UNIT_SECONDS[unit.toLowerCase()] ?? 1);
}

function absolute(text: string, origin: string, line: number): string {
  const name =
    text === '@' ? origin : text.endsWith('.') ? stripDot(text) : origin === '' ? text : `${text}.${origin}`;
  try {
    nameKey(name);
  } catch {
    refuse(line, `"${text}" is not a name`);
  }
  return name;
}

function stripDot(name: string): string {
  return name.replace(/\.$/, '');
}

function refuse(line: number, message: string): never {
  throw new PodnetError(message, {
    code: 'zone-file-invalid',
    where: `line ${line} of the zone file`,
    fix: 'Correct the line.',
  });
}
