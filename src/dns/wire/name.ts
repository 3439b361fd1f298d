/** A DNS message or name that breaks the rules of RFC 1035: the FORMERR of the wire. */
export class DnsFormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DnsFormatError';
  }
}

/**
 * A name as a map's key: its uncompressed wire form in lower case, one character a byte (latin1):
 * `\x04kube\x03dns\x00`. Names are compared without regard to case (RFC 4343).
 */
export type NameKey = string;

const MAX_NAME_BYTES = 255;
const MAX_LABEL_BYTES = 63;
const MAX_POINTERS = 126;

/**
 * The labels of a name in its written form, each as latin1. Reads the escapes of RFC 1035 section 5.1 (`\.`, `\032`);
 * a final dot is optional; `.` and the empty string are the root.
 */
export function parseLabels(text: string): string[] {
  const labels: string[] = [];
  let label = '';
  let bytes = 1;
  const finish = (): void => {
    if (label === '') throw new DnsFormatError(`Name ${JSON.stringify(text)} has an empty label`);
    if (label.length > MAX_LABEL_BYTES) {
      throw new DnsFormatError(`A label of ${JSON.stringify(text)} is longer than ${MAX_LABEL_BYTES} bytes`);
    }
    bytes += label.length + 1;
    labels.push(label);
    label = '';
  };
  if (text === '' || text === '.') return labels;
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '.') {
      finish();
      if (at === text.length - 1) break;
      continue;
    }
    if (character !== '\\') {
      if (character > '\xff')
        throw new DnsFormatError(`Name ${JSON.stringify(text)} has a character beyond one byte`);
      label += character;
    } else if (/^[0-9]{3}$/.test(text.slice(at + 1, at + 4)) && Number(text.slice(at + 1, at + 4)) < 256) {
      label += String.fromCharCode(Number(text.slice(at + 1, at + 4)));
      at += 3;
    } else {
      label += text.charAt(++at);
    }
  }
  if (!text.endsWith('.') || label !== '') finish();
  if (bytes > MAX_NAME_BYTES) {
    throw new DnsFormatError(`Name ${JSON.stringify(text)} is longer than ${MAX_NAME_BYTES} bytes`);
  }
  return labels;
}

/** The written form without the final dot; the root is `.`. */
export function printLabels(labels: readonly string[]): string {
  if (labels.length === 0) return '.';
  return labels
    .map((label) =>
      label.replace(/[^!-~]|[.\\]/g, (character) =>
        character === '.' || character === '\\'
          ? `\\${character}`
          : `\\${String(character.charCodeAt(0)).padStart(3, '0')}`,
      ),
    )
    .join('.');
}

/** Names without escapes or odd characters, of labels of one to 63: nearly all. */
const PLAIN_NAME = /^(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/;

export function labelsToKey(labels: readonly string[]): NameKey {
  return `${labels.map((label) => String.fromCharCode(label.length) + label.replace(/[A-Z]+/g, lower)).join('')}\0`;
}

function lower(letters: string): string {
  return letters.toLowerCase();
}

export function nameKey(text: string): NameKey {
  if (text.length > MAX_NAME_BYTES - 2 || !PLAIN_NAME.test(text)) return labelsToKey(parseLabels(text));
  let key = '';
  for (let start = 0; start <= text.length;) {
    const dot = text.indexOf('.', start);
    const end = dot < 0 ? text.length : dot;
    key += String.fromCharCode(end - start) + text.slice(start, end);
    start = end + 1;
  }
  return `${key}\0`;
}

/** The written form of a key. */
export function printKey(key: NameKey): string {
  const labels: string[] = [];
  for (let at = 0; key.charCodeAt(at) > 0; at += key.charCodeAt(at) + 1) {
    labels.push(key.slice(at + 1, at + 1 + key.charCodeAt(at)));
  }
  return printLabels(labels);
}

/** The key one label up; undefined for the root. */
export function parentKey(key: NameKey): NameKey | undefined {
  const length = key.charCodeAt(0);
  return length > 0 ? key.slice(length + 1) : undefined;
}

/** Whether `key` is `zone` or lies below it, compared label by label. */
export function isWithin(key: NameKey, zone: NameKey): boolean {
  if (!key.endsWith(zone)) return false;
  const start = key.length - zone.length;
  let at = 0;
  while (at < start) at += key.charCodeAt(at) + 1;
  return at === start;
}

/**
 * Reads a name of a message, following compression pointers, each of which must point further back than the last:
 * so no message can make it loop. `end` is the offset after the name where it stood.
 */
export function readName(message: Buffer, start: number): { labels: string[]; end: number } {
  const labels: string[] = [];
  let at = start;
  let end = -1;
  let bytes = 1;
  let lowest = start;
  let pointers = 0;
  for (;;) {
    const length = message[at];
    if (length === undefined) throw new DnsFormatError('A name runs beyond the message');
    if (length === 0) return { labels, end: end < 0 ? at + 1 : end };
    if (length >= 0xc0) {
      const low = message[at + 1];
      if (low === undefined) throw new DnsFormatError('A compression pointer runs beyond the message');
      if (end < 0) end = at + 2;
      at = ((length & 0x3f) << 8) | low;
      if (at >= lowest || ++pointers > MAX_POINTERS) {
        throw new DnsFormatError('A compression pointer does not point back');
      }
      lowest = at;
      continue;
    }
    if (length > MAX_LABEL_BYTES)
      throw new DnsFormatError(`Label type 0x${(length >> 6).toString(16)} is unknown`);
    bytes += length + 1;
    if (bytes > MAX_NAME_BYTES) throw new DnsFormatError(`A name is longer than ${MAX_NAME_BYTES} bytes`);
    if (at + 1 + length > message.length) throw new DnsFormatError('A label runs beyond the message');
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += length + 1;
  }
}
