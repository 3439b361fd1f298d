/**
 * Label selectors, in the string form of queries (`app=web,tier in (a,b),!canary`) and in the object form of
 * specs (`matchLabels`, `matchExpressions`), and field selectors (`spec.nodeName=node-1`).
 */
import type { LabelSelector } from './objects.ts';

export type Labels = Readonly<Record<string, string>>;

export type RequirementOperator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

/** One condition on one label. `NotIn` holds for objects without the label, as Kubernetes has it. */
export interface Requirement {
  readonly key: string;
  readonly operator: RequirementOperator;
  readonly values: readonly string[];
}

/** All requirements must hold; none at all matches everything. */
export type Selector = readonly Requirement[];

export const EVERYTHING: Selector = [];

export class SelectorSyntaxError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SelectorSyntaxError';
  }
}

export function matchesSelector(selector: Selector, labels: Labels | undefined): boolean {
  return selector.every((condition) => meets(condition, labels?.[condition.key]));
}

function meets({ operator, values }: Requirement, value: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'Gt':
    case 'Lt': {
      if (value === undefined || !/^-?\d+$/u.test(value)) return false;
      const limit = BigInt(values[0] ?? '0');
      return operator === 'Gt' ? BigInt(value) > limit : BigInt(value) < limit;
    }
    default:
      return operator satisfies never;
  }
}

/**
 * A spec's selector. An absent selector selects nothing (`undefined` is returned), an empty one everything.
 * @throws SelectorSyntaxError for an operator or a list of values the API would refuse
 */
export function compileLabelSelector(selector: LabelSelector | undefined): Selector | undefined {
  if (selector === undefined) return undefined;
  const equal = Object.entries(selector.matchLabels ?? {}).map(([key, value]) =>
    requirement(key, 'In', [value]),
  );
  const expressions = (selector.matchExpressions ?? []).map(({ key, operator, values }) => {
    if (operator !== 'In' && operator !== 'NotIn' && operator !== 'Exists' && operator !== 'DoesNotExist') {
      throw new SelectorSyntaxError(`"${operator}" is not a valid label selector operator`);
    }
    // JSON may hold null where the schema says string; as everywhere in the API that is the empty one.
    return requirement(key ?? '', operator, values?.map((value) => value ?? '') ?? []);
  });
  return [...equal, ...expressions];
}

/** The selector of a Service, a ReplicationController or a nodeSelector: a plain map; an absent one is `undefined`. */
export function compileLabelMap(map: Labels | undefined): Selector | undefined {
  if (map === undefined) return undefined;
  return Object.entries(map).map(([key, value]) => ({ key, operator: 'In', values: [value] }));
}

function requirement(key: string, operator: RequirementOperator, values: readonly string[]): Requirement {
  if ((operator === 'In' || operator === 'NotIn') && values.length === 0) {
    throw new SelectorSyntaxError(`for 'in', 'notin' operators, values set can't be empty`);
  }
  if ((operator === 'Exists' || operator === 'DoesNotExist') && values.length > 0) {
    throw new SelectorSyntaxError('values set must be empty for exists and does not exist');
  }
  const keyProblem = qualifiedNameProblem(key);
  if (keyProblem !== undefined) throw new SelectorSyntaxError(`key: Invalid value: "${key}": ${keyProblem}`);
  for (const value of values) {
    const problem = labelValueProblem(value);
    if (problem !== undefined) {
      throw new SelectorSyntaxError(`values[0][${key}]: Invalid value: "${value}": ${problem}`);
    }
  }
  if (operator === 'Gt' || operator === 'Lt') {
    if (!/^-?\d+$/u.test(values[0] ?? '')) {
      throw new SelectorSyntaxError(
        `values[0]: Invalid value: "${values[0]}": for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    }
  }
  return { key, operator, values };
}

/** The query form. @throws SelectorSyntaxError */
export function parseLabelSelector(text: string): Selector {
  const tokens = tokenize(text);
  const selector: Requirement[] = [];
  let at = 0;
  if (tokens.length === 0) return EVERYTHING;

  const next = (): string => tokens[at++] ?? '';
  const fail = (expected: string, found: string): never => {
    throw new SelectorSyntaxError(`unable to parse requirement: found '${found}', expected: ${expected}`);
  };
  const word = (expected: string): string => {
    const token = next();
    return token === '' || isSymbol(token) ? fail(expected, token) : token;
  };
  const valueList = (): string[] => {
    const values: string[] = [];
    if (tokens[at] !== '(') fail("'('", tokens[at] ?? '');
    do {
      at += 1;
      // An empty string between commas is a value too.
      const token = tokens[at] ?? '';
      if (token === ',' || token === ')') values.push('');
      else values.push(word("',', ')' or identifier"));
    } while (tokens[at] === ',');
    if (tokens[at] !== ')') fail("',' or ')'", tokens[at] ?? '');
    at += 1;
    return values;
  };

  do {
    if (selector.length > 0) at += 1;
    if (tokens[at] === '!') {
      at += 1;
      selector.push(requirement(word('identifier'), 'DoesNotExist', []));
    } else {
      const key = word("!, identifier, or 'end of string'");
      const operator = tokens[at] ?? '';
      if (operator === '' || operator === ',') {
        selector.push(requirement(key, 'Exists', []));
      } else {
        at += 1;
        selector.push(...binary(key, operator));
      }
    }
    if (at < tokens.length && tokens[at] !== ',') fail("',' or 'end of string'", tokens[at] ?? '');
  } while (at < tokens.length);
  return selector;

  function binary(key: string, operator: string): Requirement[] {
    const single = (): string[] => {
      const token = tokens[at];
      return token === undefined || token === ',' ? [''] : [word('identifier')];
    };
    switch (operator) {
      case '=':
      case '==':
        return [requirement(key, 'In', single())];
      case '!=':
        return [requirement(key, 'NotIn', single())];
      case '>':
        return [requirement(key, 'Gt', single())];
      case '<':
        return [requirement(key, 'Lt', single())];
      case 'in':
        return [requirement(key, 'In', valueList())];
      case 'notin':
        return [requirement(key, 'NotIn', valueList())];
      default:
        return fail('in, notin, =, ==, !=, gt, lt', operator);
    }
  }
}

function isSymbol(token: string): boolean {
  return /^[=!<>(),]/u.test(token);
}

/** Words and the symbols `= == != ! < > ( ) ,`. */
function tokenize(text: string): string[] {
  return text.match(/==|!=|[=!<>(),]|[^\s=!<>(),]+/gu) ?? [];
}

/** The query form of a selector. */
export function formatSelector(selector: Selector): string {
  return selector
    .map(({ key, operator, values }) => {
      switch (operator) {
        case 'In':
          return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(',')})`;
        case 'NotIn':
          return values.length === 1 ? `${key}!=${values[0]}` : `${key} notin (${values.join(',')})`;
        case 'Exists':
          return key;
        case 'DoesNotExist':
          return `!${key}`;
        case 'Gt':
          return `${key}>${values[0]}`;
        case 'Lt':
          return `${key}<${values[0]}`;
        default:
          return operator satisfies never;
      }
    })
    .join(',');
}

/** One condition on one field, written as `field=value`, `field==value` or `field!=value`. */
export interface FieldRequirement {
  readonly field: string;
  readonly equal: boolean;
  readonly value: string;
}

/** `\\`, `\,` and `\=` stand for themselves inside values. @throws SelectorSyntaxError */
export function parseFieldSelector(text: string): FieldRequirement[] {
  return splitTerms(text)
    .filter((term) => term !== '')
    .map((term) => {
      const match = /^([^=!]*?)(!=|==|=)(.*)$/su.exec(term);
      if (match === null)
        throw new SelectorSyntaxError(`invalid selector: '${text}'; can't understand '${term}'`);
      const [, field = '', operator = '', value = ''] = match;
      if (/(?:^|[^\\])(?:\\\\)*[=]/u.test(value)) {
        throw new SelectorSyntaxError(`invalid field selector: unescaped '=' in value '${value}'`);
      }
      return { field, equal: operator !== '!=', value: value.replaceAll(/\\([\\,=])/gu, '$1') };
    });
}

/** At commas that no backslash escapes. */
function splitTerms(text: string): string[] {
  return text.match(/(?:\\.|[^\\,])+/gsu) ?? [];
}

const NAME_PART = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/u;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/u;

const NAME_PART_PROBLEM =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " +
  "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is " +
  "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const SUBDOMAIN_PROBLEM =
  "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and " +
  "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/** What is wrong with a label or annotation key, in the API server's words; `undefined` when nothing is. */
export function qualifiedNameProblem(key: string): string | undefined {
  const parts = key.split('/');
  if (parts.length > 2) {
    return (
      "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " +
      "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is " +
      "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. " +
      "'example.com/MyName')"
    );
  }
  const name = parts.at(-1) ?? '';
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') return 'prefix part must be non-empty';
    if (prefix.length > 253) return 'prefix part must be no more than 253 bytes';
    if (!SUBDOMAIN.test(prefix)) return SUBDOMAIN_PROBLEM;
  }
  if (name === '') return `name part must be non-empty; ${NAME_PART_PROBLEM}`;
  if (name.length > 63) return 'name part must be no more than 63 bytes';
  return NAME_PART.test(name) ? undefined : NAME_PART_PROBLEM;
}

/** What is wrong with a label's value, in the API server's words. */
export function labelValueProblem(value: string): string | undefined {
  if (value.length > 63) return 'must be no more than 63 bytes';
  if (value === '' || NAME_PART.test(value)) return undefined;
  return (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start " +
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for " +
    "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
  );
}
