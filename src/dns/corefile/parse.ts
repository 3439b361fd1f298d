/** The grammar of a Corefile: server blocks of directives, snippets, and what they import. Knows no plugin. */
import { refuse, tokenize, type Token } from './tokens.ts';

/** A plugin with its arguments and the lines between its braces. */
export interface Directive {
  readonly name: string;
  readonly args: readonly string[];
  readonly block: readonly Directive[];
  readonly line: number;
}

export interface ServerBlock {
  /** As written: `.:53`, `cluster.local`, `dns://example.org:1053`, `10.0.0.0/24`. */
  readonly keys: readonly string[];
  readonly directives: readonly Directive[];
  readonly line: number;
}

/** Snippets may import snippets; not themselves. */
const MAX_IMPORTS = 16;
const MAX_DEPTH = 8;
/** Of all blocks together, imports included. */
const MAX_DIRECTIVES = 10_000;

/** @throws PodnetError naming the line */
export function parseCorefile(text: string): readonly ServerBlock[] {
  return new Parser(tokenize(text)).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #snippets = new Map<string, readonly Directive[]>();
  #at = 0;
  #count = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  parse(): readonly ServerBlock[] {
    const blocks: ServerBlock[] = [];
    while (this.#peek() !== undefined) {
      const line = this.#peek()?.line ?? 1;
      const keys = this.#keys();
      // A file with one block may leave its braces out.
      const bare = !this.#opens();
      if (bare && blocks.length > 0)
        refuse(
          line,
          `The server block "${keys.join(' ')}" has no braces`,
          'Write { after it and } at its end.',
        );
      if (!bare) this.#at += 1;
      const written = this.#directives(bare ? 'end' : 'brace', 0);
      const [snippet] = keys;
      if (keys.length === 1 && snippet !== undefined && /^\(.*\)$/.test(snippet)) {
        this.#snippets.set(snippet.slice(1, -1), written);
      } else {
        blocks.push({ keys, directives: this.#imported(written, 0), line });
      }
    }
    return blocks;
  }

  #peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  #opens(): boolean {
    const token = this.#peek();
    return token?.text === '{' && !token.quoted;
  }

  /** Up to the brace or the end of the line; a comma at the end of a key goes on in the next line. */
  #keys(): readonly string[] {
    const keys: string[] = [];
    let continued = true;
    let line = this.#peek()?.line;
    for (let token = this.#peek(); token !== undefined && !this.#opens(); token = this.#peek()) {
      if (token.line !== line && !continued) break;
      if (token.text === '}' && !token.quoted) refuse(token.line, 'A } closes nothing', 'Remove it.');
      line = token.line;
      continued = token.text.endsWith(',');
      const key = continued ? token.text.slice(0, -1) : token.text;
      if (key !== '') keys.push(key);
      this.#at += 1;
    }
    if (keys.length === 0) refuse(line ?? 1, 'A server block has no zone', 'Write the zone before the {.');
    return keys;
  }

  /** One directive a line, until the block's brace or the end of the file. */
  #directives(until: 'brace' | 'end', depth: number): readonly Directive[] {
    if (depth > MAX_DEPTH)
      refuse(this.#peek()?.line ?? 1, `Blocks are nested deeper than ${MAX_DEPTH}`, 'Look for a missing }.');
    const directives: Directive[] = [];
    const opened = this.#tokens[this.#at - 1]?.line ?? 1;
    for (;;) {
      const token = this.#peek();
      if (token === undefined) {
        if (until === 'brace') refuse(opened, 'A block has no end', 'Write } where it ends.');
        return directives;
      }
      this.#at += 1;
      if (token.text === '}' && !token.quoted) {
        if (until === 'end') refuse(token.line, 'A } closes nothing', 'Remove it.');
        return directives;
      }
      if (token.text === '{' && !token.quoted)
        refuse(token.line, 'A { stands alone', 'Write it at the end of the line that it belongs to.');
      directives.push(this.#directive(token, depth));
    }
  }

  #directive({ text: name, line }: Token, depth: number): Directive {
    const args: string[] = [];
    for (let token = this.#peek(); token !== undefined && token.line === line; token = this.#peek()) {
      this.#at += 1;
      if (token.text === '{' && !token.quoted && this.#peek()?.line !== line)
        return { name, args, line, block: this.#directives('brace', depth + 1) };
      if (token.text === '}' && !token.quoted)
        refuse(line, `A } stands behind "${name}"`, 'Write it in a line of its own.');
      args.push(token.text);
    }
    return { name, args, line, block: [] };
  }

  /** With the lines of snippets in the place of their imports. Arguments `{$NAME}` are refused: no process sets them. */
  #imported(directives: readonly Directive[], imports: number): readonly Directive[] {
    return directives.flatMap((directive) => {
      this.#count += 1;
      if (this.#count > MAX_DIRECTIVES)
        refuse(directive.line, `More than ${MAX_DIRECTIVES} lines after all imports`, 'Import less.');
      const { name, args, line, block } = directive;
      const variable = args.find((arg) => /\{[$%].*\}/.test(arg));
      if (variable !== undefined)
        refuse(line, `${variable} names an environment variable`, 'Write the value itself.');
      if (name !== 'import') return [{ ...directive, block: this.#imported(block, imports) }];
      const [wanted = ''] = args;
      const snippet = this.#snippets.get(wanted);
      if (snippet === undefined || args.length !== 1)
        refuse(
          line,
          `import ${args.join(' ')}: there is no snippet of that name above`,
          'Define it with (NAME) { … }; files cannot be imported.',
        );
      if (imports >= MAX_IMPORTS)
        refuse(
          line,
          `Imports are nested deeper than ${MAX_IMPORTS}`,
          'Look for a snippet that imports itself.',
        );
      return this.#imported(snippet, imports + 1);
    });
  }
}
