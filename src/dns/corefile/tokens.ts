import { PodnetError } from '../../model/errors.ts';

/** One word of a Corefile. */
export interface Token {
  readonly text: string;
  /** Counted from 1. */
  readonly line: number;
  /** Whether it stood in quotes: `"{"` opens no block. */
  readonly quoted: boolean;
}

/** More than any Corefile needs: the largest object the API server takes has 1.5 MB. */
const MAX_CHARACTERS = 1 << 18;

/** What is wrong with a Corefile, and in which line. */
export function refuse(line: number, message: string, fix: string): never {
  throw new PodnetError(message, { code: 'corefile-invalid', where: `Corefile line ${line}`, fix });
}

/**
 * The words of a Corefile: separated by white space, `#` at the beginning of a word starts a comment, `"…"` keeps
 * white space (with `\"` for a quote), a backslash at the end of a line joins it with the next.
 *
 * @throws PodnetError naming the line
 */
export function tokenize(text: string): readonly Token[] {
  if (text.length > MAX_CHARACTERS)
    refuse(1, `A Corefile of ${text.length} characters is too large`, `Keep it below ${MAX_CHARACTERS}.`);
  const tokens: Token[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (character === '\n') {
      line += 1;
      at += 1;
    } else if (character === '#') {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (character === '"') {
      const start = line;
      let word = '';
      for (at += 1; text[at] !== '"'; at += 1) {
        if (at >= text.length) refuse(start, 'A quotation has no end', 'Close it with ".');
        if (text[at] === '\\' && text[at + 1] === '"') at += 1;
        if (text[at] === '\n') line += 1;
        word += text[at];
      }
      at += 1;
      tokens.push({ text: word, line: start, quoted: true });
    } else if (character === '\\' && /^\\\r?\n/.test(text.slice(at, at + 3))) {
      at = text.indexOf('\n', at) + 1;
    } else if (/\s/.test(character ?? '')) {
      at += 1;
    } else {
      const [word = ''] = /^\S+/.exec(text.slice(at, at + 4096)) ?? [];
      if (word.length >= 4096) refuse(line, 'A word is longer than 4,095 characters', 'Shorten it.');
      tokens.push({ text: word, line, quoted: false });
      at += word.length;
    }
  }
  return tokens;
}
