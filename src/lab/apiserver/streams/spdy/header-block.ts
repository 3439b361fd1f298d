import { constants, inflateRawSync } from 'node:zlib';

/** SPDY/3.1, section 2.6.10.1: the bytes both sides preset zlib with. */
export const SPDY_DICTIONARY = makeDictionary();
/** zlib's header for a stream with a preset dictionary, and the Adler-32 of that dictionary. */
const ZLIB_HEADER = Buffer.from('78bbe3c6a7c2', 'hex');
/** An empty stored block, byte-aligned: where zlib's Z_SYNC_FLUSH ends. */
const SYNC_FLUSH = Buffer.from('000000ffff', 'hex');
const WINDOW_BYTES = 32 * 1024;
const MAX_BLOCK_BYTES = 64 * 1024;

/** A header block that cannot be read; the connection's compression state is lost with it. */
export class HeaderBlockError extends Error {
  constructor(why: string, options?: ErrorOptions) {
    super(`Cannot read the SPDY header block: ${why}`, options);
    this.name = 'HeaderBlockError';
  }
}

/**
 * Reads the header blocks of one direction of a connection. They are one zlib stream cut by sync flushes; as every
 * cut falls on a byte, each block inflates by itself with the last 32 KiB before it as the dictionary.
 */
export class HeaderBlockReader {
  #window: Buffer = SPDY_DICTIONARY;
  #first = true;

  /** Names are in lower case; a name's several values are joined by `, `. */
  read(block: Buffer): Map<string, string> {
    let deflated = block;
    if (this.#first) {
      if (!block.subarray(0, ZLIB_HEADER.length).equals(ZLIB_HEADER)) {
        // The compression level in the first two bytes is the sender's choice; the dictionary is not.
        const dictionaryId = block.subarray(2, ZLIB_HEADER.length);
        if (!dictionaryId.equals(ZLIB_HEADER.subarray(2))) throw new HeaderBlockError('unknown dictionary');
      }
      deflated = block.subarray(ZLIB_HEADER.length);
      this.#first = false;
    }
    const plain = inflate(deflated, this.#window);
    this.#window = Buffer.concat([this.#window, plain]).subarray(-WINDOW_BYTES);
    return parsePairs(plain);
  }
}

function inflate(deflated: Buffer, dictionary: Buffer): Buffer {
  try {
    return inflateRawSync(deflated, {
      dictionary,
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: MAX_BLOCK_BYTES,
    });
  } catch (error) {
    throw new HeaderBlockError('not a zlib stream', { cause: error });
  }
}

/** A count, then name and value, each with its length, all 32 bits. */
function parsePairs(plain: Buffer): Map<string, string> {
  const headers = new Map<string, string>();
  let at = 0;
  const number = (): number => {
    if (at + 4 > plain.length) throw new HeaderBlockError('it ends early');
    at += 4;
    return plain.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > plain.length) throw new HeaderBlockError('it ends early');
    at += length;
    return plain.toString('utf8', at - length, at);
  };
  for (let left = number(); left > 0; left -= 1) {
    const name = text();
    headers.set(name.toLowerCase(), text().replaceAll('\0', ', '));
  }
  return headers;
}

/** Writes the header blocks of one direction, stored rather than compressed: they are few and small. */
export class HeaderBlockWriter {
  #first = true;

  write(headers: ReadonlyMap<string, string>): Buffer {
    const plain = Buffer.concat([
      uint32(headers.size),
      ...[...headers].flatMap(([name, value]) => [string(name), string(value)]),
    ]);
    if (plain.length > 0xff_ff) throw new RangeError('A SPDY header block is at most 65535 bytes');
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(plain.length, 1);
    stored.writeUInt16LE(plain.length ^ 0xff_ff, 3);
    const parts = [...(this.#first ? [ZLIB_HEADER] : []), stored, plain, SYNC_FLUSH];
    this.#first = false;
    return Buffer.concat(parts);
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text);
  return Buffer.concat([uint32(bytes.length), bytes]);
}

function makeDictionary(): Buffer {
  const words =
    'options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age ' +
    'allow authorization cache-control connection content-base content-encoding content-language content-length ' +
    'content-location content-md5 content-range content-type date etag expect expires from host if-match ' +
    'if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma ' +
    'proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade ' +
    'user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie ' +
    'keep-alive origin';
  const tail =
    '100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505' +
    '203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized' +
    '403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable' +
    'Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT' +
    'chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,' +
    'text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.';
  return Buffer.concat([
    ...words.split(' ').map((word) => string(word.replace('_', ' '))),
    Buffer.from(tail),
  ]);
}
