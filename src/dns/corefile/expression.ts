/** Conditions of `view`: the part of the expr language that people write there, compiled once. */
import { type Cidr, cidrContains, tryParseCidr, tryParseIp } from '../../model/ip.ts';
import { refuse } from './tokens.ts';

/** What a condition may ask of a question. */
export interface ExpressionFacts {
  /** With its final dot, in lower case. */
  readonly name: string;
  readonly type: string;
  readonly class: string;
  readonly proto: string;
  readonly clientIp: string;
  readonly port: number;
  readonly bufsize: number;
  readonly dnssecOk: boolean;
  readonly id: number;
  readonly size: number;
}

export type Condition = (facts: ExpressionFacts) => boolean;

type Value = string | number | boolean | readonly Value[];
type Operand = (facts: ExpressionFacts) => Value;

const functions: Readonly<Record<string, Operand>> = {
  name: ({ name }) => name,
  type: ({ type }) => type,
  class: ({ class: of }) => of,
  proto: ({ proto }) => proto,
  client_ip: ({ clientIp }) => clientIp,
  port: ({ port }) => String(port),
  bufsize: ({ bufsize }) => bufsize,
  do: ({ dnssecOk }) => dnssecOk,
  id: ({ id }) => id,
  opcode: () => 0,
  size: ({ size }) => size,
};

const TOKEN = /\s*(?:(\|\||&&|==|!=|<=|>=|[<>!()[\],])|("[^"]*"|'[^']*')|(\d+)|([A-Za-z_]\w*))/y;

/** @throws PodnetError naming the line */
export function compileExpression(text: string, line: number): Condition {
  const parser = new Parser(split(text, line), line);
  const condition = parser.parse();
  return (facts) => condition(facts) === true;
}

function split(text: string, line: number): string[] {
  const words: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null)
      return refuse(line, `The expression cannot be read from "${text.slice(at, at + 20)}" on`, HELP);
    words.push(match[1] ?? match[2] ?? match[3] ?? match[4] ?? '');
  }
  return words;
}

const HELP = `Use ${Object.keys(functions).join('(), ')}(), incidr(), strings, numbers, ==, !=, in, contains, startsWith, endsWith, &&, || and !.`;

class Parser {
  readonly #words: readonly string[];
  readonly #line: number;
  #at = 0;
  #depth = 0;

  constructor(words: readonly string[], line: number) {
    this.#words = words;
    this.#line = line;
  }

  parse(): Operand {
    const whole = this.#or();
    if (this.#at < this.#words.length) this.#refuse();
    return whole;
  }

  #refuse(): never {
    const word = this.#words[this.#at];
    return refuse(
      this.#line,
      word === undefined ? 'The expression has no end' : `The expression is not understood at "${word}"`,
      HELP,
    );
  }

  #take(...wanted: readonly string[]): string | undefined {
    const word = this.#words[this.#at];
    if (word === undefined || !wanted.includes(word)) return undefined;
    this.#at += 1;
    return word;
  }

  #expect(word: string): void {
    if (this.#take(word) === undefined) this.#refuse();
  }

  #or(): Operand {
    const left = this.#and();
    if (this.#take('||', 'or') === undefined) return left;
    const right = this.#or();
    return (facts) => left(facts) === true || right(facts) === true;
  }

  #and(): Operand {
    const left = this.#not();
    if (this.#take('&&', 'and') === undefined) return left;
    const right = this.#and();
    return (facts) => left(facts) === true && right(facts) === true;
  }

  #not(): Operand {
    if (this.#take('!', 'not') === undefined) return this.#comparison();
    const operand = this.#not();
    return (facts) => operand(facts) !== true;
  }

  #comparison(): Operand {
    const left = this.#operand();
    const operator = this.#take(...Object.keys(comparisons));
    const compare = operator === undefined ? undefined : comparisons[operator];
    if (compare === undefined) return left;
    const right = this.#operand();
    return (facts) => compare(left(facts), right(facts));
  }

  #operand(): Operand {
    const word = this.#words[this.#at];
    if (word === undefined || (this.#depth += 1) > 64) this.#refuse();
    this.#at += 1;
    const operand = this.#operandOf(word);
    this.#depth -= 1;
    return operand;
  }

  #operandOf(word: string): Operand {
    if (word === '(') {
      const inner = this.#or();
      this.#expect(')');
      return inner;
    }
    if (word === '[') return this.#list();
    if (/^["']/.test(word)) return constant(word.slice(1, -1));
    if (/^\d/.test(word)) return constant(Number(word));
    if (word === 'true' || word === 'false') return constant(word === 'true');
    if (word === 'incidr') return this.#incidr();
    const read = Object.hasOwn(functions, word) ? functions[word] : undefined;
    if (read === undefined) {
      this.#at -= 1;
      return this.#refuse();
    }
    this.#expect('(');
    this.#expect(')');
    return read;
  }

  #list(): Operand {
    const members: Operand[] = [];
    while (this.#take(']') === undefined) {
      members.push(this.#operand());
      if (this.#take(',') === undefined) {
        this.#expect(']');
        break;
      }
    }
    return (facts) => members.map((member) => member(facts));
  }

  #incidr(): Operand {
    this.#expect('(');
    const address = this.#operand();
    this.#expect(',');
    const text = this.#words[this.#at]?.slice(1, -1) ?? '';
    const network: Cidr | undefined = tryParseCidr(text)?.network;
    if (network === undefined) this.#refuse();
    this.#at += 1;
    this.#expect(')');
    return (facts) => {
      const ip = tryParseIp(String(address(facts)));
      return ip !== undefined && cidrContains(network, ip);
    };
  }
}

const constant =
  (value: Value): Operand =>
  () =>
    value;

const comparisons: Readonly<Record<string, (a: Value, b: Value) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  in: (a, b) => Array.isArray(b) && b.includes(a),
  contains: (a, b) => String(a).includes(String(b)),
  startsWith: (a, b) => String(a).startsWith(String(b)),
  endsWith: (a, b) => String(a).endsWith(String(b)),
};
