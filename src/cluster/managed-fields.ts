const start = Buffer.from('"managedFields":[{"manager":');
const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const comma = 0x2c;

/**
 * JSON of Kubernetes objects without their `metadata.managedFields`, which make up half of it and which no reader of
 * a cache wants: cut out of the bytes they cost neither time to parse nor memory. Inside a JSON string the sequence
 * looked for cannot occur, for its quotes would be escaped there. What does not look as expected stays as it is.
 */
export function cutManagedFields(json: Buffer): Buffer {
  let at = json.indexOf(start);
  if (at < 0) return json;
  // In place: what remains only moves towards the beginning.
  let read = 0;
  let written = 0;
  while (at >= 0) {
    let end = endOfArray(json, at + start.indexOf(openBracket));
    if (end < 0) break;
    let from = at;
    // With the comma that parted the field from its neighbour.
    if (json[end] === comma) end++;
    else if (json[from - 1] === comma) from--;
    json.copyWithin(written, read, from);
    written += from - read;
    read = end;
    at = json.indexOf(start, end);
  }
  json.copyWithin(written, read);
  return json.subarray(0, written + json.length - read);
}

/** The offset behind the bracket that closes the one at `open`; -1 if there is none. */
function endOfArray(json: Buffer, open: number): number {
  let depth = 0;
  for (let at = open; at < json.length; at++) {
    const byte = json[at];
    if (byte === quote) {
      at++;
      while (at < json.length && json[at] !== quote) at += json[at] === backslash ? 2 : 1;
    } else if (byte === openBracket) depth++;
    else if (byte === closeBracket && --depth === 0) return at + 1;
  }
  return -1;
}
