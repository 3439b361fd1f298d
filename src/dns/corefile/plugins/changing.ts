/** Plugins that change questions and answers, or make answers of text. */
import { RCODE } from '../../wire/constants.ts';
import type { NameKey } from '../../wire/name.ts';
import type { Directive } from '../parse.ts';
import type {
  AnswerRewrite,
  Fallthrough,
  HeaderRule,
  NameMatch,
  RewriteRule,
  TemplateRule,
  TemplateText,
  TemplateValue,
} from '../plan.ts';
import {
  readArg,
  readArgs,
  readChoice,
  readClass,
  readFallthrough,
  readOptions,
  readPattern,
  readType,
  readWhole,
  readZones,
} from '../read.ts';
import { refuse } from '../tokens.ts';

const MATCHES = ['exact', 'prefix', 'suffix', 'substring', 'regex'] as const;

/** A rewrite in one line, or between braces with a line for the name and more for the answer. */
export function readRewrite(directive: Directive): RewriteRule {
  const { line, block } = directive;
  const args = [...directive.args];
  const goesOn = args[0] === 'stop' || args[0] === 'continue' ? args.shift() === 'continue' : false;
  const lines = block.map(({ name, args: more }) => [name, ...more]);
  const [first = args, ...others] = args.length > 0 ? [args, ...lines] : lines;
  const [field = '', ...rest] = first;
  switch (field) {
    case 'name': {
      const at = rest.indexOf('answer');
      const own = at < 0 ? rest : rest.slice(0, at);
      const answers = [...(at < 0 ? [] : [rest.slice(at)]), ...others].flatMap((words) =>
        readAnswers(words, line),
      );
      return { field, match: readMatch(own, line), answers, goesOn };
    }
    case 'type':
    case 'class': {
      const [from = '', to = ''] = two(rest, line, field);
      const read = field === 'type' ? readType : readClass;
      return { field, from: read(from, line), to: read(to, line), goesOn };
    }
    case 'ttl': {
      const [, min = '', max = min] = /^(\d+)?(?:-(\d+)?)?$/.exec(rest.at(-1) ?? '') ?? [];
      const match = readMatch([...rest.slice(0, -1), '.'], line);
      const bound = (text: string, otherwise: number): number =>
        text === '' ? otherwise : readWhole(text, line, { what: 'The TTL', most: 0x7fff_ffff });
      if (min === '' && max === '')
        refuse(line, `rewrite ttl: "${rest.at(-1) ?? ''}"`, 'Write SECONDS or MIN-MAX.');
      return { field, match, minSeconds: bound(min, 0), maxSeconds: bound(max, 0x7fff_ffff), goesOn };
    }
    case 'rcode': {
      const [from = '', to = ''] = rest.slice(-2);
      const match = readMatch([...rest.slice(0, -2), '.'], line);
      return { field, match, from: readRcode(from, line), to: readRcode(to, line), goesOn };
    }
    default:
      return refuse(
        line,
        `rewrite ${field} is not supported`,
        'Rewrite one of: name, type, class, ttl, rcode.',
      );
  }
}

function two(args: readonly string[], line: number, field: string): readonly string[] {
  return args.length === 2
    ? args
    : refuse(line, `rewrite ${field} has ${args.length} arguments`, 'Write FROM TO.');
}

/** `[exact|prefix|suffix|substring|regex] FROM TO` */
function readMatch(args: readonly string[], line: number): NameMatch {
  const kind =
    args.length === 2 ? 'exact' : readChoice(args[0] ?? '', line, { what: 'rewrite', choices: MATCHES });
  const [from = '', to = ''] = two(args.length === 2 ? args : args.slice(1), line, kind);
  if (kind === 'regex') return { kind, from: readPattern(from, line), to };
  return { kind, from: bare(from, kind), to: bare(to, kind) };
}

/** Names without their final dot and in lower case; parts of names as they stand. */
function bare(text: string, kind: Exclude<NameMatch['kind'], 'regex'>): string {
  const lower = text.toLowerCase();
  return kind === 'exact' || kind === 'suffix' ? lower.replace(/(.)\.$/, '$1') : lower;
}

/** `answer auto`, or `answer name|value FROM TO`, repeated. */
function readAnswers(words: readonly string[], line: number): AnswerRewrite[] {
  const rules: AnswerRewrite[] = [];
  for (let at = 0; at < words.length;) {
    if (words[at] === 'answer') at += 1;
    const kind = readChoice(words[at] ?? '', line, { what: 'answer', choices: ['auto', 'name', 'value'] });
    if (kind === 'auto') {
      rules.push({ kind });
      at += 1;
      continue;
    }
    const [from, to] = words.slice(at + 1, at + 3);
    if (from === undefined || to === undefined)
      return refuse(line, `answer ${kind} is not complete`, 'Write answer name FROM TO.');
    rules.push({ kind, from: readPattern(from, line), to });
    at += 3;
  }
  return rules;
}

export function readRcode(text: string, line: number): number {
  const upper = text.toUpperCase();
  if (Object.hasOwn(RCODE, upper)) return RCODE[upper as keyof typeof RCODE];
  return readWhole(text, line, { what: 'The rcode', most: 15 });
}

export function readHeader(directive: Directive): readonly HeaderRule[] {
  readArgs(directive, 0);
  const rules: HeaderRule[] = [];
  const read = (of: HeaderRule['of']) => (option: Directive) => {
    const [action = '', ...flags] = readArgs(option, 2, Infinity);
    rules.push({
      of,
      action: readChoice(action, option.line, { what: 'header', choices: ['set', 'clear'] }),
      flags: flags.map((flag) =>
        readChoice(flag, option.line, { what: 'header', choices: ['aa', 'ra', 'rd'] }),
      ),
    });
  };
  const old = (action: HeaderRule['action']) => (option: Directive) =>
    read('response')({ ...option, args: [action, ...option.args] });
  readOptions(directive, {
    query: read('query'),
    response: read('response'),
    set: old('set'),
    clear: old('clear'),
  });
  return rules;
}

export function readTemplate(directive: Directive, zones: readonly NameKey[]): TemplateRule {
  const { line } = directive;
  const [className = '', type = '', ...names] = readArgs(directive, 2, Infinity);
  const match: RegExp[] = [];
  const sections = {
    answer: [] as TemplateText[],
    additional: [] as TemplateText[],
    authority: [] as TemplateText[],
  };
  let rcode: number = RCODE.NOERROR;
  let fallthrough: Fallthrough = [];
  const read = (section: keyof typeof sections) => (option: Directive) =>
    void sections[section].push(readText(readArg(option), option.line));
  readOptions(directive, {
    match: (option) =>
      void match.push(...readArgs(option, 1, Infinity).map((text) => readPattern(text, option.line))),
    answer: read('answer'),
    additional: read('additional'),
    authority: read('authority'),
    rcode: (option) => {
      rcode = readRcode(readArg(option), option.line);
    },
    fallthrough: (option) => {
      fallthrough = readFallthrough(option);
    },
  });
  return {
    class: readClass(className, line),
    type: type.toUpperCase() === 'ANY' ? undefined : readType(type, line),
    zones: readZones(names, line, zones),
    match,
    answers: sections.answer,
    additional: sections.additional,
    authority: sections.authority,
    rcode,
    fallthrough,
  };
}

/** The values of Go templates that people use in answers: `{{ .Name }}`, `{{ index .Match 1 }}`, `{{ .Group.host }}`. */
function readText(text: string, line: number): TemplateText {
  return text
    .split(/(\{\{.*?\}\})/)
    .filter((part) => part !== '')
    .map((part) =>
      part.startsWith('{{') ? readValue(part.slice(2, -2).replace(/^-|-$/g, '').trim(), line) : part,
    );
}

function readValue(expression: string, line: number): TemplateValue {
  const simple = /^\.(Name|Zone|Type|Class|Question\.Name)$/.exec(expression)?.[1];
  if (simple === 'Question.Name') return { of: 'name' };
  if (simple !== undefined) return { of: simple.toLowerCase() as 'name' | 'zone' | 'type' | 'class' };
  if (expression === '.Message.Id') return { of: 'id' };
  const index = /^index \.Match (\d{1,2})$/.exec(expression)?.[1];
  if (index !== undefined) return { of: 'match', index: Number(index) };
  const name = /^(?:\.Group\.(\w+)|index \.Group "(\w+)")$/.exec(expression);
  if (name !== null) return { of: 'group', name: name[1] ?? name[2] ?? '' };
  return refuse(
    line,
    `template: {{ ${expression} }} is not supported`,
    'Use .Name, .Zone, .Type, .Class, index .Match N and .Group.NAME.',
  );
}
