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

/**
 * `files` may be imported, by their path, relative to `/etc/coredns`, `*` standing for any part of a name.
 *
 * @throws PodnetError naming the line
 */
export function parseCorefile(
  text: string,
  files: ReadonlyMap<string, string> = new Map(),
): readonly ServerBlock[] {
  return new Parser(tokenize(text), files).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #snippets = new Map<string, readonly Directive[]>();
  #at = 0;
  #count = 0;

  readonly #files: ReadonlyMap<string, string>;

  constructor(tokens: readonly Token[], files: ReadonlyMap<string, string>) {
    this.#tokens = tokens;
    this.#files = files;
  }

  parse(): readonly ServerBlock[] {
    const blocks: ServerBlock[] = [];
    while (this.#peek() !== undefined) {
      const imported = this.#importedBlocks();
      if (imported !== undefined) {
        blocks.push(...imported);
        continue;
      }
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

  /** `import PATTERN` between server blocks: those of the files. */
  #importedBlocks(): readonly ServerBlock[] | undefined {
    const [word, pattern] = this.#tokens.slice(this.#at, this.#at + 2);
    if (word?.text !== 'import' || pattern === undefined || pattern.line !== word.line) return undefined;
    this.#at += 2;
    return this.#matching(pattern.text, word.line).flatMap((text) => parseCorefile(text));
  }

  /** The texts of the files a pattern names, in order of their paths. A pattern may match none, a path must be there. */
  #matching(pattern: string, line: number): readonly string[] {
    const path = pattern.startsWith('/') ? pattern : `/etc/coredns/${pattern}`;
    const parts = path.split('*').map((part) => part.replace(/[^\w/-]/g, '\\$&'));
    const wanted = new RegExp(`^${parts.join('[^/]*')}$`);
    const found = [...this.#files].filter(([name]) => wanted.test(name)).sort(([a], [b]) => (a < b ? -1 : 1));
    if (found.length === 0 && parts.length === 1)
      refuse(
        line,
        `import ${pattern}: there is no snippet and no file of that name`,
        'Define (NAME) { … } above it, or add the file to the ConfigMap coredns as a key.',
      );
    return found.map(([, text]) => text);
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
      if (args.length !== 1) refuse(line, 'import takes one name', 'Write import NAME.');
      if (imports >= MAX_IMPORTS)
        refuse(
          line,
          `Imports are nested deeper than ${MAX_IMPORTS}`,
          'Look for a snippet that imports itself.',
        );
      const snippet = this.#snippets.get(wanted);
      if (snippet !== undefined) return this.#imported(snippet, imports + 1);
      return this.#matching(wanted, line).flatMap((text) => this.#imported(linesOf(text), imports + 1));
    });
  }
}

/** A file of directives, as they stand within a block. */
function linesOf(text: string): readonly Directive[] {
  const [block, another] = parseCorefile(`. {\n${text}\n}`);
  if (another !== undefined) refuse(another.line, 'A } closes nothing', 'Remove it from the imported file.');
  return block?.directives ?? [];
}
