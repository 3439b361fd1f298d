/** The text of iptables-save and iptables-restore: what one prints is what the other reads (iptables-save(8)). */

/** A rule as iptables-save prints it after `-A CHAIN `: `-d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-X`. */
export type RuleText = string;

/** The chains of one table and the rules in each, in order. */
export type TableText = ReadonlyMap<string, readonly RuleText[]>;

/** Chains' names have at most 28 characters (XT_EXTENSION_MAXNAMELEN less what jumps need). */
const CHAIN_NAME = /^[A-Za-z0-9_-]{1,28}$/u;
const PLAIN_WORD = /^[A-Za-z0-9_-]+$/u;
/** Of a comment (XT_MAX_COMMENT_LEN less its end). */
const MAX_COMMENT_BYTES = 255;

/**
 * One word of a rule that comes from somewhere else, quoted as iptables-save does it.
 * @throws RangeError for what could end the word's line
 */
export function quoteWord(word: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what this refuses
  if (/[\u0000-\u001f\u007f]/u.test(word))
    throw new RangeError(`${JSON.stringify(word)} has a control character`);
  return PLAIN_WORD.test(word) ? word : `"${word.replaceAll(/["\\']/gu, String.raw`\$&`)}"`;
}

/** `-m comment --comment "…"`, cut at the 255 bytes the kernel takes. */
export function comment(text: string): RuleText {
  let cut = text;
  while (Buffer.byteLength(cut) > MAX_COMMENT_BYTES) cut = cut.slice(0, -1);
  return `-m comment --comment ${quoteWord(cut)}`;
}

/** @throws RangeError unless it can be a chain's name */
export function checkChainName(name: string): string {
  if (!CHAIN_NAME.test(name)) throw new RangeError(`${JSON.stringify(name)} cannot be a chain's name`);
  return name;
}

/** Reads what iptables-save prints. */
export function parseSaved(text: string): Map<string, Map<string, RuleText[]>> {
  const tables = new Map<string, Map<string, RuleText[]>>();
  let table = new Map<string, RuleText[]>();
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) tables.set(line.slice(1), (table = new Map()));
    else if (line.startsWith(':')) table.set(line.slice(1, line.indexOf(' ')), []);
    else if (line.startsWith('-A ')) {
      const end = line.indexOf(' ', 3);
      table.get(end < 0 ? line.slice(3) : line.slice(3, end))?.push(end < 0 ? '' : line.slice(end + 1));
    }
  }
  return tables;
}
